"""What may be read on the experience board, and what waits for its moderator."""

from collections.abc import Sequence
from uuid import UUID

from django.db.models import Count
from django.utils.translation import gettext as _

from doorstep.kernel.common.errors import Invalid, TooMany
from doorstep.kernel.organisations.models import Organisation
from doorstep.services.union.models import Post

DEFAULT_LIMIT = 20
MAX_LIMIT = 100


def posts(
    *,
    district_id: UUID | None = None,
    category: str = "",
    state: str = Post.State.SHOWN,
    within: Sequence[UUID] | None = None,
    page: int = 1,
    limit: int = DEFAULT_LIMIT,
) -> tuple[list[Post], bool]:
    """Posts, newest first, and whether more follow. One statement. Raises: TooMany, Invalid (unknown category)."""
    if not 1 <= limit <= MAX_LIMIT:
        raise TooMany(limit=MAX_LIMIT)
    if category and category not in Post.Category.values:
        raise Invalid("category", text=_("没有这一类。"))
    found = Post.objects.filter(state=state).select_related("author", "district")
    if district_id is not None:
        found = found.filter(district_id=district_id)
    if within is not None:
        found = found.filter(district__path__overlap=list(within))
    if category:
        found = found.filter(category=category)
    first = (page - 1) * limit
    kept = list(found.order_by("-written_at", "-pk")[first : first + limit + 1])
    return kept[:limit], len(kept) > limit


def districts(limit: int = DEFAULT_LIMIT) -> list[Organisation]:
    """Districts that have something on the board."""
    ids = Post.objects.filter(state=Post.State.SHOWN).order_by().values("district_id").distinct()
    return list(Organisation.objects.filter(pk__in=ids).order_by("name", "pk")[:limit])


def own(person_id: UUID, limit: int = 5) -> list[Post]:
    """A person's latest posts with what became of them."""
    return list(Post.objects.filter(author_id=person_id).order_by("-written_at", "-pk")[:limit])


def waiting(within: Sequence[UUID]) -> dict[str, int]:
    """How many posts are in each state, for the moderator."""
    mine = Post.objects.filter(district__path__overlap=list(within)).order_by()
    return dict(mine.values_list("state").annotate(n=Count("pk")))
