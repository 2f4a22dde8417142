"""Coordinates: WGS-84 inside, GCJ-02 at the edges where Chinese map providers need it. Pure."""

import math

EARTH_RADIUS_M = 6_371_008.8
# Krasovsky 1940, the ellipsoid GCJ-02 is defined on.
_AXIS, _ECCENTRICITY2 = 6378245.0, 0.00669342162296594323


def distance_m(lon1: float, lat1: float, lon2: float, lat2: float) -> int:
    """Great-circle distance in metres (haversine)."""
    phi1, phi2 = math.radians(lat1), math.radians(lat2)
    a = (
        math.sin((phi2 - phi1) / 2) ** 2
        + math.cos(phi1) * math.cos(phi2) * math.sin(math.radians(lon2 - lon1) / 2) ** 2
    )
    return round(2 * EARTH_RADIUS_M * math.asin(math.sqrt(a)))


def in_china(lon: float, lat: float) -> bool:
    return 73 <= lon <= 136 and 3 <= lat <= 54


def to_gcj02(lon: float, lat: float) -> tuple[float, float]:
    """WGS-84 → GCJ-02 (the offset of GB 20263 maps); outside China nothing is shifted."""
    if not in_china(lon, lat):
        return lon, lat
    x, y = lon - 105.0, lat - 35.0
    common = (20.0 * math.sin(6.0 * x * math.pi) + 20.0 * math.sin(2.0 * x * math.pi)) * 2.0 / 3.0
    d_lat = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * math.sqrt(abs(x)) + common
    d_lat += (20.0 * math.sin(y * math.pi) + 40.0 * math.sin(y / 3.0 * math.pi)) * 2.0 / 3.0
    d_lat += (160.0 * math.sin(y / 12.0 * math.pi) + 320 * math.sin(y * math.pi / 30.0)) * 2.0 / 3.0
    d_lon = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * math.sqrt(abs(x)) + common
    d_lon += (20.0 * math.sin(x * math.pi) + 40.0 * math.sin(x / 3.0 * math.pi)) * 2.0 / 3.0
    d_lon += (150.0 * math.sin(x / 12.0 * math.pi) + 300.0 * math.sin(x / 30.0 * math.pi)) * 2.0 / 3.0
    phi = math.radians(lat)
    magic = 1 - _ECCENTRICITY2 * math.sin(phi) ** 2
    d_lat = d_lat * 180.0 / ((_AXIS * (1 - _ECCENTRICITY2)) / (magic * math.sqrt(magic)) * math.pi)
    d_lon = d_lon * 180.0 / (_AXIS / math.sqrt(magic) * math.cos(phi) * math.pi)
    return lon + d_lon, lat + d_lat


def from_gcj02(lon: float, lat: float) -> tuple[float, float]:
    """GCJ-02 → WGS-84 by fixed-point iteration, good to a few millimetres."""
    guess_lon, guess_lat = lon, lat
    for _ in range(4):
        shifted_lon, shifted_lat = to_gcj02(guess_lon, guess_lat)
        guess_lon, guess_lat = guess_lon + lon - shifted_lon, guess_lat + lat - shifted_lat
    return guess_lon, guess_lat
