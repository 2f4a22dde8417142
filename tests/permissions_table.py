"""Every address of the site and every operation of the API with its face, and who may open it.

``python -m tests.renew`` writes the table to ``docs/permissions.md``; a test holds the two together.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.urls import URLPattern, URLResolver, get_resolver

if TYPE_CHECKING:
    from doorstep.kernel.common.access import Face

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "permissions.md"

# Addresses that carry no face of ours, and why.
EXCEPTIONS = {
    "admin/": "Django's own desk for reference data: asks for a staff account at each page, signs in with ours",
    "api/": "the root of the API answers 404; each operation has its own row",
    "static/": "style sheets, scripts and pictures, the same for everybody",
}

_CASE = ("union_officer", "union_leader", "venue_scorer")
_COUNTER = ("union_officer", "venue_manager")
_USE = ("auditor", "union_leader", "union_officer")

# Pages open to the signed-in that ask several capabilities, or by record: the roles (held here or above) that get in.
ASKED_AGAIN: dict[str, tuple[str, ...]] = {
    "union/foundings": ("union_officer", "union_leader"),
    "canteen/union/programmes/<uuid:programme_id>": ("union_officer", "union_leader"),
    "canteen/union/venues/<uuid:venue_id>": _CASE,
    "canteen/union/venues/<uuid:venue_id>/<slug:step>": ("union_officer",),  # as far as the step asked for is a visit
    "canteen/counter/<uuid:venue_id>": _COUNTER,
    "canteen/counter/<uuid:venue_id>/menu": _COUNTER,
    "canteen/counter/<uuid:venue_id>/papers": _COUNTER,
    "canteen/desk/audit/uses/<uuid:use_id>": _USE,
    "canteen/desk/audit/uses/<uuid:use_id>/facts.json": _USE,
    "canteen/desk/audit/uses/<uuid:use_id>/proof/<uuid:entry_id>.json": _USE,
    "desk": (
        "auditor",
        "checkup_doctor",
        "merchant_manager",
        "station_keeper",
        "street_secretary",
        "union_leader",
        "union_officer",
        "venue_manager",
        "venue_scorer",
    ),
    "me/confirm": (),  # who has a password
    "me/confirm-code": (),  # who has a second factor
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One page or operation: where it is, what it is called, who may open it."""

    address: str
    name: str
    face: "Face | None"
    pattern: Any = None
    methods: tuple[str, ...] = ()


def _walk(resolver: URLResolver, prefix: str = "", namespace: str = "") -> Iterator[Entry]:
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLResolver):
            inner = f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace
            yield from _walk(pattern, prefix + str(pattern.pattern), inner)
        elif isinstance(pattern, URLPattern):
            face = getattr(pattern.callback, "face", None)
            yield Entry(prefix + str(pattern.pattern), namespace + (pattern.name or ""), face, pattern)


def pages() -> list[Entry]:
    """Every address but the API's operations and the exceptions, in the URL conf's order; one row an address."""
    operated = {entry.address for entry in operations()}
    found: dict[str, Entry] = {}
    for entry in _walk(get_resolver()):
        if entry.address in operated or entry.address in EXCEPTIONS or entry.address.startswith(("admin/", "static/")):
            continue
        found.setdefault(entry.address, entry)
    return list(found.values())


def operations() -> list[Entry]:
    """Every operation of the API; its face is its authentication's, or ``public`` marked on the function itself."""
    from doorstep.project.api import api

    found = []
    for prefix, router in api._routers:
        for path, view in router.path_operations.items():
            for operation in view.operations:
                asked = [getattr(callback, "face", None) for callback in operation.auth_callbacks]
                face = asked[0] if len(asked) == 1 else getattr(operation.view_func, "face", None)
                address = "api/" + "/".join(part.strip("/") for part in (prefix, path) if part.strip("/"))
                found.append(
                    Entry(address, f"api:{operation.view_func.__name__}", face, methods=tuple(operation.methods))
                )
    return found


CALLERS = ("visitor", "resident", "device")


def answer(entry: Entry, caller: str) -> str:
    """What a caller of that kind (or role) is told at this face: ``open``, ``sign in``, ``refused`` or ``pair``."""
    from doorstep.kernel.common.access import all_roles

    face = entry.face
    assert face is not None, entry.address
    if face.who == "public":
        return "open"
    if face.who == "device":
        if caller != "device":
            return "pair"
        return "open" if face.capability == "till" else "refused"  # the table's device is a till
    if caller in ("visitor", "device"):
        return "sign in"
    if face.who == "person":
        let_in = ASKED_AGAIN.get(entry.address)
        return "open" if let_in is None or caller in let_in else "refused"
    held = {role.code: role.capabilities for role in all_roles()}.get(caller, frozenset())
    return "open" if face.capability in held else "refused"


def _word(entry: Entry) -> str:
    face = entry.face
    assert face is not None
    if entry.address in ASKED_AGAIN:
        return "asked by record"
    return {"public": "everybody", "person": "signed in"}.get(face.who, f"`{face.capability}`")


_MARKS = {"open": "✓", "sign in": "↪", "refused": "–", "pair": "–"}


def render() -> str:
    """The table as Markdown."""
    from doorstep.kernel.common.access import all_roles

    roles = [role.code for role in all_roles()]
    callers = ["visitor", "resident", *roles, "device"]
    lines = [
        "# Who may open what",
        "",
        "Made by `python -m tests.renew` from the addresses themselves; a test fails when it is not current.",
        "",
        "✓ opens · ↪ is sent to sign in · – is refused (a page for a device sends others to pairing). A capability opens the",
        "page; *whose* records it shows is asked again by the action or query, by organisation. The device is a paired till.",
        "",
    ]
    for title, rows in (("Pages", pages()), ("Operations of the API", operations())):
        lines += [
            f"## {title}",
            "",
            "| address | face | " + " | ".join(callers) + " |",
            "|---" * (len(callers) + 2) + "|",
        ]
        for row in rows:
            address = f"{' '.join(row.methods)} /{row.address}".strip()
            marks = [_MARKS[answer(row, caller)] for caller in callers]
            lines.append(f"| `{address}` | {_word(row)} | " + " | ".join(marks) + " |")
        lines.append("")
    lines += ["## Addresses without a face", "", "| address | why |", "|---|---|"]
    lines += [f"| `/{address}` | {why} |" for address, why in EXCEPTIONS.items()]
    return "\n".join(lines) + "\n"
