"""Looks after what is left behind: jobs of lost workers, spent schedules, and starts that count no more."""

from __future__ import annotations

from rota import logs
from rota.engine.leases import RENEWALS
from rota.engine.loop import Loop
from rota.settings import Settings
from rota.store import limits, results, retention, workers
from rota.store.database import Database
from rota.store.pulse import Pulse

SWEEP_S = 5.0
"""Leases are swept so often, or as often as they are renewed where they are short."""
BATCH = 500
SERVICE = "rota"
"""Who deletes, in the history of a schedule."""


class Janitor(Loop):
    """Gives back the jobs of workers whose lease ran out, and deletes the schedules that wanted it after their run."""

    name = "janitor"

    def __init__(self, db: Database, settings: Settings, *, sweep_s: float = SWEEP_S) -> None:
        """``sweep_s`` is the pause between two sweeps; longer where ``see`` is called each second."""
        super().__init__()
        self._db = db
        renewal_s = settings.lease_us / 1e6 / RENEWALS
        self._sweep_s = sweep_s if renewal_s >= SWEEP_S else renewal_s

    def see(self, pulse: Pulse) -> None:
        """Learn from another loop's look whether a lease ran out."""
        if pulse.silent:
            self.wake()

    def run_once(self) -> float:
        """Sweep once; return how long until the next sweep (s)."""
        for worker_id in self._db.run_alone(workers.expire):
            logs.event("worker/lost", "its lease ran out", level="warning", workerId=worker_id)
        lost = self._db.run(results.lose)
        for job in lost:
            logs.event(
                "job/lost", job.error, level="warning", jobId=job.id, attempt=job.attempt, workerId=job.worker_id,
                status=job.status,
            )  # fmt: skip
        gone = self._delete_spent()
        if self._db.read(limits.any_starts):
            self._db.run(limits.prune)
        return 0.0 if max(len(lost), gone) >= BATCH else self._sweep_s

    def _delete_spent(self) -> int:
        if not self._db.read(retention.spent):
            return 0
        gone = self._db.run(lambda tx: retention.delete_spent(tx, SERVICE, BATCH))
        for schedule_id in gone:
            logs.event("schedule/removed", "its last run has ended", scheduleId=schedule_id, by=SERVICE)
        return len(gone)
