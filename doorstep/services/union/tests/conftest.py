"""The union's world for its tests."""

import pytest

from doorstep.kernel.testing.cast import Cast
from doorstep.services.union.tests.world import UnionWorld


@pytest.fixture
def union_world(cast: Cast) -> UnionWorld:
    return UnionWorld(cast)
