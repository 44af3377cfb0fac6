"""Notices: messages for the channels, written in the transaction of what they tell of, and delivered afterwards."""

from __future__ import annotations

from typing import Any

import msgspec

from rota.ids import least_id
from rota.model import Notice
from rota.store.counting import count_up_to
from rota.store.database import Tx
from rota.store.sql import batch

ADD = """
INSERT INTO rota_notices (id, kind, severity, title, text, path, alert_ids, created_at)
SELECT CAST(u.id AS {uuid}), u.kind, u.severity, u.title, u.text, u.path, {json|u.alert_ids}, CAST(:now AS bigint)
FROM {rows|u|batch|id text, kind text, severity text, title text, text text, path text, alert_ids text}
WHERE true ON CONFLICT DO NOTHING
"""


def add(tx: Tx, notice: Notice, now: int | None = None) -> None:
    """Store a notice, which goes to every channel once this is committed; the same one again changes nothing."""
    row = {
        "id": notice.id, "kind": notice.kind, "severity": notice.severity, "title": notice.title, "text": notice.text,
        "path": notice.path, "alert_ids": batch(notice.alert_ids),
    }  # fmt: skip
    tx.run(ADD, {"batch": batch([row]), "now": tx.now() if now is None else now})


class Which(msgspec.Struct, frozen=True, kw_only=True):
    """Which notices."""

    kind: str | None = None
    severity: str | None = None
    channel: str | None = None
    state: str | None = None
    since: int | None = None
    until: int | None = None

    def where(self) -> str:
        """Return the conditions."""
        conditions = [f"n.{name} = :{name}" for name in ("kind", "severity") if getattr(self, name) is not None]
        if self.since is not None:
            conditions.append("n.created_at >= :since")
        if self.until is not None:
            conditions.append("n.created_at < :until")
        of_delivery = [f"d.{name} = :{name}" for name in ("channel", "state") if getattr(self, name) is not None]
        if of_delivery:
            said = " AND ".join(["d.notice_id = n.id", *of_delivery])
            conditions.append(f"EXISTS (SELECT 1 FROM rota_deliveries d WHERE {said})")
        return " AND ".join(conditions) or "true"


COLUMNS = "n.id, n.kind, n.severity, n.title, n.text, n.path, n.alert_ids, n.created_at"


def listed(tx: Tx, which: Which, *, limit: int, before: str | None = None, offset: int = 0) -> list[dict[str, Any]]:
    """Return notices, the latest first, those before the id ``before``, each with its ``deliveries``."""
    beyond = "AND n.id < CAST(:before AS {uuid})" if before is not None else ""
    sql = f"""
    SELECT {COLUMNS} FROM rota_notices n WHERE {which.where()} {beyond} ORDER BY n.id DESC LIMIT :limit OFFSET :offset
    """
    values = {**msgspec.structs.asdict(which), "before": before, "limit": limit, "offset": offset}
    found = tx.dicts(sql, values)
    for row in found:
        row["id"], row["deliveries"] = str(row["id"]), []
    by_id = {row["id"]: row for row in found}
    for delivery in tx.dicts(DELIVERIES, {"batch": batch([{"id": one} for one in by_id])}):
        by_id[str(delivery["notice_id"])]["deliveries"].append(delivery)
    return found


DELIVERIES = """
SELECT d.notice_id, d.channel, d.state, d.folded, d.attempts, d.error, d.sent_at
FROM {few|u|batch|id text} JOIN rota_deliveries d ON d.notice_id = CAST(u.id AS {uuid})
ORDER BY d.notice_id, d.channel
"""


def deliveries(tx: Tx, notice_id: str) -> list[dict[str, Any]]:
    """Return how it went with one notice, by channel."""
    return tx.dicts(DELIVERIES, {"batch": batch([{"id": notice_id}])})


def count(tx: Tx, which: Which) -> int:
    """Return how many such notices there are, one more than the cap at most."""
    return count_up_to(tx, "rota_notices n", which.where(), msgspec.structs.asdict(which))


FORGET = """
DELETE FROM rota_notices WHERE id {in|SELECT id FROM rota_notices WHERE id < CAST(:first AS {uuid}) ORDER BY id
  LIMIT :limit} RETURNING id
"""
FORGET_DELIVERIES = """
DELETE FROM rota_deliveries WHERE notice_id {in|SELECT CAST(u.id AS {uuid}) FROM {rows|u|batch|id text}}
"""


def forget(tx: Tx, *, before: int, limit: int) -> int:
    """Delete notices from before ``before`` (µs UTC) with their deliveries, at most ``limit``; return how many."""
    found = [{"id": str(row[0])} for row in tx.rows(FORGET, {"first": least_id(before), "limit": limit})]
    if found:
        tx.run(FORGET_DELIVERIES, {"batch": batch(found)})
    return len(found)
