"""What to do about a schedule that is due: a pure function of the schedule, its rule and the clock.

Every instant from the schedule's next one up to now is covered by exactly one occurrence: its own when it makes a
job, else a range of instants with the same disposition and cause.
"""

from __future__ import annotations

import hashlib

import msgspec

from rota.ids import new_id
from rota.model import Disposition, Occurrence, Schedule
from rota.store.firing import Due, Firing
from rota.timetable import Rule

ON_TIME_US = 15_000_000
"""An instant this old still fires as itself: another scheduler takes over a dead one's work within 15 s."""

CATCHUP_CAP = 100
"""The most instants that ``all`` catches up at once."""

MISSED = "no scheduler was running"


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


def decide(due: Due, rule: Rule, now: int, *, refusal: str | None = None) -> Decision:
    """Decide about all instants of a due schedule up to ``now`` (µs UTC, the database's clock).

    ``refusal`` says why no job can be made: then the instants that would make one are skipped.
    """
    schedule = due.schedule
    first = schedule.next_at
    if first is None or first > now:
        raise ValueError(f"schedule {schedule.id} is not due")
    ledger = _Ledger(schedule, due.blocked_by, refusal)
    after_pause = _account_pause(ledger, rule, first, now)
    if after_pause is not None:
        on_time = _on_time(rule, after_pause, now)
        late_end = on_time[0] if on_time else now + 1
        if after_pause < late_end:
            _catch_up(ledger, rule, after_pause, late_end, on_time)
        for instant in on_time:
            ledger.fire(instant, "fired")
    next_at = rule.next(now)
    if schedule.max_runs is not None and schedule.runs + len(ledger.runs) >= schedule.max_runs:
        next_at = None
    resumed = schedule.paused_at is not None and schedule.resume_at is not None and schedule.resume_at <= now
    firing = Firing(
        id=schedule.id,
        version=schedule.version,
        seen_next=first,
        next_at=next_at,
        last_at=ledger.runs[-1].scheduled_for if ledger.runs else None,
        last_job_id=ledger.runs[-1].job_id if ledger.runs else None,
        fired=len(ledger.runs),
        resumed=resumed,
    )
    return Decision(schedule, firing, ledger.occurrences, ledger.runs)


class _Ledger:
    """Occurrences as they are decided, in order."""

    def __init__(self, schedule: Schedule, blocked_by: str | None, refusal: str | None) -> None:
        self.schedule = schedule
        self.blocked_by = blocked_by
        self.refusal = refusal
        self.occurrences: list[Occurrence] = []
        self.runs: list[Run] = []

    def _room(self) -> bool:
        limit = self.schedule.max_runs
        return limit is None or self.schedule.runs + len(self.runs) < limit

    def fire(self, instant: int, disposition: Disposition, reason: str | None = None) -> None:
        """Make a job, unless the overlap policy forbids it."""
        if not self._room():
            return
        if self.refusal is not None:
            self.cover(instant, instant, "skipped", self.refusal, "invalid")
            return
        if self.schedule.overlap == "skip" and self.blocked_by is not None:
            self.cover(
                instant,
                instant,
                "skipped",
                f"job {self.blocked_by} still ran",
                self.blocked_by,
            )
            return
        run = Run(new_id(), instant)
        self.runs.append(run)
        self.blocked_by = run.job_id
        self._add(instant, instant, disposition, reason, None, run.job_id)

    def cover(
        self,
        first: int,
        last: int,
        disposition: Disposition,
        reason: str | None,
        cause: str | None,
    ) -> None:
        """Account for a run of instants that make no job."""
        self._add(first, last, disposition, reason, cause, None)

    def _add(
        self,
        first: int,
        last: int,
        disposition: Disposition,
        reason: str | None,
        cause: str | None,
        job_id: str | None,
    ) -> None:
        self.occurrences.append(
            Occurrence(
                schedule_id=self.schedule.id,
                scheduled_for=first,
                until_at=last,
                disposition=disposition,
                job_id=job_id,
                reason=reason,
                cause=cause,
                version=self.schedule.version,
            )
        )


def _account_pause(ledger: _Ledger, rule: Rule, first: int, now: int) -> int | None:
    """Cover the instants of a pause; return the first instant after it, or None when there is none yet."""
    schedule = ledger.schedule
    if schedule.paused_at is None:
        return first
    ends = schedule.resume_at if schedule.resume_at is not None and schedule.resume_at <= now else now + 1
    last = rule.previous(ends)
    if last is not None and last >= first:
        reason = schedule.paused_note or "paused"
        ledger.cover(first, last, "paused", reason, schedule.paused_by)
    else:
        last = first - 1
    following = rule.next(last)
    return following if following is not None and following <= now else None


def _on_time(rule: Rule, first: int, now: int) -> list[int]:
    """The instants that still fire as themselves."""
    since = max(first, now - ON_TIME_US)
    return rule.between(since - 1, now, limit=1000)


def _catch_up(ledger: _Ledger, rule: Rule, first: int, end: int, on_time: list[int]) -> None:
    """Decide about the late instants from ``first`` up to but without ``end``."""
    schedule = ledger.schedule
    last = rule.previous(end)
    if last is None or last < first:
        return
    if schedule.catchup_window_us is not None:
        oldest = end - schedule.catchup_window_us
        if oldest > first:
            before = rule.previous(oldest)
            if before is not None and before >= first:
                ledger.cover(
                    first,
                    before,
                    "missed",
                    f"{MISSED}; older than the catch-up window",
                    "window",
                )
                following = rule.next(before)
                if following is None or following > last:
                    return
                first = following
    if schedule.catchup == "none":
        ledger.cover(first, last, "missed", MISSED, "down")
    elif schedule.catchup == "latest":
        _latest(ledger, rule, first, last, on_time)
    else:
        _all(ledger, rule, first, last)


def _latest(ledger: _Ledger, rule: Rule, first: int, last: int, on_time: list[int]) -> None:
    """The latest late instant runs, unless one on time follows; the others fold into it."""
    into = on_time[0] if on_time else last
    before = rule.previous(into)
    if before is not None and before >= first:
        ledger.cover(
            first,
            before,
            "coalesced",
            f"{MISSED}; folded into the run of a later instant",
            str(into),
        )
    if not on_time:
        ledger.fire(last, "caughtUp", MISSED)


def _all(ledger: _Ledger, rule: Rule, first: int, last: int) -> None:
    """Every late instant runs, the latest CATCHUP_CAP of them."""
    chosen: list[int] = []
    instant: int | None = last
    while instant is not None and instant >= first and len(chosen) < CATCHUP_CAP:
        chosen.append(instant)
        instant = rule.previous(instant)
    if instant is not None and instant >= first:
        ledger.cover(
            first,
            instant,
            "missed",
            f"{MISSED}; more than {CATCHUP_CAP} to catch up",
            "cap",
        )
    for chosen_instant in reversed(chosen):
        ledger.fire(chosen_instant, "caughtUp", MISSED)


def jitter_us(schedule: Schedule, instant: int) -> int:
    """Return the delay of an instant's job: spread over the schedule's jitter, the same for each scheduler."""
    if schedule.jitter_us <= 0:
        return 0
    digest = hashlib.blake2b(f"{schedule.id}\0{instant}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) % schedule.jitter_us
