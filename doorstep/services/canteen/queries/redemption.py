"""Everything a redemption is decided by, in one prepared statement, for one voucher or two hundred."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from doorstep.kernel.common.access import DevicePrincipal
from doorstep.kernel.common.clock import local
from doorstep.kernel.common.hot import fetch
from doorstep.services.canteen.rules.asking import Request
from doorstep.services.canteen.rules.printed import venue_group
from doorstep.services.canteen.rules.redemption import Situation, Window, current_window

DINERS_ACCOUNT = "outside/diners"
PRINTED_KIND = 2

_LOAD = """
SELECT i.ord,
  k.request_digest, k.receipt,
  n.id, n.state, n.organisation_name, n.opening_hours, n.payee_id, n.takings_id, n.diners_id, n.papers, n.price, n.calendar,
  e.id, e.state, e.used, e.units, e.valid_from, e.valid_until, e.unit_fen, e.person_id, p.name,
  t.id, t.service, t.reserved_id, t.payer_id, c.name, m.starts_on, m.ends_on,
  v.id, v.list_price_fen, v.windows, v.limits, v.standings, v.place_ids,
  (SELECT array_agg(s.kind) FROM people_standing s WHERE s.person_id = e.person_id AND s.valid_from <= i.at
     AND (s.valid_until IS NULL OR s.valid_until > i.at) AND s.revoked_at IS NULL),
  (SELECT array_agg(u.slot) FROM entitlements_use u WHERE u.person_id = e.person_id AND u.day = i.day
     AND u.slot IS NOT NULL),
  CASE WHEN v.limits ? 'per_month' THEN (SELECT array_agg(u.quota_slot) FROM entitlements_use u
     WHERE u.person_id = e.person_id AND u.day >= date_trunc('month', i.day)::date
     AND u.day < (date_trunc('month', i.day) + interval '1 month')::date AND u.quota_slot IS NOT NULL) END,
  EXISTS (SELECT 1 FROM passes_revocation r WHERE r.subject = e.id AND r.kind = i.kind AND r.at >= i.issued_at)
FROM unnest(%(ids)s::uuid[], %(numbers)s::bigint[], %(ats)s::timestamptz[], %(days)s::date[], %(keys)s::text[],
            %(kinds)s::int[], %(issued)s::timestamptz[])
  WITH ORDINALITY AS i(id, number, at, day, key, kind, issued_at, ord)
LEFT JOIN LATERAL (
  SELECT ven.id, ven.state, pl.name AS organisation_name, pl.opening_hours, ven.payee_id, ven.takings_id,
    (SELECT a.id FROM ledger_account a WHERE a.code = 'outside/diners') AS diners_id,
    (SELECT array_agg(DISTINCT q.kind) FROM canteen_paper q WHERE q.venue_id = ven.id AND q.replaced_at IS NULL
       AND q.expires_on >= i.day) AS papers,
    (SELECT g.list_price_fen FROM canteen_agreement g WHERE g.venue_id = ven.id AND g.valid_from <= i.day
       AND g.valid_until >= i.day ORDER BY g.valid_from DESC LIMIT 1) AS price,
    (SELECT d.kind FROM places_calendarday d WHERE d.day = i.day) AS calendar
  FROM canteen_venue ven JOIN places_place pl ON pl.id = ven.place_id WHERE ven.place_id = %(place)s
) n ON true
LEFT JOIN LATERAL (
  SELECT u.request_digest, u.receipt FROM entitlements_use u WHERE u.key_scope = %(scope)s AND u.key = i.key
  LIMIT 1 -- keeps the planner from reading every use of the till while it knows the table only when it was small
) k ON true
LEFT JOIN entitlements_entitlement e
  ON e.id = coalesce(i.id, (SELECT x.id FROM entitlements_entitlement x WHERE x.number = i.number))
LEFT JOIN people_person p ON p.id = e.person_id
LEFT JOIN entitlements_terms t ON t.id = e.terms_id
LEFT JOIN canteen_voucherkind c ON c.terms_id = t.id
LEFT JOIN canteen_programme m ON m.id = c.programme_id
LEFT JOIN LATERAL (
  SELECT w.id, w.list_price_fen, w.windows, w.limits, w.standings, w.place_ids FROM entitlements_termsversion w
  WHERE w.terms_id = t.id AND w.effective_from <= i.at ORDER BY w.effective_from DESC LIMIT 1
) v ON true
ORDER BY i.ord
"""


@dataclass(frozen=True, slots=True)
class Loaded:
    """One row, split into what was kept under the key, what the rules look at, and what recording needs.

    ``situation`` is None when something is missing; ``missing`` then names the refusal.
    """

    kept_digest: bytes | None
    kept_receipt: str
    situation: Situation | None
    missing: str
    entitlement_id: UUID | None
    person_id: UUID
    first_character: str
    kind_name: str
    venue_name: str
    terms_id: UUID
    terms_version_id: UUID
    payer_id: UUID
    reserved_id: UUID
    payee_id: UUID
    takings_id: UUID
    diners_id: UUID | None

    @property
    def window_now(self) -> Window | None:
        return current_window(self.situation.windows, self.situation.at) if self.situation else None

    def situation_with_calendar(self, calendar: Mapping[date, str]) -> Situation:
        assert self.situation is not None
        return replace(self.situation, calendar=calendar)


def load(device: DevicePrincipal, requests: Sequence[Request]) -> list[Loaded]:
    """Load what decides these requests at this device's place, in their order. One statement."""
    rows = fetch(
        _LOAD,
        {
            "ids": [request.scanned.entitlement_id for request in requests],
            "numbers": [request.scanned.number for request in requests],
            "ats": [request.at for request in requests],
            "days": [local(request.at).date() for request in requests],
            "keys": [request.key for request in requests],
            "kinds": [PRINTED_KIND if request.scanned.printed else 1 for request in requests],
            "issued": [request.scanned.issued_at or _EPOCH for request in requests],
            "place": device.place_id,
            "scope": f"device:{device.id}",
        },
    )
    return [_loaded(row, request, device) for row, request in zip(rows, requests, strict=True)]


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=256)
def _windows(text: str) -> tuple[Window, ...]:
    return tuple(Window.from_terms(window) for window in json.loads(text))


def _loaded(row: tuple[Any, ...], request: Request, device: DevicePrincipal) -> Loaded:
    (
        _ord, kept_digest, kept_receipt,
        venue_id, venue_state, venue_name, hours, payee_id, takings_id, diners_id, papers, price, calendar,
        entitlement_id, state, used, units, valid_from, valid_until, unit_fen, person_id, person_name,
        terms_id, service, reserved_id, payer_id, kind_name, starts_on, ends_on,
        version_id, list_price, windows, limits, standings, place_ids,
        held, slots, month_slots, revoked,
    ) = row  # fmt: skip
    missing = ""
    if venue_id is None:
        missing = "venue_not_open"
    elif entitlement_id is None:
        missing = "unknown_code"
    elif version_id is None or kind_name is None:
        missing = "foreign_code"
    situation = None
    if not missing:
        day = local(request.at).date()
        limit: dict[str, int] = json.loads(limits)
        situation = Situation(
            at=request.at,
            venue_state=venue_state,
            papers_in_date=frozenset(papers or ()),
            agreed_price_fen=price,
            opening_hours=hours,
            calendar={day: calendar} if calendar else {},
            service=service,
            state=state,
            used=used,
            units=units,
            valid_from=valid_from,
            valid_until=valid_until,
            unit_fen=unit_fen,
            starts_on=starts_on,
            ends_on=ends_on,
            list_price_fen=list_price,
            windows=_windows(windows),
            per_window=int(limit.get("per_window", 0)),
            per_month=limit.get("per_month"),
            standings=frozenset(standings),
            place_ids=frozenset(place_ids),
            place_id=device.place_id,
            revoked=revoked,
            printed_elsewhere=request.scanned.scope not in (0, venue_group(place_ids)),
            held_standings=frozenset(held or ()),
            slots_taken=frozenset(slots or ()),
            month_numbers_taken=frozenset(
                int(slot.rpartition(":")[2]) for slot in month_slots or () if slot.startswith(f"{terms_id}:")
            ),
            slot_prefix=f"canteen:{person_id}",
        )
    return Loaded(
        kept_digest=bytes(kept_digest) if kept_digest is not None else None,
        kept_receipt=kept_receipt or "",
        situation=situation,
        missing=missing,
        entitlement_id=entitlement_id,
        person_id=person_id,
        first_character=f"{person_name[0]}*" if person_name else "*",
        kind_name=kind_name or "",
        venue_name=venue_name or "",
        terms_id=terms_id,
        terms_version_id=version_id,
        payer_id=payer_id,
        reserved_id=reserved_id,
        payee_id=payee_id,
        takings_id=takings_id,
        diners_id=diners_id,
    )
