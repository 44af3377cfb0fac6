"""What to do about a schedule that is due: a pure function of the schedule, its rule and the clock.

Every instant from the schedule's next one up to now is covered by exactly one occurrence: its own when it makes a
job, else a range of instants with the same disposition and cause.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec

from rota.actions.overlap import MAKE, ClearMode, Unended, replaces
from rota.actions.segments import Segment, Span, cut, segments
from rota.ids import new_id
from rota.model import Disposition, Occurrence, Schedule
from rota.store.firing import Due, Firing
from rota.timetable import Rule, format_instant

ON_TIME_US = 15_000_000
"""An instant this old still fires as itself: another scheduler takes over a dead one's work within 15 s."""

CATCHUP_CAP = 100
"""The most instants that ``all`` catches up at once."""

SHADOW = "shadow: it only observes"
"""Why an instant of a schedule that is not live yet makes no job."""

SERVICE = "rota"
"""Who pauses a schedule whose runs fail."""


class Run(msgspec.Struct, frozen=True):
    """A job to make for an instant."""

    job_id: str
    scheduled_for: int


class Decision(msgspec.Struct):
    """What a scheduler writes about one schedule."""

    schedule: Schedule
    firing: Firing
    occurrences: list[Occurrence]
    runs: list[Run]
    clear: ClearMode | None = None
    """How the runs that have not ended are to be ended for the new ones."""


def decide(
    due: Due,
    rule: Rule,
    now: int,
    *,
    refusal: str | None = None,
    closed: Sequence[Span] = (),
    down_since: int | None = None,
) -> Decision:
    """Decide about all instants of a due schedule up to ``now`` (µs UTC, the database's clock).

    ``refusal`` says why no job can be made: then the instants that would make one are skipped.  ``closed`` are the
    times at which its calendars let nothing fire.  ``down_since`` is up to when the schedulers had accounted for all.
    """
    schedule = due.schedule
    first = schedule.next_at
    if first is None or first > now:
        raise ValueError(f"schedule {schedule.id} is not due")
    ledger = _Ledger(due, rule, now, refusal, down_since)
    note = _failed_too_often(due)
    open_from = first
    if note is not None:
        ledger.cover_all(segments(rule, first, now + 1), "paused", note, SERVICE)
        open_from = now + 1
    elif schedule.paused_at is not None:
        open_from = _account_pause(ledger, first)
    _account_open(ledger, segments(rule, open_from, now + 1, closed))
    return Decision(schedule, _firing(ledger, first, note), ledger.occurrences, ledger.runs, ledger.clear)


def _firing(ledger: _Ledger, first: int, note: str | None) -> Firing:
    schedule, runs = ledger.schedule, ledger.runs
    ended = schedule.max_runs is not None and schedule.runs + len(runs) >= schedule.max_runs
    return Firing(
        id=schedule.id,
        version=schedule.version,
        seen_next=first,
        next_at=None if ended else ledger.rule.next(ledger.now),
        last_at=runs[-1].scheduled_for if runs else None,
        last_job_id=runs[-1].job_id if runs else None,
        fired=len(runs),
        resumed=schedule.paused_at is not None and _has_come(schedule.resume_at, ledger.now),
        paused_at=None if note is None else ledger.now,
        paused_note=note,
        else_at=ledger.rule.next(runs[-1].scheduled_for) if ended and runs else None,
    )


def _has_come(instant: int | None, now: int) -> bool:
    return instant is not None and instant <= now


def _failed_too_often(due: Due) -> str | None:
    """Return the note of the pause that a schedule whose runs fail is given."""
    limit = due.schedule.pause_after
    if limit is None or due.failures < limit or due.schedule.paused_at is not None:
        return None
    return f"paused after {limit} failure{'s' if limit > 1 else ''} in a row"


class _Ledger:
    """Occurrences as they are decided, in order."""

    def __init__(self, due: Due, rule: Rule, now: int, refusal: str | None, down_since: int | None) -> None:
        self.schedule = due.schedule
        self.rule = rule
        self.now = now
        self.unended = Unended(due.blocked_by, due.waiting, due.held)
        self.refusal = refusal
        self.occurrences: list[Occurrence] = []
        self.runs: list[Run] = []
        self.clear: ClearMode | None = None
        self.late = "no scheduler was running"
        self.down = f"down since {down_since}" if down_since is not None else "down"
        """So that two times of being down are two rows."""
        if down_since is not None:
            self.late += f" from {format_instant(down_since)} to {format_instant(now)}"

    def room(self) -> bool:
        """Tell whether the schedule may run once more."""
        limit = self.schedule.max_runs
        return limit is None or self.schedule.runs + len(self.runs) < limit

    def fire(self, instant: int, disposition: Disposition, reason: str | None = None, *, queue: bool = False) -> None:
        """Make a job, unless the overlap policy forbids it; ``queue`` lets it wait for its turn instead."""
        if not self.room():
            return
        if self.schedule.shadow:
            why = "" if disposition == "fired" else f" ({disposition}: {reason})"
            self.cover(Segment(instant, instant), "skipped", f"{SHADOW}{why}", "shadow")
            return
        if self.refusal is not None:
            self.cover(Segment(instant, instant), "skipped", self.refusal, "invalid")
            return
        verdict = MAKE if queue else self.unended.judge(self.schedule.overlap)
        if verdict.disposition is not None:
            self.cover(Segment(instant, instant), verdict.disposition, verdict.reason, verdict.cause)
            return
        if verdict.clear is not None:
            self.clear, self.unended = verdict.clear, Unended()
        run = Run(new_id(), instant)
        self.runs.append(run)
        self.unended.add(run.job_id)
        self._add(Segment(instant, instant), disposition, reason, None, run.job_id)

    def cover(self, those: Segment, disposition: Disposition, reason: str | None, cause: str | None) -> None:
        """Account for instants that make no job."""
        self._add(those, disposition, reason, cause, None)

    def cover_all(self, those: Sequence[Segment], disposition: Disposition, reason: str, cause: str | None) -> None:
        """Account for segments of instants that make no job."""
        for one in those:
            self.cover(one, disposition, reason, cause)

    def _add(
        self, those: Segment, disposition: Disposition, reason: str | None, cause: str | None, job_id: str | None
    ) -> None:
        occurrence = Occurrence(
            schedule_id=self.schedule.id,
            scheduled_for=those.first,
            until_at=those.last,
            disposition=disposition,
            job_id=job_id,
            reason=reason,
            cause=cause,
            version=self.schedule.version,
        )
        self.occurrences.append(occurrence)


def _account_pause(ledger: _Ledger, first: int) -> int:
    """Cover what was due before a pause and in it; return from when on the schedule is open again."""
    schedule, rule, now = ledger.schedule, ledger.rule, ledger.now
    assert schedule.paused_at is not None, "only for a schedule that is paused"
    ends = schedule.resume_at if _has_come(schedule.resume_at, now) else None
    until = now + 1 if ends is None else max(ends, first)
    owed, paused = cut(rule, segments(rule, first, until), schedule.paused_at)
    ledger.cover_all(owed, "missed", f"paused at {format_instant(schedule.paused_at)}, before it ran", "paused")
    ledger.cover_all(paused, "paused", schedule.paused_note or "paused", schedule.paused_by)
    return until


def _account_open(ledger: _Ledger, those: Sequence[Segment]) -> None:
    """Decide about the instants at which the schedule is not paused."""
    for one in those:
        if one.calendar is not None:
            ledger.cover(one, "blackout", f"calendar {one.calendar}", one.calendar)
    open_ones = [one for one in those if one.calendar is None]
    late, recent = cut(ledger.rule, open_ones, ledger.now - ON_TIME_US)
    on_time = [instant for one in recent for instant in ledger.rule.between(one.first - 1, one.last, limit=1000)]
    if late:
        _catch_up(ledger, late, on_time)
    if on_time and replaces(ledger.schedule.overlap):
        _coalesce(ledger, [Segment(instant, instant) for instant in on_time[:-1]], on_time[-1], "due at once")
        on_time = on_time[-1:]
    for instant in on_time:
        ledger.fire(instant, "fired", ledger.rule.note(instant))


def _catch_up(ledger: _Ledger, late: Sequence[Segment], on_time: Sequence[int]) -> None:
    """Decide about the late instants."""
    schedule, rule = ledger.schedule, ledger.rule
    if schedule.catchup_window_us is not None:
        old, late = cut(rule, late, ledger.now + 1 - schedule.catchup_window_us)
        ledger.cover_all(old, "missed", f"{ledger.late}; older than the catch-up window", "window")
    if not late:
        return
    if schedule.catchup == "none":
        ledger.cover_all(late, "missed", ledger.late, ledger.down)
    elif schedule.catchup == "latest" or replaces(schedule.overlap):
        _latest(ledger, late, on_time)
    else:
        _all(ledger, late)


def _latest(ledger: _Ledger, late: Sequence[Segment], on_time: Sequence[int]) -> None:
    """The latest late instant runs, unless one on time follows; the others fold into it."""
    into = on_time[0] if on_time else late[-1].last
    folded, _ = cut(ledger.rule, late, into)
    _coalesce(ledger, folded, into, ledger.late)
    if not on_time:
        ledger.fire(into, "caughtUp", ledger.late)


def _coalesce(ledger: _Ledger, those: Sequence[Segment], into: int, why: str) -> None:
    ledger.cover_all(those, "coalesced", f"{why}; folded into the run of {format_instant(into)}", str(into))


def _all(ledger: _Ledger, late: Sequence[Segment]) -> None:
    """Every late instant runs, one after the other, the latest CATCHUP_CAP of them."""
    chosen: list[int] = []
    for one in reversed(late):
        instant: int | None = one.last
        while instant is not None and instant >= one.first and len(chosen) < CATCHUP_CAP:
            chosen.append(instant)
            instant = ledger.rule.previous(instant)
    older, _ = cut(ledger.rule, late, chosen[-1])
    ledger.cover_all(older, "missed", f"{ledger.late}; more than {CATCHUP_CAP} to catch up", "cap")
    for instant in reversed(chosen):
        ledger.fire(instant, "caughtUp", ledger.late, queue=True)


def jitter_us(schedule: Schedule, instant: int) -> int:
    """Return the delay of an instant's job: spread over the schedule's jitter, the same for each scheduler."""
    if schedule.jitter_us <= 0:
        return 0
    digest = hashlib.blake2b(f"{schedule.id}\0{instant}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) % schedule.jitter_us
