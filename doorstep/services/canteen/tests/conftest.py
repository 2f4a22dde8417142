"""The canteen's world for its tests."""

import pytest

from doorstep.kernel.testing.cast import Cast
from doorstep.services.canteen.tests.world import CanteenWorld


@pytest.fixture
def world(cast: Cast) -> CanteenWorld:
    return CanteenWorld(cast)
