"""Makes jobs ready when their time or turn has come, and ends those that waited too long."""

from __future__ import annotations

import time

from rota import logs
from rota.engine.loop import Loop
from rota.store import dependencies, due, turns
from rota.store.database import Database
from rota.store.pulse import Pulse

BATCH = 1000
POLL_S = 1.0
SWEEPS = 20
"""Most transactions of one sweep."""
AGAIN_S = 0.05
"""Pause when what is due cannot be moved: somebody else holds the rows."""


class Mover(Loop):
    """From scheduled to pending; sleeps until the next job is due."""

    name = "mover"

    def __init__(self, db: Database, *, poll_s: float = POLL_S) -> None:
        """``poll_s`` is how long a turn may wait for the next; longer where ``see`` is called each second."""
        super().__init__()
        self._db = db
        self._poll_s = poll_s
        self._sweep_at = 0.0
        self._after = ""
        self._after_parent = dependencies.FIRST

    def see(self, pulse: Pulse) -> None:
        """Learn from another loop's look whether there is something to do before the next one."""
        soon = pulse.now + int(POLL_S * 1e6)
        if pulse.expired or pulse.held or (pulse.next_job is not None and pulse.next_job <= soon):
            self.wake()

    def run_once(self) -> float:
        """Move what is due; return how long until the next (s)."""
        seen = self._db.read(due.look)
        if seen.expired:
            for job_id in self._db.run(lambda tx: due.expire(tx, BATCH)):
                logs.event("job/expired", "waited longer than its expiresIn", jobId=job_id)
        if seen.held and time.monotonic() >= self._sweep_at:
            self._sweep()
        if seen.next_at is None:
            return self._poll_s
        if seen.next_at > seen.now:
            return min(self._poll_s, (seen.next_at - seen.now) / 1e6)
        moved = self._db.run(lambda tx: due.move(tx, BATCH))
        return 0.0 if moved else AGAIN_S

    def _sweep(self) -> None:
        """Release held jobs that were left behind: whoever ends a job releases the next, so there are hardly any."""
        found = self._db.read(lambda tx: turns.idle(tx, BATCH, self._after))
        if found.keys:
            self._db.run(lambda tx: turns.release(tx, found.keys))
        self._after = found.last
        self._sweep_parents()
        self._sweep_at = time.monotonic() + POLL_S

    def _sweep_parents(self) -> None:
        """Release who waits still for jobs that have ended: as above, and what one transaction would not bear."""
        found = self._db.read(lambda tx: dependencies.left(tx, BATCH, self._after_parent))
        for _ in range(SWEEPS if found.ended or found.batches else 0):
            if self._db.run(lambda tx: dependencies.release(tx, found.ended, found.batches)) < dependencies.MOST:
                break
        self._after_parent = found.last
