"""Sums up what has ended, for statistics that read no jobs."""

from __future__ import annotations

from rota.engine.loop import Loop
from rota.store import rollups
from rota.store.database import Database

EVERY_S = 5.0


class Rollups(Loop):
    """Goes on where the last one stopped, in whichever process that was."""

    name = "rollups"

    def __init__(self, db: Database) -> None:
        super().__init__()
        self._db = db

    def run_once(self) -> float:
        """Sum up what ended next; return how long until the next turn (s)."""
        with self._db.snapshot() as tx:  # not the transaction that writes: it may be half a million rows
            found = rollups.ended(tx)
        if found is None:
            return EVERY_S
        self._db.run(lambda tx: rollups.store(tx, found))
        return 0.0 if found.more else EVERY_S
