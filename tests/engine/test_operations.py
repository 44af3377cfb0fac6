"""Operations that their requests have left: gone on with by any scheduler, each batch by one of them."""

from __future__ import annotations

import msgspec
import pytest

from rota.actions import operations as actions
from rota.actions.specs import ActionIn, Caller, FilterIn
from rota.engine import operations as engine
from rota.engine.operations import OperationsLoop
from rota.errors import Conflict
from rota.ids import new_id
from rota.model import Operation
from rota.settings import Settings
from rota.store import audit, operations, pulse
from rota.store.audit import AuditFilter
from rota.store.database import Database, Tx
from tests.store import builders
from tests.store.builders import at_once, insert, insert_one, new_job
from tests.support.clock import HandClock

ANN = Caller("ann", "operator", "api")


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions, "BATCH", 10)
    monkeypatch.setattr(actions, "LOOK", 30)
    monkeypatch.setattr(engine, "TURN_S", 3600.0)  # a turn that leaves the rest to the next has a test of its own


def begun(db: Database, settings: Settings, spec: ActionIn, *, left: bool = True) -> str:
    """An operation that its maker has begun, and left."""
    operation_id, wanted = new_id(), actions.wanted(spec)

    def begin(tx: Tx) -> None:
        total, newest = actions.count(tx, wanted), operations.newest(tx)
        found = actions.params(spec, settings)
        actions.begin(tx, operation_id, spec, found, total=total, newest=newest, caller=ANN)
        if left:
            operations.leave(tx, operation_id)

    db.run(begin)
    return operation_id


def known(db: Database, operation_id: str) -> Operation:
    return db.read(lambda tx: actions.known(tx, operation_id))


def to_mail(priority: int | str = 5) -> ActionIn:
    return ActionIn(action="reprioritise", filter=FilterIn(queue="mail"), priority=priority)


def ranks(db: Database) -> list[int]:
    return list(builders.column(db, "rank", "rota_jobs ORDER BY id"))


def steps(db: Database, operation: Operation, parts: int) -> Operation:
    """Do so many batches of an operation, as one who then dies."""
    course = actions.course(operation)
    answer: object = None
    while parts:
        part = course.send(answer)
        if isinstance(part, actions.Change):
            answer = operation = db.run(part.work)
            parts -= 1
        else:
            answer = db.read(part.work)
    return operation


def test_what_is_left_is_done_and_accounted_for(db: Database, settings: Settings) -> None:
    insert(db, *(new_job(queue="mail") for _ in range(75)))
    other = insert_one(db)
    operation_id = begun(db, settings, to_mail())
    loop = OperationsLoop(db, poll_s=7.0)
    assert loop.run_once() == 0.0
    done = known(db, operation_id)
    assert (done.status, done.total, done.looked_at, done.changed) == ("completed", 75, 75, 75)
    assert done.completed_at is not None
    assert done.busy_until is None
    assert set(ranks(db)[:75]) == {-5}
    assert builders.get(db, other).rank == 0
    assert loop.run_once() == 7.0


def test_jobs_made_later_are_not_meant(db: Database, settings: Settings) -> None:
    insert(db, *(new_job(queue="mail") for _ in range(5)))
    operation_id = begun(db, settings, to_mail())
    later = insert_one(db, queue="mail")
    OperationsLoop(db).run_once()
    assert known(db, operation_id).changed == 5
    assert builders.get(db, later).rank == 0


def test_a_retry_does_not_meet_itself(db: Database, settings: Settings) -> None:
    worker = builders.register(db)
    insert(db, *(new_job() for _ in range(25)))
    builders.end(db, worker, *builders.claim(db, worker), status="failed")
    operation_id = begun(db, settings, ActionIn(action="retry", filter=FilterIn(status="failed")))
    taken = db.run(operations.claim)
    assert taken is not None
    steps(db, taken, 1)
    builders.end(db, worker, *builders.claim(db, worker), status="failed")  # those of the first batch fail again
    db.run(lambda tx: operations.leave(tx, operation_id))
    OperationsLoop(db).run_once()
    done = known(db, operation_id)
    assert (done.status, done.looked_at, done.changed) == ("completed", 25, 25)
    assert list(builders.column(db, "status", "rota_jobs ORDER BY id")) == ["failed"] * 10 + ["pending"] * 15


def test_nothing_matches(db: Database, settings: Settings) -> None:
    operation_id = begun(db, settings, to_mail())
    OperationsLoop(db).run_once()
    assert (known(db, operation_id).status, known(db, operation_id).looked_at) == ("completed", 0)


def test_one_that_somebody_works_on_is_left_to_them(db: Database, settings: Settings) -> None:
    insert_one(db, queue="mail")
    operation_id = begun(db, settings, to_mail(), left=False)
    loop = OperationsLoop(db, poll_s=7.0)
    assert loop.run_once() == 7.0
    assert not db.read(pulse.look).operation
    assert known(db, operation_id).changed == 0


def test_a_crash_in_the_middle_is_taken_over(db: Database, settings: Settings, clock: HandClock) -> None:
    insert(db, *(new_job(queue="mail") for _ in range(75)))
    operation_id = begun(db, settings, to_mail())
    taken = db.run(operations.claim)
    assert taken is not None
    assert steps(db, taken, 2).looked_at == 20
    loop = OperationsLoop(db, poll_s=7.0)
    assert loop.run_once() == 7.0
    clock.turn(operations.BUSY_US + 1)
    assert db.read(pulse.look).operation
    assert loop.run_once() == 0.0
    done = known(db, operation_id)
    assert (done.status, done.looked_at, done.changed) == ("completed", 75, 75)


def test_who_comes_back_after_being_taken_over_does_no_batch_twice(
    db: Database, settings: Settings, clock: HandClock
) -> None:
    insert(db, *(new_job(queue="mail") for _ in range(40)))
    operation_id = begun(db, settings, to_mail())
    slow = db.run(operations.claim)
    assert slow is not None
    late = actions.course(slow)
    answer: object = None
    part = late.send(answer)
    assert isinstance(part, actions.Look)
    part = late.send(db.read(part.work))  # it has looked up its jobs, and is about to change the first of them
    assert isinstance(part, actions.Change)
    clock.turn(operations.BUSY_US + 1)
    taken = db.run(operations.claim)
    assert taken is not None
    steps(db, taken, 1)
    assert db.run(part.work).looked_at == 10
    db.run(lambda tx: operations.leave(tx, operation_id))
    OperationsLoop(db).run_once()
    assert (known(db, operation_id).looked_at, known(db, operation_id).changed) == (40, 40)


def test_several_schedulers_do_each_batch_once(db: Database, settings: Settings, clock: HandClock) -> None:
    insert(db, *(new_job(queue="mail") for _ in range(300)))
    ids = [begun(db, settings, to_mail(priority)) for priority in (1, 2, 3)]

    def work(loop: OperationsLoop) -> None:
        while loop.run_once() == 0.0:
            pass

    at_once(*(lambda db=one: work(OperationsLoop(db)) for one in (db, clock.open(), clock.open())))
    for operation_id in ids:
        done = known(db, operation_id)
        assert (done.status, done.looked_at) == ("completed", 300)
    assert sum(known(db, operation_id).changed for operation_id in ids) >= 300


def test_a_turn_is_short_and_the_rest_is_left(
    db: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "TURN_S", 0.0)
    insert(db, *(new_job(queue="mail") for _ in range(25)))
    operation_id = begun(db, settings, to_mail())
    loop = OperationsLoop(db)
    assert loop.run_once() == 0.0
    assert (known(db, operation_id).looked_at, known(db, operation_id).busy_until) == (10, None)
    loop.run_once()
    loop.run_once()
    assert known(db, operation_id).status == "completed"


def test_one_that_was_cancelled_goes_no_further(db: Database, settings: Settings) -> None:
    insert(db, *(new_job(queue="mail") for _ in range(25)))
    operation_id = begun(db, settings, to_mail())
    taken = db.run(operations.claim)
    assert taken is not None
    half = steps(db, taken, 1)
    db.run(lambda tx: actions.stop(tx, operation_id, ANN))
    assert steps(db, half, 1).status == "cancelled"
    assert OperationsLoop(db, poll_s=7.0).run_once() == 7.0
    assert ranks(db) == [-5] * 10 + [0] * 15
    with pytest.raises(Conflict):
        db.run(lambda tx: actions.stop(tx, operation_id, ANN))


def test_one_that_cannot_be_done_is_given_up(db: Database, settings: Settings) -> None:
    insert_one(db, queue="mail")
    operation_id = begun(db, settings, to_mail())
    sql = "UPDATE rota_operations SET filter = {json|:filter} WHERE id = :id"
    wrong = msgspec.json.encode({"colour": "red"}).decode()
    db.run(lambda tx: tx.run(sql, {"filter": wrong, "id": operation_id}))
    loop = OperationsLoop(db, poll_s=7.0)
    with pytest.raises(Exception, match="colour"):
        loop.run_once()
    done = known(db, operation_id)
    assert done.status == "failed"
    assert "colour" in (done.error or "")
    assert loop.run_once() == 7.0


def test_the_audit_says_who_began_it_with_what(db: Database, settings: Settings) -> None:
    insert_one(db, queue="mail")
    operation_id = begun(db, settings, to_mail())
    db.run(lambda tx: actions.stop(tx, operation_id, Caller("bob")))
    stopped, began = db.read(lambda tx: audit.listed(tx, AuditFilter(noun="operation"), limit=10))
    assert (began.actor, began.action, began.name) == ("ann", "reprioritise", operation_id)
    assert msgspec.json.decode(began.after or "") == {"filter": {"queue": "mail"}, "matched": 1, "priority": 5}
    assert (stopped.actor, stopped.action) == ("bob", "cancelled")


def test_old_ones_are_forgotten_when_they_have_ended(db: Database, settings: Settings, clock: HandClock) -> None:
    ended, running = begun(db, settings, to_mail()), begun(db, settings, to_mail())
    db.run(lambda tx: actions.stop(tx, ended, ANN))
    clock.turn(builders.DAY)
    now = db.read(lambda tx: tx.now())
    assert db.run(lambda tx: operations.forget(tx, before=now, limit=10)) == 1
    assert [one.id for one in db.read(lambda tx: operations.listed(tx, limit=10))] == [running]
