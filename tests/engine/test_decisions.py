"""Every due instant is covered by exactly one occurrence, whatever the policy, the pause and the delay."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rota.engine.decisions import CATCHUP_CAP, ON_TIME_US, Decision, decide, jitter_us
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


def decided(rule: Rule, now: int, blocked_by: str | None = None, **fields: object) -> Decision:
    return decide(Due(schedule(**fields), blocked_by, 1 if blocked_by else 0), rule, now)


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
    overlap=st.sampled_from(["skip", "allow"]),
    window=st.none() | st.integers(0, 86_400),
    paused=st.none() | st.integers(0, 4 * 86_400),
    blocked=st.booleans(),
)
def test_every_instant_is_covered_exactly_once(
    step: int, late_s: int, catchup: str, overlap: str, window: int | None, paused: int | None, blocked: bool
) -> None:
    rule, now = every(step), T0 + late_s * SECOND
    fields: dict[str, object] = {"catchup": catchup, "overlap": overlap}
    if window is not None:
        fields["catchup_window_us"] = window * SECOND
    if paused is not None:
        fields |= {"paused_at": T0 - 1, "resume_at": T0 + paused * SECOND}
    decision = decided(rule, now, blocked_by=BLOCKER if blocked else None, **fields)
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
