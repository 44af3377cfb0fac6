"""Deletes history whose time is over: each kind by its setting, jobs as their queue says where it does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TypeVar

import msgspec

from rota import logs
from rota.engine.archive import Archive
from rota.engine.loop import Loop
from rota.engine.outage import PASSING
from rota.ids import least_id
from rota.settings import Settings
from rota.store import (
    alerts,
    audit,
    batches,
    measures,
    meta,
    notices,
    operations,
    pings,
    queues,
    retention,
    rollups,
    totals,
    workers,
)
from rota.store.database import Database, Tx
from rota.store.retention import RUNS, TRAFFIC, Chunk, Place, Which

RETENTION_EVERY_S = (60.0, 300.0)
"""Least and longest pause between two looks at what is old; between them a tenth of the shortest age to keep."""
TELL_EVERY_S = 10.0
ANEW_EVERY_S = 3600.0
"""So often what was found to stay is looked at again."""
BATCH = 500
FEW = 100
"""So many jobs with their logs, or chunks of logs, are archived at a time."""
ROTATE_EVERY_S = 600.0
EVER = 1 << 60
"""An age that nothing has (µs)."""
WORKER_KEPT_US = 86_400_000_000
BATCH_KEPT_US = 7 * 86_400_000_000
"""A batch whose jobs are gone is kept so long after it was made."""
NOTICE_KEPT_US = 90 * 86_400_000_000
IDEMPOTENCY_KEPT_US = 86_400_000_000
T = TypeVar("T")


class Rule(msgspec.Struct, frozen=True):
    """How long some ended jobs are kept (µs)."""

    age: int
    which: Which
    most: int | None = None
    """So many of them are kept, whatever their age."""


def rules(settings: Settings, own: Mapping[str, str]) -> Iterator[Rule]:
    """Yield how long jobs are kept; ``own`` is what queues say (JSON), with null for ever."""
    said: dict[str, dict[str, int | None]] = {name: msgspec.json.decode(text) for name, text in own.items()}
    for status in ("completed", "cancelled", "failed"):
        ages = {name: kept[status] for name, kept in said.items() if status in kept}
        but = frozenset(ages)
        failed = settings.retention_failed_us
        kept_most, by_bytes = settings.keep_most_failed, settings.keep_most_bytes is not None
        traffic = (settings.retention_completed_us, settings.keep_most_completed)
        runs = (settings.retention_runs_us, settings.keep_most_runs)
        for origins, bounds in ((TRAFFIC, traffic), (RUNS, runs)):
            age, most = (failed, kept_most) if status == "failed" else bounds
            if age is not None or most is not None or by_bytes:
                which = Which(before=0, status=status, origins=origins, but=but)
                yield Rule(EVER if age is None else age, which, most)
        for age in sorted({age for age in ages.values() if age is not None}):
            names = frozenset(name for name, each in ages.items() if each == age)
            yield Rule(age, Which(before=0, status=status, queues=names))
        for name, kept in said.items():
            most = kept.get(f"most{status.capitalize()}")
            if most is not None or "mostBytes" in kept:
                yield Rule(EVER, Which(before=0, status=status, queue=name), most)


def heaviest(settings: Settings, own: Mapping[str, str]) -> Iterator[tuple[str | None, int]]:
    """Yield how many bytes ended jobs may take: of all queues together (None), and of each that says so."""
    if settings.keep_most_bytes is not None:
        yield None, settings.keep_most_bytes
    for name, text in own.items():
        most = msgspec.json.decode(text).get("mostBytes")
        if most is not None:
            yield name, most


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
        packs = settings.archive_format == "parquet"
        self._archive = Archive(settings.archive_dir, packs=packs) if settings.archive_dir else None
        self._keeps_logs = self._archive is not None and settings.archive_logs
        self._rotate_at = 0.0

    def run_once(self) -> float:
        """Delete one batch of each kind; return how long until the next (s)."""
        settings = self._settings
        now = self._db.read(lambda tx: tx.now())
        own = self._db.read(queues.retentions)
        found = list(rules(settings, own))
        for queue, most_bytes in heaviest(settings, own):
            found = self._db.read(partial(_lighter, found=found, queue=queue, most_bytes=most_bytes))
        self._forget_places(found)
        jobs, left = 0, False
        for rule in found:
            count, more = self._apart("jobs", partial(self._delete_jobs, rule, now), (0, False))
            jobs, left = jobs + count, left or more
        gone = {"jobs": jobs, "logs": self._apart("logs", partial(self._delete_logs, now), 0)}
        gone |= {kind: self._apart(kind, partial(self._db.run, forget), 0) for kind, forget in _others(settings, now)}
        self._db.run(lambda tx: _note(tx, gone))
        forget = partial(notices.forget, before=now - NOTICE_KEPT_US, limit=BATCH)
        deleted = sum(gone.values()) + self._apart("notices", partial(self._db.run, forget), 0)
        self._report(deleted)
        if deleted >= BATCH or left:
            return 0.1
        self._rotate()
        return _pause_s(settings, [rule.age for rule in found])

    def _apart(self, kind: str, delete: Callable[[], T], none: T) -> T:
        """Delete of one kind; where that fails, tell it and return ``none``: what else is old goes all the same."""
        try:
            return delete()
        except PASSING:
            raise  # the others would meet it too
        except Exception as error:  # noqa: BLE001 - told as any trouble of a loop; the next turn tries again
            logs.event_limited(
                f"loop/failed/{self.name}/{kind}", "loop/failed", f"{self.name} of {kind}: {error}", level="error",
                loop=self.name, error=f"{type(error).__name__}: {error}", exc_info=error,
            )  # fmt: skip
            return none

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
        before, of = now - rule.age, rule.which
        if rule.most is not None:
            most = rule.most
            before = max(before, self._db.read(lambda tx: retention.bound(tx, of, most)))
        which = msgspec.structs.replace(of, before=before)
        places, keep = self._places.setdefault(rule.which, {}), self._settings.keep_last
        old = self._db.read(lambda tx: retention.old_jobs(tx, which, keep_last=keep, limit=BATCH, places=places))
        if not old.more and which.queues is None and not which.but:
            places.clear()  # what stays of these may go the next time
        return self._delete(old.ids), old.more

    def _delete(self, ids: list[str]) -> int:
        """Delete jobs, once the archive has them where there is one."""
        if not ids:
            return 0
        archive = self._archive
        if archive is None:
            return self._db.run(lambda tx: retention.delete_jobs(tx, ids))

        def delete(some: list[str]) -> int:
            ended = self._db.read(lambda tx: retention.read_jobs(tx, some))
            chunks = self._write_logs(archive, self._db.read(lambda tx: retention.chunks_of(tx, some)))
            archive.write(ended)
            return self._db.run(lambda tx: retention.delete_read(tx, ended, chunks))

        few = FEW if self._keeps_logs else BATCH
        return sum(self._archived(archive, partial(delete, ids[at : at + few])) for at in range(0, len(ids), few))

    def _delete_logs(self, now: int) -> int:
        """Delete a batch of logs that are old, once the archive has them where it keeps them."""
        age, archive = self._settings.retention_logs_us, self._archive
        if age is None:
            return 0
        if archive is None or not self._keeps_logs:
            return self._db.run(lambda tx: retention.delete_logs(tx, now - age, BATCH))

        def delete() -> int:
            chunks = self._db.read(lambda tx: retention.old_chunks(tx, now - age, BATCH))
            self._write_logs(archive, chunks)
            return self._db.run(lambda tx: retention.delete_chunks(tx, chunks)) if chunks else 0

        return self._archived(archive, delete)

    def _write_logs(self, archive: Archive, chunks: list[Chunk]) -> int | None:
        """Write chunks of logs, a few at a time; return how many were there, None where the archive keeps none."""
        if not self._keeps_logs:
            return None
        written = 0
        for at in range(0, len(chunks), FEW):
            found = self._db.read(partial(retention.read_chunks, chunks=chunks[at : at + FEW]))
            archive.write_logs(found)
            written += len(found)
        return written

    def _archived(self, archive: Archive, delete: Callable[[], int]) -> int:
        """Delete what is written first; nothing where it cannot be written, or was changed meanwhile."""
        try:
            with archive.locked():  # under which nobody else has written, and deleted, the same
                return delete()
        except retention.Changed:
            return 0
        except OSError as error:
            logs.event_limited(
                "archive", "retention/archive-failed", f"nothing is deleted, since it cannot be archived: {error}",
                level="error", error=str(error),
            )  # fmt: skip
            return 0

    def _rotate(self) -> None:
        """Make what is quiet in the archive into Parquet, where that is wanted."""
        if self._archive is None or time.monotonic() < self._rotate_at:
            return
        self._rotate_at = time.monotonic() + ROTATE_EVERY_S
        try:
            self._archive.rotate(self._go_on)
        except Stopped:
            return
        except (OSError, ValueError) as error:
            text = f"a file of the archive stays as lines, since it cannot be made into Parquet: {error}"
            logs.event_limited("pack", "retention/pack-failed", text, level="error", error=str(error))

    def _go_on(self) -> None:
        """Say that the turn goes on; raises Stopped where it is to end."""
        self.turned = time.monotonic()
        if self.stopping:
            raise Stopped


class Stopped(Exception):
    """The loop was asked to end."""


def _others(settings: Settings, now: int) -> Iterator[tuple[str, Callable[[Tx], int]]]:
    """Yield what deletes a batch of what is old and no job, by kind."""
    if settings.retention_occurrences_us is not None:
        before = now - settings.retention_occurrences_us
        yield "occurrences", lambda tx: retention.delete_occurrences(tx, before, BATCH)
    if settings.retention_audit_us is not None:
        first = now - settings.retention_audit_us
        yield "audit", lambda tx: audit.forget(tx, before=first, limit=BATCH)
        yield "operations", lambda tx: operations.forget(tx, before=first, limit=BATCH)
        yield "alerts", lambda tx: alerts.forget(tx, before=first, limit=BATCH)
    yield "rollups", lambda tx: rollups.forget(tx, settings.retention_rollups_us, BATCH)
    since = None if settings.retention_pings_us is None else now - settings.retention_pings_us
    yield "pings", lambda tx: pings.forget(tx, before=since, keep=settings.keep_pings, limit=BATCH)
    yield "idempotency", lambda tx: retention.delete_idempotency(tx, now - IDEMPOTENCY_KEPT_US, BATCH)
    yield "workers", lambda tx: workers.forget(tx, now - WORKER_KEPT_US)
    yield "batches", lambda tx: batches.forget(tx, least_id(now - BATCH_KEPT_US), BATCH)


def _note(tx: Tx, gone: Mapping[str, int]) -> None:
    """Count what was deleted, and note that somebody looked."""
    totals.count(tx, {f"{measures.DELETED}/{kind}": count for kind, count in gone.items()})
    meta.put(tx, measures.RETENTION_RAN, str(tx.now()))


def _lighter(tx: Tx, found: list[Rule], queue: str | None, most_bytes: int) -> list[Rule]:
    """Return rules that keep fewer jobs, each kind by the same part, where all are heavier together than they may."""
    of = [rule for rule in found if rule.which.queues is None and rule.which.queue == queue]
    weights = {rule: retention.weight(tx, rule.which) for rule in of}
    total = sum(size for _, size in weights.values())
    if total <= most_bytes:
        return found
    lighter = {rule: jobs * most_bytes // total for rule, (jobs, _) in weights.items()}
    return [
        msgspec.structs.replace(rule, most=min(lighter[rule], EVER if rule.most is None else rule.most))
        if rule in lighter
        else rule
        for rule in found
    ]


def _pause_s(settings: Settings, of_jobs: list[int]) -> float:
    """Return how long to wait between two looks at what is old (s)."""
    others = (settings.retention_occurrences_us, settings.retention_logs_us, settings.retention_audit_us)
    least, most = RETENTION_EVERY_S
    shortest = min((age for age in (*others, *of_jobs) if age is not None), default=0)
    return max(least, min(most, shortest / 1e7))
