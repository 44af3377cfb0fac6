"""What the claiming thread does turn by turn: it fills freed slots at once, and asks what it holds."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from rota.engine.claimer import POLL_S, Claimer
from rota.engine.slots import Slots
from rota.ids import new_id
from rota.model import NewJob, Worker
from rota.settings import Settings
from rota.store import claims, jobs, queues, workers
from rota.store.claims import Claimed
from rota.store.database import Database
from rota.store.limits import Wait
from tests.engine.scheduling import settings_of
from tests.support.clock import SECOND, HandClock

MINUTE_US = 60_000_000


def command(label: str | None = None) -> NewJob:
    return NewJob(
        id=new_id(), type=None, lane="command", target='{"kind":"command","shell":"true"}', queue="q", rank=0,
        args="{}", max_attempts=1, run_on=f'["{label}"]' if label else None,
    )  # fmt: skip


class Turned:
    """A claimer that is turned by hand, and what it hands over."""

    def __init__(self, db: Database, settings: Settings, *, hears: bool = False) -> None:
        self.worker = new_id()
        record = Worker(id=self.worker, role="worker", host="h", pid=1, version="0", state="running")
        db.run(lambda tx: workers.register(tx, record, MINUTE_US))
        self.slots = Slots({"command": 2, "http": 10})
        self.slots.open("command")
        self.slots.open("http")
        self.taken: list[Claimed] = []
        self.held: list[list[tuple[str, int]]] = []
        lease: Any = SimpleNamespace(held=True, worker_id=self.worker)
        registry: Any = SimpleNamespace(foreign=())
        self.claimer = Claimer(
            db, settings, lease, self.slots, registry,
            claimed=lambda found, _: self.taken.extend(found), cancel=lambda _: None,
            held=lambda keys, _: self.held.append(keys), clocks=lambda _: None, hears=lambda: hears,
        )  # fmt: skip


@pytest.fixture
def turned(real_db: Database, settings: Settings) -> Turned:
    """One for a database in which five commands wait."""
    real_db.run(lambda tx: jobs.insert(tx, [command() for _ in range(5)]))
    return Turned(real_db, settings)


@pytest.mark.parametrize("hears", [False, True])
def test_it_looks_less_often_where_hints_are_heard(real_db: Database, settings: Settings, *, hears: bool) -> None:
    claimer = Turned(real_db, settings, hears=hears).claimer
    assert (claimer.run_once() > 1.2 * POLL_S) is hears
    real_db.run(lambda tx: jobs.insert(tx, [command()]))
    for _ in range(2):  # it takes the job, which runs then: somebody may want it to stop
        assert claimer.run_once() <= 1.2 * POLL_S


def test_a_full_lane_is_asked_again_when_a_slot_falls_free(turned: Turned, monkeypatch: pytest.MonkeyPatch) -> None:
    claimer = turned.claimer
    woken: list[bool] = []
    monkeypatch.setattr(claimer, "wake", lambda: woken.append(True))

    claimer.run_once()
    assert len(turned.taken) == 2
    claimer.run_once()  # a hint: only the other lane has free slots, and nothing for them
    assert len(turned.taken) == 2
    turned.slots.release({"command": 1})
    claimer.freed({"command"})
    assert woken, "the claimer sleeps although a slot is free and jobs wait"
    claimer.run_once()
    assert len(turned.taken) == 3


def test_many_slots_are_filled_in_portions(turned: Turned, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the first of them begin while the next are claimed; in between it does not sleep."""
    monkeypatch.setattr("rota.engine.claimer.PORTION", 2)
    turned.slots.capacity["command"] = 5
    claimer = turned.claimer
    assert claimer.run_once() == 0.0
    assert len(turned.taken) == 2
    assert claimer.run_once() == 0.0
    assert len(turned.taken) == 4
    assert claimer.run_once() > 0.0
    assert len(turned.taken) == 5


def test_what_it_holds_is_asked_anew_only_when_the_last_answer_was_looked_at(
    turned: Turned, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CHECK_S", "CHECK_SOON_S"):
        monkeypatch.setattr(f"rota.engine.claimer.{name}", 0.0)
    turned.claimer.check_soon()
    for _ in range(3):
        turned.claimer.run_once()
        turned.claimer.check_soon()  # as after a claim that failed
    assert [sorted(keys) for keys in turned.held] == [sorted((one.call.job_id, 1) for one in turned.taken)]
    turned.claimer.compared()
    turned.claimer.run_once()
    assert len(turned.held) == 2


class TestLimits:
    def limit(self, db: Database, **values: object) -> None:
        db.run(lambda tx: queues.change(tx, "q", values))

    def test_a_queue_that_another_claim_holds_is_asked_for_again_soon(
        self, turned: Turned, real_db: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """On SQLite nobody ever finds a queue held."""
        found = claims.Found([], {"q": Wait("contended")}, 5)
        monkeypatch.setattr(claims, "look", lambda *_: found)
        pauses = [turned.claimer.run_once() for _ in range(6)]
        assert 0.001 <= pauses[0] <= 0.002
        assert all(0.01 <= pause <= 0.02 for pause in pauses[4:])
        assert turned.claimer.sleeping() == {"q": {"reason": "contended", "until": None}}
        monkeypatch.undo()
        assert turned.claimer.run_once() >= 0.8
        assert turned.claimer.sleeping() == {}

    def test_it_sleeps_until_the_limit_frees(
        self, db: Database, clock: HandClock, settings: Settings, caplog: pytest.LogCaptureFixture
    ) -> None:
        db.run(lambda tx: jobs.insert(tx, [command() for _ in range(5)]))
        turned = Turned(db, settings)
        self.limit(db, rate_limits='[{"limit":1,"per":500000}]')
        caplog.set_level("INFO")
        assert turned.claimer.run_once() == 0.0
        pause = turned.claimer.run_once()
        assert 0.0 < pause <= 0.55
        (waits,) = turned.claimer.sleeping().values()
        assert waits["reason"] == "rate-limited"
        until = waits["until"]
        assert isinstance(until, int)
        assert 0 < until - clock.now <= 550_000
        assert "queue/rate-limited" in caplog.text
        assert len(turned.taken) == 1
        clock.turn(SECOND // 4)
        assert 0.0 < turned.claimer.run_once() <= 0.3
        assert len(turned.taken) == 1
        self.limit(db, rate_limits=None)
        turned.claimer.run_once()
        assert (len(turned.taken), turned.claimer.sleeping()) == (2, {})

    def test_full_queues_are_told_of(self, turned: Turned, real_db: Database) -> None:
        self.limit(real_db, concurrency=1)
        turned.claimer.run_once()
        assert turned.claimer.run_once() >= 0.8
        assert turned.claimer.sleeping() == {"q": {"reason": "full", "until": None}}

    def test_a_worker_takes_what_its_labels_allow(self, real_db: Database, database_url: str) -> None:
        real_db.run(lambda tx: jobs.insert(tx, [command("gpu"), command("tpu")]))
        turned = Turned(real_db, settings_of(database_url, labels="gpu,eu"))
        turned.claimer.run_once()
        assert len(turned.taken) == 1
