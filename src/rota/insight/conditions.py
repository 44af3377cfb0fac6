"""Conditions: what does not go as it should now.  Problems and alerts tell of these, and of nothing else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

import msgspec

from rota.actions import pings
from rota.durations import HOUR, MINUTE
from rota.insight.condition import Condition, Sentence, Subject
from rota.insight.monitoring import Sayings, monitor_id
from rota.insight.own_conditions import own
from rota.insight.run_conditions import Runs
from rota.insight.usual import Memory
from rota.model import Severity
from rota.store import alerts, checks, failures, monitors, queues, untaken, vitals, workers
from rota.store.database import Tx
from rota.store.vitals import Vitals

LONG_BACKLOG_US = HOUR
LEAST_BACKLOG_US = MINUTE
"""Many jobs are no backlog before the oldest has waited so long."""
LOST_FOR_US = HOUR
"""So long after its last sign of life a lost process is told of."""

NO_SCHEDULER = monitor_id("no-scheduler", "system", "scheduler")
STANDSTILL = monitor_id("standstill", "system", "watermark")
LOST_WORKER = monitor_id("lost", "system", "worker")
LOST_SCHEDULER = monitor_id("lost", "system", "scheduler")


class View(msgspec.Struct, frozen=True):
    """What one look has found."""

    now: int
    """µs UTC by the database's clock."""
    conditions: list[Condition]
    sayings: Sayings
    alerts: dict[str, alerts.Alert]
    """The incidents that are open, by their monitors."""


def look(tx: Tx, stall_us: int, *, since: int | None = None, memory: Memory | None = None) -> View:
    """Return all conditions.

    ``since``: runs that ended since then are looked at whether they were too short; by default those of the last
    minute.  ``memory``: what is known of earlier looks.
    """
    now = tx.now()
    sayings = Sayings(monitors.listed(tx), now=now, stall_us=stall_us)
    opened = alerts.opened(tx)
    found = vitals.look(tx)
    every = [
        *_no_scheduler(tx, found),
        *Runs(tx, now, sayings, memory or Memory()).conditions(
            _subjects(opened), now - MINUTE if since is None else since
        ),
        *_no_worker(found, sayings),
        *_backlogs(tx, found, sayings),
        *_lost(tx, found),
        *_checks(tx, now),
        *own(tx, now),
    ]
    every += _standstill(found, sayings, tuple(one.monitor for one in every if one.kind in ("late", "never-run")))
    return View(now, [one for one in every if sayings.of(one.monitor).enabled], sayings, opened)


def _subjects(opened: Iterable[str]) -> dict[str, set[str]]:
    """Return the schedules of which something is told, by kind: these are looked at until it is over."""
    found: dict[str, set[str]] = defaultdict(set)
    for name in opened:
        kind, _, rest = name.partition(":")
        subject_kind, _, subject = rest.partition(":")
        if subject_kind == "schedule":
            found[kind].add(subject)
    return found


def _no_scheduler(tx: Tx, found: Vitals) -> Iterator[Condition]:
    if found.scheduler_seen_at is None:
        last = workers.last_seen(tx, "scheduler")
        head = "No scheduler lives: nothing that is due is started."
        sentence = Sentence(head, tail="") if last is None else Sentence(f"{head} The last one was seen at", last)
        yield Condition(
            kind="no-scheduler", severity="error", subject=Subject("system", "scheduler"), sentence=sentence, since=last
        )


def _standstill(found: Vitals, sayings: Sayings, late: tuple[str, ...]) -> Iterator[Condition]:
    limit = sayings.of(STANDSTILL).limit_us or 0
    if found.accounted_to is not None and found.now - found.accounted_to > limit:
        yield Condition(
            kind="standstill", severity="error", subject=Subject("system", "watermark"), since=found.accounted_to,
            true_at=found.accounted_to + limit,
            sentence=Sentence("Due instants are accounted for only up to", found.accounted_to),
            explained_by=(NO_SCHEDULER, LOST_SCHEDULER, *late),
        )  # fmt: skip


def _no_worker(found: Vitals, sayings: Sayings) -> Iterator[Condition]:
    """Of each queue the lane that waits for the longest time without anybody who takes it."""
    waiting: dict[str, list[untaken.Lane]] = defaultdict(list)
    for lane in found.untaken:
        if found.now - lane.since > _untaken_us(sayings, lane.queue):
            waiting[lane.queue].append(lane)
    for queue, lanes in waiting.items():
        first = min(lanes, key=lambda lane: lane.since)
        more = f"; so do {len(lanes) - 1} other kinds of jobs" if len(lanes) > 1 else ""
        yield Condition(
            kind="no-worker", severity="error", subject=Subject("queue", queue), since=first.since,
            true_at=first.since + _untaken_us(sayings, queue),
            sentence=Sentence(
                f"{first.lane.capitalize()} jobs wait in queue {queue} since", first.since,
                f", and {first.without}{more}.",
            ),
            explained_by=(LOST_WORKER,),
        )  # fmt: skip


def _untaken_us(sayings: Sayings, queue: str) -> int:
    return sayings.of(monitor_id("no-worker", "queue", queue)).limit_us or 0


def _backlogs(tx: Tx, found: Vitals, sayings: Sayings) -> Iterator[Condition]:
    """Of open queues that somebody takes jobs of, those with too much in them, or whose oldest job waits for long."""
    without = {lane.queue for lane in found.untaken}
    resumed = queues.resumed(tx)
    for name, (count, oldest) in queues.waiting(tx).items():
        if name in without:
            continue
        since = max(oldest, resumed.get(name, 0))
        limits, waited = sayings.of(monitor_id("backlog", "queue", name)), found.now - since
        many = limits.limit_count is not None and count >= limits.limit_count and waited > LEAST_BACKLOG_US
        if many or waited > (limits.limit_us or 0):
            counted = f"{count:,}" if count < queues.COUNT_CAP else f"{queues.COUNT_CAP:,} or more"
            jobs = "1 job waits" if count == 1 else f"{counted} jobs wait"
            severity: Severity = "error" if waited > LONG_BACKLOG_US else "warning"
            yield Condition(
                kind="backlog", severity=severity, subject=Subject("queue", name), since=since,
                true_at=since + (LEAST_BACKLOG_US if many else limits.limit_us or 0),
                sentence=Sentence(f"{jobs} in queue {name}, the oldest since", since, _how(since > oldest)),
                explained_by=(LOST_WORKER, monitor_id("no-worker", "queue", name)),
            )  # fmt: skip


def _how(resumed: bool) -> str:
    return ", when the queue was resumed." if resumed else "."


def _lost(tx: Tx, found: Vitals) -> Iterator[Condition]:
    """Of each role the processes that were lost; what serves in their place makes it pass."""
    lost: dict[str, list[failures.Lost]] = defaultdict(list)
    for one in failures.lost(tx, found.now - LOST_FOR_US):
        lost[one.role].append(one)
    known = workers.listed(tx) if lost else []
    for role, gone in lost.items():
        left = _unreplaced(gone, [one.started_at for one in known if one.role == role])
        told = left or gone
        latest = max(told, key=lambda one: one.seen_at)
        more = f" So were {len(told) - 1} more." if len(told) > 1 else ""
        yield Condition(
            kind="lost", severity="warning", subject=Subject("worker", latest.id), since=latest.seen_at,
            sentence=Sentence(
                f"The {role} on {latest.host} was lost: its last sign of life was at", latest.seen_at, f".{more}"
            ),
            watched=("system", role), passed=not left,
            explained_by=(NO_SCHEDULER,) if role == "scheduler" else (),
        )  # fmt: skip


def _unreplaced(gone: list[failures.Lost], starts: Iterable[int]) -> list[failures.Lost]:
    """Return those in whose place none was started since, whatever became of it and wherever; one replaces one."""
    left, free = [], sorted(starts)
    for one in sorted(gone, key=lambda one: one.seen_at, reverse=True):
        if free and free[-1] > one.seen_at:
            free.pop()
        else:
            left.append(one)
    return left


def _checks(tx: Tx, now: int) -> Iterator[Condition]:
    for one in checks.late(tx, now):
        yield Condition(
            kind="check", severity="error", subject=Subject("check", one.id), since=one.since,
            sentence=Sentence(one.text, tail=""),
            missed_at=None if one.kind == "failing" else pings.missed(one.check, now),
        )  # fmt: skip
