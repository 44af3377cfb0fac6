"""Proposals: limits that history suggests, for a person to accept."""

from __future__ import annotations

from collections import Counter, defaultdict

import msgspec

from rota.durations import DAY, HOUR, MINUTE
from rota.insight.condition import length
from rota.insight.monitoring import KINDS, Sayings, monitor_id
from rota.insight.usual import LEAST_RUNS, usual
from rota.store import history, monitors, rollups, schedules
from rota.store.database import Tx

MOST_SCHEDULES = 200
TIMES = 3
STEP_S = 7200
BACK_US = 7 * DAY
LEAST_ENDS = 50
"""Of fewer ends of a queue or a type nothing is proposed."""
ROUND = tuple(n * MINUTE for n in (1, 2, 3, 5, 10, 15, 20, 30, 45)) + tuple(
    n * HOUR for n in (1, 2, 3, 4, 6, 8, 12, 24, 36, 48, 72, 120, 168)
)


class Proposal(msgspec.Struct, frozen=True):
    """A limit for a monitor, and why."""

    monitor: str
    limit_us: int
    text: str
    runs: int
    """On how many runs it stands."""


def proposals(tx: Tx, *, q: str | None = None, stall_us: int = 0) -> list[Proposal]:
    """Return what the last runs of schedules, and a week of queues and types, suggest, where nobody has set a limit.

    Of schedules the first ``MOST_SCHEDULES`` by id are looked at that ``q`` finds.
    """
    found = [*_of_schedules(tx, q), *_of_rollups(tx)]
    sayings = Sayings(monitors.listed(tx), now=tx.now(), stall_us=stall_us)
    wanted = [one for one in found if q is None or q.lower() in one.monitor.lower()]
    return [one for one in wanted if (said := sayings.by_id.get(one.monitor)) is None or said.limit_us is None]


def _of_schedules(tx: Tx, q: str | None) -> list[Proposal]:
    names = schedules.ids(tx, None if q is None else q.rpartition(":")[2], limit=MOST_SCHEDULES, offset=0)
    found = []
    for name, took in sorted(history.durations(tx, names).items()):
        if len(took) >= LEAST_RUNS:
            found.append(_too_long("schedule", name, usual(took).p95, len(took)))
    return found


def _of_rollups(tx: Tx) -> list[Proposal]:
    now = tx.now()
    waiting: dict[str, Counter[int]] = defaultdict(Counter)
    running: dict[str, Counter[int]] = defaultdict(Counter)
    for _, queue, kind, outcome, one in rollups.between(tx, STEP_S, now - BACK_US, now):
        if outcome in ("completed", "failed"):
            waiting[queue].update(one.waiting)
        if outcome == "completed" and kind:
            running[kind].update(one.running)
    found = []
    for queue, counts in sorted(waiting.items()):
        if counts.total() >= LEAST_ENDS:
            p95 = _p95(counts)
            limit = max(rounded(TIMES * p95), KINDS["backlog"].limit_us or 0)
            text = f"19 of 20 jobs waited up to {length(p95)}: tell when one waits for longer than {length(limit)}."
            if limit != KINDS["backlog"].limit_us:
                found.append(Proposal(monitor_id("backlog", "queue", queue), limit, text, counts.total()))
    for kind, counts in sorted(running.items()):
        if counts.total() >= LEAST_ENDS:
            found.append(_too_long("type", kind, _p95(counts), counts.total()))
    return found


def _too_long(subject_kind: str, name: str, p95: int, runs: int) -> Proposal:
    limit = rounded(TIMES * p95)
    text = f"19 of 20 runs took up to {length(p95)}: tell when one goes on for longer than {length(limit)}."
    return Proposal(monitor_id("too-long", subject_kind, name), limit, text, runs)


def _p95(counts: Counter[int]) -> int:
    """Return an upper bound (µs) of what 19 of 20 durations are below."""
    left = counts.total() * 95 / 100
    for place in sorted(counts):
        left -= counts[place]
        if left <= 0:
            return rollups.BOUNDS[min(place, len(rollups.BOUNDS) - 1)]
    return rollups.BOUNDS[-1]


def rounded(duration_us: int) -> int:
    """Return the next duration that people would say."""
    return next((one for one in ROUND if one >= duration_us), -(-duration_us // DAY) * DAY)
