"""After nobody has looked for a while: what may have been said or done meanwhile is waited for."""

from __future__ import annotations

from typing import Any

import pytest

from rota.settings import Settings
from rota.store import checks
from rota.store.checks import Check
from rota.store.database import Database
from tests.engine.monitoring import System
from tests.support.clock import HOUR, MINUTE, HandClock

LATE = [("opened", "Check backup needs a look")]


@pytest.fixture
def system(db: Database, clock: HandClock, settings: Settings) -> System:
    system = System(db, clock, settings)
    system.calm()
    return system


def check(system: System, **given: Any) -> None:
    """A check that has just been heard of, a minute of grace."""
    now = system.clock.now
    fields = {"pinged_at": now, "ended_at": now, "outcome": "success", "pings": 9, "grace_us": MINUTE, **given}
    one = Check(id="backup", name="backup", key="k", key_hash="h", late_at=fields["next_at"] + MINUTE, **fields)
    system.db.run(lambda tx: checks.add(tx, one))


def down(system: System, length: int) -> None:
    """All processes are away for so long (µs)."""
    system.clock.turn(length)
    system.living.clear()
    system.start("scheduler")
    system.start()


def test_a_check_is_expected_an_interval_after_the_start(system: System) -> None:
    check(system, every_us=5 * MINUTE, next_at=system.clock.now + 5 * MINUTE)
    down(system, HOUR)
    system.look(355)
    assert system.news() == []
    system.look(15)
    assert system.news() == LATE


def test_a_check_is_expected_at_its_next_instant(system: System) -> None:
    """The clock begins at noon."""
    noon = system.clock.now // HOUR * HOUR
    check(system, cron="*/30 * * * *", next_at=noon + 30 * MINUTE)
    down(system, HOUR)
    system.look(1795)
    assert system.news() == []
    system.look(120)
    assert system.news() == LATE


def test_a_check_is_late_that_was_due_after_the_start(system: System) -> None:
    check(system, every_us=2 * HOUR, next_at=system.clock.now + HOUR + MINUTE)
    down(system, HOUR)
    system.look(100)
    assert system.news() == []
    system.look(30)
    assert system.news() == LATE


def test_a_check_that_failed_is_told_of_at_once(system: System) -> None:
    check(system, every_us=2 * HOUR, next_at=system.clock.now + 2 * HOUR, failed_since=system.clock.now, failures=1)
    down(system, HOUR)
    system.look(5)
    assert system.news() == LATE


@pytest.mark.parametrize("drained", [True, False])
def test_jobs_have_piled_up_meanwhile(system: System, drained: bool) -> None:
    system.waits(100)
    down(system, HOUR)
    system.look(25)
    assert system.news() == []
    if drained:
        system.empty()
    system.look(30)
    assert system.news() == ([] if drained else [("opened", "Jobs pile up in queue default")])
