"""Makes jobs ready when their time has come, and ends those that waited too long."""

from __future__ import annotations

from rota import logs
from rota.engine.loop import Loop
from rota.store import due
from rota.store.database import Database

BATCH = 1000
POLL_S = 1.0
AGAIN_S = 0.05
"""Pause when what is due cannot be moved: somebody else holds the rows."""


class Mover(Loop):
    """From scheduled to pending; sleeps until the next job is due."""

    name = "mover"

    def __init__(self, db: Database) -> None:
        super().__init__()
        self._db = db

    def run_once(self) -> float:
        """Move what is due; return how long until the next (s)."""
        with self._db.statement() as tx:
            following = due.next_due(tx)
            now = tx.now()
            waiting = due.expired(tx)
        if waiting:
            for job_id in self._db.run(lambda tx: due.expire(tx, BATCH)):
                logs.event("job/expired", "waited longer than its expiresIn", jobId=job_id)
        if following is None:
            return POLL_S
        if following > now:
            return min(POLL_S, (following - now) / 1e6)
        moved = self._db.run(lambda tx: due.move(tx, BATCH))
        return 0.0 if moved else AGAIN_S
