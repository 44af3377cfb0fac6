"""Workers: leases by the database's clock."""

from __future__ import annotations

from typing import Any

from rota.ids import new_id
from rota.model import Worker
from rota.store import workers
from rota.store.database import Database
from tests.store import builders
from tests.store.builders import LEASE, SECOND, end_lease, register, run_one


def renew(db: Database, worker: str, **given: object) -> bool:
    state, running = str(given.get("state", "running")), 3
    detail = '{"loops": 1}'
    return db.run(lambda tx: workers.renew(tx, worker, LEASE, running=running, state=state, detail=detail))


def stored(db: Database, worker: str) -> Worker:
    (found,) = [one for one in db.read(workers.listed) if one.id == worker]
    return found


def test_a_process_is_registered_with_all_it_says(db: Database) -> None:
    given: dict[str, Any] = {
        "role": "scheduler", "host": "h", "pid": 7, "version": "1.2", "queues": '["a"]', "lanes": '{"http":5}',
        "types": '["t"]', "labels": '["gpu"]', "detail": "{ }",
    }  # fmt: skip
    found = stored(db, register(db, **given))
    assert {name: getattr(found, name) for name in given} == given
    assert (found.state, found.running, found.claimed_at) == ("running", 0, None)
    assert found.lease_until - found.seen_at >= LEASE
    assert found.started_at <= found.seen_at <= db.read(lambda tx: tx.now())


def test_registered_twice_is_once(db: Database, worker: str) -> None:
    register(db, id=worker, host="other")
    assert [one.host for one in db.read(workers.listed)] == ["host"]


def test_a_lease_is_renewed_from_now(db: Database, worker: str) -> None:
    before = stored(db, worker)
    assert renew(db, worker, state="draining")
    after = stored(db, worker)
    assert after.lease_until > before.lease_until and after.seen_at > before.seen_at
    assert (after.state, after.running, after.detail) == ("draining", 3, '{"loops": 1}')


def test_a_late_renewal_holds_unless_the_loss_was_noticed(db: Database, worker: str) -> None:
    end_lease(db, worker)
    assert db.read(workers.living) == []
    assert renew(db, worker)
    assert db.run(workers.expire) == []

    end_lease(db, worker)
    assert db.run(workers.expire) == [worker]
    assert not renew(db, worker)
    assert stored(db, worker).state == "lost"
    assert db.run(workers.expire) == []


def test_unknown_and_stopped_processes_cannot_renew(db: Database, worker: str) -> None:
    db.run(lambda tx: workers.stop(tx, worker))
    assert (stored(db, worker).state, stored(db, worker).running) == ("stopped", 0)
    assert not renew(db, worker)
    assert not renew(db, new_id())
    end_lease(db, worker)
    assert db.run(workers.expire) == []


def test_a_lost_process_does_not_end_in_good_order(db: Database, worker: str) -> None:
    end_lease(db, worker)
    db.run(workers.expire)
    db.run(lambda tx: workers.stop(tx, worker))
    assert stored(db, worker).state == "lost"


def test_the_living_by_role(db: Database, worker: str) -> None:
    scheduler, gone, _ = register(db, role="scheduler"), register(db), register(db, lease_us=-SECOND)
    db.run(lambda tx: workers.stop(tx, gone))
    assert {one.id for one in db.read(workers.living)} == {worker, scheduler}
    assert [one.id for one in db.read(lambda tx: workers.living(tx, "scheduler"))] == [scheduler]


def test_types_are_declared(db: Database, worker: str) -> None:
    db.run(lambda tx: workers.declare(tx, worker, ["b", 'it\'s "c"']))
    assert stored(db, worker).types == '["b","it\'s \\"c\\""]'


def test_the_living_are_listed_first(db: Database) -> None:
    stopped, running, draining = register(db), register(db), register(db)
    db.run(lambda tx: workers.stop(tx, stopped))
    renew(db, draining, state="draining")
    assert [one.id for one in db.read(workers.listed)] == [running, draining, stopped]


def test_a_process_whose_lease_is_over_is_shown_as_lost_before_anybody_marks_it(db: Database) -> None:
    gone, alive = register(db, lease_us=-SECOND), register(db)
    assert [(one.id, one.state) for one in db.read(workers.listed)] == [(alive, "running"), (gone, "lost")]


def test_ended_processes_are_forgotten_unless_they_hold_a_job(db: Database, worker: str) -> None:
    run_one(db, worker)
    stopped, running = register(db), register(db)
    for one in (worker, stopped):
        builders.stop(db, one)
    future = db.read(lambda tx: tx.now()) + SECOND
    assert db.run(lambda tx: workers.forget(tx, future - builders.HOUR)) == 0
    assert db.run(lambda tx: workers.forget(tx, future)) == 1
    assert {one.id for one in db.read(workers.listed)} == {worker, running}
