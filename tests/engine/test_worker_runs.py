"""A worker with real executors: what runs, how many at once, how often, and what is kept of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from rota.store import queues
from tests.engine.scheduling import declare
from tests.engine.working import APP, Shop, working
from tests.support.target import Answer, TargetServer
from tests.support.waiting import wait_until

RETRY = {"attempts": 3, "delays": ["50ms"]}


class TestOutcomes:
    def test_every_kind_of_target_completes(self, shop: Shop, target_server: TargetServer) -> None:
        target_server.answer("/job", Answer(body={"itemsProcessed": 7}))
        with working(shop, apps=[APP], executors="function,http,command"):
            command = shop.shell("echo hi; echo '::rota result {\"a\": 1}'")
            call = shop.enqueue({"kind": "http", "url": target_server.url("/job")})
            wait_until(lambda: "add" in shop.types(), what="the types are declared")
            function = shop.call("add", {"a": 40})
            assert shop.result(command) == {"a": 1}
            assert shop.result(call) == {"itemsProcessed": 7}
            assert shop.result(function)["total"] == 42

    def test_a_failure_is_tried_again_and_each_start_is_kept(self, shop: Shop, tmp_path: Path) -> None:
        with working(shop):
            job_id = shop.shell(f"echo x >> {tmp_path}/marks; test $(wc -l < {tmp_path}/marks) -ge 3", retry=RETRY)
            job = shop.wait(job_id)
        assert (job.attempt, job.attempts_used) == (3, 3)
        assert [(one.attempt, one.outcome, one.error) for one in shop.attempts(job_id)] == [
            (1, "failed", "exit code 1"),
            (2, "failed", "exit code 1"),
        ]

    def test_it_fails_when_its_attempts_are_used_up(self, shop: Shop) -> None:
        with working(shop):
            job_id = shop.shell("exit 3", retry=RETRY)
            job = shop.wait(job_id, "failed")
        assert (job.attempt, job.attempts_used, job.error, job.reason) == (3, 3, "exit code 3", "failed")
        assert shop.outcomes(job_id) == ["failed", "failed"]

    def test_some_errors_have_rules_of_their_own(self, shop: Shop, target_server: TargetServer) -> None:
        missing = {"error": "http-404", "action": "retry", "delays": ["20ms"]}
        target_server.answer("/job", *[Answer(404)] * 2, Answer())
        with working(shop):
            given_up = shop.shell("exit 3", retry={**RETRY, "byError": [{"error": "exit-3", "action": "fail"}]})
            patient = shop.shell("exit 4", retry={**RETRY, "byError": [{"error": "exit-4", "attempts": 5}]})
            found = shop.enqueue(
                {"kind": "http", "url": target_server.url("/job")}, retry={"attempts": 3, "byError": [missing]}
            )
            assert shop.wait(given_up, "failed").attempt == 1
            assert shop.wait(patient, "failed").attempt == 5
            assert shop.wait(found).attempt == 3

    def test_a_snooze_uses_no_attempt(self, shop: Shop, target_server: TargetServer) -> None:
        target_server.answer("/job", *[Answer(body={"status": "retry", "delayMs": 20})] * 3, Answer())
        with working(shop):
            job_id = shop.enqueue({"kind": "http", "url": target_server.url("/job")}, maxAttempts=1)
            job = shop.wait(job_id)
        assert (job.attempt, job.attempts_used) == (4, 1)
        assert shop.outcomes(job_id) == ["snoozed"] * 3
        assert [r.headers["rota-attempt"] for r in target_server.requests] == ["1", "2", "3", "4"]

    def test_a_permanent_failure_is_not_tried_again(self, shop: Shop, target_server: TargetServer) -> None:
        target_server.answer("/job", Answer(body={"status": "failed", "error": "no such customer"}))
        with working(shop):
            job_id = shop.enqueue({"kind": "http", "url": target_server.url("/job")}, maxAttempts=5)
            job = shop.wait(job_id, "failed")
        assert (job.attempt, job.error) == (1, "no such customer")


@pytest.fixture
def no_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    """After its first look a worker finds nothing by looking again, however long that takes: only at an end."""
    for name in ("POLL_S", "QUIET_S"):
        monkeypatch.setattr(f"rota.engine.claimer.{name}", 3600.0)


class TestSlots:
    def test_each_lane_has_slots_of_its_own(self, shop: Shop, target_server: TargetServer) -> None:
        target_server.answer("/hang", Answer(hang=True))
        with working(shop, concurrency=2):
            hang = {"kind": "http", "url": target_server.url("/hang")}
            hanging = [shop.enqueue(hang, timeout="10m") for _ in range(30)]
            target_server.wait_for(30, timeout=60)
            commands = [shop.shell("sleep 600") for _ in range(3)]
            wait_until(lambda: shop.count("running", commands) == 2, what="two commands run")
            honest = shop.enqueue({"kind": "http", "url": target_server.url("/ok")})
            shop.wait(honest)
            assert shop.count("running", hanging) == 30
            assert shop.count("pending", commands) == 1
            for job_id in commands:
                shop.cancel(job_id)
            shop.wait(shop.shell("true"))

    def test_a_freed_slot_is_filled_at_once(self, shop: Shop, no_polls: None) -> None:
        jobs = [shop.shell("true") for _ in range(20)]
        with working(shop, concurrency=1):
            for job_id in jobs:
                shop.wait(job_id)

    def test_two_workers_run_each_job_once(self, shop: Shop, tmp_path: Path) -> None:
        with working(shop, concurrency=4), working(shop, concurrency=4):
            jobs = [shop.shell(f"echo $ROTA_JOB_ID >> {tmp_path}/marks") for _ in range(60)]
            for job_id in jobs:
                shop.wait(job_id)
        assert sorted((tmp_path / "marks").read_text().split()) == sorted(jobs)
        assert all(shop.get(job_id).attempt == 1 for job_id in jobs)


class TestQueues:
    def test_a_paused_queue_waits_and_goes_on(self, shop: Shop) -> None:
        shop.db.run(lambda tx: queues.change(tx, "slow", {}))
        shop.db.run(lambda tx: queues.pause(tx, "slow", by="ann", note=None))
        with working(shop):
            waiting = shop.shell("true", queue="slow")
            shop.wait(shop.shell("true", queue="other"))
            assert shop.get(waiting).status == "pending"
            shop.db.run(lambda tx: queues.resume(tx, "slow"))
            shop.wait(waiting)

    def test_no_more_run_at_once_than_the_queue_allows(self, shop: Shop, target_server: TargetServer) -> None:
        shop.db.run(lambda tx: queues.change(tx, "narrow", {"concurrency": 2}))
        target_server.answer("/job", Answer(delay=0.05))
        with working(shop), working(shop):
            jobs = [shop.enqueue({"kind": "http", "url": target_server.url("/job")}, queue="narrow") for _ in range(20)]
            for job_id in jobs:
                shop.wait(job_id)
        assert target_server.most_in_flight == 2

    def test_the_room_that_an_end_makes_is_filled_at_once(self, shop: Shop, no_polls: None) -> None:
        shop.db.run(lambda tx: queues.change(tx, "narrow", {"concurrency": 1}))
        jobs = [shop.shell("true", queue="narrow") for _ in range(10)]
        with working(shop), working(shop):
            for job_id in jobs:
                shop.wait(job_id)

    def test_a_worker_takes_its_queues_in_order(self, shop: Shop, tmp_path: Path) -> None:
        for queue in ("b", "a", "c"):
            shop.shell(f"echo {queue} >> {tmp_path}/marks", queue=queue)
        with working(shop, queues="a,b", concurrency=1):
            wait_until(lambda: shop.count("completed") == 2, what="two jobs are done")
            wait_until(lambda: (tmp_path / "marks").read_text().split() == ["a", "b"], what="a, then b")
        assert shop.count("pending") == 1


class TestTypes:
    def test_a_job_whose_code_nobody_has_waits(self, shop: Shop) -> None:
        declare(shop.db, "elsewhere")
        waiting = shop.call("elsewhere")
        with working(shop, apps=[APP]):
            wait_until(lambda: "noop" in shop.types(), what="the types are declared")
            shop.wait(shop.call("noop"))
            for _ in range(3):
                shop.wait(shop.call("noop"))
            job = shop.get(waiting)
        assert (job.status, job.attempts_used) == ("pending", 0)

    def test_one_that_was_taken_by_mistake_is_given_back(self, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("rota.engine.registry.REFRESH_S", 0.1)
        with working(shop, apps=[APP]) as running:
            wait_until(lambda: "noop" in shop.types(), what="the types are declared")
            declare(shop.db, "elsewhere")
            job_id = shop.call("elsewhere")
            wait_until(lambda: "elsewhere" in running.worker.registry.foreign, what="it is known to be foreign")
            job = shop.wait(job_id, "pending")
        assert job.attempts_used == 0
        assert set(shop.outcomes(job_id)) <= {"interrupted"}


class TestLogs:
    def test_they_are_whole_and_in_order_at_the_moment_the_job_has_ended(self, shop: Shop) -> None:
        with working(shop):
            job_id = shop.shell("i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done")
            job = shop.wait(job_id)
            lines = shop.text(job_id, "stdout")
        assert lines == [f"line {number}" for number in range(2000)]
        assert job.log_lines == len(shop.text(job_id))

    def test_they_come_while_the_job_runs(self, shop: Shop) -> None:
        with working(shop):
            job_id = shop.shell("echo first; sleep 600")
            shop.wait_text(job_id, "first")
            assert shop.get(job_id).status == "running"

    def test_the_numbers_go_on_over_the_attempts(self, shop: Shop) -> None:
        with working(shop):
            job_id = shop.shell("echo attempt $ROTA_ATTEMPT; exit 1", retry=RETRY)
            shop.wait(job_id, "failed")
            assert shop.text(job_id, "stdout") == ["attempt 1", "attempt 2", "attempt 3"]

    def test_output_goes_to_the_log_of_the_service_where_that_is_wanted(
        self, shop: Shop, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("INFO")
        with working(shop, log_output="true"):
            job_id = shop.shell("echo one; echo two >&2")
            shop.wait(job_id)
        assert {"job/output one", "job/output two"} <= {record.getMessage()[:14] for record in caplog.records}
        assert f"jobId={job_id} attempt=1 stream=stderr" in caplog.text

    def test_progress_is_shown_while_it_runs(self, shop: Shop) -> None:
        with working(shop):
            job_id = shop.shell("echo '::rota progress 0.4 halfway'; sleep 600")
            wait_until(lambda: shop.get(job_id).progress is not None, 30, "progress")
            job = shop.get(job_id)
        assert (job.progress, job.progress_note) == (0.4, "halfway")


def test_what_an_application_says_by_structlog_is_in_the_log_of_its_job(shop: Shop) -> None:
    with working(shop, apps=["tests.support.structlog_app:rota"]):
        wait_until(lambda: "say" in shop.types(), what="the type is declared")
        job_id = shop.call("say", {"n": 7})
        shop.wait(job_id)
    said = ["n=7 event='printed'", "WARNING shop.orders: n=7 event='sent'", "INFO by the context 7"]
    assert shop.text(job_id) == said
