"""Unique keys: the index on ``unique_hold`` is the lock; a key is held by one job, or by none."""

from __future__ import annotations

from rota.store.database import Tx


def kept(now: str = "rota_now()") -> str:
    """Return what an ended job holds still: its key, while its window lasts."""
    return f"CASE WHEN unique_until > {now} THEN unique_hold END"


HOLDER = "SELECT id FROM rota_jobs WHERE unique_hold = :key AND (unique_until IS NULL OR unique_until > rota_now())"


def holder(tx: Tx, unique_key: str) -> str | None:
    """Return the id of the job that holds a unique key; one whose window is over holds it no longer."""
    found: str | None = tx.value(HOLDER, {"key": unique_key})
    return found


FREE = "UPDATE rota_jobs SET unique_hold = NULL WHERE unique_hold = :key AND unique_until <= rota_now()"


def free(tx: Tx, unique_key: str) -> None:
    """Take the key from a job whose window is over.  Of several who do, and then store a job, the index takes one."""
    tx.run(FREE, {"key": unique_key})
