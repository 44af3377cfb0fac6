"""Jobs that real RQ workers run: handed over once, watched, ended, and found again."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
import redis
from rq import Queue
from rq.job import Job
from rq.registry import CanceledJobRegistry, FailedJobRegistry, FinishedJobRegistry

from rota.executor import Call
from tests.support import procs
from tests.support.fleets import JOBS, Fleet, next_attempt, rq_worker, to_rq
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until, wait_until_async

ALONE = {"queue": "alone"}
"""A queue to which nobody listens."""


@pytest.fixture
def connection(shared_redis: str) -> Any:
    with redis.Redis.from_url(shared_redis) as client:
        yield client


async def begun(path: Path) -> int:
    """Wait until a hanging job runs; return its process."""
    return int(await wait_until_async(lambda: path.exists() and path.read_text(), what="the start of the job"))


async def handed(fleet: Fleet, *calls: Call) -> None:
    fleet.executor.submit(calls)
    for call in calls:
        await fleet.host.wait_text(call, "RQ queue")


async def test_results_and_errors_come_back(shared_redis: str) -> None:
    async with to_rq(shared_redis) as fleet:
        named, ordered = fleet.call("echo", {"value": {"n": [1, "é"]}}), fleet.call("echo", 1, "two")
        wrong, nowhere = fleet.call("fail", {"text": "no\nluck"}), fleet.call("nosuch")
        opaque, unwritable = fleet.call("opaque"), fleet.call("unwritable")
        refused, later = fleet.call("echo", {"value": {"success": False, "error": "no"}}), fleet.call("echo", 1)
        await fleet.run(named, ordered, wrong, nowhere, opaque, unwritable, refused, later)
        outcome = fleet.host.outcome
        assert json.loads(outcome(named).result or "") == {"n": [1, "é"]}
        assert json.loads(outcome(ordered).result or "") == [[1, "two"], {}]
        detail = outcome(wrong).detail
        assert detail is not None and detail.trace is not None and "fleet_jobs.py" in detail.trace
        assert (outcome(wrong).error, detail.code, detail.type) == ("ValueError: no luck", "exception", "ValueError")
        assert "nosuch" in (outcome(nowhere).error or "") and not outcome(nowhere).permanent
        assert (outcome(refused).kind, outcome(refused).error) == ("failed", "no")
        for call in (opaque, unwritable):  # the work is done, whatever became of its result
            assert (outcome(call).kind, outcome(call).result) == ("completed", "null")
        assert f"{JOBS}.Opaque" in fleet.host.text(opaque)
        lines = fleet.host.text(named).splitlines()
        assert lines[0] == f"handed to RQ queue default as job {named.job_id}-1" and lines[-1] == "finished"


async def test_rq_sees_plain_jobs(shared_redis: str, connection: Any) -> None:
    async with to_rq(shared_redis) as fleet:
        good, bad = fleet.call("echo", {"value": 1}), fleet.call("fail")
        waiting = fleet.call("echo", 1, target={"queue": "seen"}, timeout_us=90_500_000)
        await fleet.run(good, bad)
        await handed(fleet, waiting)
        assert f"{good.job_id}-1" in FinishedJobRegistry("default", connection).get_job_ids()
        assert f"{bad.job_id}-1" in FailedJobRegistry("default", connection).get_job_ids()
        queue = Queue("seen", connection=connection)
        assert queue in Queue.all(connection)
        (job,) = queue.jobs
        assert (job.description, job.timeout, job.result_ttl) == (f"{JOBS}.echo(1)", 91, 86_400)
        assert job.meta["rota"]["jobId"] == waiting.job_id and job.get_status() == "queued"
        assert "no RQ worker listens to that queue now" in fleet.host.text(waiting)
        fleet.executor.stop(waiting.job_id, 1, "cancel")
        await fleet.ended(waiting)
        assert queue.count == 0 and job.id in CanceledJobRegistry("seen", connection).get_job_ids()


@pytest.mark.parametrize("why", ["cancel", "timeout", "kill"])
async def test_a_running_job_is_stopped_in_its_worker(shared_redis: str, tmp_path: Path, why: Any) -> None:
    async with to_rq(shared_redis) as fleet:
        call = fleet.call("hang", str(tmp_path / "pid"))
        fleet.executor.submit([call])
        pid = await begun(tmp_path / "pid")
        fleet.executor.stop(call.job_id, 1, why)
        await fleet.ended(call)
        assert fleet.host.outcome(call).kind == "stopped"
        await wait_until_async(lambda: not procs.alive(pid), what="the end of the horse")


async def test_what_somebody_ends_in_rq_is_not_tried_again(shared_redis: str, connection: Any) -> None:
    async with to_rq(shared_redis) as fleet:
        cancelled, deleted = fleet.call("echo", target=ALONE), fleet.call("echo", target=ALONE)
        await handed(fleet, cancelled, deleted)
        Job.fetch(f"{cancelled.job_id}-1", connection=connection).cancel()
        Job.fetch(f"{deleted.job_id}-1", connection=connection).delete()
        await fleet.ended(cancelled, deleted)
        outcome = fleet.host.outcome(cancelled)
        assert (outcome.kind, outcome.permanent, outcome.error) == ("failed", True, "somebody cancelled it in RQ")
        detail = fleet.host.outcome(deleted).detail
        assert detail is not None and detail.code == "remote-lost"


async def test_accepted_is_enough_where_the_target_says_so(shared_redis: str) -> None:
    async with to_rq(shared_redis) as fleet:
        call = fleet.call("echo", target={**ALONE, "wait": "accepted"})
        await fleet.run(call)
        expected = {"remoteId": f"{call.job_id}-1", "queue": "alone"}
        assert json.loads(fleet.host.outcome(call).result or "") == expected


async def test_the_next_attempt_goes_on_with_what_runs(shared_redis: str, tmp_path: Path) -> None:
    runs, gate = tmp_path / "runs", tmp_path / "gate"
    async with to_rq(shared_redis) as first:
        call = first.call("count", str(runs), str(gate))
        done = first.call("count", str(tmp_path / "other"), target={"queue": "quick"})
        first.executor.submit([call])
        await first.run(done)
        await wait_until_async(runs.exists, what="the start of the job")
        first.executor.stop(call.job_id, 1, "drain")
        await first.ended(call)
        assert first.host.outcome(call).kind == "stopped" and not first.host.outcome(call).begun
    async with to_rq(shared_redis) as second:
        again, known = next_attempt(call), next_attempt(done)
        await second.run(known)
        second.executor.submit([again])
        await second.host.wait_text(again, "goes on")
        gate.touch()
        await second.ended(again)
        assert [second.host.outcome(each).result for each in (again, known)] == ["1", "1"]
        assert f"goes on with RQ job {call.job_id}-1, handed over in attempt 1" in second.host.text(again)
        anew = next_attempt(known, began_with=3)  # those before it have ended: this one is another run
        await second.run(anew)
        assert second.host.outcome(anew).result == "2"


async def test_two_workers_of_rota_hand_a_job_over_once(shared_redis: str, tmp_path: Path) -> None:
    async with to_rq(shared_redis) as one, to_rq(shared_redis) as other:
        calls = [one.call("count", str(tmp_path / str(n)), target={"queue": "quick"}) for n in range(20)]
        one.executor.submit(calls)
        other.executor.submit(calls)
        await one.ended(*calls)
        await other.ended(*calls)
        assert {fleet.host.outcome(call).result for fleet in (one, other) for call in calls} == {"1"}


async def test_closing_leaves_jobs_where_they_are(own_redis: RedisServer) -> None:
    async with to_rq(own_redis.url) as fleet:
        call, late = fleet.call("echo"), fleet.call("echo")
        await handed(fleet, call)
        await fleet.executor.close()
        await fleet.run(late)
        assert (fleet.host.outcome(call).kind, fleet.host.outcome(late).kind) == ("stopped", "interrupted")
        assert own_redis.client.lrange("rq:queue:default", 0, -1) == [f"{call.job_id}-1".encode()]


async def test_a_worker_that_died_fails_the_attempt(own_redis: RedisServer, tmp_path: Path) -> None:
    worker = rq_worker(own_redis.url, tmp_path / "worker", "default")
    async with to_rq(own_redis.url) as fleet:
        call = fleet.call("hang", str(tmp_path / "pid"))
        fleet.executor.submit([call])
        await begun(tmp_path / "pid")
        await fleet.host.wait_text(call, "started by worker")
        worker.send(signal.SIGKILL)
        worker.wait()
        worker.close()
        (key,) = own_redis.client.smembers("rq:workers")
        own_redis.client.delete(key)  # what Redis does itself 90 s after the last sign of life
        await fleet.ended(call)
        detail = fleet.host.outcome(call).detail
        assert detail is not None and detail.code == "remote-worker-lost"


async def test_a_broker_may_go_away_and_come_back(own_redis: RedisServer, tmp_path: Path) -> None:
    async with to_rq(own_redis.url, patience_s=0.3) as fleet:
        call = fleet.call("echo", {"value": 1}, timeout_us=None)
        await handed(fleet, call)
        own_redis.kill()
        never, unwanted = fleet.call("echo"), fleet.call("echo")
        fleet.executor.submit([never])
        await fleet.ended(call, never)
        lost = fleet.host.outcome(call)
        assert lost.kind == "interrupted" and lost.delay_us and str(own_redis.port) in (lost.error or "")
        detail = fleet.host.outcome(never).detail
        assert detail is not None and detail.code == "broker"
        fleet.executor.submit([unwanted])
        fleet.executor.stop(unwanted.job_id, 1, "kill")
        await fleet.ended(unwanted)
        assert fleet.host.outcome(unwanted).kind == "stopped"
        own_redis.start()
        worker = rq_worker(own_redis.url, tmp_path / "worker", "default")
        await fleet.run(next_attempt(call))  # the new server knows nothing of it: it is handed over anew
        assert fleet.host.outcome(next_attempt(call)).result == "1"
        worker.close()


async def test_a_thousand_quick_jobs(shared_redis: str) -> None:
    async with to_rq(shared_redis) as fleet:
        calls = [fleet.call("echo", {"value": n}, target={"queue": "quick"}) for n in range(1000)]
        await fleet.run(*calls, timeout=60)
        assert [fleet.host.outcome(call).result for call in calls] == [str(n) for n in range(1000)]


async def test_what_cannot_be_handed_over_fails_with_a_word(shared_redis: str) -> None:
    async with to_rq(shared_redis) as fleet:
        malformed, scalar = fleet.call("echo", target={"function": "echo"}), fleet.call("echo")
        scalar = Call(**{**{name: getattr(scalar, name) for name in Call.__struct_fields__}, "args": "7"})
        unknown = fleet.call("echo", target={"connection": "billing"})
        await fleet.run(malformed, scalar, unknown)
        assert [fleet.host.outcome(call).permanent for call in (malformed, scalar, unknown)] == [True, True, False]
        assert "ROTA_REDIS_URLS" in (fleet.host.outcome(unknown).error or "")


def test_the_redis_of_a_test_starts_again_empty(own_redis: RedisServer) -> None:
    own_redis.client.set("a", 1)
    own_redis.kill()
    own_redis.start()
    assert wait_until(own_redis.client.ping) and own_redis.client.get("a") is None
