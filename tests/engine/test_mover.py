"""Jobs whose time has come."""

from __future__ import annotations

import threading

import pytest

from rota.engine.mover import Mover
from rota.store import dependencies
from rota.store.database import Database
from tests.store.builders import at_once, execute, get, insert, insert_one, new_job
from tests.store.test_dependencies import child_of
from tests.support.clock import HOUR, SECOND, HandClock


def test_a_job_is_ready_when_its_time_has_come(db: Database, clock: HandClock) -> None:
    job_id = insert_one(db, delay_us=10 * SECOND)
    mover = Mover(db)
    assert mover.run_once() == 1.0
    clock.turn(9_750_000)
    assert mover.run_once() == pytest.approx(0.25)
    clock.turn(250_000)
    assert mover.run_once() == 0
    assert (get(db, job_id).status, mover.run_once()) == ("pending", 1.0)


def test_a_clock_set_back_lets_it_wait(db: Database, clock: HandClock) -> None:
    job_id = insert_one(db, delay_us=10 * SECOND)
    clock.turn(-HOUR)
    assert Mover(db).run_once() == 1.0
    assert get(db, job_id).status == "scheduled"


def test_a_job_that_waited_too_long_is_cancelled(
    db: Database, clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    ready = insert_one(db, expires_us=5 * SECOND)
    later = insert_one(db, delay_us=HOUR, expires_us=5 * SECOND)
    stays = insert_one(db, expires_us=HOUR)
    clock.turn(6 * SECOND)
    Mover(db).run_once()
    assert [get(db, job_id).status for job_id in (ready, later, stays)] == ["cancelled", "cancelled", "pending"]
    assert (get(db, ready).reason, caplog.text.count("job/expired")) == ("expired", 2)


def test_many_are_moved_by_several_movers_once_each(db: Database, clock: HandClock) -> None:
    insert(db, *(new_job(delay_us=SECOND) for _ in range(2500)))
    clock.turn(SECOND)

    def move(mover: Mover) -> None:
        while mover.run_once() < 1.0:
            pass

    at_once(lambda: move(Mover(db)), lambda: move(Mover(clock.open())))
    assert db.read(lambda tx: tx.value("SELECT count(*) FROM rota_jobs WHERE status = 'pending'")) == 2500


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)  # SQLite locks no rows
def test_a_row_that_somebody_holds_makes_no_busy_loop(db: Database, clock: HandClock) -> None:
    insert_one(db, delay_us=SECOND)
    clock.turn(2 * SECOND)
    held, free = threading.Event(), threading.Event()

    def hold() -> None:
        with clock.open().transaction() as tx:
            tx.rows("SELECT 1 FROM rota_jobs FOR UPDATE")
            held.set()
            free.wait(10)

    def move() -> None:
        assert held.wait(10)
        try:
            assert Mover(db).run_once() > 0
        finally:
            free.set()

    at_once(hold, move)
    assert Mover(db).run_once() == 0


def test_a_held_job_that_was_left_behind_is_released(db: Database, clock: HandClock) -> None:
    first, second = insert(db, new_job(turn_key="k"), new_job(turn_key="k"))
    mover = Mover(db)
    mover.run_once()
    assert get(db, second).status == "held"
    execute(db, f"UPDATE rota_jobs SET status = 'completed' WHERE id = '{first}'")
    Mover(db).run_once()
    assert get(db, second).status == "pending"


def test_children_that_were_left_behind_go(db: Database, clock: HandClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if their parents had ended in a process that then died; more than one transaction bears."""
    monkeypatch.setattr(dependencies, "MOST", 3)
    parents = insert(db, *(new_job() for _ in range(2)))
    children = [child_of(parents[place % 2]) for place in range(20)]
    insert(db, *children)
    mover = Mover(db)
    mover.run_once()
    assert {get(db, child.id).status for child in children} == {"held"}
    execute(db, f"UPDATE rota_jobs SET status = 'completed' WHERE id = '{parents[0]}'")
    execute(db, f"UPDATE rota_jobs SET status = 'failed' WHERE id = '{parents[1]}'")
    Mover(db).run_once()
    assert [get(db, child.id).status for child in children] == ["pending", "cancelled"] * 10
