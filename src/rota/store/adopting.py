"""What jobs in a caller's open transaction need beside themselves, made on a connection of our own."""

from __future__ import annotations

from collections.abc import Iterable

from rota.store import jobs
from rota.store.database import Tx
from rota.store.sql import batch

NAMED = "SELECT name FROM rota_queues WHERE name IN (SELECT u.name FROM {rows|u|batch|name text})"


def make_queues(tx: Tx, names: Iterable[str]) -> None:
    """Make queues at once, whatever becomes of the caller's transaction.

    A queue that is made within it would keep all others from their first job in that queue until it ends.  SQLite
    has one writer anyway.
    """
    db = tx.db
    wanted = set(names) - db.known_queues
    if not wanted or db.dialect == "sqlite":
        return
    rows = {"batch": batch([{"name": name} for name in sorted(wanted)])}
    found = {row[0] for row in db.read(lambda own: own.rows(NAMED, rows))}
    if wanted - found:
        # One that the caller's transaction has made: to make it again would wait for this very transaction.
        fresh = wanted - found - {row[0] for row in tx.rows(NAMED, rows)}
        made = {"batch": batch([{"name": name} for name in sorted(fresh)])}
        db.run(lambda own: own.run(jobs.QUEUES, made))
        found |= fresh
    db.known_queues.update(found)
