"""Jobs that real Celery workers run: sent once, watched, revoked, and found again."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
import redis

from rota.executor import Call
from tests.support import procs
from tests.support.fleets import JOBS, Fleet, celery_worker, next_attempt, to_celery
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until_async

ALONE = {"queue": "alone"}
"""A queue to which nobody listens."""


async def sent(fleet: Fleet, *calls: Call) -> None:
    fleet.executor.submit(calls)
    for call in calls:
        await fleet.host.wait_text(call, "Celery queue")


async def test_results_and_errors_come_back(shared_redis: str) -> None:
    async with to_celery(shared_redis) as fleet:
        named, ordered = fleet.call("echo", {"value": {"n": [1, "é"]}}), fleet.call("echo", 1, "two")
        wrong, nowhere, opaque = fleet.call("fail", {"text": "no luck"}), fleet.call("nosuch"), fleet.call("opaque")
        snoozed = fleet.call("echo", {"value": {"status": "retry", "delayMs": 5}})
        await fleet.run(named, ordered, wrong, nowhere, opaque, snoozed)
        outcome = fleet.host.outcome
        assert json.loads(outcome(named).result or "") == {"n": [1, "é"]}
        assert json.loads(outcome(ordered).result or "") == [[1, "two"], {}]
        detail = outcome(wrong).detail
        assert detail is not None and detail.trace is not None and "fleet_jobs.py" in detail.trace
        assert (outcome(wrong).error, detail.code, detail.type) == ("ValueError: no luck", "exception", "ValueError")
        assert outcome(nowhere).error == f"NotRegistered: {JOBS}.nosuch"
        assert "EncodeError" in (outcome(opaque).error or "")  # Celery itself calls this a failure
        assert (outcome(snoozed).kind, outcome(snoozed).delay_us) == ("snoozed", 5000)
        lines = fleet.host.text(named).splitlines()
        assert lines[0] == f"sent to Celery queue celery as task {named.job_id}-1" and lines[-1] == "finished"


async def test_what_the_environment_says_to_celery_is_not_meant(
    shared_redis: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CELERY_BROKER_URL", "CELERY_BROKER_WRITE_URL", "CELERY_RESULT_BACKEND"):
        monkeypatch.setenv(name, "redis://127.0.0.1:1/0")
    async with to_celery(shared_redis) as fleet:
        call, unwanted = fleet.call("echo", {"value": 1}), fleet.call("count", "/dev/null", target=ALONE)
        await fleet.run(call)
        assert fleet.host.outcome(call).result == "1"
        await sent(fleet, unwanted)
        fleet.executor.stop(unwanted.job_id, 1, "kill")
        await fleet.ended(unwanted)


async def test_a_task_that_nobody_has_begun_is_taken_back(shared_redis: str) -> None:
    async with to_celery(shared_redis) as fleet:
        other, call = fleet.call("echo", target={"queue": "taken"}), fleet.call("echo", target={"queue": "taken"})
        await sent(fleet, other, call)
        fleet.executor.stop(call.job_id, 1, "cancel")
        await fleet.ended(call)
        assert (fleet.host.outcome(call).kind, fleet.host.outcome(call).begun) == ("stopped", False)
        with redis.Redis.from_url(shared_redis) as client:
            (message,) = client.lrange("taken", 0, -1)
            assert json.loads(message)["headers"]["id"] == f"{other.job_id}-1"


@pytest.mark.parametrize("why", ["cancel", "timeout"])
async def test_a_running_task_is_ended_in_its_worker(own_redis: RedisServer, tmp_path: Path, why: Any) -> None:
    worker = celery_worker(own_redis.url, tmp_path / "worker", "celery", pool="prefork")
    async with to_celery(own_redis.url) as fleet:
        call = fleet.call("hang", str(tmp_path / "pid"))
        fleet.executor.submit([call])
        await fleet.host.wait_text(call, "started by worker celery@fleet", 20)
        path = tmp_path / "pid"  # which the task writes a moment after its worker has said so
        pid = int(await wait_until_async(lambda: path.exists() and path.read_text(), what="the start of the task"))
        fleet.executor.stop(call.job_id, 1, why)
        await fleet.ended(call)
        assert fleet.host.outcome(call).kind == "stopped"
        await wait_until_async(lambda: not procs.alive(pid), what="the end of the task's process")
    worker.send(signal.SIGKILL)
    worker.close()


async def test_the_next_attempt_goes_on_with_what_runs(shared_redis: str, tmp_path: Path) -> None:
    runs, gate = tmp_path / "runs", tmp_path / "gate"
    async with to_celery(shared_redis) as first:
        done, call = first.call("count", str(tmp_path / "other")), first.call("count", str(runs), str(gate))
        await first.run(done)
        first.executor.submit([call])
        await wait_until_async(runs.exists, what="the start of the task")
        first.executor.stop(call.job_id, 1, "lease")
        await first.ended(call)
    async with to_celery(shared_redis) as second:
        again, known = next_attempt(call), next_attempt(done)
        await second.run(known)
        second.executor.submit([again])
        await second.host.wait_text(again, "goes on")
        gate.touch()
        await second.ended(again)
        assert [second.host.outcome(each).result for each in (again, known)] == ["1", "1"]
        anew = next_attempt(known, began_with=3)  # those before it have ended: this one is another run
        await second.run(anew)
        assert second.host.outcome(anew).result == "2"


async def test_a_task_whose_redis_lost_it_fails(own_redis: RedisServer) -> None:
    async with to_celery(own_redis.url, patience_s=0.3) as fleet:
        call, later = fleet.call("echo"), fleet.call("echo")
        await sent(fleet, call)
        own_redis.client.flushall()
        await fleet.ended(call)
        detail = fleet.host.outcome(call).detail
        assert detail is not None and detail.code == "remote-lost"
        await sent(fleet, later)
        own_redis.kill()
        never = fleet.call("echo")
        fleet.executor.submit([never])
        await fleet.ended(later, never)
        assert fleet.host.outcome(later).kind == "interrupted"
        detail = fleet.host.outcome(never).detail
        assert detail is not None and detail.code == "broker"
        own_redis.start()
        await sent(fleet, next_attempt(later), next_attempt(never, began_with=2))
        assert own_redis.client.llen("celery") == 2


async def test_a_thousand_quick_tasks(shared_redis: str) -> None:
    async with to_celery(shared_redis) as fleet:
        calls = [fleet.call("echo", {"value": n}) for n in range(1000)]
        await fleet.run(*calls, timeout=60)
        assert [fleet.host.outcome(call).result for call in calls] == [str(n) for n in range(1000)]
        with redis.Redis.from_url(shared_redis) as client:
            left = {key.decode().rpartition(":")[2] for key in client.keys("rota:handed:*")}
            assert left.isdisjoint(f"{call.job_id}-1" for call in calls)


async def test_accepted_needs_no_results(shared_redis: str) -> None:
    async with to_celery(shared_redis) as fleet:
        call = fleet.call("echo", target={**ALONE, "wait": "accepted"})
        await fleet.run(call)
        expected = {"remoteId": f"{call.job_id}-1", "queue": "alone"}
        assert json.loads(fleet.host.outcome(call).result or "") == expected
