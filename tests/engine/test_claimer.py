"""A freed slot is filled at once, also after a claim that had no slot of its lane to offer."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from rota.engine.claimer import Claimer
from rota.engine.slots import Slots
from rota.ids import new_id
from rota.model import NewJob, Worker
from rota.settings import load_settings
from rota.store import jobs, migrate, workers
from rota.store.opening import open_database

MINUTE_US = 60_000_000


def command() -> NewJob:
    return NewJob(
        id=new_id(), type=None, lane="command", target='{"kind":"command","shell":"true"}', queue="q", rank=0,
        args="{}", max_attempts=1,
    )  # fmt: skip


def test_a_full_lane_is_asked_again_when_a_slot_falls_free(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_settings({}, database_url=database_url)
    db = open_database(settings.database_url)
    migrate.migrate(db)
    worker = new_id()
    record = Worker(id=worker, role="worker", host="h", pid=1, version="0", state="running")
    db.run(lambda tx: workers.register(tx, record, MINUTE_US))
    db.run(lambda tx: jobs.insert(tx, [command() for _ in range(5)]))
    slots = Slots({"command": 2, "http": 10})
    slots.open("command")
    slots.open("http")
    taken: list[Any] = []
    lease: Any = SimpleNamespace(held=True, worker_id=worker)
    registry: Any = SimpleNamespace(foreign=())
    nothing = lambda *_: None  # noqa: E731 - three callbacks that this test does not need
    claimer = Claimer(
        db, settings, lease, slots, registry,
        claimed=lambda found, _: taken.extend(found), cancel=nothing, held=nothing,
    )  # fmt: skip
    woken: list[bool] = []
    monkeypatch.setattr(claimer, "wake", lambda: woken.append(True))

    claimer.run_once()
    assert len(taken) == 2
    claimer.run_once()  # a hint: only the other lane has free slots, and nothing for them
    assert len(taken) == 2
    slots.release({"command": 1})
    claimer.freed({"command"})
    assert woken, "the claimer sleeps although a slot is free and jobs wait"
    claimer.run_once()
    assert len(taken) == 3
    db.close()
