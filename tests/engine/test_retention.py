"""History is deleted by its age, each kind by its own setting; some runs of each schedule stay."""

from __future__ import annotations

from typing import Any

import pytest

from rota.actions.specs import Caller
from rota.engine.retention import Retention
from rota.ids import new_id
from rota.model import LogChunk
from rota.settings import Settings
from rota.store import audit, measures, operations, queues
from rota.store import occurrences as occurrence_store
from rota.store.database import Database, Tx
from tests.engine.scheduling import settings_of
from tests.store import builders
from tests.store.builders import column, insert_one, occurrence, put
from tests.support.clock import DAY, HOUR, HandClock


@pytest.fixture
def retention(db: Database, settings: Settings) -> Retention:
    return Retention(db, settings)


def ended(db: Database, status: str = "completed", **given: Any) -> str:
    """A job that ends now."""
    job_id = insert_one(db, **given)
    sql = "UPDATE rota_jobs SET status = :status, completed_at = rota_now() WHERE id = :id"
    db.run(lambda tx: tx.run(sql, {"id": job_id, "status": status}))
    return job_id


def ids(db: Database) -> set[str]:
    return set(column(db, "id"))


def test_the_audit_and_operations_that_have_ended_are_forgotten(
    db: Database, clock: HandClock, retention: Retention
) -> None:
    first, second = new_id(), new_id()

    def begin(tx: Tx) -> None:
        for one in (first, second):
            operations.begin(tx, one, "delete", wanted="{}", params="{}", newest=None, total=0, by=None)

    db.run(begin)
    db.run(lambda tx: operations.end(tx, first, "cancelled"))
    db.run(lambda tx: audit.record(tx, Caller("ann"), "cancelled", "operation", first))
    clock.turn(399 * DAY)
    retention.run_once()
    assert len(column(db, "id", "rota_audit")) == 1
    clock.turn(2 * DAY)
    retention.run_once()
    assert column(db, "id", "rota_audit") == []
    assert column(db, "id", "rota_operations") == [second]


REFUSES = {
    "postgresql": """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not this one'; END $$;
CREATE TRIGGER refuse BEFORE DELETE ON rota_jobs FOR EACH ROW WHEN (OLD.queue = 'bad') EXECUTE FUNCTION refuse();
""",
    "sqlite": """
CREATE TRIGGER refuse BEFORE DELETE ON rota_jobs WHEN OLD.queue = 'bad' BEGIN SELECT RAISE(ABORT, 'not this one'); END;
""",
}


def test_a_rule_that_fails_stops_no_other(
    db: Database, clock: HandClock, retention: Retention, caplog: pytest.LogCaptureFixture
) -> None:
    bad, _ = ended(db, queue="bad"), ended(db, "failed")
    db.run(lambda tx: audit.record(tx, Caller("ann"), "cancelled", "operation", new_id()))
    clock.turn(401 * DAY)
    with db.transaction() as tx:
        tx.script(REFUSES[db.dialect])
    retention.run_once()
    assert (ids(db), column(db, "id", "rota_audit")) == ({bad}, [])
    assert "not this one" in caplog.text
    assert db.read(measures.measure).deleted["audit"] == 1


def test_what_was_deleted_is_counted_and_the_look_is_noted(
    db: Database, clock: HandClock, retention: Retention
) -> None:
    first = ended(db)
    found = db.read(measures.measure)
    assert (found.deleted, found.retention_ran) == ({}, None)
    assert found.oldest is not None
    clock.turn(DAY - HOUR)
    ended(db)
    clock.turn(2 * HOUR)
    retention.run_once()
    retention.run_once()
    later = db.read(measures.measure)
    assert first not in ids(db)
    assert later.deleted == {"jobs": 1}
    assert later.retention_ran == later.now
    assert later.oldest == found.oldest + DAY - HOUR


def test_each_kind_has_an_age_of_its_own(db: Database, clock: HandClock, retention: Retention) -> None:
    traffic = {ended(db), ended(db, "cancelled")}
    history = {ended(db, origin="trigger"), ended(db, "cancelled", origin="exec"), ended(db, "failed")}
    waiting = insert_one(db)
    clock.turn(DAY - HOUR)
    retention.run_once()
    assert ids(db) == traffic | history | {waiting}
    clock.turn(2 * HOUR)
    retention.run_once()
    assert ids(db) == history | {waiting}
    clock.turn(90 * DAY)
    retention.run_once()
    assert ids(db) == {waiting}


def test_never_keeps_for_ever(db: Database, clock: HandClock) -> None:
    failed = ended(db, "failed")
    clock.turn(4000 * DAY)
    Retention(db, settings_of("sqlite:///x.db", retention_failed="never")).run_once()
    assert ids(db) == {failed}
    Retention(db, settings_of("sqlite:///x.db")).run_once()
    assert ids(db) == set()


def test_the_last_runs_of_a_schedule_and_its_last_good_one_stay(db: Database, clock: HandClock) -> None:
    put(db)
    made = []
    for number in range(10):
        clock.turn(HOUR)
        status = "completed" if number < 3 else "failed"
        made.append(ended(db, status, origin="schedule", schedule_id="nightly", scheduled_for=clock.now))
    clock.turn(400 * DAY)
    Retention(db, settings_of("sqlite:///x.db", keep_last=4)).run_once()
    assert ids(db) == {made[2], *made[6:]}


def keep(db: Database, queue: str, document: str | None) -> None:
    db.run(lambda tx: queues.change(tx, queue, {"retention": document}))


def test_a_queue_may_say_how_long_its_jobs_are_kept(db: Database, clock: HandClock, retention: Retention) -> None:
    keep(db, "short", f'{{"completed":{HOUR},"failed":{HOUR}}}')
    keep(db, "ever", '{"failed":null,"completed":null}')
    short = [ended(db, status, queue="short") for status in ("completed", "failed")]
    runs = ended(db, queue="short", origin="trigger")
    cancelled = ended(db, "cancelled", queue="short")
    usual = [ended(db, status) for status in ("completed", "failed")]
    ever = {ended(db, status, queue="ever") for status in ("completed", "failed")}
    retention.run_once()
    assert len(ids(db)) == 8
    clock.turn(2 * HOUR)
    retention.run_once()
    assert ids(db) == {cancelled, *usual, *ever}, f"{short} and {runs} are gone"
    clock.turn(DAY)
    retention.run_once()
    assert ids(db) == {usual[1], *ever}
    clock.turn(100 * DAY)
    retention.run_once()
    assert ids(db) == ever
    keep(db, "ever", None)
    retention.run_once()
    assert ids(db) == set()


def test_what_runs_of_a_queue_stay_for_their_schedule(db: Database, clock: HandClock, retention: Retention) -> None:
    put(db)
    keep(db, "default", f'{{"completed":{HOUR}}}')
    run = ended(db, origin="schedule", schedule_id="nightly", scheduled_for=1)
    clock.turn(DAY)
    retention.run_once()
    assert ids(db) == {run}


def test_the_pause_is_short_where_a_queue_keeps_little(db: Database, retention: Retention) -> None:
    assert retention.run_once() == 300
    keep(db, "default", f'{{"completed":{HOUR // 3}}}')
    assert retention.run_once() == 120
    keep(db, "default", '{"completed":1000000}')
    assert retention.run_once() == 60


def test_logs_and_occurrences_go_by_their_own_age(db: Database, clock: HandClock, retention: Retention) -> None:
    put(db)
    db.run(lambda tx: occurrence_store.account(tx, [occurrence(clock.now)]))
    claimed = builders.run_one(db, builders.register(db), origin="trigger")
    chunk = LogChunk(claimed.call.job_id, 1, 1, 1, clock.now, '[[1,"stdout","x"]]')
    builders.log(db, chunk)
    clock.turn(15 * DAY)
    retention.run_once()
    assert column(db, "job_id", "rota_logs") == []
    assert len(column(db, "schedule_id", "rota_occurrences")) == 1
    clock.turn(386 * DAY)
    retention.run_once()
    assert column(db, "schedule_id", "rota_occurrences") == []


def test_a_large_clearance_goes_on_at_once_and_is_told_in_sum(
    db: Database, clock: HandClock, retention: Retention, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    builders.insert(db, *(builders.new_job() for _ in range(1200)))
    db.run(lambda tx: tx.run("UPDATE rota_jobs SET status = 'completed', completed_at = rota_now()"))
    clock.turn(2 * DAY)
    pauses = [retention.run_once() for _ in range(3)]
    assert pauses == [0.1, 0.1, 300.0]
    assert ids(db) == set()
    told = [record.getMessage() for record in caplog.records if "retention/deleted" in record.getMessage()]
    assert len(told) == 1
    assert "1200 rows" in told[0]


def test_the_rows_of_ended_processes_are_forgotten_but_not_what_they_hold(
    db: Database, clock: HandClock, retention: Retention
) -> None:
    gone, holder, alive = builders.register(db), builders.register(db), builders.register(db, 10 * DAY)
    builders.run_one(db, holder)
    builders.stop(db, gone)
    builders.stop(db, holder)
    clock.turn(2 * DAY)
    retention.run_once()
    assert set(column(db, "id", "rota_workers")) == {holder, alive}


def test_many_remembered_answers_are_forgotten_in_time(db: Database, clock: HandClock, retention: Retention) -> None:
    insert = (
        "INSERT INTO rota_idempotency (key, request_hash, status, body, created_at) VALUES (:k, 'h', 200, '{}', :n)"
    )
    with db.transaction() as tx:
        for number in range(1100):
            tx.run(insert, {"k": str(number), "n": clock.now})
    clock.turn(2 * DAY)
    while retention.run_once() < 1.0:
        pass
    assert column(db, "key", "rota_idempotency") == []
