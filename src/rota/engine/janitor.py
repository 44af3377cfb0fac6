"""Looks after what is left behind: jobs of lost workers, spent schedules, and history whose time is over."""

from __future__ import annotations

import time

from rota import logs
from rota.engine.leases import RENEWALS
from rota.engine.loop import Loop
from rota.settings import Settings
from rota.store import results, retention, workers
from rota.store.database import Database
from rota.store.pulse import Pulse

SWEEP_S = 5.0
"""Leases are swept so often, or as often as they are renewed where they are short."""
RETENTION_EVERY_S = (60.0, 300.0)
"""Least and longest pause between two looks at what is old; between them a tenth of the shortest age to keep."""
TELL_EVERY_S = 10.0
BATCH = 500
SERVICE = "rota"
"""Who deletes, in the history of a schedule."""
WORKER_KEPT_US = 86_400_000_000
IDEMPOTENCY_KEPT_US = 86_400_000_000


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
        return 0.0 if max(len(lost), gone) >= BATCH else self._sweep_s

    def _delete_spent(self) -> int:
        if not self._db.read(retention.spent):
            return 0
        gone = self._db.run(lambda tx: retention.delete_spent(tx, SERVICE, BATCH))
        for schedule_id in gone:
            logs.event("schedule/removed", "its last run has ended", scheduleId=schedule_id, by=SERVICE)
        return len(gone)


class Retention(Loop):
    """Deletes history by age, in small batches, the last runs of each schedule excepted."""

    name = "retention"

    def __init__(self, db: Database, settings: Settings) -> None:
        super().__init__()
        self._db = db
        self._settings = settings
        self._deleted = 0
        self._told = time.monotonic()
        self._pause_s = _pause_s(settings)

    def run_once(self) -> float:
        """Delete one batch of each kind; return how long until the next (s)."""
        settings = self._settings
        now = self._db.read(lambda tx: tx.now())
        deleted = 0
        for age, failed, runs in (
            (settings.retention_completed_us, False, False),
            (settings.retention_runs_us, False, True),
            (settings.retention_failed_us, True, False),
            (settings.retention_failed_us, True, True),
        ):
            if age is not None:
                deleted += self._delete_jobs(now - age, failed=failed, runs=runs)
        if settings.retention_occurrences_us is not None:
            before = now - settings.retention_occurrences_us
            deleted += self._db.run(lambda tx: retention.delete_occurrences(tx, before, BATCH))
        if settings.retention_logs_us is not None:
            oldest = now - settings.retention_logs_us
            deleted += self._db.run(lambda tx: retention.delete_logs(tx, oldest, BATCH))
        deleted += self._db.run(lambda tx: retention.delete_idempotency(tx, now - IDEMPOTENCY_KEPT_US, BATCH))
        deleted += self._db.run(lambda tx: workers.forget(tx, now - WORKER_KEPT_US))
        self._report(deleted)
        return 0.1 if deleted >= BATCH else self._pause_s

    def _report(self, deleted: int) -> None:
        """Tell what was deleted, a large clearance each ten seconds."""
        self._deleted += deleted
        now = time.monotonic()
        if self._deleted and (deleted < BATCH or now - self._told >= TELL_EVERY_S):
            logs.event("retention/deleted", f"{self._deleted} rows deleted", count=self._deleted)
            self._deleted, self._told = 0, now

    def _delete_jobs(self, before: int, *, failed: bool, runs: bool) -> int:
        ids = self._db.read(
            lambda tx: retention.old_jobs(
                tx,
                before=before,
                failed=failed,
                runs=runs,
                keep_last=self._settings.keep_last,
                limit=BATCH,
            )
        )
        return self._db.run(lambda tx: retention.delete_jobs(tx, ids)) if ids else 0


def _pause_s(settings: Settings) -> float:
    """Return how long to wait between two looks at what is old (s)."""
    ages = (
        settings.retention_completed_us, settings.retention_runs_us, settings.retention_failed_us,
        settings.retention_occurrences_us, settings.retention_logs_us,
    )  # fmt: skip
    least, most = RETENTION_EVERY_S
    shortest = min((age for age in ages if age is not None), default=0)
    return max(least, min(most, shortest / 1e7))
