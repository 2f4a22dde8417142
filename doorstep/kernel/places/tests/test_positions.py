"""Two grids, and how far to read."""

import math
import random

import pytest

from doorstep.kernel.places.geo import (
    Datum,
    Position,
    degrees_around,
    distance_m,
    from_gcj02,
    metres_between,
    to_gcj02,
)

ZHUZHOU = (113.1340, 27.8274)


def test_a_thousand_points_come_back_within_half_a_metre() -> None:
    chosen = random.Random(20250501)
    worst = 0.0
    for _ in range(1000):
        lon, lat = chosen.uniform(74, 134.9), chosen.uniform(18.2, 53.5)
        worst = max(worst, metres_between(lon, lat, *from_gcj02(*to_gcj02(lon, lat))))
    assert worst < 0.5


def test_the_shift_at_zhuzhou_is_671_metres() -> None:
    assert distance_m(*ZHUZHOU, *to_gcj02(*ZHUZHOU)) == 671


def test_outside_china_nothing_is_shifted() -> None:
    assert to_gcj02(2.35, 48.85) == (2.35, 48.85)


def test_a_tagged_position_is_shifted_once_only() -> None:
    stored = Position(*ZHUZHOU)
    shown = stored.as_gcj02()
    assert shown.datum is Datum.GCJ02
    assert shown.as_gcj02() is shown
    assert stored.as_wgs84() is stored
    back = shown.as_wgs84()
    assert back.datum is Datum.WGS84
    assert metres_between(*ZHUZHOU, back.longitude, back.latitude) < 0.5


@pytest.mark.parametrize("metres", [1.0, 500.0, 20_000.0, 900_000.0])
@pytest.mark.parametrize("lat", [4.0, 27.8, 53.0])
def test_nothing_within_the_metres_lies_beyond_the_degrees(lat: float, metres: float) -> None:
    reach = degrees_around(lat, metres)
    chosen = random.Random(7)
    seen = 0.0
    for _ in range(3000):
        bearing, away = chosen.uniform(0, 2 * math.pi), metres * math.sqrt(chosen.random())
        angle = away / 6_371_008.8
        phi = math.radians(lat)
        phi2 = math.asin(math.sin(phi) * math.cos(angle) + math.cos(phi) * math.sin(angle) * math.cos(bearing))
        turn = math.atan2(
            math.sin(bearing) * math.sin(angle) * math.cos(phi), math.cos(angle) - math.sin(phi) * math.sin(phi2)
        )
        seen = max(seen, math.hypot(math.degrees(turn), math.degrees(phi2) - lat))
    assert seen <= reach + 1e-9
    assert seen > 0.7 * reach or metres > 500_000  # the bound is close where people walk
