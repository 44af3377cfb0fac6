"""Who is told of an incident: everybody whom it concerns, from its beginning to its end."""

from __future__ import annotations

import pytest

from rota.settings import Settings
from rota.store.database import Database
from tests.engine.monitoring import System
from tests.support.clock import HandClock


@pytest.fixture
def system(db: Database, clock: HandClock, settings: Settings) -> System:
    return System(db, clock, settings)


# -- what has passed before it is told --------------------------------------------------------------------------------

WORKER = [("opened", "A worker was lost"), ("over", "Over: A worker was lost")]
SCHEDULER = [("opened", "A scheduler was lost"), ("over", "Over: A scheduler was lost")]


def test_two_processes_are_lost_shortly_after_each_other_and_replaced(system: System) -> None:
    """The second is found while further losses are collected, and has passed when that is over."""
    worker, scheduler = system.start(), system.start("scheduler")
    system.look(40)
    system.kill(worker)
    system.look(10)
    system.kill(scheduler)
    system.look(5)
    system.start()
    system.start("scheduler")
    system.look(300, by_both=True)
    assert sorted(system.news()) == sorted([*WORKER, *SCHEDULER])
    assert [(alert.tellings, alert.closed_at is not None) for alert in system.alerts()] == [(1, True)] * 2


def test_two_workers_are_lost_shortly_after_each_other_and_replaced(system: System) -> None:
    """The second has given its last sign of life before it was known that the first is lost."""
    system.calm()
    first, second = system.start(host="one"), system.start(host="two")
    system.look(5)
    system.kill(first)
    system.look(10)
    system.kill(second)
    system.look(5)
    system.start()
    system.start()
    system.look(300, by_both=True)
    assert system.news() == WORKER * 2
    assert [text.split(" was lost")[0] for text in system.texts()[::2]] == ["The worker on one", "The worker on two"]
    system.look(600)
    assert system.news() == []


def test_a_loss_that_passed_in_a_mute_is_not_told_afterwards(system: System) -> None:
    system.calm()
    worker = system.start()
    system.look(5)
    system.mute("lost:system:worker", 120)
    system.kill(worker)
    system.look(10)
    system.start()
    system.look(300)
    assert (system.news(), system.alerts(open=True)) == ([], [])
