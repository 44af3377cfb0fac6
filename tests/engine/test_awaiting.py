"""Jobs whose target has taken the work and answers later: their clocks, their cancel, and what counts them."""

from __future__ import annotations

from typing import Any

import pytest

from rota.actions import jobs as actions
from rota.actions.specs import AnswerIn, Caller
from rota.engine import answering
from rota.engine.awaiting import Awaiting
from rota.executor import Outcome
from rota.model import Job
from rota.settings import Settings
from rota.store import awaiting, changes, limits, pulse, queues, results
from rota.store.claims import Claimed
from rota.store.database import Database
from tests.store import builders
from tests.support.clock import HandClock

ANN = Caller("ann")
SECOND, MINUTE = builders.SECOND, 60 * builders.SECOND


@pytest.fixture
def worker(db: Database) -> str:
    """A registered worker with a long lease."""
    return builders.register(db, builders.HOUR)


def taken(db: Database, worker: str, **given: Any) -> Claimed:
    """A job whose target has taken the work; it has a minute, unless told otherwise."""
    fields = {"lane": "http", "target": '{"kind":"http","url":"http://127.0.0.1:9/"}', "timeout_us": MINUTE, **given}
    claimed = builders.run_one(db, worker, **fields)
    assert defer(db, worker, claimed) == {claimed.call.job_id}
    return claimed


def defer(db: Database, worker: str, claimed: Claimed) -> set[str]:
    call = claimed.call
    deferred = results.Deferred(id=call.job_id, attempt=call.attempt, limit_us=call.timeout_us or 0, log_lines=3)
    return db.run(lambda tx: awaiting.defer(tx, worker, [deferred]))


def complete(db: Database, claimed: Claimed, outcome: Outcome) -> Job:
    call = claimed.call
    return db.run(lambda tx: answering.complete(tx, answering.locked(tx, call.job_id, call.attempt), outcome))


def sweep(db: Database) -> None:
    Awaiting(db).run_once()


def test_it_runs_without_a_worker_and_is_not_lost_with_it(db: Database, clock: HandClock, worker: str) -> None:
    claimed = taken(db, worker)
    job = builders.get(db, claimed.call.job_id)
    assert (job.status, job.worker_id, job.log_lines, job.awaits_answer) == ("running", None, 3, True)
    assert job.answer_by == (job.started_at or 0) + MINUTE
    assert builders.lose(db, worker) == []
    assert defer(db, worker, claimed) == {job.id}  # the same told again, after a lost connection
    assert complete(db, claimed, Outcome("completed", result="7")).result == "7"
    assert builders.attempts(db, job.id) == []


def test_it_fails_in_time_and_is_tried_again(db: Database, clock: HandClock, worker: str) -> None:
    claimed = taken(db, worker, max_attempts=2)
    job_id = claimed.call.job_id
    clock.turn(MINUTE - SECOND)
    sweep(db)
    assert not db.read(pulse.look).unanswered
    assert builders.get(db, job_id).status == "running"
    clock.turn(SECOND)
    assert db.read(pulse.look).unanswered
    sweep(db)
    job = builders.get(db, job_id)
    assert (job.status, job.reason, job.attempts_used) == ("scheduled", "timeout", 1)
    assert job.error == "the target took the work and did not answer within 1m"
    (first,) = builders.attempts(db, job_id)
    assert (first.outcome, first.worker_id, first.error) == ("timeout", None, job.error)
    db.run(lambda tx: tx.run("UPDATE rota_jobs SET status = 'pending'"))
    (again,) = builders.claim(db, worker)
    defer(db, worker, again)
    clock.turn(MINUTE)
    sweep(db)
    job = builders.get(db, job_id)
    assert (job.status, job.reason, job.attempts_used) == ("failed", "timeout", 2)


def test_it_fails_when_it_is_silent_for_too_long(db: Database, clock: HandClock, worker: str) -> None:
    job_id = taken(db, worker, silence_us=10 * SECOND, max_attempts=1).call.job_id
    for _ in range(3):
        clock.turn(9 * SECOND)
        sweep(db)
        db.run(lambda tx: awaiting.beat(tx, job_id, value=0.5, note=None, extend_us=None))
    assert (builders.get(db, job_id).status, builders.get(db, job_id).progress) == ("running", 0.5)
    clock.turn(10 * SECOND)
    sweep(db)
    job = builders.get(db, job_id)
    assert (job.status, job.reason, job.error, job.log_lines) == ("failed", "silent", "silent for 10s", 4)


def test_its_time_is_extended_and_never_shortened(db: Database, clock: HandClock, worker: str) -> None:
    job_id = taken(db, worker, max_attempts=1).call.job_id
    end = builders.get(db, job_id).answer_by or 0
    for extend_us, later in ((SECOND, 0), (5 * MINUTE, 4 * MINUTE)):
        db.run(lambda tx, us=extend_us: awaiting.beat(tx, job_id, value=None, note=None, extend_us=us))  # type: ignore[misc]
        assert builders.get(db, job_id).answer_by == end + later
    clock.turn(5 * MINUTE)
    sweep(db)
    job = builders.get(db, job_id)
    assert job.error == "the target took the work and did not answer within 5m"


def test_its_cancel_is_at_once(db: Database, clock: HandClock, worker: str) -> None:
    one, two, three = (taken(db, worker).call.job_id for _ in range(3))
    assert db.run(lambda tx: actions.cancel(tx, one, ANN)).status == "cancelled"
    assert db.run(lambda tx: changes.cancel(tx, [two], "ann")) == 1
    ask = "UPDATE rota_jobs SET cancel_requested_at = rota_now() WHERE id = :id"
    db.run(lambda tx: tx.run(ask, {"id": three}))  # as one that makes room for a later run of its schedule
    sweep(db)
    assert [builders.get(db, job_id).status for job_id in (one, two, three)] == ["cancelled"] * 3
    assert [builders.get(db, job_id).reason for job_id in (one, two, three)] == ["cancelled"] * 3


def test_one_that_was_to_end_before_it_was_taken_is_cancelled(db: Database, clock: HandClock, worker: str) -> None:
    claimed = builders.run_one(db, worker, lane="http", target="{}", timeout_us=MINUTE)
    db.run(lambda tx: actions.cancel(tx, claimed.call.job_id, ANN))
    assert builders.get(db, claimed.call.job_id).status == "running"
    assert defer(db, worker, claimed) == {claimed.call.job_id}
    assert builders.get(db, claimed.call.job_id).status == "cancelled"


def test_it_counts_for_the_limit_of_its_queue(db: Database, clock: HandClock, worker: str) -> None:
    claimed = taken(db, worker, queue="few")
    db.run(lambda tx: tx.run("UPDATE rota_queues SET concurrency = 1 WHERE name = 'few'"))
    builders.insert_one(db, queue="few")
    assert builders.claim(db, worker) == []
    queue = db.read(lambda tx: queues.get(tx, "few"))
    assert queue is not None
    assert db.read(lambda tx: limits.usage(tx, queue, None)).running == 1
    complete(db, claimed, Outcome("failed", error="no", permanent=True))
    assert len(builders.claim(db, worker)) == 1


def test_an_answer_may_come_before_its_202_is_recorded(db: Database, clock: HandClock, worker: str) -> None:
    claimed = builders.run_one(db, worker, lane="http", target="{}", timeout_us=MINUTE)
    assert complete(db, claimed, Outcome("completed", result="1")).worker_id == worker
    assert defer(db, worker, claimed) == {claimed.call.job_id}
    job = builders.get(db, claimed.call.job_id)
    assert (job.status, job.result, job.log_lines) == ("completed", "1", 3)
    returned = builders.run_one(db, worker, lane="http", target="{}", timeout_us=MINUTE)
    assert complete(db, returned, Outcome("snoozed", delay_us=SECOND)).status == "scheduled"
    assert builders.end(db, worker, returned) == set()  # what its worker says then is refused


@pytest.mark.parametrize(
    ("said", "kind", "permanent", "error"),
    [
        ({}, "completed", False, None),
        ({"status": "completed", "success": True}, "completed", False, None),
        ({"status": "retry", "delay_ms": 5}, "snoozed", False, None),
        ({"status": "failed", "error": "no video"}, "failed", True, "no video"),
        ({"status": "failed", "error": "later", "permanent": False}, "failed", False, "later"),
        ({"success": False, "errors": ["a", "b"]}, "failed", False, "a; b"),
        ({"error": {"code": "E7", "message": "no disk"}}, "failed", False, "no disk"),
        ({"error": "broken pipe", "delay_ms": 70}, "failed", False, "broken pipe"),
        ({"error": "broken", "permanent": True}, "failed", True, "broken"),
    ],
)
def test_the_words_of_an_answer(
    said: dict[str, Any], kind: str, permanent: bool, error: str | None, settings: Settings
) -> None:
    found = answering.outcome_of(AnswerIn(**said), settings)
    assert (found.kind, found.permanent, found.error) == (kind, permanent, error)
    delay_ms = said.get("delay_ms")
    assert found.delay_us == (None if delay_ms is None else delay_ms * 1000)
