"""Every due instant is covered by exactly one occurrence, whatever the policy, the pause and the delay."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rota.actions.deciding import CATCHUP_CAP, ON_TIME_US, Decision, decide, jitter_us
from rota.actions.overlap import QUEUE_CAP, turn_key
from rota.actions.segments import Span
from rota.model import Schedule
from rota.store.firing import Due
from rota.timetable import Rule, parse_rule

SECOND = 1_000_000
MINUTE = 60 * SECOND
T0 = 1_800_000_000 * SECOND  # a full minute
BLOCKER = "01a1fc3a-04a8-719a-8819-e984f26c46d7"


def every(seconds: int) -> Rule:
    return parse_rule(every=seconds, timezone="UTC", anchor_us=T0 - seconds * SECOND)


def schedule(**fields: object) -> Schedule:
    base: dict[str, object] = {
        "id": "s", "type": "t", "lane": "async", "target": None, "args": "{}", "rule": "{}", "timezone": "UTC",
        "job": "{}", "anchor_at": T0, "next_at": T0, "owner": "api",
    }  # fmt: skip
    return Schedule(**{**base, **fields})  # type: ignore[arg-type]


def decided(
    rule: Rule, now: int, blocked_by: str | None = None, *, closed: Sequence[Span] = (), **fields: object
) -> Decision:
    return decide(Due(schedule(**fields), blocked_by), rule, now, closed=closed)


def shown(decision: Decision) -> list[tuple[str, int, int]]:
    return [
        (o.disposition, (o.scheduled_for - T0) // SECOND, (o.until_at - T0) // SECOND) for o in decision.occurrences
    ]


def test_an_instant_on_time_fires() -> None:
    decision = decided(every(60), T0 + 3000)
    assert shown(decision) == [("fired", 0, 0)]
    assert decision.firing.next_at == T0 + MINUTE
    assert decision.runs[0].scheduled_for == T0
    assert decision.firing.last_job_id == decision.runs[0].job_id == decision.occurrences[0].job_id


def test_each_of_several_instants_on_time_fires_where_overlap_is_allowed() -> None:
    decision = decided(every(5), T0 + 10 * SECOND, overlap="allow")
    assert shown(decision) == [("fired", 0, 0), ("fired", 5, 5), ("fired", 10, 10)]


def test_overlap_skip_names_the_job_that_blocks() -> None:
    decision = decided(every(60), T0, blocked_by=BLOCKER)
    assert shown(decision) == [("skipped", 0, 0)]
    assert decision.occurrences[0].cause == BLOCKER
    assert BLOCKER in (decision.occurrences[0].reason or "")
    assert decision.runs == []


def test_overlap_skip_counts_the_job_made_a_moment_before() -> None:
    decision = decided(every(5), T0 + 5 * SECOND)
    assert shown(decision) == [("fired", 0, 0), ("skipped", 5, 5)]
    assert decision.occurrences[1].cause == decision.runs[0].job_id


def test_catch_up_none_misses_the_late_and_fires_what_is_on_time() -> None:
    decision = decided(every(60), T0 + 10 * MINUTE + SECOND, catchup="none")
    assert shown(decision) == [("missed", 0, 540), ("fired", 600, 600)]


def test_catch_up_latest_runs_the_latest_and_folds_the_others() -> None:
    decision = decided(every(60), T0 + 10 * MINUTE + 30 * SECOND)
    assert shown(decision) == [("coalesced", 0, 540), ("caughtUp", 600, 600)]


def test_catch_up_latest_folds_all_into_an_instant_on_time() -> None:
    decision = decided(every(60), T0 + 10 * MINUTE)
    assert shown(decision) == [("coalesced", 0, 540), ("fired", 600, 600)]


def test_catch_up_all_stops_at_its_cap_and_says_so() -> None:
    decision = decided(every(60), T0 + 40 * 1440 * MINUTE + 30 * SECOND, catchup="all", overlap="allow")
    assert decision.occurrences[0].disposition == "missed"
    assert str(CATCHUP_CAP) in (decision.occurrences[0].reason or "")
    assert [o.disposition for o in decision.occurrences[1:]] == ["caughtUp"] * CATCHUP_CAP


def test_the_catch_up_window_bounds_what_is_caught_up() -> None:
    decision = decided(
        every(60), T0 + 10 * MINUTE + 30 * SECOND, catchup="all", overlap="allow", catchup_window_us=3 * MINUTE
    )
    assert shown(decision) == [
        ("missed", 0, 420),
        ("caughtUp", 480, 480),
        ("caughtUp", 540, 540),
        ("caughtUp", 600, 600),
    ]


def test_a_pause_covers_its_instants_and_makes_no_job() -> None:
    decision = decided(every(60), T0 + 5 * MINUTE, paused_at=T0 - 1, paused_by="ann", paused_note="holiday")
    assert shown(decision) == [("paused", 0, 300)]
    assert (decision.occurrences[0].cause, decision.occurrences[0].reason) == ("ann", "holiday")


def test_a_pause_that_ends_meanwhile_gives_way() -> None:
    decision = decided(every(60), T0 + 5 * MINUTE, paused_at=T0 - 1, resume_at=T0 + 5 * MINUTE - SECOND)
    assert shown(decision) == [("paused", 0, 240), ("fired", 300, 300)]
    assert decision.firing.resumed


def test_a_schedule_ends_after_its_last_run() -> None:
    decision = decided(every(60), T0, max_runs=3, runs=2)
    assert len(decision.runs) == 1
    assert decision.firing.next_at is None


def test_a_single_instant_of_the_past_runs_once() -> None:
    rule = parse_rule(at="2026-11-21T10:00:00Z", timezone="UTC")
    at = rule.next(0)
    assert at is not None
    decision = decided(rule, at + 3600 * SECOND, next_at=at)
    assert [o.disposition for o in decision.occurrences] == ["caughtUp"]
    assert decision.firing.next_at is None


class TestOverlap:
    def test_queue_one_lets_one_wait_and_folds_the_others_into_it(self) -> None:
        due = Due(schedule(overlap="queueOne"), BLOCKER)
        decision = decide(due, every(5), T0 + 10 * SECOND)
        assert shown(decision) == [("fired", 0, 0), ("coalesced", 5, 5), ("coalesced", 10, 10)]
        assert {one.cause for one in decision.occurrences[1:]} == {decision.runs[0].job_id}

    def test_queue_one_folds_into_the_run_that_waits_already(self) -> None:
        waiting = BLOCKER[:-1] + "8"
        decision = decide(Due(schedule(overlap="queueOne"), BLOCKER, waiting, 1), every(60), T0)
        assert shown(decision) == [("coalesced", 0, 0)]
        assert decision.occurrences[0].cause == waiting

    def test_queue_all_lets_all_wait_up_to_a_bound(self) -> None:
        decision = decide(
            Due(schedule(overlap="queueAll"), BLOCKER, BLOCKER, QUEUE_CAP - 2), every(5), T0 + 10 * SECOND
        )
        assert shown(decision) == [("fired", 0, 0), ("fired", 5, 5), ("skipped", 10, 10)]
        assert str(QUEUE_CAP) in (decision.occurrences[2].reason or "")

    @pytest.mark.parametrize(("overlap", "how"), [("cancel", "stop"), ("kill", "kill")])
    def test_a_new_run_ends_the_one_before(self, overlap: str, how: str) -> None:
        decision = decided(every(60), T0, BLOCKER, overlap=overlap)
        assert shown(decision) == [("fired", 0, 0)]
        assert decision.clear == how
        assert decided(every(60), T0, overlap=overlap).clear is None

    def test_of_several_that_would_end_each_other_only_the_last_runs(self) -> None:
        decision = decided(every(5), T0 + 10 * SECOND, BLOCKER, overlap="cancel")
        assert shown(decision) == [("coalesced", 0, 5), ("fired", 10, 10)] or shown(decision) == [
            ("coalesced", 0, 0),
            ("coalesced", 5, 5),
            ("fired", 10, 10),
        ]
        assert decision.clear == "stop"

    @pytest.mark.parametrize("overlap", ["skip", "queueOne", "queueAll"])
    def test_all_that_is_caught_up_runs_one_after_the_other(self, overlap: str) -> None:
        decision = decided(every(60), T0 + 2 * MINUTE + 30 * SECOND, BLOCKER, catchup="all", overlap=overlap)
        assert shown(decision) == [("caughtUp", 0, 0), ("caughtUp", 60, 60), ("caughtUp", 120, 120)]
        assert decision.clear is None

    def test_only_where_runs_may_overlap_they_take_no_turns(self) -> None:
        assert turn_key(schedule(overlap="allow")) is None
        assert turn_key(schedule(overlap="skip")) == "schedule:s"


class TestBlackout:
    def test_an_instant_in_a_calendar_makes_no_job_and_names_it(self) -> None:
        decision = decided(every(60), T0, closed=[(T0 - MINUTE, T0 + 1, "holidays")])
        assert shown(decision) == [("blackout", 0, 0)]
        assert (decision.occurrences[0].cause, decision.runs) == ("holidays", [])
        assert decision.firing.next_at == T0 + MINUTE

    def test_the_end_of_a_closed_time_is_open(self) -> None:
        assert shown(decided(every(60), T0, closed=[(T0 - MINUTE, T0, "holidays")])) == [("fired", 0, 0)]

    def test_late_instants_around_a_closed_time_are_caught_up_as_if_they_were_neighbours(self) -> None:
        closed = [(T0 + 2 * MINUTE, T0 + 5 * MINUTE, "a"), (T0 + 4 * MINUTE, T0 + 6 * MINUTE, "b")]
        decision = decided(every(60), T0 + 7 * MINUTE + 30 * SECOND, closed=closed)
        assert sorted(shown(decision), key=lambda one: one[1]) == [
            ("coalesced", 0, 60),
            ("blackout", 120, 240),
            ("blackout", 300, 300),
            ("coalesced", 360, 360),
            ("caughtUp", 420, 420),
        ]

    def test_a_pause_comes_before_a_calendar(self) -> None:
        decision = decided(every(60), T0, closed=[(T0, T0 + 1, "a")], paused_at=T0 - 1, paused_by="ann")
        assert shown(decision) == [("paused", 0, 0)]


class TestFailures:
    def test_a_schedule_that_failed_too_often_is_paused(self) -> None:
        decision = decide(Due(schedule(pause_after=3), failures=3), every(60), T0 + MINUTE)
        assert shown(decision) == [("paused", 0, 60)]
        assert decision.firing.paused_at == T0 + MINUTE
        assert "3 failures in a row" in (decision.firing.paused_note or "")
        assert decision.firing.next_at == T0 + 2 * MINUTE

    def test_one_that_failed_less_often_goes_on(self) -> None:
        decision = decide(Due(schedule(pause_after=3), failures=2), every(60), T0)
        assert shown(decision) == [("fired", 0, 0)]
        assert decision.firing.paused_at is None


def test_what_was_due_before_a_pause_and_had_not_run_is_missed() -> None:
    decision = decided(every(60), T0 + 3 * MINUTE, paused_at=T0 + MINUTE + 1, paused_by="ann")
    assert shown(decision) == [("missed", 0, 60), ("paused", 120, 180)]


def test_the_reason_says_from_when_to_when_nothing_ran() -> None:
    decision = decide(Due(schedule(catchup="none")), every(60), T0 + 30 * SECOND, down_since=T0 - SECOND)
    assert decision.occurrences[0].reason == (
        "no scheduler was running from 2027-01-15T07:59:59Z to 2027-01-15T08:00:30Z"
    )


@given(st.integers(0, 3600))
def test_jitter_is_the_same_for_every_scheduler_and_within_bounds(seconds: int) -> None:
    one = schedule(jitter_us=30 * SECOND)
    instant = T0 + seconds * SECOND
    assert jitter_us(one, instant) == jitter_us(one, instant)
    assert 0 <= jitter_us(one, instant) < 30 * SECOND


@given(
    step=st.integers(1, 7200),
    late_s=st.integers(0, 4 * 86_400),
    catchup=st.sampled_from(["none", "latest", "all"]),
    overlap=st.sampled_from(["skip", "queueOne", "queueAll", "cancel", "kill", "allow"]),
    window=st.none() | st.integers(0, 86_400),
    paused=st.none() | st.integers(0, 4 * 86_400),
    blocked=st.booleans(),
    closed=st.lists(st.tuples(st.integers(-10, 4 * 86_400), st.integers(1, 86_400), st.sampled_from("ab")), max_size=5),
)
def test_every_instant_is_covered_exactly_once(
    step: int,
    late_s: int,
    catchup: str,
    overlap: str,
    window: int | None,
    paused: int | None,
    blocked: bool,
    closed: list[tuple[int, int, str]],
) -> None:
    rule, now = every(step), T0 + late_s * SECOND
    fields: dict[str, object] = {"catchup": catchup, "overlap": overlap}
    if window is not None:
        fields["catchup_window_us"] = window * SECOND
    if paused is not None:
        fields |= {"paused_at": T0 - 1, "resume_at": T0 + paused * SECOND}
    spans = [(T0 + begin * SECOND, T0 + (begin + length) * SECOND, name) for begin, length, name in closed]
    decision = decided(rule, now, BLOCKER if blocked else None, closed=spans, **fields)
    due = set(range(T0, now + 1, step * SECOND))
    covered: list[int] = []
    for occurrence in decision.occurrences:
        covered += range(occurrence.scheduled_for, occurrence.until_at + 1, step * SECOND)
    assert len(covered) == len(set(covered))
    assert set(covered) == due
    assert decision.firing.next_at is not None
    assert decision.firing.next_at > now
    assert decision.firing.next_at - step * SECOND in due
    jobs = {o.job_id for o in decision.occurrences if o.job_id}
    assert jobs == {run.job_id for run in decision.runs}
    fresh = [o for o in decision.occurrences if o.disposition == "fired"]
    assert all(o.scheduled_for >= now - ON_TIME_US for o in fresh)
    for occurrence in decision.occurrences:
        if occurrence.disposition == "blackout":
            assert any(a <= occurrence.scheduled_for and occurrence.until_at < b for a, b, _ in _merged(spans))
        elif occurrence.disposition != "paused":
            instants = range(occurrence.scheduled_for, occurrence.until_at + 1, step * SECOND)
            assert not any(a <= instant < b for a, b, _ in spans for instant in (instants[0], instants[-1]))


def _merged(spans: list[Span]) -> list[Span]:
    """Spans that touch, as one: a range is cut where another calendar begins, not longer than they reach together."""
    merged: list[Span] = []
    for begin, until, name in sorted(spans):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], until), name)
        else:
            merged.append((begin, until, name))
    return merged
