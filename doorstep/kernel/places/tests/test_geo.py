"""Distances and the shift of Chinese maps."""

import pytest

from doorstep.kernel.places.geo import distance_m, from_gcj02, in_china, to_gcj02

TIANYUAN = (113.0816, 27.8123)


def test_one_degree_of_latitude_is_111_kilometres():
    assert distance_m(113, 27, 113, 28) == pytest.approx(111_195, abs=5)
    assert distance_m(*TIANYUAN, *TIANYUAN) == 0


def test_gcj02_shifts_by_some_hundred_metres_inside_china_and_not_outside():
    assert 100 < distance_m(*TIANYUAN, *to_gcj02(*TIANYUAN)) < 1000
    assert to_gcj02(2.35, 48.85) == (2.35, 48.85)


def test_a_known_point_is_shifted_to_where_the_map_shows_it():
    # Tiananmen: WGS-84 116.3912757, 39.906217 is shown at GCJ-02 116.397513, 39.907620.
    lon, lat = to_gcj02(116.391276, 39.906217)
    assert distance_m(lon, lat, 116.397513, 39.907620) < 15


@pytest.mark.parametrize("point", [TIANYUAN, (116.39, 39.9), (87.6, 43.8), (121.47, 31.23), (73.5, 39.4)])
def test_there_and_back_is_less_than_a_centimetre_off(point: tuple[float, float]):
    back = from_gcj02(*to_gcj02(*point))
    assert back == pytest.approx(point, abs=1e-7)


def test_swapped_coordinates_are_not_in_china():
    assert in_china(*TIANYUAN)
    assert not in_china(27.8123, 113.0816)
