"""Makes jobs ready when their time or turn has come, and ends those that waited too long."""

from __future__ import annotations

import time

from rota import logs
from rota.engine.loop import Loop
from rota.store import due, turns
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
        self._sweep_at = 0.0
        self._after = ""

    def run_once(self) -> float:
        """Move what is due; return how long until the next (s)."""
        seen = self._db.read(due.look)
        if seen.expired:
            for job_id in self._db.run(lambda tx: due.expire(tx, BATCH)):
                logs.event("job/expired", "waited longer than its expiresIn", jobId=job_id)
        if seen.held and time.monotonic() >= self._sweep_at:
            self._sweep()
        if seen.next_at is None:
            return POLL_S
        if seen.next_at > seen.now:
            return min(POLL_S, (seen.next_at - seen.now) / 1e6)
        moved = self._db.run(lambda tx: due.move(tx, BATCH))
        return 0.0 if moved else AGAIN_S

    def _sweep(self) -> None:
        """Release held jobs that were left behind: whoever ends a job releases the next, so there are hardly any."""
        found = self._db.read(lambda tx: turns.idle(tx, BATCH, self._after))
        if found.keys:
            self._db.run(lambda tx: turns.release(tx, found.keys))
        self._after = found.last
        self._sweep_at = time.monotonic() + POLL_S
