"""The forecast against a walk from instant to instant."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from rota.actions import rules
from rota.actions.forecast import SECOND, Clash, Expected, Forecast, Item, Room, forecast
from rota.actions.segments import Span
from tests.store.builders import new_schedule

HOUR = 3600 * SECOND
START = 1_795_176_000 * SECOND + 777_000
"""20 November 2026, 12:00:00.777 UTC."""
ROOMY = {"default": Room(slots=1000)}
RULES = [
    '{"cron":"* * * * *"}',
    '{"cron":"*/7 3-15 * * *"}',
    '{"cron":"30 2 * * *"}',
    '{"every":"90s"}',
    '{"every":"1h"}',
    '{"at":"2026-11-20T18:00:00Z"}',
    '{"rules":[{"cron":"0 * * * *"},{"every":"45m"}]}',
    '{"cron":"H H * * *"}',
]


def item(
    name: str, rule: str, *, queue: str = "default", expected: Expected | None = None, closed: tuple[Span, ...] = (),
    **fields: Any,
) -> Item:  # fmt: skip
    schedule = new_schedule(name, rule=rule, **{"next_at": 1, "anchor_at": START - 5 * HOUR - 17_123_456, **fields})
    whole = msgspec.structs.replace(schedule, anchor_at=schedule.anchor_at // SECOND * SECOND)
    exact, coarse = rules.rule_of(schedule), rules.rule_of(whole)
    return Item(schedule=schedule, queue=queue, rule=exact, coarse=coarse, expected=expected, closed=closed)


def takes(seconds: float) -> Expected:
    duration = round(seconds * SECOND)
    return Expected(p50=duration, p90=duration, runs=20)


def walk(one: Item, end: int) -> list[int]:
    """The starts of a schedule one by one."""
    schedule, found = one.schedule, []
    instant = one.rule.next(START - 1)
    while instant is not None and instant < end:
        is_closed = any(first <= instant < until for first, until, _ in one.closed)
        is_paused = schedule.paused_at is not None and (schedule.resume_at is None or instant < schedule.resume_at)
        if not is_closed and not is_paused:
            found.append(instant)
        instant = one.rule.next(instant)
    left = None if schedule.max_runs is None else max(0, schedule.max_runs - schedule.runs)
    return found[:left]


def only(found: Forecast, kind: str) -> list[Clash]:
    return [one for one in found.clashes if one.kind == kind]


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(RULES),
            st.sampled_from(["UTC", "Europe/Paris", "Australia/Lord_Howe"]),
            st.none() | st.integers(0, 30),
            st.none() | st.integers(0, 40),
            st.booleans(),
        ),
        max_size=6,
    ),
    st.integers(1, 60),
)
def test_every_start_is_counted(chosen: list[tuple[str, str, int | None, int | None, bool]], hours: int) -> None:
    end = START + hours * HOUR
    items = [
        item(
            f"s{number}", rule, timezone=zone, max_runs=runs, runs=3 if runs else 0,
            paused_at=START if resumes is not None else None,
            resume_at=START + resumes * HOUR if resumes else None,
            closed=((START + 2 * HOUR, START + 4 * HOUR, "night"),) if closed else (),
        )
        for number, (rule, zone, runs, resumes, closed) in enumerate(chosen)
    ]  # fmt: skip
    found = forecast(items, ROOMY, START, end)
    per_hour: Counter[int] = Counter()
    for one, outlook in zip(items, found.schedules, strict=True):
        starts = walk(one, end)
        assert outlook.count == len(starts)
        assert outlook.next == starts[:5]
        per_hour.update((at - found.first_hour) // HOUR for at in starts)
    counted = [sum(share.starts for share in hour.values()) for hour in found.hours]
    assert counted == [per_hour[place] for place in range(len(found.hours))]


def test_blackouts_are_told() -> None:
    closed = (START, START + HOUR, "works holidays")
    (outlook,) = forecast(
        [item("a", '{"cron":"* * * * *"}', closed=(closed,))], ROOMY, START, START + 2 * HOUR
    ).schedules
    assert [(one.calendar, one.count) for one in outlook.blackouts] == [("works holidays", 60)]
    assert outlook.count == 60


def test_load_is_the_work_of_an_hour() -> None:
    items = [
        item("a", '{"cron":"*/10 * * * *"}', expected=takes(120)),
        item("b", '{"cron":"0 * * * *"}', expected=takes(1800)),
        item("c", '{"cron":"* * * * *"}', expected=takes(0.5)),
    ]
    found = forecast(items, ROOMY, START, START + 10 * HOUR)
    share = found.hours[3]["default"]
    assert share.starts == 6 + 1 + 60
    assert abs(share.busy - (6 * 120 + 1800 + 60 * 0.5) / 3600) < 0.001
    assert share.peak == 3


def test_a_long_run_reaches_into_the_next_hours() -> None:
    found = forecast([item("a", '{"cron":"30 13 * * *"}', expected=takes(7200))], ROOMY, START, START + 6 * HOUR)
    assert [round(hour["default"].busy, 2) if hour else 0 for hour in found.hours[1:5]] == [0.5, 1.0, 0.5, 0]


def test_runs_that_may_overlap_take_a_slot_each() -> None:
    for overlap, busy in (("allow", 3.0), ("skip", 1.0), ("queueAll", 1.0)):
        one = item("a", '{"cron":"* * * * *"}', expected=takes(180), overlap=overlap)
        share = forecast([one], ROOMY, START, START + 5 * HOUR).hours[3]["default"]
        assert (round(share.busy, 2), share.peak) == (busy, busy)


def test_a_schedule_that_is_due_again_before_it_has_ended() -> None:
    for overlap, effect in (("skip", "skipped"), ("queueOne", "queued"), ("kill", "ended"), ("allow", "beside")):
        slow = item("slow", '{"every":"5m"}', expected=takes(400), overlap=overlap)
        quick = item("quick", '{"every":"5m"}', expected=takes(299))
        (clash,) = only(forecast([slow, quick], ROOMY, START, START + HOUR), "overrun")
        assert (clash.schedules, clash.effect, clash.likely) == (("slow",), effect, True)
        assert (clash.gap, clash.duration) == (300 * SECOND, 400 * SECOND)
    now_and_then = item("a", '{"every":"5m"}', expected=Expected(p50=SECOND, p90=400 * SECOND, runs=20))
    assert not only(forecast([now_and_then], ROOMY, START, START + HOUR), "overrun")[0].likely


def test_a_queue_with_more_work_than_room() -> None:
    items = [item(f"s{n}", '{"cron":"0 14 * * *"}', expected=takes(5400)) for n in range(4)]
    for room, told in ((Room(slots=9), 0), (Room(slots=9, concurrency=3), 1), (Room(slots=1), 1)):
        clashes = only(forecast(items, {"default": room}, START, START + 6 * HOUR), "overload")
        assert len(clashes) == told, room
        if told:
            assert (clashes[0].at, clashes[0].capacity) == (START // HOUR * HOUR + 2 * HOUR, room.capacity)
            assert clashes[0].busy == 4.0
            hours = 2 if room.capacity < 2 else 1  # in the second hour they run for half of it
            assert clashes[0].end == clashes[0].at + hours * HOUR


def test_a_queue_without_any_room() -> None:
    items = [item(f"s{n}", '{"cron":"0 14 * * *"}') for n in range(4)]
    for room in (Room(slots=0), Room(slots=9, paused=True)):
        (clash,) = forecast(items, {"default": room}, START, START + 6 * HOUR).clashes
        assert (clash.kind, clash.capacity, clash.count) == ("overload", 0, 4)
    assert forecast(items, {"default": Room(slots=0)}, START, START + HOUR).clashes == []


def test_seconds_in_which_many_start_together() -> None:
    items = [item(f"m{n:02}", '{"cron":"0 * * * *"}') for n in range(12)]
    items += [item(f"d{n:02}", '{"cron":"0 0 * * *"}') for n in range(20)]
    items += [item(f"j{n:02}", '{"cron":"0 0 * * *"}', jitter_us=HOUR) for n in range(40)]
    most, fewer = only(forecast(items, ROOMY, START, START + 24 * HOUR), "together")
    assert (most.count, most.times, most.at) == (32, 1, (START // HOUR + 12) * HOUR)
    assert most.schedules == tuple(f"d{n:02}" for n in range(10))
    assert (fewer.count, fewer.times) == (12, 23)


def test_few_are_told_where_there_is_little_room() -> None:
    items = [item(name, '{"cron":"0 * * * *"}') for name in "abc"]
    assert not only(forecast(items, ROOMY, START, START + HOUR), "together")
    (clash,) = only(forecast(items, {"default": Room(slots=2)}, START, START + HOUR), "together")
    assert (clash.count, clash.capacity) == (3, 2)


def test_nothing_of_what_has_ended() -> None:
    ended = item("a", '{"cron":"* * * * *"}', next_at=None)
    found = forecast([ended], ROOMY, START, START + HOUR)
    assert (found.schedules[0].count, found.hours[0]) == (0, {})


def test_a_week_of_a_thousand_schedules_of_each_minute() -> None:
    """Ten million starts: they are counted, not listed."""
    items = [
        item(f"s{n}", '{"every":"1m"}', expected=takes(5), anchor_at=START - n * 1_234_567, queue=f"q{n % 7}")
        for n in range(1000)
    ]
    began = time.process_time()
    found = forecast(items, {}, START, START + 168 * HOUR)
    assert time.process_time() - began < 5, "about half a second on an idle machine"
    assert sum(one.count for one in found.schedules) == 1000 * 168 * 60
    assert sum(share.starts for hour in found.hours for share in hour.values()) == 1000 * 168 * 60
