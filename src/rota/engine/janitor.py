"""Looks after what is left behind: jobs of lost workers, and history whose time is over."""

from __future__ import annotations

import time

from rota import logs
from rota.engine.loop import Loop
from rota.settings import Settings
from rota.store import results, retention, workers
from rota.store.database import Database

SWEEP_S = 5.0
RETENTION_EVERY_S = 60.0
BATCH = 500
WORKER_KEPT_US = 86_400_000_000
IDEMPOTENCY_KEPT_US = 86_400_000_000


class Janitor(Loop):
    """Gives back the jobs of workers whose lease ran out."""

    name = "janitor"

    def __init__(self, db: Database) -> None:
        super().__init__()
        self._db = db

    def run_once(self) -> float:
        """Sweep once; return how long until the next sweep (s)."""
        for worker_id in self._db.run(workers.expire):
            logs.event("worker/lost", "its lease ran out", level="warning", workerId=worker_id)
        lost = self._db.run(results.lose)
        for job in lost:
            logs.event(
                "job/lost", job.error, level="warning", jobId=job.id, attempt=job.attempt, workerId=job.worker_id,
                status=job.status,
            )  # fmt: skip
        return 0.0 if len(lost) >= BATCH else SWEEP_S


class Retention(Loop):
    """Deletes history by age, in small batches, the last runs of each schedule excepted."""

    name = "retention"

    def __init__(self, db: Database, settings: Settings) -> None:
        super().__init__()
        self._db = db
        self._settings = settings
        self._next_full = 0.0

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
        if time.monotonic() >= self._next_full:
            self._next_full = time.monotonic() + 3600
            self._db.run(lambda tx: retention.delete_idempotency(tx, now - IDEMPOTENCY_KEPT_US))
            self._db.run(lambda tx: workers.forget(tx, now - WORKER_KEPT_US))
        if deleted:
            logs.event("retention/deleted", f"{deleted} rows deleted", count=deleted)
        return 0.1 if deleted >= BATCH else RETENTION_EVERY_S

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
