"""Audit: who changed what, in the transaction of the change itself.  Rows are added, and in the end they age out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from rota.ids import least_id, new_id
from rota.model import AuditEntry
from rota.store.counting import count_up_to
from rota.store.database import Tx, columns
from rota.store.reads import CLOCKS_APART_US
from rota.store.sql import batch

COLUMNS = columns(AuditEntry.__struct_fields__)


class Actor(Protocol):
    """Who changes something."""

    @property
    def subject(self) -> str | None:
        """The name."""

    @property
    def role(self) -> str:
        """What it may do."""

    @property
    def origin(self) -> str:
        """From where: see ``model.Via``."""

    @property
    def client(self) -> str | None:
        """The address that it comes from, where it comes over the network."""


# What somebody wrote may hold what a database cannot store; as a batch of one it is made storable.
ADD = """
INSERT INTO rota_audit (id, at, actor, role, origin, client, action, noun, name, note, before, after)
SELECT u.id, rota_now(), u.actor, u.role, u.origin, u.client, u.action, u.noun, u.name, u.note,
  {json|u.before}, {json|u.after}
FROM {rows|u|batch|id uuid, actor text, role text, origin text, client text, action text, noun text, name text,
  note text, before text, after text}
"""


def record(
    tx: Tx,
    caller: Actor,
    action: str,
    noun: str,
    name: str,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    note: str | None = None,
) -> None:
    """Note that ``caller`` did ``action`` to the ``noun`` called ``name``, in the same transaction.

    Of ``before`` and ``after``, as they are shown to users (secrets masked), only what differs is kept.
    """
    record_all(tx, caller, [Done(action=action, noun=noun, name=name, before=before, after=after, note=note)])


class Done(msgspec.Struct, kw_only=True):
    """Something that was done, one of many at once."""

    action: str
    noun: str
    name: str
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    note: str | None = None


def record_all(tx: Tx, caller: Actor, done: Sequence[Done]) -> None:
    """As ``record``, for much that is done at once."""
    rows = [_row(caller, one) for one in done]
    if rows:
        tx.run(ADD, {"batch": batch(rows)})


def _row(caller: Actor, done: Done) -> dict[str, Any]:
    was, is_ = _different(done.before, done.after)
    return {
        "id": new_id(), "actor": caller.subject, "role": caller.role, "origin": caller.origin, "action": done.action,
        "noun": done.noun, "name": done.name, "note": done.note, "client": caller.client,
        "before": _document(was), "after": _document(is_),
    }  # fmt: skip


def _different(
    before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]:
    if before is None or after is None:
        return before, after
    same = {key for key in before.keys() & after.keys() if before[key] == after[key]}
    return (
        {key: value for key, value in before.items() if key not in same},
        {key: value for key, value in after.items() if key not in same},
    )


def _document(values: Mapping[str, Any] | None) -> str | None:
    return None if values is None else msgspec.json.encode(values).decode()


class AuditFilter(msgspec.Struct, kw_only=True):
    """Which entries; every field narrows.  Times are µs UTC."""

    noun: str | None = None
    name: str | None = None
    actor: str | None = None
    action: str | None = None
    origin: str | None = None
    client: str | None = None
    since: int | None = None
    until: int | None = None


FIELDS = ("noun", "name", "actor", "action", "origin", "client")


def listed(tx: Tx, wanted: AuditFilter, *, limit: int, before: str | None = None, offset: int = 0) -> list[AuditEntry]:
    """Return entries, the latest first, those before the id ``before``."""
    condition, params = _narrowed(wanted)
    beyond = " AND id < :before" if before is not None else ""
    sql = f"""
    SELECT {COLUMNS} FROM rota_audit WHERE {condition}{beyond} ORDER BY id DESC LIMIT :limit OFFSET :offset
    """
    found = tx.rows(sql, {**params, "before": before, "limit": limit, "offset": offset}, fresh=True)
    return [AuditEntry(*row) for row in found]


def count(tx: Tx, wanted: AuditFilter) -> int:
    """Return how many entries there are, one more than the cap of lists at most."""
    return count_up_to(tx, "rota_audit", *_narrowed(wanted))


def _narrowed(wanted: AuditFilter) -> tuple[str, dict[str, Any]]:
    parts: list[str] = ["true"]
    params: dict[str, Any] = {}
    for field in FIELDS:
        if (value := getattr(wanted, field)) is not None:
            parts.append(f"{field} = :{field}")
            params[field] = value
    if wanted.since is not None:
        parts.append("id >= :first_id AND at >= :since")
        params |= {"first_id": least_id(wanted.since - CLOCKS_APART_US), "since": wanted.since}
    if wanted.until is not None:
        parts.append("id < :last_id AND at < :until")
        params |= {"last_id": least_id(wanted.until + CLOCKS_APART_US), "until": wanted.until}
    return " AND ".join(parts), params


KEPT_FROM = "audit_from"
"""Under this key ``rota_meta`` says how old an entry must be to be deleted (µs UTC)."""
MOVE_ON = """
INSERT INTO rota_meta (key, value) VALUES (:key, :before) ON CONFLICT (key) DO UPDATE SET value = excluded.value
WHERE CAST(rota_meta.value AS bigint) < CAST(excluded.value AS bigint)
"""
FORGET = """
DELETE FROM rota_audit WHERE id {in|SELECT id FROM rota_audit WHERE id < :first_id AND at < :before
  ORDER BY id LIMIT :limit}
"""


def forget(tx: Tx, *, before: int, limit: int) -> int:
    """Delete entries older than ``before`` (µs UTC), at most ``limit``; return how many.

    Nothing else may delete any: the database refuses it for what is younger than was ever asked for here.
    """
    tx.run(MOVE_ON, {"key": KEPT_FROM, "before": str(before)})
    return tx.run(FORGET, {"before": before, "first_id": least_id(before + CLOCKS_APART_US), "limit": limit})
