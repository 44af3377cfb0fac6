"""The scheduler's look at the database serves the other loops too, so that an idle process asks little."""

from __future__ import annotations

import threading

import pytest

from rota.engine.janitor import Janitor
from rota.engine.leases import new_record
from rota.engine.mover import Mover
from rota.engine.scheduler import Scheduler
from rota.serve import SELDOM_S, scheduler_loops
from rota.settings import Settings
from rota.store import workers
from rota.store.database import Database
from tests.engine.scheduling import put
from tests.engine.working import Shop
from tests.support.clock import MINUTE, SECOND, HandClock

LEASE = 20 * SECOND


class Woken:
    """A loop that only says whether it was woken."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, loop: Mover | Janitor) -> None:
        self.told = threading.Event()
        monkeypatch.setattr(loop, "wake", self.told.set)

    def __bool__(self) -> bool:
        found = self.told.is_set()
        self.told.clear()
        return found


@pytest.fixture
def mover(db: Database) -> Mover:
    return Mover(db, poll_s=30)


@pytest.fixture
def janitor(db: Database, settings: Settings) -> Janitor:
    return Janitor(db, settings, sweep_s=30)


@pytest.fixture
def scheduler(db: Database, settings: Settings, mover: Mover, janitor: Janitor) -> Scheduler:
    return Scheduler(db, settings, tell=[mover.see, janitor.see])


def test_a_job_that_is_due_within_a_second_wakes_the_mover(
    db: Database, clock: HandClock, scheduler: Scheduler, mover: Mover, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken = Woken(monkeypatch, mover)
    Shop(db, "").enqueue({"kind": "http", "url": "http://127.0.0.1:9/"}, delayMs=60_000)
    scheduler.run_once()
    assert not woken
    assert mover.run_once() == 30
    clock.turn(MINUTE - SECOND // 2)
    scheduler.run_once()
    assert woken
    assert mover.run_once() == pytest.approx(0.5)


def test_a_job_that_waited_too_long_wakes_the_mover(
    db: Database, clock: HandClock, scheduler: Scheduler, mover: Mover, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken = Woken(monkeypatch, mover)
    shop = Shop(db, "")
    job = shop.enqueue({"kind": "http", "url": "http://127.0.0.1:9/"}, expiresIn="1m")
    scheduler.run_once()
    assert not woken
    clock.turn(MINUTE)
    scheduler.run_once()
    assert woken
    mover.run_once()
    assert shop.get(job).status == "cancelled"


def test_a_lease_that_ran_out_wakes_the_janitor(
    db: Database, clock: HandClock, scheduler: Scheduler, janitor: Janitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken = Woken(monkeypatch, janitor)
    db.run(lambda tx: workers.register(tx, new_record("worker"), LEASE))
    scheduler.run_once()
    assert not woken
    clock.turn(LEASE + 1)
    scheduler.run_once()
    assert woken
    assert janitor.run_once() == 30
    scheduler.run_once()
    assert not woken


def test_a_scheduler_process_has_its_loops_told(db: Database, settings: Settings) -> None:
    put(db, every="1m")
    loops = {loop.name: loop for loop in scheduler_loops(db, settings)}
    assert loops["mover"].run_once() == SELDOM_S
    assert loops["janitor"].run_once() == pytest.approx(SELDOM_S)
    assert loops["scheduler"].run_once() == 1
