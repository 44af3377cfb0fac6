"""Deliveries: a notice on its way to one channel.

Who has taken the channel sends what waits for it, one after the other: that keeps the order, and sends each once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from rota.model import Notice
from rota.store.channels import GONE_US
from rota.store.database import Row, Tx, columns
from rota.store.sql import batch

MOST_AT_ONCE = 500
LATE_US = 3_600_000_000
"""A notice that found no channel for so long is not sent any more when one comes: it is old."""


class Pending(msgspec.Struct, frozen=True):
    """What is to be sent."""

    notice: Notice
    attempts: int
    created_at: int


NOTICE = columns(tuple(name for name in Notice.__struct_fields__ if name != "alert_ids"), "n.")

TAKE_UP = f"""
UPDATE rota_notices SET spread_at = CAST(:now AS bigint) WHERE id {{in|SELECT id FROM rota_notices
  WHERE spread_at IS NULL ORDER BY id LIMIT {MOST_AT_ONCE}}} AND spread_at IS NULL RETURNING id, created_at
"""
SPREAD = """
INSERT INTO rota_deliveries (notice_id, channel, kind, state, folded, attempts, created_at)
SELECT n.id, c.name, n.kind, 'pending', 0, 0, CAST(:now AS bigint)
FROM {rows|u|batch|id text} JOIN rota_notices n ON n.id = CAST(u.id AS {uuid}) CROSS JOIN rota_channels c
WHERE c.seen_at > :since AND (c.least = 'warning' OR n.severity = 'error') ON CONFLICT DO NOTHING
"""


def is_new(tx: Tx) -> bool:
    """Tell whether there are notices that the channels were not given yet."""
    return tx.value("SELECT 1 FROM rota_notices WHERE spread_at IS NULL LIMIT 1") is not None


def spread(tx: Tx, now: int) -> int:
    """Give new notices to the channels; return how many were new."""
    found = tx.rows(TAKE_UP, {"now": now})
    rows = [{"id": str(notice_id)} for notice_id, created_at in found if created_at > now - LATE_US]
    if rows:
        tx.run(SPREAD, {"batch": batch(rows), "now": now, "since": now - GONE_US})
    return len(found)


TEST = """
INSERT INTO rota_deliveries (notice_id, channel, kind, state, folded, attempts, created_at)
SELECT CAST(:id AS {uuid}), u.name, 'test', 'pending', 0, 0, CAST(:now AS bigint) FROM {rows|u|batch|name text}
"""


def add_test(tx: Tx, notice_id: str, names: Iterable[str], now: int) -> None:
    """Give a test, which is stored, to the named channels alone."""
    tx.run("UPDATE rota_notices SET spread_at = :now WHERE id = :id", {"id": notice_id, "now": now})
    tx.run(TEST, {"id": notice_id, "batch": batch([{"name": name} for name in names]), "now": now})


UNSENT = "no process sent it in time: is one running that has the channel, and Apprise?"
GIVE_UP_TEST = "UPDATE rota_deliveries SET state = 'failed', error = :error WHERE notice_id = :id AND state = 'pending'"


def give_up_test(tx: Tx, notice_id: str) -> None:
    """Send nothing more of a test: nobody waits for it any longer."""
    tx.run(GIVE_UP_TEST, {"id": notice_id, "error": UNSENT})


def _waiting(condition: str) -> str:
    return f"""
    SELECT {NOTICE}, d.attempts, d.created_at FROM rota_deliveries d JOIN rota_notices n ON n.id = d.notice_id
    WHERE d.channel = :name AND d.state = 'pending' {condition} ORDER BY d.notice_id LIMIT {MOST_AT_ONCE}
    """


def waiting(tx: Tx, name: str, *, tests: bool = False) -> list[Pending]:
    """Return what waits for a channel, the oldest first; only ``tests``, or all."""
    rows = tx.rows(_waiting("AND d.kind = 'test'" if tests else ""), {"name": name})
    return [_pending(row) for row in rows]


def _pending(row: Row) -> Pending:
    *notice, attempts, created_at = row
    return Pending(Notice(str(notice[0]), *notice[1:]), attempts, created_at)


def sent_since(tx: Tx, name: str, since: int, limit: int) -> list[int]:
    """Return when messages went to a channel after ``since``, the earliest first, at most ``limit``."""
    sql = """
    SELECT sent_at FROM rota_deliveries WHERE channel = :name AND state = 'sent' AND folded = 0 AND sent_at > :since
    ORDER BY sent_at LIMIT :limit
    """
    return [int(row[0]) for row in tx.rows(sql, {"name": name, "since": since, "limit": limit})]


NOTE = """
UPDATE rota_deliveries SET state = :state, attempts = attempts + 1, error = :error, sent_at = CAST(:sent_at AS bigint),
  folded = CASE WHEN :state = 'sent' AND notice_id <> CAST(:first AS {uuid}) THEN 1 ELSE 0 END
WHERE channel = :name AND state = 'pending'
  AND notice_id IN (SELECT CAST(u.id AS {uuid}) FROM {rows|u|batch|id text})
"""


def note(tx: Tx, name: str, ids: Sequence[str], state: str, *, error: str | None, sent_at: int | None = None) -> int:
    """Note what became of a message that told of these notices: ``sent``, ``failed``, or still ``pending``.

    Returns how many of them were still to be sent: none where another process was quicker.
    """
    rows = batch([{"id": one} for one in ids])
    return tx.run(
        NOTE, {"name": name, "batch": rows, "first": ids[0], "state": state, "error": error, "sent_at": sent_at}
    )
