"""Ageing: in a queue that wants it a job that waits long goes before later ones of a higher priority.

Its rank is then ``run_at`` less ``ageing_us`` for each priority, which never changes while it waits.  When the ageing
of a queue is set, changed or removed, its jobs are ranked anew in small parts, the latest first, by whoever finds it
begun: what a rank should be can be computed from the row and its queue.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from rota.ids import least_id
from rota.store import meta
from rota.store.database import Tx

AGES = "(SELECT q.ageing_us FROM rota_queues q WHERE q.name = rota_jobs.queue)"

# As ``jobs.AGED``, of a row that is there.
PRIORITY = "coalesce(rota_jobs.priority, -rota_jobs.rank)"
RANK = f"""coalesce(rota_jobs.run_at - {AGES}
  * {{pg|least}}{{lite|min}}({{pg|greatest}}{{lite|max}}({PRIORITY}, -1000000), 1000000), -({PRIORITY}))"""
RANKED = f"rank = {RANK}, priority = CASE WHEN {AGES} IS NOT NULL THEN {PRIORITY} END"
"""What sets the rank of rows as their queue has it: those that change their queue, too."""
RANKED_NOW = RANKED.replace("rota_jobs.run_at", "rota_now()")
"""The same for rows that become due with it."""

# By id, so that it takes no more than a window: no index of what waits may serve.
RERANK = f"""
UPDATE rota_jobs SET {RANKED}
WHERE id {{in|SELECT j.id FROM rota_jobs j WHERE j.id >= :low AND j.id <= :high AND {{lite|+}}j.queue = :queue
    AND {{lite|+}}j.status{{pg| || ''}} IN ('pending', 'scheduled', 'held', 'running') {{pg|FOR UPDATE SKIP LOCKED}}}}
  AND (rank <> {RANK} OR (priority IS NULL) = ({AGES} IS NOT NULL))
"""
WINDOW = """
SELECT min({pg|CAST(w.id AS text)}{lite|w.id}), max({pg|CAST(w.id AS text)}{lite|w.id})
FROM (SELECT id FROM rota_jobs WHERE id < :before ORDER BY id DESC LIMIT :window) w
"""
SIZE = 1000

AGAIN_US = 60_000_000
"""So long after a change what was enqueued meanwhile is looked at once more: by its insert the change was not seen."""
OPEN_US = 3_600_000_000
"""No longer than this an insert takes, from its id to its commit."""
_MARK = "ageing:"
BEGUN = f"SELECT 1 FROM rota_meta WHERE key LIKE '{_MARK}%'"
_TOP = "ffffffff-ffff-ffff-ffff-ffffffffffff"


class Mark(msgspec.Struct, omit_defaults=True):
    """How far the jobs of a queue are ranked anew."""

    at: int
    """When its ageing was changed, µs UTC."""
    before: str = _TOP
    """The ids from here on are done."""
    again: bool = False
    """The second round, over the latest jobs only."""


def begin(tx: Tx, queue: str) -> None:
    """Have the jobs of a queue ranked anew."""
    _put(tx, queue, Mark(tx.now()))


def _put(tx: Tx, queue: str, mark: Mark) -> None:
    meta.put(tx, _MARK + queue, msgspec.json.encode(mark).decode())


def begun(tx: Tx) -> Iterator[tuple[str, Mark]]:
    """Yield the queues whose jobs are to be ranked anew."""
    for key, value in tx.rows(f"SELECT key, value FROM rota_meta WHERE key LIKE '{_MARK}%' ORDER BY key"):
        yield key.removeprefix(_MARK), msgspec.json.decode(value, type=Mark)


def go_on(tx: Tx, queue: str) -> bool:
    """Rank the next jobs of a queue anew; tell whether there is more to do at once."""
    lock = "SELECT value FROM rota_meta WHERE key = :key {pg|FOR UPDATE SKIP LOCKED}"
    value = tx.value(lock, {"key": _MARK + queue})
    if value is None:
        return False  # it is done, or somebody else is at it
    mark, now = msgspec.json.decode(value, type=Mark), tx.now()
    if mark.again and now < mark.at + AGAIN_US:
        return False
    low, high = tx.rows(WINDOW, {"before": mark.before, "window": SIZE})[0]
    if low is not None:
        if tx.run(RERANK, {"low": low, "high": high, "queue": queue}):
            tx.hint("jobs")
        mark.before = low
    if low is not None and not (mark.again and low < least_id(mark.at - OPEN_US)):
        _put(tx, queue, mark)
        return True
    if mark.again:
        tx.run("DELETE FROM rota_meta WHERE key = :key", {"key": _MARK + queue})
    else:
        _put(tx, queue, Mark(mark.at, again=True))
    return False
