"""Queues whose targets asked for a pause (``Retry-After``): until it ends no HTTP job of theirs starts."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from rota.store.database import Tx
from rota.store.sql import batch

# The longest pause that anybody asked for holds, whoever comes last.
SLOW = """
UPDATE rota_queues AS q SET slowed_until = n.now + u.slow_us, slowed_by = u.slowed_by
FROM (SELECT rota_now() AS now) n, {rows|u|batch|name text, slow_us bigint, slowed_by text}
WHERE q.name = u.name AND n.now + u.slow_us > coalesce(q.slowed_until, 0)
RETURNING {pg|q.}name, {pg|q.}slowed_until, {pg|q.}slowed_by
"""


class Slowed(msgspec.Struct, frozen=True):
    """A queue of which no HTTP job starts until then (µs UTC), and who asked for that."""

    name: str
    until: int
    by: str


def slow(tx: Tx, asked: Iterable[tuple[str, int, str]]) -> list[Slowed]:
    """Slow queues down, each given with the microseconds from now and who asks; return those that wait longer now."""
    longest: dict[str, tuple[int, str]] = {}
    for name, slow_us, by in asked:
        longest[name] = max(longest.get(name, (0, "")), (slow_us, by))
    rows = [{"name": name, "slow_us": us, "slowed_by": by} for name, (us, by) in sorted(longest.items()) if us > 0]
    if not rows:
        return []
    return [Slowed(*row) for row in tx.rows(SLOW, {"batch": batch(rows)})]
