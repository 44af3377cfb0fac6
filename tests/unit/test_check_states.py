"""The state of a check over time: what pings, silence and the clock make of it."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rota.actions.pings import NO_RUN, Run, expected, expecting, heard, settled
from rota.durations import DAY, HOUR, MINUTE, SECOND
from rota.store.checks import Check, LateKind, status, wrong
from rota.store.pings import Kind, Ping
from rota.timetable import format_instant, parse_instant

T0 = parse_instant("2026-11-21T00:00:00Z", "t0")


def check(**fields: object) -> Check:
    base: dict[str, object] = {"id": "backup", "name": "Backup", "key": "k", "key_hash": "h", "grace_us": 10 * MINUTE}
    return expecting(Check(**{**base, **fields}), T0)  # type: ignore[arg-type]


def told(one: Check, at: int, kind: Kind = "success", run: Run = NO_RUN, **fields: object) -> Check:
    """The check after a ping that counts."""
    found = heard(one, Ping(check_id=one.id, n=one.pings + 1, kind=kind, at=at, **fields), run)  # type: ignore[arg-type]
    assert found is not None
    return found


def kind_of(one: Check, now: int) -> LateKind | None:
    found = wrong(one, now)
    return None if found is None else found.kind


def test_from_new_to_up_to_late_to_down_and_back() -> None:
    one = check(every_us=HOUR)
    assert [status(one, T0 + at * MINUTE) for at in (0, 59, 60, 69, 70)] == ["new", "new", "late", "late", "down"]
    assert kind_of(one, T0 + 70 * MINUTE) == "never"
    one = told(one, T0 + 80 * MINUTE)
    assert (status(one, T0 + 80 * MINUTE), one.next_at) == ("up", T0 + 140 * MINUTE)
    assert status(one, T0 + 149 * MINUTE) == "late"
    assert kind_of(one, T0 + 150 * MINUTE) == "late"


def test_a_failure_stays_until_it_goes_well_again() -> None:
    one = told(check(every_us=HOUR), T0 + MINUTE, "fail", exit_code=2)
    assert (status(one, T0 + MINUTE), kind_of(one, T0 + MINUTE)) == ("failed", "failing")
    one = told(told(one, T0 + 2 * MINUTE, "start"), T0 + 3 * MINUTE, "fail")
    found = wrong(one, T0 + 3 * MINUTE)
    assert found is not None
    assert (found.since, found.text) == (T0 + MINUTE, "The last 2 runs of Backup failed, the last by its own word.")
    assert kind_of(one, T0 + 3 * HOUR) == "late", "silence is worse, and named alone"
    one = told(one, T0 + 4 * HOUR)
    assert (kind_of(one, T0 + 4 * HOUR), one.failures, one.failed_since) == (None, 0, None)


def test_a_run_may_take_so_long_and_no_longer() -> None:
    one = told(check(every_us=HOUR, longest_us=2 * HOUR), T0 + MINUTE, "start")
    assert status(one, T0 + MINUTE) == "started"
    assert kind_of(one, T0 + 2 * HOUR) is None, "while it runs nobody asks when the next was due"
    assert kind_of(one, T0 + MINUTE + 2 * HOUR) == "overlong"
    one = told(one, T0 + 3 * HOUR)
    assert (kind_of(one, T0 + 3 * HOUR), one.started_at) == (None, None)


def test_without_a_longest_run_the_end_is_due_when_it_is_due() -> None:
    one = check(cron="0 2 * * *")
    begun = told(one, T0 + 2 * HOUR, "start")
    assert kind_of(begun, T0 + 2 * HOUR + 9 * MINUTE) is None
    found = wrong(begun, T0 + 2 * HOUR + 10 * MINUTE)
    assert found is not None and found.kind == "late" and "has begun" in found.text
    by_hand = told(one, T0 + HOUR, "start")
    assert kind_of(by_hand, T0 + 2 * HOUR + 9 * MINUTE) is None
    late_start = told(one, T0 + 3 * HOUR, "start")
    assert kind_of(late_start, T0 + 3 * HOUR) is None, "it is being done"


@pytest.mark.parametrize("longest", [None, 2 * HOUR])
def test_a_job_that_begins_again_and_again_and_never_ends_is_noticed(longest: int | None) -> None:
    one = told(check(every_us=HOUR, longest_us=longest), T0)
    for hour in range(1, 6):
        one = told(one, T0 + hour * HOUR, "start", run_id=str(hour))
        assert (status(one, T0 + hour * HOUR) == "down") == (hour > (1 if longest is None else 2))
    one = told(one, T0 + 6 * HOUR)
    assert status(one, T0 + 6 * HOUR) == "up"


def test_a_pause_expects_nothing_and_afterwards_it_is_as_new() -> None:
    one = msgspec.structs.replace(told(check(every_us=HOUR), T0, "fail"), paused_at=T0 + 1)
    paused = settled(one)
    assert (status(paused, T0 + DAY), kind_of(paused, T0 + DAY)) == ("paused", None)
    paused = told(paused, T0 + 5 * HOUR)
    assert (status(paused, T0 + DAY), paused.pings) == ("paused", 2)
    again = expecting(msgspec.structs.replace(paused, paused_at=None), T0 + DAY)
    assert (status(again, T0 + DAY), again.next_at) == ("new", T0 + DAY + HOUR)
    assert kind_of(again, T0 + 2 * DAY) == "never"


def test_a_ping_just_before_the_instant_counts_for_it() -> None:
    one = check(cron="0 2 * * *")
    assert told(one, T0 + 2 * HOUR - 30 * SECOND).next_at == T0 + DAY + 2 * HOUR
    assert told(one, T0 + 2 * HOUR - 2 * MINUTE).next_at == T0 + 2 * HOUR
    each_minute = check(cron="* * * * *")
    assert told(each_minute, T0 + 30 * SECOND).next_at == T0 + MINUTE, "never more than a quarter of what lies between"
    assert told(each_minute, T0 + 50 * SECOND).next_at == T0 + 2 * MINUTE


def test_the_clock_changes_as_the_timetable_says() -> None:
    spring = check(cron="30 2 * * *", timezone="Europe/Paris")
    after = expected(spring, parse_instant("2027-03-27T12:00:00Z", "t"))
    assert after is not None and format_instant(after).startswith("2027-03-28T01:00:00"), "02:30 is skipped: 03:00"
    autumn = expected(spring, parse_instant("2027-10-31T00:31:00Z", "t"))
    assert autumn is not None and format_instant(autumn).startswith("2027-11-01T01:30:00"), "the first 02:30 alone"


def test_what_is_sent_again_counts_once() -> None:
    one = told(check(every_us=HOUR), T0 + 1, "start", run_id="a")
    begun = Run(began_at=T0 + 1)
    assert heard(one, Ping(check_id="backup", n=2, kind="start", run_id="a", at=T0 + 2), begun) is None
    ended = Run(began_at=T0 + 1, ends={("fail", 3)})
    one = told(one, T0 + 3, "fail", begun, run_id="a", exit_code=3)
    assert heard(one, Ping(check_id="backup", n=3, kind="fail", exit_code=3, run_id="a", at=T0 + 4), ended) is None
    late_start = told(one, T0 + 5, "start", Run(ends={("fail", 3)}), run_id="a")
    assert (late_start.started_at, late_start.failures) == (None, 1), "a start that comes after its end begins nothing"


def test_runs_that_overlap_are_told_apart() -> None:
    one = told(told(check(every_us=HOUR), T0 + 1, "start", run_id="a"), T0 + 2, "start", run_id="b")
    one = told(one, T0 + 3, "success", Run(began_at=T0 + 1), run_id="a")
    assert (one.started_at, one.run_id) == (T0 + 2, "b")
    assert told(one, T0 + 4, "success", Run(began_at=T0 + 2), run_id="b").started_at is None
    assert told(one, T0 + 4).started_at is None, "an end without a name ends what runs"


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["start", "success", "fail", "log"]),
        st.integers(0, 3 * DAY),
        st.sampled_from([None, "a", "b"]),
        st.sampled_from([None, 0, 3]),
    ),
    max_size=25,
)
CHECKS: st.SearchStrategy[dict[str, object]] = st.one_of(
    st.builds(dict, every_us=st.integers(SECOND, 40 * DAY)),
    st.builds(
        dict,
        cron=st.sampled_from(["* * * * *", "*/7 * * * *", "30 2 * * *", "0 9 * * MON", "H H * * *", "0 0 29 2 *"]),
        timezone=st.sampled_from(["UTC", "Europe/Paris", "Australia/Lord_Howe"]),
    ),
)


@settings(max_examples=150, deadline=None)
@given(CHECKS, STEPS, st.sampled_from([None, MINUTE, DAY]), st.sampled_from([0, MINUTE, DAY]))
def test_whatever_is_told_the_state_holds_together(
    what: dict[str, object], steps: list[tuple[Kind, int, str | None, int | None]], longest: int | None, grace: int
) -> None:
    one, now = check(**what, longest_us=longest, grace_us=grace), T0
    runs: dict[str, Run] = {}
    for kind, later, rid, code in steps:
        now += later
        run = NO_RUN if rid is None else runs.setdefault(rid, Run())
        ending = kind in ("success", "fail")
        ping = Ping(
            check_id="backup", n=one.pings + 1, kind=kind, at=now, run_id=rid, exit_code=code if ending else None
        )
        after = heard(one, ping, run)
        if after is None:
            assert rid is not None, "what has no name is never the same again"
            continue
        if rid is not None and kind == "start":
            run.began_at = now
        elif rid is not None and ending:
            run.ends.add((kind, ping.exit_code))
        if kind == "log":
            assert (after.next_at, after.late_at, after.outcome) == (one.next_at, one.late_at, one.outcome)
        if ending:
            assert after.next_at is not None and after.next_at > now
            assert (after.failures > 0) == (after.failed_since is not None) == (kind == "fail")
            assert wrong(after, now) is None or kind == "fail" or after.started_at is not None
        assert after.pings == one.pings + 1
        assert after.late_at is not None
        one = after
    for at in (now, now + MINUTE, now + 100 * DAY, now + 10_000 * DAY):
        state, found = status(one, at), wrong(one, at)
        assert (found is not None) == (state in ("down", "failed"))
        assert found is None or (found.text and found.since <= at)
    assert status(one, now + 10_000 * DAY) == "down", "nothing is silent for ever"
