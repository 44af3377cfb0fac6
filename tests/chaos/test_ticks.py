"""TICK-1, TICK-2, TICK-4: many schedules, several schedulers, long downtimes; small unless at full size."""

from __future__ import annotations

import random
import time

import pytest

from rota.engine.scheduler import Scheduler
from rota.store.database import Database
from tests.chaos.conftest import Figures
from tests.engine.scheduling import ledger, occurrences, put, runs, settings_of, settle
from tests.store.builders import at_once
from tests.support.clock import DAY, HOUR, MINUTE, SECOND, hand_clock
from tests.support.roles import Roles, end_schedules, kill
from tests.support.roles import occurrences as counted
from tests.support.waiting import wait_until

CATCHUPS = ("none", "latest", "all")
CAP = 100
START_UP_S = 10.0
LAST = "9999-12-31T23:59:59Z"


def value(db: Database, sql: str) -> int:
    return int(db.read(lambda tx: tx.value(sql)))


@pytest.mark.chaos("TICK-1")
@pytest.mark.parametrize("many", [2, 5])
def test_tick_1_by_hand(database_url: str, many: int, full_size: bool, figures: Figures) -> None:
    schedules, instants = (1000, 60) if full_size else (50, 6)
    with hand_clock(database_url) as clock:
        db, settings = clock.open(), settings_of(database_url)
        crowd = [Scheduler(clock.open(), settings) for _ in range(many)]
        for number in range(schedules):
            put(db, f"s{number}", every="1m", overlap="allow")
        began = time.monotonic()
        for _ in range(instants):
            clock.turn(MINUTE)
            at_once(*(lambda one=one: settle(one) for one in crowd), timeout=300)
        took = time.monotonic() - began
        wanted = schedules * instants
        assert value(db, "SELECT count(*) FROM rota_occurrences WHERE disposition = 'fired'") == wanted
        distinct = "SELECT count(*) FROM (SELECT DISTINCT schedule_id, scheduled_for FROM rota_jobs) d"
        assert (value(db, distinct), value(db, "SELECT count(*) FROM rota_jobs")) == (wanted, wanted)
    figures |= {"instants": wanted, "instants a second": wanted / took}


@pytest.mark.chaos("TICK-1")
@pytest.mark.parametrize("many", [2, 5])
def test_tick_1_with_processes_and_kills(
    roles: Roles, many: int, full_size: bool, dice: random.Random, figures: Figures
) -> None:
    schedules, every, kills, pause = (1000, "5s", 12, (5, 15)) if full_size else (30, "1s", 2, (0.5, 1.5))
    schedulers = [roles.start("scheduler") for _ in range(many)]
    for number in range(schedules):
        put(roles.shop.db, f"s{number}", every=every, overlap="allow")
    for _ in range(kills):
        time.sleep(dice.uniform(*pause))
        kill(schedulers.pop(0))
        schedulers.append(roles.start("scheduler"))
    before = counted(roles.shop)
    wait_until(lambda: counted(roles.shop) >= before + schedules, 60, "an instant of each schedule after the last kill")
    end_schedules(roles.shop)
    assert [fault for fault in roles.faults() if " is pending" not in fault] == []
    assert counted(roles.shop, fired=False) == 0
    late = "SELECT decided_at - scheduled_for FROM rota_occurrences"
    lags = sorted(row[0] / 1e6 for row in roles.shop.db.read(lambda tx: tx.rows(late)))
    assert lags[-1] < 15
    figures |= {
        "kills": kills,
        "instants": len(lags),
        "lag p50 s": lags[len(lags) // 2],
        "p99 s": lags[len(lags) * 99 // 100],
        "worst s": lags[-1],
    }


@pytest.mark.chaos("TICK-2")
@pytest.mark.parametrize("down", [5 * MINUTE, 3 * HOUR, 40 * DAY], ids=["5min", "3h", "40days"])
def test_tick_2_overdue(database_url: str, down: int, full_size: bool, figures: Figures) -> None:
    schedules = 10_000 if full_size else 60
    with hand_clock(database_url) as clock:
        db = clock.open()
        start = clock.now
        for number in range(schedules):
            put(db, f"s{number}", every="1m", catchup=CATCHUPS[number % 3], overlap="allow")
        clock.turn(down + 30 * SECOND)
        began = time.monotonic()
        settle(Scheduler(db, settings_of(database_url)))
        took = time.monotonic() - began
        due = down // MINUTE
        for number in range(min(100, schedules)):
            rows = ledger(db, f"s{number}", since=start, unit=MINUTE)
            assert rows == due_rows(CATCHUPS[number % 3], due)
            assert len(runs(db, f"s{number}")) == (0, 1, min(due, CAP))[number % 3]
        first = occurrences(db, "s2")[0]
        assert (f"more than {CAP} to catch up" in (first.reason or "")) == (due > CAP)
        jobs = value(db, "SELECT count(*) FROM rota_jobs")
        assert jobs == sum((0, 1, min(due, CAP))[number % 3] for number in range(schedules))
        clock.turn(30 * SECOND)
        settle(Scheduler(db, settings_of(database_url)))
        assert value(db, "SELECT count(*) FROM rota_jobs") == jobs + schedules
    figures |= {"overdue": schedules, "took s": took, "jobs": jobs}


def due_rows(catchup: str, due: int) -> list[tuple[str, int, int]]:
    """What the ledger says of instants 1 to ``due``, of which none is on time."""
    if catchup == "none":
        return [("missed", 1, due)]
    if catchup == "latest":
        return [("coalesced", 1, due - 1), ("caughtUp", due, due)]
    older = [("missed", 1, due - CAP)] if due > CAP else []
    return older + [("caughtUp", at, at) for at in range(max(1, due - CAP + 1), due + 1)]


@pytest.mark.chaos("TICK-2")
def test_tick_2_a_process_starts_with_many_overdue(roles: Roles, full_size: bool, figures: Figures) -> None:
    schedules = 10_000 if full_size else 200
    db = roles.shop.db
    for number in range(schedules):
        put(db, f"s{number}", every="1m", catchup=CATCHUPS[number % 2], overlap="allow")
    back = "UPDATE rota_schedules SET anchor_at = anchor_at - 10800000000, next_at = next_at - 10800000000"
    db.run(lambda tx: tx.run(back))
    began = time.monotonic()
    roles.start("scheduler")
    overdue = "SELECT count(*) FROM rota_schedules WHERE next_at <= rota_now() - 60000000"
    wait_until(lambda: value(db, overdue) == 0, 60, lambda: f"{value(db, overdue)} schedules to be accounted for")
    took = time.monotonic() - began
    end_schedules(roles.shop)
    assert [fault for fault in roles.faults() if " is pending" not in fault] == []
    assert took < START_UP_S
    figures |= {"overdue": schedules, "start-up s": took}


@pytest.mark.chaos("TICK-4")
@pytest.mark.usefixtures("full_size")
def test_tick_4_one_instant_in_the_past_now_and_in_the_last_year(database_url: str) -> None:
    with hand_clock(database_url) as clock:
        db, now = clock.open(), clock.now
        scheduler = Scheduler(db, settings_of(database_url))
        put(db, "past", at="2020-01-01T00:00:00Z")
        put(db, "present", at="2027-01-15T12:00:00Z")
        put(db, "last-year", at=LAST)
        for _ in range(2):
            settle(scheduler)
            assert [disposition for disposition, _, _ in ledger(db, "past")] == ["caughtUp"]
            assert ledger(db, "present") == [("fired", now, now)]
            assert [len(runs(db, name)) for name in ("past", "present", "last-year")] == [1, 1, 0]
            clock.turn(365 * DAY)


@pytest.mark.chaos("TICK-4")
def test_tick_4_each_second_for_a_while(roles: Roles, full_size: bool, figures: Figures) -> None:
    seconds = 600 if full_size else 5
    roles.start("scheduler"), roles.start("scheduler")
    db = roles.shop.db
    put(db, "each-second", every="1s", overlap="allow")
    began = value(db, "SELECT created_at FROM rota_schedules")
    time.sleep(seconds)
    until = value(db, "SELECT rota_now()")
    last = "SELECT coalesce(max(until_at), 0) FROM rota_occurrences"
    wait_until(lambda: value(db, last) > until, 30, "all instants until now are decided, and one more")
    end_schedules(roles.shop)
    count = value(db, f"SELECT count(*) FROM rota_occurrences WHERE disposition = 'fired' AND scheduled_for <= {until}")
    assert abs(count - (until - began) / SECOND) <= 1
    assert [fault for fault in roles.faults() if " is pending" not in fault] == []
    lag = value(roles.shop.db, "SELECT max(decided_at - scheduled_for) FROM rota_occurrences")
    figures |= {"instants": counted(roles.shop), "worst lag s": lag / 1e6}
