"""What may be asked of feedback: averages for everybody, the desk's pile, a diner's own meals and reports."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection
from django.db.models import Case, When
from django.db.models.functions import Coalesce

from doorstep.kernel.common import access
from doorstep.kernel.common.actor import Actor
from doorstep.kernel.common.errors import Invalid, NotAllowed, NotFound, TooMany
from doorstep.kernel.entitlements.models import Use
from doorstep.services.canteen.models import Feedback, Venue

DEFAULT_LIMIT, MAX_LIMIT = 20, 100


@dataclass(frozen=True, slots=True)
class Average:
    """A venue's stars: ``tenths`` is the average times ten, so that 4.3 is shown without rounding twice."""

    count: int
    tenths: int

    @property
    def text(self) -> str:
        return f"{self.tenths // 10}.{self.tenths % 10}" if self.count else ""


def averages(venue_ids: Sequence[UUID]) -> dict[UUID, Average]:
    """The average of each venue; those nobody rated have a count of zero. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT venue_id, count(*)::int, round(avg(stars) * 10)::int FROM canteen_feedback
               WHERE kind = 'rating' AND venue_id = ANY(%s) GROUP BY venue_id""",
            [list(venue_ids)],
        )
        found = {venue_id: Average(count, tenths) for venue_id, count, tenths in cursor.fetchall()}
    return {venue_id: found.get(venue_id, Average(0, 0)) for venue_id in venue_ids}


@dataclass(frozen=True, slots=True)
class FeedbackRow:
    """One piece of feedback. ``person`` is the first character and a star; of unsafe food the restaurant sees none."""

    id: UUID
    kind: str
    kind_title: str
    venue_id: UUID
    venue_name: str
    person: str
    stars: int | None
    severity: int | None
    text: str
    photo_id: UUID | None
    given_at: datetime
    meal_at: datetime | None
    answer: str
    answered_by: str
    answered_at: datetime | None
    may_answer: bool


def _row(feedback: Feedback, union_ids: set[UUID] | None) -> FeedbackRow:
    """``union_ids``: the organisations at or above which the reader holds the capability; None for the public."""
    venue = feedback.venue
    of_union = union_ids is not None and bool(union_ids & set(venue.call.organisation.path))
    unsafe = feedback.kind == Feedback.Kind.FOOD_SAFETY
    return FeedbackRow(
        id=feedback.pk,
        kind=feedback.kind,
        kind_title=str(feedback.get_kind_display()),
        venue_id=venue.pk,
        venue_name=venue.place.name,
        person="" if unsafe and not of_union else feedback.person.first_character,
        stars=feedback.stars,
        severity=feedback.severity,
        text=feedback.text,
        photo_id=feedback.photo_id,
        given_at=feedback.given_at,
        meal_at=feedback.use.at if feedback.use else None,
        answer=feedback.answer,
        answered_by=feedback.answered_by.name if feedback.answered_by else "",
        answered_at=feedback.answered_at,
        may_answer=feedback.answered_at is None and (of_union or (union_ids is not None and not unsafe)),
    )


_RELATED = ("venue__place", "venue__call__organisation", "person", "use", "answered_by")


def desk(
    organisation_ids: Sequence[UUID],
    *,
    kind: str = "",
    venue_id: UUID | None = None,
    answered: bool | None = None,
    limit: int = DEFAULT_LIMIT,
) -> list[FeedbackRow]:
    """Feedback about restaurants of these organisations: open food-safety reports on top, the gravest first.

    Raises: Invalid, TooMany.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise TooMany(limit=MAX_LIMIT)
    if kind and kind not in Feedback.Kind.values:
        raise Invalid("kind")
    found = Feedback.objects.select_related(*_RELATED).filter(venue__organisation__path__overlap=list(organisation_ids))
    if kind:
        found = found.filter(kind=kind)
    if venue_id is not None:
        found = found.filter(venue_id=venue_id)
    if answered is not None:
        found = found.filter(answered_at__isnull=not answered)
    pressing = Case(When(answered_at=None, then=Coalesce("severity", 0)), default=0)
    ordered = found.annotate(pressing=pressing).order_by("-pressing", "-pk")
    return [_row(feedback, set(organisation_ids)) for feedback in ordered[:limit]]


def one(feedback_id: UUID, actor: Actor, at: datetime) -> FeedbackRow:
    """One piece for those who may answer. Raises: NotFound, NotAllowed."""
    feedback = Feedback.objects.select_related(*_RELATED).filter(pk=feedback_id).first()
    if feedback is None:
        raise NotFound
    if not access.can(actor, "canteen.feedback", feedback.venue.organisation_id, at):
        raise NotAllowed
    held = set(access.organisations_with(actor.id, "canteen.feedback", at)) if actor.id else set()
    return _row(feedback, held)


@dataclass(frozen=True, slots=True)
class DeskCounts:
    open_food_safety: int
    open_complaints: int
    ratings: int
    tenths: int

    @property
    def average(self) -> str:
        return f"{self.tenths // 10}.{self.tenths % 10}" if self.ratings else "–"


def counts(organisation_ids: Sequence[UUID]) -> DeskCounts:
    """One statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT (count(*) FILTER (WHERE f.kind = 'food_safety' AND f.answered_at IS NULL))::int,
                 (count(*) FILTER (WHERE f.kind = 'complaint' AND f.answered_at IS NULL))::int,
                 (count(*) FILTER (WHERE f.kind = 'rating'))::int, coalesce(round(avg(f.stars) * 10), 0)::int
               FROM canteen_feedback f JOIN canteen_venue v ON v.id = f.venue_id
               JOIN organisations_organisation o ON o.id = v.organisation_id WHERE o.path && %s""",
            [list(organisation_ids)],
        )
        return DeskCounts(*cursor.fetchone())


def public_ratings(venue_id: UUID, limit: int = DEFAULT_LIMIT) -> list[FeedbackRow]:
    """The newest ratings of a venue with their answers, for everybody. Raises: TooMany."""
    if not 1 <= limit <= MAX_LIMIT:
        raise TooMany(limit=MAX_LIMIT)
    found = Feedback.objects.select_related(*_RELATED).filter(venue_id=venue_id, kind=Feedback.Kind.RATING)
    return [_row(feedback, None) for feedback in found.order_by("-pk")[:limit]]


@dataclass(frozen=True, slots=True)
class Meal:
    """One of a person's own meals, as the rating page shows it."""

    use_id: UUID
    venue_id: UUID
    venue_name: str
    at: datetime
    list_fen: int
    payer_fen: int
    person_fen: int
    stars: int | None


def own_meal(person_id: UUID, use_id: UUID) -> Meal:
    """Raises: NotFound (not one's own, or reversed)."""
    use = (
        Use.objects.select_related("place__canteen_venue")
        .filter(pk=use_id, person_id=person_id, reversed_at=None, place__canteen_venue__isnull=False)
        .first()
    )
    if use is None:
        raise NotFound
    rated = Feedback.objects.filter(use_id=use_id, kind=Feedback.Kind.RATING).values_list("stars", flat=True).first()
    venue = use.place.canteen_venue
    return Meal(use.pk, venue.pk, use.place.name, use.at, use.list_price_fen, use.payer_fen, use.person_fen, rated)


def recent_meals(person_id: UUID, limit: int = 10) -> list[Meal]:
    """A person's last meals, to choose which one a report is about. One statement. Raises: TooMany."""
    if not 1 <= limit <= MAX_LIMIT:
        raise TooMany(limit=MAX_LIMIT)
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT u.id, v.id, p.name, u.at, u.list_price_fen, u.payer_fen, u.person_fen, f.stars
               FROM entitlements_use u JOIN canteen_venue v ON v.place_id = u.place_id
               JOIN places_place p ON p.id = v.place_id
               LEFT JOIN canteen_feedback f ON f.use_id = u.id AND f.kind = 'rating'
               WHERE u.person_id = %s AND u.reversed_at IS NULL ORDER BY u.at DESC, u.id DESC LIMIT %s""",
            [person_id, limit],
        )
        return [Meal(*row) for row in cursor.fetchall()]


def open_venues(limit: int = MAX_LIMIT) -> list[tuple[UUID, str]]:
    """Restaurants one may report on: those that served, open or suspended."""
    found = Venue.objects.filter(state__in=[Venue.State.OPEN, Venue.State.SUSPENDED]).order_by("place__name", "pk")
    return list(found.values_list("pk", "place__name")[:limit])
