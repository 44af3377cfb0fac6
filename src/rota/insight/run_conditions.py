"""What does not go as it should with the runs of schedules and types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, zip_longest

from rota.durations import DAY, MINUTE, SECOND
from rota.insight.condition import Condition, Sentence, Subject, length
from rota.insight.monitoring import ALL, MonitorKind, Sayings, SubjectKind, monitor_id
from rota.insight.usual import Memory, Usual, usual
from rota.model import Severity
from rota.store import queues, runs
from rota.store.database import Tx
from rota.store.runs import LAST_RUNS, LastEnd, Run, Running, Watched
from rota.store.waiting import Run as RunOfType

Whose = tuple[SubjectKind, str]
TIMED = frozenset(("late", "never-run", "silent", "too-long"))
"""Whose limit counts from when it began."""
FAILED_FOR_US = DAY
"""Of the schedules that failed so long ago those are found that fail; later on they are known."""
DECIDED_FOR_US = 10 * MINUTE
MOST_LOOKED_AT = 200
"""Schedules whose last runs are read by one look, beside those that are told of."""
SHARE = MOST_LOOKED_AT // 6
"""So many of them at least are of each source."""
LOOK_US = 5 * SECOND
LEAST_LONG_US = MINUTE
TIMES_LONGER = 3
LEAST_SHORT_US = 10 * SECOND
TIMES_SHORTER = 10
OVERDUE_US = MINUTE
LEAST_SILENCE_US = 15 * MINUTE
NO_SCHEDULER = (monitor_id("no-scheduler", "system", "scheduler"), monitor_id("lost", "system", "scheduler"))


class Runs:
    """One look at runs."""

    def __init__(self, tx: Tx, now: int, sayings: Sayings, memory: Memory) -> None:
        self._tx = tx
        self._now = now
        self._sayings = sayings
        self._memory = memory

    def conditions(self, open_: Mapping[str, set[str]], since: int) -> list[Condition]:
        """Return what is wrong; ``open_`` are the schedules by the kinds of which something is told already."""
        running = runs.running(self._tx, self._now - self._least_running())
        watched = self._watched(open_, since, running)
        known = runs.watched(self._tx, watched)
        there = {name: one for name, one in known.items() if not one.paused}
        recent = runs.recent(self._tx, there)
        late = list(self._late())
        return [
            *late, *self._never(there), *self._failing(there, recent), *self._silent(there, recent),
            *self._short(there, recent), *self._long(running),
        ]  # fmt: skip

    def _least_running(self) -> int:
        limits = [self._sayings.least(kind) for kind in ("too-long", "stuck")]
        return min([LEAST_LONG_US, *(limit for limit in limits if limit > 0)])

    def _watched(self, open_: Mapping[str, set[str]], since: int, running: Sequence[Running]) -> set[str]:
        """Return the schedules with which something may be wrong: those that are told of, and a number of others.

        Of each source some are among these, however many another one names.
        """
        told = {name for kind in ("failing", "silent", "too-short", "never-run") for name in open_.get(kind, ())}
        sources: tuple[Sequence[str], ...] = (
            runs.failed(self._tx, self._now - FAILED_FOR_US),
            self._short_ones(since),
            [name for kind in ("silent", "too-short") for name in self._sayings.limited(kind, "schedule")],
            runs.unfired(self._tx, self._now - DECIDED_FOR_US),
            self._quiet_ones(),
            [one.schedule_id for one in running if one.schedule_id is not None],
        )
        turns = [self._in_turn([name for name in dict.fromkeys(some) if name not in told]) for some in sources]
        found = dict.fromkeys(name for some in zip_longest(*turns) for name in some if name is not None)
        return told | set(islice(found, MOST_LOOKED_AT))

    def _quiet_ones(self) -> list[str]:
        """Where a limit is said of all, return some of the schedules that may pass it; the next look goes on behind."""
        limit = self._sayings.of(monitor_id("silent", "schedule", ALL)).limit_us
        if limit is None:
            return []
        found, self._memory.quiet_after = runs.quiet(self._tx, self._now - limit, SHARE, self._memory.quiet_after)
        return found

    def _in_turn(self, names: list[str]) -> list[str]:
        """Begin elsewhere at each look where there are more than their share, so that each has its turn."""
        if len(names) <= SHARE:
            return names
        begin = self._now // LOOK_US * SHARE % len(names)
        return names[begin:] + names[:begin]

    # -- late, never --------------------------------------------------------------------------------------------------

    def _late(self) -> Iterator[Condition]:
        least = min(self._sayings.least("late"), self._sayings.least("never-run"))
        seen = set()
        for name, due, made in runs.undecided(self._tx, self._now - least):
            kind: MonitorKind = "late" if made else "never-run"
            if self._is_over(kind, name, due):
                seen.add(name)
                head = f"Schedule {name} was due at" if made else f"Schedule {name} has never run: it was due at"
                yield self._about(
                    kind, name, Sentence(head, due, ", and has not been decided upon."), due, explained_by=NO_SCHEDULER
                )
        resumed = queues.resumed(self._tx)
        for one in runs.unstarted(self._tx, self._now - least):
            kind = "late" if one.ran_before else "never-run"
            since = max(one.run_at, resumed.get(one.queue, 0))
            if one.schedule_id in seen or not self._is_over(kind, one.schedule_id, since):
                continue
            seen.add(one.schedule_id)
            head = f"Schedule {one.schedule_id} {'was' if one.ran_before else 'has never run: it was'} due at"
            causes = [monitor_id(kind_, "queue", one.queue) for kind_ in ("no-worker", "backlog")]
            yield self._about(
                kind, one.schedule_id, Sentence(head, one.run_at, f", and its run waits in queue {one.queue}."),
                since, job_id=one.id, severity="warning" if one.ran_before else "error",
                explained_by=(*causes, monitor_id("lost", "system", "worker")),
            )  # fmt: skip

    def _is_over(self, kind: str, name: str, since: int) -> bool:
        return self._now - since > (self._sayings.of(monitor_id(kind, "schedule", name)).limit_us or 0)

    def _never(self, there: Mapping[str, Watched]) -> Iterator[Condition]:
        """Of the schedules that made no run those of which one was wanted."""
        unrun = {name: one.resumed_at for name, one in there.items() if one.runs == 0}
        for name, due in runs.due_after(self._tx, unrun).items():
            if self._is_over("never-run", name, due):
                sentence = Sentence(f"Schedule {name} has never run: the first instant that made no run was", due)
                yield self._about("never-run", name, sentence, due)

    # -- failing, silent ----------------------------------------------------------------------------------------------

    def _failing(self, there: Mapping[str, Watched], recent: Mapping[str, Sequence[Run]]) -> Iterator[Condition]:
        for name, one in there.items():
            count, first, job_id = failed_in_a_row(recent.get(name, ()), one.resumed_at)
            least = self._sayings.of(monitor_id("failing", "schedule", name)).limit_count or 1
            if first is not None and count >= min(least, LAST_RUNS):
                more = " or more" if count == LAST_RUNS else ""
                times = f"The last {count}{more} runs" if count > 1 else "The last run"
                sentence = Sentence(f"{times} of schedule {name} failed, the first at", first)
                yield self._about("failing", name, sentence, first, job_id=job_id)

    def _silent(self, there: Mapping[str, Watched], recent: Mapping[str, Sequence[Run]]) -> Iterator[Condition]:
        ends = self._last_ends(there, recent)
        deadlines = self._deadlines(there, ends, recent)
        for name, end in ends.items():
            resumed = there[name].resumed_at
            heard = end.completed_at or end.scheduled_for or there[name].created_at
            begin = max(heard, resumed)
            limit = self._sayings.of(monitor_id("silent", "schedule", name)).limit_us
            deadline = deadlines.get(name) if limit is None else begin + limit
            if there[name].runs and deadline is not None and self._now > deadline:
                since = "since it was resumed at" if resumed > heard else "since"
                head = f"No run of schedule {name} has completed {since}"
                causes = [
                    monitor_id(kind, "schedule", name) for kind in ("failing", "late", "never-run", "too-long", "stuck")
                ]
                yield self._about("silent", name, Sentence(head, begin), begin, explained_by=(*causes, *NO_SCHEDULER))

    def _deadlines(
        self, there: Mapping[str, Watched], ends: Mapping[str, LastEnd], recent: Mapping[str, Sequence[Run]]
    ) -> dict[str, int]:
        """Return until when a run was to complete where nobody has said it: two intervals, and a while to run."""
        resumed = {name: one.resumed_at for name, one in there.items() if one.resumed_at > ends[name].scheduled_for}
        due = runs.due_after(self._tx, {name: end.scheduled_for for name, end in ends.items()} | resumed)
        second = runs.due_after(self._tx, {name: due[name] for name in resumed if name in due})
        found = {}
        for name, first in due.items():
            if name not in resumed:
                before = ends[name].scheduled_for
                second[name] = first + (first - before if before else 0)
            if name in second:
                took = usual([one for each in recent.get(name, ()) if (one := each.took) is not None])
                found[name] = second[name] + max(LEAST_SILENCE_US, 2 * took.longest)
        return found

    def _last_ends(self, there: Mapping[str, Watched], recent: Mapping[str, Sequence[Run]]) -> dict[str, LastEnd]:
        """Return of each schedule what completed last; the oldest run stands for it where none did."""
        ends = {}
        for name in there:
            some = recent.get(name, ())
            done = next((run for run in some if run.status == "completed" and run.completed_at is not None), None)
            if done is not None:
                ends[name] = LastEnd(done.completed_at, done.scheduled_for)
            elif len(some) < LAST_RUNS:
                ends[name] = LastEnd(None, min((run.scheduled_for for run in some), default=0))
        return ends | runs.last_ends(self._tx, there.keys() - ends.keys())

    # -- too short, too long, stuck -----------------------------------------------------------------------------------

    def _short_ones(self, since: int) -> list[str]:
        """Return the schedules of which a run ended of late that was shorter than usual, or than it may be."""
        ended = runs.completed(self._tx, since)
        limits = {name: self._sayings.of(monitor_id("too-short", "schedule", name)).limit_us for name in ended}
        known = self._memory.of_schedules(self._tx, [name for name in ended if limits[name] is None], self._now)
        found = []
        for name, took in ended.items():
            limit = limits[name]
            if limit is None and known[name].longest >= LEAST_SHORT_US:
                limit = known[name].longest // TIMES_SHORTER + 1
            if limit is not None and took < limit:
                found.append(name)
        return found

    def _short(self, there: Mapping[str, Watched], recent: Mapping[str, Sequence[Run]]) -> Iterator[Condition]:
        for name, one in there.items():
            done = [run for run in recent.get(name, ()) if run.took is not None]
            if not done or (done[0].completed_at or 0) < one.resumed_at:
                continue
            took, before = done[0].took or 0, usual([run.took or 0 for run in done[1:]])
            limit = self._sayings.of(monitor_id("too-short", "schedule", name)).limit_us
            usually = f"; those before took {length(before.shortest)} and longer" if before.runs else ""
            if limit is None and before.is_known and before.shortest >= LEAST_SHORT_US:
                limit = before.shortest // TIMES_SHORTER
            if limit is not None and took < limit:
                head = f"The last run of schedule {name} took only {length(took)}{usually}. It ended at"
                ended = done[0].completed_at
                yield self._about(
                    "too-short", name, Sentence(head, ended), ended, job_id=done[0].id, severity="warning"
                )

    def _long(self, running: Sequence[Running]) -> Iterator[Condition]:
        """Of each schedule and type the oldest run, where that goes on for too long, or nothing comes of it."""
        first: dict[Whose, list[Running]] = {}
        for one in running:
            first.setdefault(_whose(one), []).append(one)
        known = self._usual(first)
        long = {}
        for (kind, name), some in first.items():
            limit = self._sayings.of(monitor_id("too-long", kind, name)).limit_us if kind != "queue" else None
            usual_ = known.get((kind, name))
            if limit is None and usual_ is not None and usual_.is_known and kind != "queue":
                limit = max(LEAST_LONG_US, TIMES_LONGER * usual_.p95)
            over = [one for one in some if limit is not None and self._now - one.started_at > limit]
            if over:
                long[kind, name] = over
                yield self._too_long(kind, name, over, usual_)
        yield from self._stuck(first, known)

    def _usual(self, first: Mapping[Whose, Sequence[Running]]) -> dict[Whose, Usual]:
        by_schedule = self._memory.of_schedules(
            self._tx, [name for kind, name in first if kind == "schedule"], self._now
        )
        newest = {
            name: RunOfType(some[-1].id, name, some[-1].started_at)
            for (kind, name), some in first.items() if kind == "type"
        }  # fmt: skip
        by_type = self._memory.of_types(self._tx, newest, self._now)
        found: dict[Whose, Usual] = {("schedule", name): value for name, value in by_schedule.items()}
        return found | {("type", name): value for name, value in by_type.items()}

    def _too_long(self, kind: SubjectKind, name: str, over: Sequence[Running], usual_: Usual | None) -> Condition:
        usually = f", where {length(usual_.p95)} is usual at most" if usual_ is not None and usual_.is_known else ""
        more = f"{usually}; {len(over)} runs do so." if len(over) > 1 else f"{usually}."
        head = f"A run of {_named(kind, name)} goes on since"
        return self._about(
            "too-long", name, Sentence(head, over[0].started_at, more), over[0].started_at, job_id=over[0].id,
            severity="warning", subject=kind,
        )  # fmt: skip

    def _stuck(self, first: Mapping[Whose, Sequence[Running]], known: Mapping[Whose, Usual]) -> Iterator[Condition]:
        suspects: list[tuple[Whose, Running, int]] = []
        for key, some in first.items():
            limit = self._sayings.of(monitor_id("stuck", *key)).limit_us or 0
            usual_ = known.get(key)
            if usual_ is not None and usual_.is_known:
                limit = max(limit, TIMES_LONGER * usual_.p95)
            suspects += [(key, one, limit) for one in some if self._now - one.updated_at > limit or self._overdue(one)]
        logged = runs.logged(self._tx, [one.id for _, one, _ in suspects])
        told = set()
        for key, one, limit in suspects:
            sign = max(one.started_at, one.updated_at, logged.get(one.id, 0))
            overdue = self._overdue(one)
            if key in told or not (overdue or self._now - sign > limit):
                continue
            told.add(key)
            if overdue:
                sentence = Sentence(f"A run of {_named(*key)} should have ended by its time-out at", overdue)
            else:
                sentence = Sentence(f"A run of {_named(*key)} has given no sign of life since", sign)
            yield self._about(
                "stuck", key[1], sentence, overdue or sign, job_id=one.id, severity="warning", subject=key[0],
                explained_by=(monitor_id("too-long", *key),),
            )  # fmt: skip

    def _overdue(self, one: Running) -> int | None:
        """Return when the time of a run was over (µs UTC), where that is a while ago."""
        end = one.answer_by
        if end is None and one.timeout_us is not None:
            end = one.started_at + one.timeout_us
        return end if end is not None and self._now - end > OVERDUE_US else None

    def _about(
        self,
        kind: MonitorKind,
        name: str,
        sentence: Sentence,
        since: int | None,
        *,
        subject: SubjectKind = "schedule",
        severity: Severity = "error",
        job_id: str | None = None,
        explained_by: tuple[str, ...] = (),
    ) -> Condition:
        limit = self._sayings.of(monitor_id(kind, subject, name)).limit_us if kind in TIMED else None
        return Condition(
            kind=kind,
            severity=severity,
            subject=Subject(subject, name),
            sentence=sentence,
            since=since,
            true_at=None if since is None else since + (limit or 0),
            job_id=job_id,
            explained_by=explained_by,
        )


def failed_in_a_row(some: Sequence[Run], since: int) -> tuple[int, int | None, str | None]:
    """Return how many of the last runs failed since one completed, when the first did, and the last one's id.

    Those that ended before ``since`` (µs UTC) do not count.
    """
    count, first, last = 0, None, None
    for run in some:
        if run.status == "completed":
            break
        if run.status == "failed" and (run.completed_at or 0) >= since:
            count, first, last = count + 1, run.completed_at, last or run.id
    return count, first, last


def _whose(one: Running) -> Whose:
    if one.schedule_id is not None:
        return "schedule", one.schedule_id
    return ("type", one.type) if one.type is not None else ("queue", one.queue)


def _named(kind: str, name: str) -> str:
    return {"schedule": f"schedule {name}", "type": f"job type {name}"}.get(kind, f"queue {name}")
