"""The canary: what Rota's own schedule has proved last, and whether an outside monitor was told."""

from __future__ import annotations

import msgspec

from rota.store import meta
from rota.store.database import Tx

KEY = "canary"
SCHEDULE = "rota-canary"
QUEUE = "rota-canary"
SOURCE = "Rota's canary"


class Canary(msgspec.Struct, frozen=True, kw_only=True):
    """Times in µs UTC."""

    every_us: int
    since: int
    """Since when there is one."""
    proved_at: int | None = None
    """When the job completed of which the outside monitor was told last."""
    told_at: int | None = None
    busy_until: int = 0
    """So long a process tells, and others leave it to that one."""
    failing_since: int | None = None
    error: str | None = None


def get(tx: Tx) -> Canary | None:
    """Return its state, or None where there is none."""
    text = meta.get(tx, KEY)
    return None if text is None else msgspec.json.decode(text, type=Canary)


def begin(tx: Tx, every_us: int, now: int) -> None:
    """Begin, or go on with another interval."""
    old = get(tx)
    fresh = Canary(every_us=every_us, since=now) if old is None else msgspec.structs.replace(old, every_us=every_us)
    if fresh != old:
        meta.put(tx, KEY, _text(fresh))


def end(tx: Tx) -> bool:
    """There is none any more; tell whether there was one."""
    return tx.run("DELETE FROM rota_meta WHERE key = :key", {"key": KEY}) == 1


def change(tx: Tx, old: Canary, fresh: Canary) -> bool:
    """Write a state down if it is still as it was read; tell whether it was."""
    sql = "UPDATE rota_meta SET value = :fresh WHERE key = :key AND value = :old"
    return tx.run(sql, {"key": KEY, "old": _text(old), "fresh": _text(fresh)}) == 1


COMPLETED = """
SELECT completed_at FROM rota_jobs
WHERE schedule_id = :id AND status = 'completed' AND scheduled_for > :since AND started_at IS NOT NULL
ORDER BY scheduled_for DESC LIMIT 1
"""


def completed_at(tx: Tx, since: int) -> int | None:
    """Return when the last job completed that was due after ``since``, decided, taken by a worker and run."""
    found: int | None = tx.value(COMPLETED, {"id": SCHEDULE, "since": since})
    return found


def _text(state: Canary) -> str:
    return msgspec.json.encode(state).decode()
