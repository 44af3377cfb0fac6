"""A run by hand: once, whatever becomes of the answer, and never beside another run that it must not overlap."""

from __future__ import annotations

from rota.actions.triggering import trigger
from rota.engine.scheduler import Scheduler
from rota.ids import new_id
from rota.settings import Settings
from rota.store import results
from rota.store.database import Database
from tests.engine.scheduling import ANN, occurrences, put, runs, settings_of, settle
from tests.store import builders
from tests.support.clock import MINUTE, HandClock

SETTINGS = settings_of("sqlite:///unused.db")


def by_hand(db: Database, job_id: str | None = None) -> str:
    job_id = job_id or new_id()
    db.run(lambda tx: trigger(tx, "nightly", job_id, ANN, SETTINGS))
    return job_id


def test_a_commit_whose_answer_was_lost_makes_no_second_job(db: Database) -> None:
    put(db, every="1m")
    job_id = by_hand(db)
    by_hand(db, job_id)
    assert [job.id for job in runs(db)] == [job_id]


def test_it_waits_for_the_run_of_an_instant_and_goes_when_that_ends(
    db: Database, clock: HandClock, settings: Settings
) -> None:
    put(db, every="1m")
    clock.turn(MINUTE)
    settle(Scheduler(db, settings))
    second = by_hand(db)
    third = by_hand(db)
    assert [builders.get(db, job_id).status for job_id in (second, third)] == ["held", "held"]
    worker = builders.register(db)
    (first,) = builders.claim(db, worker)
    done = results.Finished(id=first.call.job_id, attempt=first.call.attempt, status="completed")
    db.run(lambda tx: results.finish(tx, worker, [done]))
    assert [builders.get(db, job_id).status for job_id in (second, third)] == ["pending", "held"]
    assert len(occurrences(db)) == 1  # runs by hand have no row in the ledger


def test_the_instant_that_comes_while_it_runs_is_skipped(db: Database, clock: HandClock, settings: Settings) -> None:
    put(db, every="1m")
    job_id = by_hand(db)
    clock.turn(MINUTE)
    settle(Scheduler(db, settings))
    (row,) = occurrences(db)
    assert (row.disposition, row.cause) == ("skipped", job_id)


def test_it_runs_beside_where_runs_may_overlap(db: Database) -> None:
    put(db, every="1m", overlap="allow")
    by_hand(db)
    by_hand(db)
    assert [job.status for job in runs(db)] == ["pending", "pending"]
