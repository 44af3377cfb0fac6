"""How a run ends that does not end by itself: time-out, cancel, drain."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rota.executor import Outcome
from tests.engine.working import APP, RunningWorker, Shop, working
from tests.support import procs
from tests.support.target import Answer, TargetServer
from tests.support.waiting import wait_until

LONG = "echo begun; sleep 600"


def pids(path: Path, count: int) -> list[int]:
    """Process ids that a command has written."""
    wait_until(lambda: path.exists() and len(path.read_text().split()) >= count, 60, f"{count} processes")
    return [int(pid) for pid in path.read_text().split()]


def run_out(running: RunningWorker) -> None:
    """Let the time of all that runs be over: short times are over, on a busy machine, before anything has begun."""

    def end() -> None:
        for one in running.worker.running.values():
            one.deadline = time.monotonic()

    running.do(end)


class TestTimeOut:
    def test_it_ends_the_whole_tree_and_uses_an_attempt(self, shop: Shop, tmp_path: Path) -> None:
        script = f"echo $$ >> {tmp_path}/pids; (sleep 601 & echo $! >> {tmp_path}/pids; wait) & wait"
        with working(shop) as running:
            job_id = shop.shell(script, timeout="5m", maxAttempts=2, retry={"delays": ["50ms"]})
            for attempt in (1, 2):
                pids(tmp_path / "pids", 2 * attempt)
                run_out(running)
            job = shop.wait(job_id, "failed")
        assert (job.reason, job.error, job.attempt, job.attempts_used) == ("timeout", "timed out after 5m", 2, 2)
        assert shop.outcomes(job_id) == ["timeout"]
        assert not any(map(procs.alive, pids(tmp_path / "pids", 4)))

    def test_a_function_that_holds_on_loses_its_runner(self, shop: Shop) -> None:
        with working(shop, apps=[APP]):
            wait_until(lambda: "wait_stubbornly" in shop.types(), what="the types are declared")
            job_id = shop.call("wait_stubbornly", timeout="300ms", maxAttempts=1)
            assert shop.wait(job_id, "failed").reason == "timeout"
            shop.wait(shop.call("noop"))


class TestCancel:
    def test_a_run_that_listens_is_cancelled(self, shop: Shop) -> None:
        with working(shop, grace="10m"):
            job_id = shop.shell("trap 'echo going; exit 0' TERM; echo begun; sleep 600 & wait")
            shop.wait_text(job_id, "begun")
            shop.cancel(job_id)
            job = shop.wait(job_id, "cancelled")
            assert "going" in shop.text(job_id)
        assert (job.reason, job.attempts_used, job.cancel_requested_by) == ("cancelled", 0, "ann")
        assert job.error == "ended by itself after SIGTERM, with exit code 0"

    def test_one_that_does_not_listen_is_killed(self, shop: Shop, tmp_path: Path) -> None:
        with working(shop):
            job_id = shop.shell(f"trap '' TERM; echo $$ > {tmp_path}/pids; echo begun; sleep 600; sleep 600")
            shop.wait_text(job_id, "begun")
            shop.cancel(job_id)
            job = shop.wait(job_id, "cancelled")
            assert (job.attempt, job.error) == (1, "killed: it did not end within the grace time")
        with working(shop, grace="10m"):
            shop.wait_text(plain := shop.shell("echo begun; exec sleep 600"), "begun")
            shop.cancel(plain)
            assert shop.wait(plain, "cancelled").error == "stopped by SIGTERM"
        assert not any(map(procs.alive, pids(tmp_path / "pids", 1)))

    def test_one_that_may_take_its_time_is_killed_when_that_is_asked(self, shop: Shop, tmp_path: Path) -> None:
        with working(shop, grace="10m"):
            job_id = shop.shell(f"trap '' TERM; echo $$ > {tmp_path}/pids; echo begun; sleep 600; sleep 600")
            shop.wait_text(job_id, "begun")
            shop.cancel(job_id)
            shop.wait_text(job_id, "stopped: cancel")
            shop.cancel(job_id, force=True)
            job = shop.wait(job_id, "cancelled")
            assert (job.reason, job.attempt, job.cancel_mode) == ("cancelled", 1, "kill")
            assert job.error == "killed at once, as was asked"
        assert not any(map(procs.alive, pids(tmp_path / "pids", 1)))

    def test_a_kill_that_follows_a_time_out_ends_it_at_once(self, shop: Shop) -> None:
        with working(shop, grace="10m") as running:
            job_id = shop.shell("trap '' TERM; echo begun; sleep 600; sleep 600", timeout="5m", maxAttempts=5)
            shop.wait_text(job_id, "begun")  # it ignores the signal from here on
            run_out(running)
            shop.wait_text(job_id, "stopped: timeout")
            shop.cancel(job_id, force=True)
            job = shop.wait(job_id, "cancelled")
        assert (job.attempt, job.cancel_requested_by) == (1, "ann")

    def test_a_killed_function_takes_its_runner_with_it_and_the_others_run_again(self, shop: Shop) -> None:
        with working(shop, apps=[APP], grace="10m"):
            wait_until(lambda: "wait_stubbornly" in shop.types(), what="the types are declared")
            stubborn, beside = shop.call("wait_stubbornly"), shop.call("wait", maxAttempts=1)
            for job_id in (stubborn, beside):
                shop.wait_text(job_id, "waiting")
            shop.cancel(stubborn, force=True)
            assert shop.wait(stubborn, "cancelled").attempt == 1
            wait_until(lambda: shop.get(beside).attempt == 2, what="the other one has begun again")
            assert shop.outcomes(beside) == ["interrupted"]
            shop.cancel(beside, force=True)
            shop.wait(beside, "cancelled")

    def test_functions_and_calls_too(self, shop: Shop, target_server: TargetServer) -> None:
        target_server.answer("/hang", Answer(hang=True))
        with working(shop, apps=[APP], executors="function,http", grace="10m"):
            wait_until(lambda: "wait" in shop.types(), what="the types are declared")
            listen = [shop.call("wait")]
            shop.wait_text(listen[0], "waiting")
            listen.append(shop.enqueue({"kind": "http", "url": target_server.url("/hang")}, timeout="10m"))
            target_server.wait_for(1, timeout=60)
            for job_id in listen:
                shop.cancel(job_id)
            assert [shop.wait(job_id, "cancelled").attempt for job_id in listen] == [1] * 2
            assert [shop.get(job_id).error for job_id in listen] == [
                "ended with CancelledError",
                "the call was broken off",
            ]
        with working(shop, apps=[APP], executors="function,http"):
            do_not = [shop.call("sync_sleep"), shop.call("wait_stubbornly")]
            for job_id, text in zip(do_not, ("sleeping", "waiting"), strict=True):
                shop.wait_text(job_id, text)
            for job_id in do_not:
                shop.cancel(job_id)
            assert [shop.wait(job_id, "cancelled").attempt for job_id in do_not] == [1] * 2
            assert [shop.get(job_id).error for job_id in do_not] == [
                "killed: it did not end within the grace time",
                "killed: it did not end within the grace time",
            ]

    def test_one_that_ends_well_all_the_same_has_completed(self, shop: Shop) -> None:
        with working(shop, apps=[APP]):
            wait_until(lambda: "wait_then_answer" in shop.types(), what="the types are declared")
            job_id = shop.call("wait_then_answer")
            shop.wait_text(job_id, "waiting")
            shop.cancel(job_id)
            job = shop.wait(job_id, "completed", "cancelled")
        assert job.attempt == 1

    def test_one_that_is_cancelled_while_it_fails_does_not_run_again(self, shop: Shop, tmp_path: Path) -> None:
        with working(shop):
            script = f"echo begun; until test -e {tmp_path}/go; do sleep 0.01; done; exit 1"
            job_id = shop.shell(script, maxAttempts=5, retry={"delays": ["1ms"]})
            shop.wait_text(job_id, "begun")
            sql = "UPDATE rota_jobs SET cancel_requested_at = rota_now() WHERE id = :id"  # without a hint
            shop.db.run(lambda tx: tx.run(sql, {"id": job_id}))
            (tmp_path / "go").touch()
            assert shop.wait(job_id, "cancelled").attempt == 1


class TestDrain:
    def test_what_ends_in_time_ends_and_the_rest_is_given_back(self, shop: Shop, tmp_path: Path) -> None:
        with working(shop, grace="10m") as running:
            quick = shop.shell(f"echo begun; until test -e {tmp_path}/go; do sleep 0.01; done; echo done")
            shop.wait_text(quick, "begun")
            running.stop()
            # Which is written when it claims no more.
            wait_until(lambda: shop.worker_states() == ["draining"], what="it drains")
            later = shop.shell("true")
            (tmp_path / "go").touch()
            running.join()
        assert shop.get(quick).status == "completed"
        assert shop.get(later).status == "pending", "it claims nothing more"

    def test_long_runs_are_interrupted_without_using_an_attempt(self, shop: Shop, tmp_path: Path) -> None:
        with working(shop, grace="200ms") as running:
            job_id = shop.shell(f"echo $$ >> {tmp_path}/pids; {LONG}", maxAttempts=1)
            shop.wait_text(job_id, "begun")
            began = time.monotonic()
            running.stop()
            running.join()
            assert time.monotonic() - began < 0.2 + 5
        job = shop.get(job_id)
        assert (job.status, job.attempt, job.attempts_used, job.worker_id) == ("pending", 1, 0, None)
        assert [(one.outcome, one.error) for one in shop.attempts(job_id)] == [
            ("interrupted", "the worker was stopping")
        ]
        assert not any(map(procs.alive, pids(tmp_path / "pids", 1)))
        assert shop.worker_states() == ["stopped"]

    def test_another_worker_takes_them_at_once(self, shop: Shop) -> None:
        with working(shop, grace="100ms") as running:
            job_id = shop.shell('echo begun; test "$ROTA_ATTEMPT" = 2 || sleep 600')
            shop.wait_text(job_id, "begun")
            with working(shop):
                running.stop()
                running.join()
                job = shop.wait(job_id)  # long before the lease of the first one would have run out
        assert (job.attempt, job.attempts_used) == (2, 1)

    def test_a_second_signal_ends_it_at_once(self, shop: Shop) -> None:
        with working(shop, grace="60s") as running:
            jobs = [shop.shell(f"trap '' TERM; {LONG}; {LONG}") for _ in range(5)]
            for job_id in jobs:
                shop.wait_text(job_id, "begun")
            running.stop()
            wait_until(lambda: running.worker.state == "draining", what="it drains")
            running.stop(now=True)
            running.join(10)
        assert {shop.get(job_id).status for job_id in jobs} == {"pending"}
        assert [shop.outcomes(job_id) for job_id in jobs] == [["interrupted"]] * 5

    def test_a_run_that_must_not_run_twice_fails_instead(self, shop: Shop) -> None:
        with working(shop, grace="100ms") as running:
            job_id = shop.shell(LONG, onLost="fail")
            shop.wait_text(job_id, "begun")
            running.stop()
            running.join()
        job = shop.get(job_id)
        assert (job.status, job.reason, job.attempt) == ("failed", "interrupted", 1)
        assert job.error == "the worker was stopping, and the job must not run twice"

    def test_a_cancel_is_heard_while_it_drains(self, shop: Shop) -> None:
        with working(shop, grace="60s") as running:
            job_id = shop.shell(LONG)
            shop.wait_text(job_id, "begun")
            running.stop()
            wait_until(lambda: running.worker.state == "draining", what="it drains")
            shop.cancel(job_id)
            shop.wait(job_id, "cancelled", timeout=10)
            running.join()

    def test_a_worker_without_jobs_ends_quickly(self, shop: Shop) -> None:
        with working(shop, apps=[APP], executors="function,http,command") as running:
            wait_until(lambda: running.worker.lease.held, what="it works")
            began = time.monotonic()
            running.stop()
            running.join()
        assert time.monotonic() - began < 3


class TestBadExecutors:
    """One of another package that does not keep the contract."""

    class Odd:
        def __init__(self, error: Exception | None = None) -> None:
            self.lanes: Mapping[str, int] = {"command": 5}
            self.error = error
            self.host: Any = None

        async def start(self, host: Any) -> None:
            self.host = host

        def submit(self, calls: Any) -> None:
            if self.error is not None:
                raise self.error

        def stop(self, job_id: str, attempt: int, why: Any) -> None:
            return

        async def close(self) -> None:
            return

    def test_one_that_raises_fails_its_jobs_and_keeps_no_slot(self, shop: Shop) -> None:
        with working(shop, made=[self.Odd(RuntimeError("broken"))]) as running:
            for _ in range(3):
                job = shop.wait(shop.shell("true"), "failed")
                assert job.error == "the executor failed: RuntimeError: broken"
            assert running.worker.slots.free() == {"command": 5}

    def test_an_outcome_that_is_none_keeps_no_other(self, shop: Shop) -> None:
        executor = self.Odd()
        with working(shop, made=[executor]) as running:
            jobs = [shop.shell("true"), shop.shell("true")]
            wait_until(lambda: len(running.worker.running) == 2, what="both run")
            calls = {one.call.job_id: one.call for one in running.worker.running.values()}

            def end() -> None:
                executor.host.done(calls[jobs[0]], Outcome("failed", delay_us="soon"))  # type: ignore[arg-type]
                executor.host.done(calls[jobs[1]], Outcome("completed", result="1"))

            running.do(end)
            assert shop.wait(jobs[1]).result == "1"
            assert "cannot be understood" in (shop.wait(jobs[0], "failed").error or "")
