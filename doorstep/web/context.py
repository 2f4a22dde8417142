"""What every page knows before its own view says anything."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject
from django.utils.translation import get_language

THEMES = ("light", "dark")


def _rooms() -> tuple[Any, ...]:
    from doorstep.kernel.common.rooms import all_rooms

    return tuple(all_rooms())


def _desk_nav(request: HttpRequest) -> list[dict[str, Any]]:
    """Rooms with the desk pages this person may open; empty for a visitor, without asking the database."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return []
    from doorstep.kernel.common.access import can_anywhere

    allowed: dict[str, bool] = {}
    found = []
    for room in _rooms():
        pages = []
        for page in room.desk:
            if page.capability not in allowed:
                allowed[page.capability] = can_anywhere(user, page.capability)
            if allowed[page.capability]:
                pages.append(page)
        if pages:
            found.append({"room": room, "code": room.code, "title": room.title, "icon": room.icon, "pages": pages})
    return found


def shell(request: HttpRequest) -> dict[str, Any]:
    """Names the base templates read. What may cost a query is lazy, so a page that does not show it does not pay."""
    theme = request.COOKIES.get("theme", "")
    return {
        "city": settings.CITY,
        "demo": settings.DEMO,
        "large_type": request.COOKIES.get("large_type") == "1",
        "theme": theme if theme in THEMES else "",
        "language": get_language() or settings.LANGUAGE_CODE,
        "languages": settings.LANGUAGES,
        "place_name": getattr(request, "place_name", settings.CITY),
        "map_tiles": settings.MAP_TILES,
        "map_gcj02": settings.MAP_TILES_GCJ02,
        "rooms": SimpleLazyObject(_rooms),
        "desk_nav": SimpleLazyObject(lambda: _desk_nav(request)),
    }
