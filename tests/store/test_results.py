"""Results: finished and given back under a fence, lost and found."""

from __future__ import annotations

import pytest

from rota.ids import new_id
from rota.model import LogChunk
from rota.store import due, jobs, results, turns, unique, workers
from rota.store.database import Database
from rota.store.results import LOST_LIMIT, Finished, Returned
from tests.store import builders
from tests.store.builders import HOUR, backdate, claim, end, get, give_back, insert, insert_one, lose, new_job, run_one


class TestFinish:
    def test_the_end_is_recorded(self, db: Database, worker: str) -> None:
        claimed = run_one(db, worker)
        given = {"result": '{"a": 1}', "truncated": 99, "reason": "r", "error": "e", "error_detail": "{}"}
        assert end(db, worker, claimed, status="failed", used=1, log_lines=7, **given) == {claimed.call.job_id}

        job = get(db, claimed.call.job_id)
        assert (job.status, job.attempts_used, job.worker_id) == ("failed", 1, worker)
        assert (job.result, job.result_truncated, job.reason) == ('{"a": 1}', 99, "r")
        assert (job.error, job.error_detail, job.log_lines) == ("e", "{}", 7)
        assert job.started_at is not None and job.completed_at is not None
        assert job.created_at <= job.started_at <= job.completed_at == job.updated_at

    def test_batches_are_fenced_one_by_one(self, db: Database, worker: str) -> None:
        good, stale, stranger, waiting = (run_one(db, worker) for _ in range(4))
        give_back(db, worker, waiting)
        ended = [
            Finished(id=good.call.job_id, attempt=1, status="completed"),
            Finished(id=stale.call.job_id, attempt=2, status="completed"),
            Finished(id=waiting.call.job_id, attempt=1, status="completed"),
            Finished(id=new_id(), attempt=1, status="completed"),
        ]
        assert db.run(lambda tx: results.finish(tx, worker, ended)) == {good.call.job_id}
        assert end(db, builders.register(db), stranger) == set()
        states = [get(db, one.call.job_id).status for one in (good, stale, stranger, waiting)]
        assert states == ["completed", "running", "running", "pending"]

    def test_the_same_batch_again_is_accepted_and_changes_nothing(self, db: Database, worker: str) -> None:
        """What a worker does whose connection was lost at commit."""
        claimed = run_one(db, worker)
        end(db, worker, claimed, result='"first"', reason="r")
        before = get(db, claimed.call.job_id)
        assert end(db, worker, claimed, result='"second"', reason="r") == {claimed.call.job_id}
        assert get(db, claimed.call.job_id) == before

    def test_another_end_afterwards_is_refused(self, db: Database, worker: str) -> None:
        claimed = run_one(db, worker)
        end(db, worker, claimed)
        assert end(db, worker, claimed, status="failed") == set()
        assert give_back(db, worker, claimed) == set()
        assert end(db, builders.register(db), claimed) == set()
        assert get(db, claimed.call.job_id).status == "completed"

    def test_errors_may_hold_anything(self, db: Database, worker: str) -> None:
        claimed, other = run_one(db, worker), run_one(db, worker)
        ended = [
            Finished(id=claimed.call.job_id, attempt=1, status="failed", error='nul \0, lone \udc80, "quoted" \\ ☃'),
            Finished(id=other.call.job_id, attempt=1, status="completed"),
        ]
        assert len(db.run(lambda tx: results.finish(tx, worker, ended))) == 2
        assert get(db, claimed.call.job_id).error == 'nul \ufffd, lone \ufffd, "quoted" \\ ☃'

    def test_nothing_is_finished(self, db: Database, worker: str) -> None:
        assert db.run(lambda tx: results.finish(tx, worker, [])) == set()
        assert db.run(lambda tx: results.give_back(tx, worker, [])) == set()


class TestGiveBack:
    def test_a_failed_attempt_waits_and_has_a_row(self, db: Database, worker: str) -> None:
        claimed = run_one(db, worker)
        job_id = claimed.call.job_id
        started = get(db, job_id).started_at
        assert give_back(
            db, worker, claimed, delay_us=HOUR, used=1, error="boom", error_detail='{"c": 1}', log_lines=4
        ) == {job_id}

        job = get(db, job_id)
        assert (job.status, job.attempt, job.attempts_used, job.worker_id) == ("scheduled", 1, 1, None)
        assert (job.error, job.error_detail, job.reason, job.log_lines) == ("boom", '{"c": 1}', "failed", 4)
        assert (job.completed_at, job.run_at) == (None, job.updated_at + HOUR)
        (attempt,) = builders.attempts(db, job_id)
        assert (attempt.job_id, attempt.attempt, attempt.outcome, attempt.worker_id) == (job_id, 1, "failed", worker)
        assert (attempt.started_at, attempt.ended_at) == (started, job.updated_at)
        assert (attempt.error, attempt.error_detail) == ("boom", '{"c": 1}')

    @pytest.mark.parametrize(
        ("outcome", "delay", "used"), [("interrupted", 0, 0), ("snoozed", 5, 0), ("timeout", 5, 1)]
    )
    def test_without_delay_it_is_ready_at_its_old_place(
        self, db: Database, worker: str, outcome: str, delay: int, used: int
    ) -> None:
        claimed = run_one(db, worker)
        run_at = get(db, claimed.call.job_id).run_at
        give_back(db, worker, claimed, outcome=outcome, delay_us=delay, used=used)

        job = get(db, claimed.call.job_id)
        assert (job.status, job.attempts_used) == ("scheduled" if delay else "pending", used)
        assert (job.run_at == run_at) is not bool(delay)
        assert [one.outcome for one in builders.attempts(db, job.id)] == [outcome]

    def test_attempts_are_numbered_and_counted_apart(self, db: Database, worker: str) -> None:
        job_id = insert_one(db)
        for outcome, used in (("failed", 1), ("interrupted", 0), ("timeout", 1), ("snoozed", 0)):
            (claimed,) = claim(db, worker)
            give_back(db, worker, claimed, outcome=outcome, used=used)
        (claimed,) = claim(db, worker)
        assert (claimed.call.attempt, claimed.call.attempts_used) == (5, 2)
        rows = [(one.attempt, one.outcome) for one in builders.attempts(db, job_id)]
        assert rows == [(1, "failed"), (2, "interrupted"), (3, "timeout"), (4, "snoozed")]

    def test_the_fence_holds_here_too(self, db: Database, worker: str) -> None:
        claimed, stranger = run_one(db, worker), builders.register(db)
        assert give_back(db, stranger, claimed) == set()
        stale = Returned(id=claimed.call.job_id, attempt=7, outcome="failed")
        assert db.run(lambda tx: results.give_back(tx, worker, [stale])) == set()
        assert builders.attempts(db, claimed.call.job_id) == []
        assert get(db, claimed.call.job_id).status == "running"

    def test_the_same_batch_again_is_accepted_even_after_the_next_claim(self, db: Database, worker: str) -> None:
        claimed = run_one(db, worker)
        give_back(db, worker, claimed, outcome="failed", used=1)
        (again,) = claim(db, worker)
        assert give_back(db, worker, claimed, outcome="failed", used=1) == {claimed.call.job_id}
        assert give_back(db, worker, claimed, outcome="timeout", used=1) == set()

        job = get(db, claimed.call.job_id)
        assert (job.status, job.attempt, job.attempts_used) == ("running", again.call.attempt, 1)
        assert len(builders.attempts(db, job.id)) == 1


class TestLost:
    def test_a_lost_workers_jobs_wait_again(self, db: Database, worker: str) -> None:
        claimed = run_one(db, worker, unique_key="k", unique_scope="active")
        job_id = claimed.call.job_id
        builders.log(db, LogChunk(job_id, 1, 1, 2, 0, '[[0,"log","a"],[0,"log","b"]]'))
        (lost,) = lose(db, worker)
        assert (lost.id, lost.attempt, lost.worker_id, lost.status) == (job_id, 1, worker, "pending")

        job = get(db, job_id)
        assert (job.status, job.attempts_used, job.lost_count, job.worker_id) == ("pending", 0, 1, None)
        assert (job.reason, job.error, job.completed_at, job.log_lines) == ("lost", "its worker was lost", None, 2)
        (attempt,) = builders.attempts(db, job_id)
        assert (attempt.outcome, attempt.worker_id, attempt.started_at) == ("lost", worker, claimed.started_at)
        assert db.read(lambda tx: unique.holder(tx, "k")) == job_id

    def test_the_lost_worker_can_do_nothing_any_more(self, db: Database, worker: str) -> None:
        """It comes back after its lease: before and after another worker has its job."""
        claimed = run_one(db, worker)
        lose(db, worker)
        assert (end(db, worker, claimed), give_back(db, worker, claimed), claim(db, worker)) == (set(), set(), [])
        assert not db.run(lambda tx: workers.renew(tx, worker, builders.LEASE, running=1, state="running", detail=None))

        other = builders.register(db)
        (again,) = claim(db, other)
        assert (end(db, worker, claimed), give_back(db, worker, claimed)) == (set(), set())
        assert end(db, other, again) == {claimed.call.job_id}
        job = get(db, claimed.call.job_id)
        assert (job.status, job.attempt, job.worker_id) == ("completed", 2, other)

    def test_before_it_is_noticed_it_may_still_finish(self, db: Database, worker: str) -> None:
        claimed = run_one(db, worker)
        builders.end_lease(db, worker)
        assert end(db, worker, claimed) == {claimed.call.job_id}
        assert db.run(workers.expire) == [worker]
        assert db.run(results.lose) == []

    def test_on_lost_fail_runs_at_most_once(self, db: Database, worker: str) -> None:
        claimed = run_one(db, worker, on_lost="fail")
        (lost,) = lose(db, worker)
        assert lost.status == "failed"

        job = get(db, claimed.call.job_id)
        assert (job.status, job.attempt, job.reason, job.worker_id) == ("failed", 1, "lost", worker)
        assert job.completed_at is not None and "must not run twice" in (job.error or "")
        assert builders.attempts(db, job.id) == []
        assert claim(db, builders.register(db)) == []
        assert end(db, worker, claimed, status="failed") == set()

    def test_lost_too_often_fails(self, db: Database) -> None:
        job_id = insert_one(db)
        for times in range(1, LOST_LIMIT + 1):
            worker = builders.register(db)
            assert len(claim(db, worker)) == 1
            (lost,) = lose(db, worker)
            assert lost.status == ("pending" if times < LOST_LIMIT else "failed")

        job = get(db, job_id)
        assert (job.status, job.attempt, job.lost_count, job.attempts_used) == ("failed", LOST_LIMIT, LOST_LIMIT, 0)
        assert "lost too often" in (job.error or "")
        assert [one.outcome for one in builders.attempts(db, job_id)] == ["lost"] * (LOST_LIMIT - 1)

        db.run(lambda tx: jobs.retry(tx, job_id))
        assert [one.outcome for one in builders.attempts(db, job_id)] == ["lost"] * LOST_LIMIT
        assert get(db, job_id).lost_count == 0

    def test_a_cancelled_job_is_cancelled(self, db: Database, worker: str) -> None:
        claimed = run_one(db, worker)
        db.run(lambda tx: jobs.request_cancel(tx, claimed.call.job_id, "ann"))
        (lost,) = lose(db, worker)
        assert lost.status == get(db, claimed.call.job_id).status == "cancelled"

    def test_the_living_keep_theirs(self, db: Database, worker: str) -> None:
        other = builders.register(db)
        mine, theirs = run_one(db, worker), run_one(db, other)
        db.run(lambda tx: workers.renew(tx, other, builders.LEASE, running=1, state="draining", detail=None))
        assert [one.id for one in lose(db, worker)] == [mine.call.job_id]
        assert get(db, theirs.call.job_id).worker_id == other

    @pytest.mark.parametrize("trace", ["stopped", "forgotten"])
    def test_jobs_of_workers_that_ended_or_are_unknown_are_found(self, db: Database, worker: str, trace: str) -> None:
        claimed = run_one(db, worker)
        if trace == "stopped":
            db.run(lambda tx: workers.stop(tx, worker))
        else:
            db.run(lambda tx: tx.run("DELETE FROM rota_workers"))
        assert [one.id for one in db.run(results.lose)] == [claimed.call.job_id]

    def test_many_are_given_back_in_parts(self, db: Database, worker: str) -> None:
        insert(db, *[new_job() for _ in range(700)])
        claim(db, worker)
        assert [len(lose(db, worker)), *(len(db.run(results.lose)) for _ in range(2))] == [500, 200, 0]

    def test_two_janitors_give_back_once(self, db: Database, worker: str) -> None:
        insert(db, *[new_job() for _ in range(300)])
        claim(db, worker)
        builders.end_lease(db, worker)
        db.run(workers.expire)
        lost = builders.at_once(*[lambda: db.run(results.lose)] * 4)
        ids = [one.id for part in lost for one in part]
        # Whoever finds rows taken leaves them to the other, so all four together may need a second look.
        ids += [one.id for one in db.run(results.lose)]
        assert len(ids) == len(set(ids)) == 300
        assert set(builders.column(db, "lost_count")) == {1}
        assert len(builders.column(db, "job_id", "rota_attempts")) == 300


class TestWhileItRuns:
    def test_progress_is_fenced(self, db: Database, worker: str) -> None:
        claimed = run_one(db, worker)
        job_id = claimed.call.job_id
        report = {"id": job_id, "attempt": 1, "value": 0.25, "note": "a quarter"}
        db.run(lambda tx: results.progress(tx, worker, [report]))
        assert (get(db, job_id).progress, get(db, job_id).progress_note) == (0.25, "a quarter")

        stranger = builders.register(db)
        db.run(lambda tx: results.progress(tx, stranger, [{**report, "value": 1}]))
        db.run(lambda tx: results.progress(tx, worker, [{**report, "attempt": 2, "value": 1}]))
        assert get(db, job_id).progress == 0.25
        db.run(lambda tx: results.progress(tx, worker, [{**report, "value": None, "note": None}]))
        assert (get(db, job_id).progress, get(db, job_id).progress_note) == (None, None)

    def test_progress_ends_with_the_attempt(self, db: Database, worker: str) -> None:
        claimed = run_one(db, worker)
        report = {"id": claimed.call.job_id, "attempt": 1, "value": 0.5, "note": "half"}
        db.run(lambda tx: results.progress(tx, worker, [report]))
        give_back(db, worker, claimed)
        assert get(db, claimed.call.job_id).progress is None

    def test_cancels_and_held_are_the_workers_own(self, db: Database, worker: str) -> None:
        other = builders.register(db)
        mine, kept, theirs = run_one(db, worker), run_one(db, worker), run_one(db, other)
        db.run(lambda tx: jobs.request_cancel(tx, mine.call.job_id, None))
        db.run(lambda tx: jobs.request_cancel(tx, theirs.call.job_id, None))
        assert db.read(lambda tx: results.cancels(tx, worker)) == [(mine.call.job_id, 1, "stop")]
        assert sorted(db.read(lambda tx: results.held(tx, worker))) == sorted(
            [(mine.call.job_id, 1), (kept.call.job_id, 1)]
        )
        end(db, worker, mine, status="cancelled", used=0)
        assert db.read(lambda tx: results.cancels(tx, worker)) == []

    def test_a_kill_follows_a_stop_but_not_the_other_way_round(self, db: Database, worker: str) -> None:
        job_id = run_one(db, worker).call.job_id
        modes: tuple[turns.Mode, ...] = ("stop", "kill", "stop")
        seen = []
        for mode in modes:
            assert db.run(lambda tx, mode=mode: jobs.request_cancel(tx, job_id, mode, mode=mode))  # type: ignore[misc]
            seen += [how for *_, how in db.read(lambda tx: results.cancels(tx, worker))]
        assert seen == ["stop", "kill", "kill"]
        assert get(db, job_id).cancel_requested_by == "stop"

    def test_a_snoozed_job_starts_again_when_due(self, db: Database, worker: str) -> None:
        claimed = run_one(db, worker)
        give_back(db, worker, claimed, outcome="snoozed", delay_us=HOUR)
        backdate(db, claimed.call.job_id, run_at=-1)
        assert db.run(lambda tx: due.move(tx, 10)) == {"default"}
        (again,) = claim(db, worker)
        assert (again.call.job_id, again.call.attempt) == (claimed.call.job_id, 2)
