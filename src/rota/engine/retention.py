"""Deletes history whose time is over: each kind by its setting, jobs as their queue says where it does."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

import msgspec

from rota import logs
from rota.engine.loop import Loop
from rota.ids import least_id
from rota.settings import Settings
from rota.store import audit, batches, operations, queues, retention, workers
from rota.store.database import Database
from rota.store.retention import RUNS, TRAFFIC, Place, Which

RETENTION_EVERY_S = (60.0, 300.0)
"""Least and longest pause between two looks at what is old; between them a tenth of the shortest age to keep."""
TELL_EVERY_S = 10.0
ANEW_EVERY_S = 3600.0
"""So often what was found to stay is looked at again."""
BATCH = 500
WORKER_KEPT_US = 86_400_000_000
BATCH_KEPT_US = 7 * 86_400_000_000
"""A batch whose jobs are gone is kept so long after it was made."""
IDEMPOTENCY_KEPT_US = 86_400_000_000


class Rule(msgspec.Struct, frozen=True):
    """How long some ended jobs are kept (µs)."""

    age: int
    which: Which


def rules(settings: Settings, own: Mapping[str, str]) -> Iterator[Rule]:
    """Yield how long jobs are kept; ``own`` is what queues say (JSON), with null for ever."""
    said: dict[str, dict[str, int | None]] = {name: msgspec.json.decode(text) for name, text in own.items()}
    for status in ("completed", "cancelled", "failed"):
        ages = {name: kept[status] for name, kept in said.items() if status in kept}
        but = frozenset(ages)
        failed = settings.retention_failed_us
        for age, origins in (
            (settings.retention_completed_us if status != "failed" else failed, TRAFFIC),
            (settings.retention_runs_us if status != "failed" else failed, RUNS),
        ):
            if age is not None:
                yield Rule(age, Which(before=0, status=status, origins=origins, but=but))
        for age in sorted({age for age in ages.values() if age is not None}):
            names = frozenset(name for name, each in ages.items() if each == age)
            yield Rule(age, Which(before=0, status=status, queues=names))


class Retention(Loop):
    """Deletes history by age, in small batches, the last runs of each schedule excepted."""

    name = "retention"

    def __init__(self, db: Database, settings: Settings) -> None:
        super().__init__()
        self._db = db
        self._settings = settings
        self._deleted = 0
        self._told = time.monotonic()
        self._places: dict[Which, dict[str, Place]] = {}
        """Up to where nothing is to go, of each kind by origin: most of it is of other queues."""
        self._anew_at = 0.0

    def run_once(self) -> float:
        """Delete one batch of each kind; return how long until the next (s)."""
        settings = self._settings
        now = self._db.read(lambda tx: tx.now())
        deleted = 0
        own = self._db.read(queues.retentions)
        found = list(rules(settings, own))
        self._forget_places(found)
        left = False
        for rule in found:
            count, more = self._delete_jobs(rule, now)
            deleted, left = deleted + count, left or more
        if settings.retention_occurrences_us is not None:
            before = now - settings.retention_occurrences_us
            deleted += self._db.run(lambda tx: retention.delete_occurrences(tx, before, BATCH))
        if settings.retention_logs_us is not None:
            oldest = now - settings.retention_logs_us
            deleted += self._db.run(lambda tx: retention.delete_logs(tx, oldest, BATCH))
        if settings.retention_audit_us is not None:
            first = now - settings.retention_audit_us
            deleted += self._db.run(lambda tx: audit.forget(tx, before=first, limit=BATCH))
            deleted += self._db.run(lambda tx: operations.forget(tx, before=first, limit=BATCH))
        deleted += self._db.run(lambda tx: retention.delete_idempotency(tx, now - IDEMPOTENCY_KEPT_US, BATCH))
        deleted += self._db.run(lambda tx: workers.forget(tx, now - WORKER_KEPT_US))
        deleted += self._db.run(lambda tx: batches.forget(tx, least_id(now - BATCH_KEPT_US), BATCH))
        self._report(deleted)
        return 0.1 if deleted >= BATCH or left else _pause_s(settings, [rule.age for rule in found])

    def _report(self, deleted: int) -> None:
        """Tell what was deleted, a large clearance each ten seconds."""
        self._deleted += deleted
        now = time.monotonic()
        if self._deleted and (deleted < BATCH or now - self._told >= TELL_EVERY_S):
            logs.event("retention/deleted", f"{self._deleted} rows deleted", count=self._deleted)
            self._deleted, self._told = 0, now

    def _forget_places(self, found: list[Rule]) -> None:
        """Look at everything anew where a rule changed, and now and then."""
        known = {rule.which for rule in found}
        if time.monotonic() >= self._anew_at:
            self._places, self._anew_at = {}, time.monotonic() + ANEW_EVERY_S
        self._places = {which: places for which, places in self._places.items() if which in known}

    def _delete_jobs(self, rule: Rule, now: int) -> tuple[int, bool]:
        """Delete a batch of what a rule lets go; return how many, and whether not all was looked at."""
        which = msgspec.structs.replace(rule.which, before=now - rule.age)
        places, keep = self._places.setdefault(rule.which, {}), self._settings.keep_last
        old = self._db.read(lambda tx: retention.old_jobs(tx, which, keep_last=keep, limit=BATCH, places=places))
        if not old.more and which.queues is None and not which.but:
            places.clear()  # what stays of these may go the next time
        return self._db.run(lambda tx: retention.delete_jobs(tx, old.ids)) if old.ids else 0, old.more


def _pause_s(settings: Settings, of_jobs: list[int]) -> float:
    """Return how long to wait between two looks at what is old (s)."""
    others = (settings.retention_occurrences_us, settings.retention_logs_us, settings.retention_audit_us)
    least, most = RETENTION_EVERY_S
    shortest = min((age for age in (*others, *of_jobs) if age is not None), default=0)
    return max(least, min(most, shortest / 1e7))
