"""The lease of a process: kept, stalled, lost, given up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rota.engine.leases import Lease, new_record
from rota.settings import Settings
from rota.store import workers
from rota.store.database import Database
from tests.engine.scheduling import settings_of
from tests.engine.working import HandTime
from tests.store import builders
from tests.support.clock import SECOND, HandClock
from tests.support.faults import Faults
from tests.support.waiting import wait_until


@pytest.fixture
def settings(database_url: str) -> Settings:
    return settings_of(database_url, lease="1s")


class Holder:
    """A lease with what is told of it; it runs out only when its clocks are turned, however busy the machine is."""

    def __init__(self, db: Database, settings: Settings, clock: HandClock, hand: HandTime) -> None:
        self._clock, self._hand = clock, hand
        self.lost = 0
        self.moves = True
        self.lease = Lease(
            db,
            settings,
            new_record("worker"),
            state=lambda: ("running", 3, {"slots": {}}),
            alive=lambda: self.moves,
            on_lost=self._note,
        )

    def held(self) -> bool:
        """Asked anew each time: the type checker would remember the answer of a property."""
        return self.lease.held

    def wait(self, seconds: float) -> None:
        """Let so much time pass, for the database and for the process."""
        self._clock.turn(round(seconds * SECOND))
        self._hand.turn(seconds)

    def _note(self) -> None:
        self.lost += 1


@pytest.fixture
def holder(db: Database, settings: Settings, clock: HandClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Holder]:
    holder = Holder(db, settings, clock, HandTime(monkeypatch, "leases"))
    yield holder
    holder.lease.stop()


def row(db: Database, worker_id: str) -> Any:
    sql = "SELECT state, running, lease_until - rota_now() FROM rota_workers WHERE id = :id"
    return db.read(lambda tx: tx.row(sql, {"id": worker_id}))


def test_a_short_lease_is_held_and_renewed(db: Database, holder: Holder) -> None:
    lease = holder.lease
    assert not holder.held()
    assert lease.run_once() == 0.25
    assert holder.held()
    state, running, left = row(db, lease.worker_id)
    assert (state, running) == ("running", 0)
    assert 0 < left <= 1_000_000
    lease.run_once()
    assert row(db, lease.worker_id)[1] == 3
    lease.check()
    assert holder.lost == 0


def test_a_lease_that_others_took_is_told_and_begun_anew(db: Database, holder: Holder) -> None:
    lease = holder.lease
    lease.run_once()
    old = lease.worker_id
    builders.end_lease(db, old)
    assert db.run(workers.expire) == [old]
    lease.run_once()
    assert (holder.lost, holder.held()) == (1, False)
    assert lease.worker_id != old
    lease.run_once()
    assert holder.held()
    assert row(db, lease.worker_id)[0] == "running"
    assert row(db, old)[0] == "lost"


def test_it_is_given_up_before_it_ends_where_it_cannot_be_renewed(
    db: Database, clock: HandClock, holder: Holder, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = Faults(db, monkeypatch)
    holder.lease.start()
    wait_until(holder.held, what="the lease")
    worker_id = holder.lease.worker_id
    faults.away = True
    holder.wait(0.9)
    wait_until(lambda: holder.lost == 1, what="the lease is given up")
    assert not holder.held()
    assert row(clock.open(), worker_id)[2] > 0
    faults.away = False
    wait_until(holder.held, what="another lease")
    assert holder.lease.worker_id != worker_id
    assert holder.lost == 1


def test_another_thread_gives_it_up_where_the_renewal_hangs(
    db: Database, holder: Holder, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = Faults(db, monkeypatch)
    holder.lease.start()
    wait_until(holder.held, what="the lease")
    faults.hang()
    holder.lease.check()
    assert (holder.held(), holder.lost) == (True, 0)
    holder.wait(0.9)
    holder.lease.check()
    assert (holder.held(), holder.lost) == (False, 1)
    faults.answer()
    wait_until(holder.held, what="another lease")
    assert holder.lost == 1


def test_work_that_stands_still_holds_no_lease_and_gets_none(
    db: Database, holder: Holder, caplog: pytest.LogCaptureFixture
) -> None:
    lease = holder.lease
    lease.run_once()
    holder.moves = False
    assert not holder.held()
    for _ in range(4):
        holder.wait(lease.run_once())
    assert row(db, lease.worker_id)[2] <= 0
    assert "loop/stalled" in caplog.text
    lease.check()
    assert holder.lost == 1
    lease.run_once()
    assert row(db, lease.worker_id) is None
    holder.moves = True
    lease.run_once()
    assert holder.held()


def test_the_end_of_a_process_is_told(db: Database, holder: Holder) -> None:
    holder.lease.run_once()
    holder.lease.release()
    assert row(db, holder.lease.worker_id)[0] == "stopped"


def test_a_process_ends_without_the_database_too(
    db: Database, holder: Holder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    holder.lease.run_once()
    Faults(db, monkeypatch).away = True
    holder.lease.release()
    assert "worker/lease-left" in caplog.text


def test_it_registers_with_a_full_lease_when_the_first_answer_was_lost(
    db: Database, holder: Holder, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = Faults(db, monkeypatch)
    faults.lose_answer = True
    holder.lease.run_once()
    assert holder.held()
    assert db.read(lambda tx: tx.value("SELECT count(*) FROM rota_workers")) == 1


def test_two_threads_give_a_lease_up_once(db: Database, holder: Holder, monkeypatch: pytest.MonkeyPatch) -> None:
    lease = holder.lease
    lease.run_once()
    passed = threading.Event()
    holder.wait(0.9)
    assert not holder.held()

    def check() -> None:
        lease.check()
        passed.set()

    works: list[Callable[[], None]] = [check] * 8
    builders.at_once(*works)
    assert passed.is_set()
    assert holder.lost == 1
