"""What the change of a queue, or the end of a pause, leaves to be done."""

from __future__ import annotations

import pytest

from rota.engine import upkeep
from rota.engine.upkeep import Upkeep
from rota.model import Pause
from rota.store import ageing, pauses, pulse, queues
from rota.store.database import Database
from tests.store import builders
from tests.store.builders import HOUR, SECOND, claim_ids, insert_one, register
from tests.support.clock import HandClock


@pytest.fixture
def keeper(db: Database) -> Upkeep:
    return Upkeep(db)


def called(db: Database) -> bool:
    return db.read(pulse.look).upkeep


def test_a_queue_is_resumed_in_time(
    db: Database, clock: HandClock, keeper: Upkeep, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    job_id = insert_one(db, queue="mail")
    until = db.read(lambda tx: tx.now()) + HOUR
    db.run(lambda tx: queues.pause(tx, "mail", by="ann", note="why", resume_at=until))
    keeper.run_once()
    assert builders.column(db, "resume_at", "rota_queues") == [until]
    assert not called(db)
    clock.turn(2 * HOUR)
    assert called(db)
    found = db.read(lambda tx: queues.get(tx, "mail"))
    assert found is not None
    assert (found.paused_at, found.paused_by, found.resume_at) == (None, None, None)
    keeper.run_once()
    assert builders.column(db, "resume_at", "rota_queues") == [None]
    assert "queue/resumed its pause is over" in caplog.text
    assert not called(db)
    assert claim_ids(db, register(db)) == [job_id]


def test_what_the_pause_of_a_type_held_is_let_go_in_parts(
    db: Database, clock: HandClock, keeper: Upkeep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "BATCH", 2)
    monkeypatch.setattr(upkeep, "MOST_PARTS", 2)
    until = db.read(lambda tx: tx.now()) + HOUR
    db.run(lambda tx: pauses.put(tx, Pause(kind="type", name="report", resume_at=until)))
    ids = [insert_one(db) for _ in range(7)]
    worker = register(db, lease_us=10 * HOUR)
    assert claim_ids(db, worker) == []
    assert set(builders.column(db, "ring")) == {"!report|"}
    clock.turn(2 * HOUR)
    assert called(db)
    turns = 1
    while keeper.run_once() == 0:
        turns += 1
    assert turns == 2
    assert set(builders.column(db, "ring")) == {None}
    assert builders.column(db, "name", "rota_pauses") == []
    assert sorted(claim_ids(db, worker)) == sorted(ids)


def test_the_pause_of_a_key_ends_in_time(db: Database, clock: HandClock, keeper: Upkeep) -> None:
    until = db.read(lambda tx: tx.now()) + HOUR
    db.run(lambda tx: pauses.put(tx, Pause(kind="key", queue="mail", name="k", resume_at=until)))
    keeper.run_once()
    assert builders.column(db, "name", "rota_pauses") == ["k"]
    clock.turn(2 * HOUR)
    keeper.run_once()
    assert builders.column(db, "name", "rota_pauses") == []


def test_jobs_are_ranked_anew_where_an_ageing_was_changed(
    db: Database, clock: HandClock, keeper: Upkeep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ageing, "SIZE", 1)
    monkeypatch.setattr(upkeep, "MOST_PARTS", 2)
    for _ in range(3):
        insert_one(db, rank=-4)
    db.run(lambda tx: queues.change(tx, "default", {"ageing_us": SECOND}))
    assert called(db)
    assert keeper.run_once() == 0
    assert keeper.run_once() > 0
    assert builders.column(db, "priority") == [4, 4, 4]
    clock.turn(2 * ageing.AGAIN_US)
    while keeper.run_once() == 0:
        pass
    assert not called(db)
