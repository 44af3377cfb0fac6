"""TICK-1, TICK-2: many schedules, several schedulers, long downtimes."""

from __future__ import annotations

import random
import time

import pytest

from rota.engine.scheduler import Scheduler
from tests.chaos.conftest import Figures
from tests.engine.scheduling import ledger, put, settings_of, settle
from tests.store.builders import at_once
from tests.support.clock import DAY, HOUR, MINUTE, SECOND, hand_clock
from tests.support.roles import Roles, end_schedules, kill, occurrences


@pytest.mark.parametrize("many", [2, 5])
def test_tick_1_by_hand(database_url: str, many: int, figures: Figures) -> None:
    with hand_clock(database_url) as clock:
        db, settings = clock.open(), settings_of(database_url)
        crowd = [Scheduler(clock.open(), settings) for _ in range(many)]
        for number in range(1000):
            put(db, f"s{number}", every="1m", overlap="allow")
        began = time.monotonic()
        for _ in range(60):
            clock.turn(MINUTE)
            at_once(*(lambda one=one: settle(one) for one in crowd), timeout=300)
        took = time.monotonic() - began
        counted = db.read(lambda tx: tx.value("SELECT count(*) FROM rota_occurrences WHERE disposition = 'fired'"))
        jobs = db.read(
            lambda tx: tx.value("SELECT count(*) FROM (SELECT DISTINCT schedule_id, scheduled_for FROM rota_jobs) d")
        )
        assert (counted, jobs) == (60_000, 60_000)
        assert db.read(lambda tx: tx.value("SELECT count(*) FROM rota_jobs")) == 60_000
    figures |= {"instants a second": 60_000 / took}


def test_tick_1_with_processes_and_kills(roles: Roles, dice: random.Random, figures: Figures) -> None:
    schedulers = [roles.start("scheduler") for _ in range(2)]
    for number in range(1000):
        put(roles.shop.db, f"s{number}", every="10s", overlap="allow")
    for _ in range(6):
        time.sleep(dice.uniform(5, 15))
        kill(schedulers.pop(0))
        schedulers.append(roles.start("scheduler"))
    time.sleep(15)
    end_schedules(roles.shop)
    assert [fault for fault in roles.faults() if " is pending" not in fault] == []
    lags = sorted(
        row[0] / 1e6
        for row in roles.shop.db.read(lambda tx: tx.rows("SELECT decided_at - scheduled_for FROM rota_occurrences"))
    )
    assert lags[-1] < 15
    figures |= {
        "instants": len(lags),
        "lag p50 s": lags[len(lags) // 2],
        "p99 s": lags[len(lags) * 99 // 100],
        "worst s": lags[-1],
    }


@pytest.mark.parametrize("down", [5 * MINUTE, 3 * HOUR, 40 * DAY], ids=["5min", "3h", "40days"])
def test_tick_2_ten_thousand_overdue(database_url: str, down: int, figures: Figures) -> None:
    with hand_clock(database_url) as clock:
        db = clock.open()
        start = clock.now
        for number in range(10_000):
            put(db, f"s{number}", every="1m", catchup=("none", "latest", "all")[number % 3], overlap="allow")
        clock.turn(down + 30 * SECOND)
        began = time.monotonic()
        settle(Scheduler(db, settings_of(database_url)))
        took = time.monotonic() - began
        for number in range(100):
            covered = sum(last - first + 1 for _, first, last in ledger(db, f"s{number}", since=start, unit=MINUTE))
            assert covered == down // MINUTE
        jobs = db.read(lambda tx: tx.value("SELECT count(*) FROM rota_jobs"))
    figures |= {"took s": took, "jobs": jobs}


def test_tick_4_each_second_for_a_while(roles: Roles, figures: Figures) -> None:
    roles.start("scheduler"), roles.start("scheduler")
    put(roles.shop.db, "each-second", every="1s", overlap="allow")
    time.sleep(120)
    end_schedules(roles.shop)
    count = occurrences(roles.shop)
    assert abs(count - 120) <= 1
    lag = roles.shop.db.read(lambda tx: tx.value("SELECT max(decided_at - scheduled_for) FROM rota_occurrences"))
    figures |= {"instants": count, "worst lag s": lag / 1e6}
