"""Coordinates: WGS-84 inside, GCJ-02 at the edges where Chinese map providers need it. Pure."""

import math
from dataclasses import dataclass
from enum import StrEnum

EARTH_RADIUS_M = 6_371_008.8
# Krasovsky 1940, the ellipsoid GCJ-02 is defined on.
_AXIS, _ECCENTRICITY2 = 6378245.0, 0.00669342162296594323


def metres_between(lon1: float, lat1: float, lon2: float, lat2: float) -> float:
    """Great-circle distance in metres (haversine), unrounded."""
    phi1, phi2 = math.radians(lat1), math.radians(lat2)
    a = (
        math.sin((phi2 - phi1) / 2) ** 2
        + math.cos(phi1) * math.cos(phi2) * math.sin(math.radians(lon2 - lon1) / 2) ** 2
    )
    return 2 * EARTH_RADIUS_M * math.asin(min(1.0, math.sqrt(a)))


def distance_m(lon1: float, lat1: float, lon2: float, lat2: float) -> int:
    """Great-circle distance in whole metres."""
    return round(metres_between(lon1, lat1, lon2, lat2))


def degrees_around(lat: float, metres: float) -> float:
    """Nothing within ``metres`` of a point at this latitude is farther from it than this, in plane degrees.

    Plane degrees are what an index on ``point(longitude, latitude)`` orders by. A degree of longitude is shorter than one of
    latitude, so the two orders differ; this bound says how far to read until the rest is certainly farther on the ground.
    With r the half angle of the distance, haversine gives  sin²(Δφ/2) + cos φ₁ cos φ₂ sin²(Δλ/2) ≤ sin² r.  Both sines are at
    least their angle times sin(x)/x at the largest angle possible, and cos φ₂ is least at the circle's polar edge.
    """
    half = metres / (2 * EARTH_RADIUS_M)
    edge = abs(math.radians(lat)) + 2 * half
    if half >= math.pi / 4 or edge >= math.pi / 2:
        return 360.0
    if half <= 0:
        return 0.0
    shrink = math.cos(math.radians(lat)) * math.cos(edge)
    reach = math.sin(half) / math.sqrt(shrink)
    if reach >= 1:
        return 360.0
    widest = math.asin(reach)  # the largest half difference in longitude
    flatness = min((math.sin(half) / half) ** 2, shrink * (math.sin(widest) / widest) ** 2)
    return math.degrees(2 * math.sin(half) / math.sqrt(flatness))


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


class Datum(StrEnum):
    """Which grid a coordinate is on."""

    WGS84 = "WGS-84"
    GCJ02 = "GCJ-02"


@dataclass(frozen=True, slots=True)
class Position:
    """A coordinate that says which grid it is on, so that it cannot be shifted twice. Stored positions are WGS-84."""

    longitude: float
    latitude: float
    datum: Datum = Datum.WGS84

    def as_gcj02(self) -> "Position":
        """On the shifted grid; a position that is there already stays as it is."""
        if self.datum is Datum.GCJ02:
            return self
        return Position(*to_gcj02(self.longitude, self.latitude), Datum.GCJ02)

    def as_wgs84(self) -> "Position":
        """On the grid of satellites; a position that is there already stays as it is."""
        if self.datum is Datum.WGS84:
            return self
        return Position(*from_gcj02(self.longitude, self.latitude), Datum.WGS84)
