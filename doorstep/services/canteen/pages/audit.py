"""The auditor's read-only pages: find uses, open one with its proof, check the whole house."""

import base64
import json
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from doorstep.kernel.audit import proofs
from doorstep.kernel.audit.signing import newest_key
from doorstep.kernel.common import access
from doorstep.kernel.common.clock import now
from doorstep.kernel.common.errors import Invalid, NotFound
from doorstep.services.canteen.pages.desk import day_of, desk, uuid_of
from doorstep.services.canteen.queries import audit as queries


def _public_key() -> str:
    return base64.b64encode(newest_key().public_bytes).decode()


@access.needs("canteen.audit")
@require_GET
def list_(request: HttpRequest) -> HttpResponse:
    return render(request, "canteen/audit/list.html", _search(request))


def _search(request: HttpRequest) -> dict[str, Any]:
    at_desk = desk(request, "canteen.audit")
    given = {name: request.GET.get(name, "").strip() for name in ("day", "venue", "person", "settlement", "before")}
    error, rows = "", []
    try:
        rows = queries.uses(
            at_desk.organisation_ids,
            day=day_of(given["day"]),
            venue_id=uuid_of(given["venue"]),
            person=given["person"],
            settlement_id=uuid_of(given["settlement"]),
            before=uuid_of(given["before"]),
        )
    except Invalid as wrong:
        error = wrong.message
    heads = queries.heads(10)
    return {
        "rows": rows,
        "more": rows[-1].id if len(rows) == queries.DEFAULT_LIMIT else None,
        "given": given,
        "error": error,
        "venues": [(str(venue_id), name) for venue_id, name in queries.venues(at_desk.organisation_ids)],
        "heads": [
            {"head": head, "root": bytes(head.root).hex(), "older": older.size if older else None}
            for head, older in zip(heads, [*heads[1:], None], strict=False)
        ],
        "public_key": _public_key(),
        "here": "canteen:audit",
    }


@access.needs("canteen.audit")
@require_POST
def check(request: HttpRequest) -> HttpResponse:
    """Run the checkers now; nothing is written."""
    names = {"ledger": _("账本"), "entitlements": _("券和核销"), "log": _("日志")}
    checked = [
        {"name": names[item.name], "count": len(item.findings), "findings": item.findings[:20]}
        for item in queries.check_everything()
    ]
    context = {**_search(request), "checked": checked, "good": not any(item["count"] for item in checked), "at": now()}
    return render(request, "canteen/audit/list.html", context)


@access.signed_in
@require_GET
def use(request: HttpRequest, use_id: UUID) -> HttpResponse:
    """One use with everything that proves it; for auditors, and for the watch that came here from an alert."""
    proof = queries.use_proof(use_id, access.actor_of(request), now())
    context = {
        "proof": proof,
        "receipt": _pretty(proof.receipt),
        "entries": [{"entry": entry, "body": _pretty(entry.body)} for entry in proof.entries],
        "public_key": _public_key(),
        "here": "canteen:audit",
    }
    return render(request, "canteen/audit/use.html", context)


def _pretty(text: str) -> str:
    """JSON with one fact a line; other text as it is."""
    try:
        return json.dumps(json.loads(text), ensure_ascii=False, indent=2)
    except ValueError:
        return text


def _download(content: str, name: str) -> HttpResponse:
    response = HttpResponse(content, content_type="application/json; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@access.signed_in
@require_GET
def facts(request: HttpRequest, use_id: UUID) -> HttpResponse:
    """The facts in their one byte form: ``sha256sum`` of this file is what the log holds."""
    return _download(queries.facts_file(use_id, access.actor_of(request), now()), "facts.json")


@access.signed_in
@require_GET
def proof(request: HttpRequest, use_id: UUID, entry_id: UUID) -> HttpResponse:
    """The receipt that ``docs/verify_audit.py`` reads. Only entries about this use."""
    found = queries.use_proof(use_id, access.actor_of(request), now())
    if entry_id not in {entry.id for entry in found.entries}:
        raise NotFound
    return _download(json.dumps(proofs.inclusion(entry_id), ensure_ascii=False, indent=1), "proof.json")


@access.needs("canteen.audit")
@require_GET
def consistency(request: HttpRequest, old: int, new: int) -> HttpResponse:
    """The proof that the log only grew between two heads."""
    return _download(json.dumps(proofs.consistency(old, new), indent=1), f"consistency-{old}-{new}.json")
