"""Open now, near me, with these facilities: what the finder shows of workers' homes and stations."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from doorstep.kernel.places.queries import NearPlace, nearest_places
from doorstep.services.union.models import Station, StationKind
from doorstep.services.union.rules.stations import FACILITIES


@dataclass(frozen=True, slots=True)
class Found:
    """A station with how far it is and until when it is open."""

    station_id: UUID
    kind: str
    kind_label: str
    gate: str
    place: NearPlace

    @property
    def facility_titles(self) -> list[str]:
        return [str(FACILITIES[code]) for code in self.place.facilities if code in FACILITIES]


def near_stations(
    *,
    longitude: float,
    latitude: float,
    at: datetime,
    facilities: Sequence[str] = (),
    open_now: bool = True,
    kinds: Sequence[str] = (),
    limit: int = 20,
) -> list[Found]:
    """Homes and stations, nearest first. One statement more than :func:`nearest_places`. Raises: TooMany."""
    wanted = [code for code in FACILITIES if code in facilities]
    known = [kind for kind in kinds if kind in StationKind.values] or list(StationKind.values)
    places = nearest_places(
        longitude=longitude, latitude=latitude, at=at, kind=known,
        facilities=wanted, open_now=open_now, limit=limit,
    )  # fmt: skip
    rows = Station.objects.filter(place_id__in=[place.place_id for place in places])
    stations = {row.place_id: row for row in rows.only("pk", "place_id", "kind", "gate")}
    found = []
    for place in places:
        station = stations.get(place.place_id)
        if station is not None:
            label = str(StationKind(station.kind).label)
            found.append(Found(station.pk, station.kind, label, station.gate, place))
    return found
