"""The union's world for its tests."""

from collections.abc import Iterator

import pytest
from django.utils import translation

from doorstep.kernel.testing.cast import Cast
from doorstep.services.union.tests.world import UnionWorld


@pytest.fixture(autouse=True)
def chinese() -> Iterator[None]:
    """Texts are compared in the language they are written in, whatever a test before left switched on."""
    with translation.override("zh-hans"):
        yield


@pytest.fixture
def union_world(cast: Cast) -> UnionWorld:
    return UnionWorld(cast)
