"""A real RQ worker and a real Celery worker do the work of a real worker of Rota, whatever becomes of that."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.fleets import JOBS, celery_worker, rq_worker
from tests.support.processes import RotaProcesses
from tests.support.redis_server import running_redis
from tests.support.roles import Roles
from tests.support.waiting import wait_until


@pytest.fixture
def fleets(tmp_path: Path) -> Iterator[str]:
    """The address of a Redis with workers of both kinds."""
    with running_redis(tmp_path / "redis") as server, contextlib.ExitStack() as stack:
        stack.callback(rq_worker(server.url, tmp_path / "rq", "default").close)
        stack.callback(celery_worker(server.url, tmp_path / "celery", "celery").close)
        yield server.url


def target(kind: str, function: str, redis_url: str) -> dict[str, Any]:
    if kind == "rq":
        return {"kind": "rq", "function": f"{JOBS}.{function}", "url": redis_url}
    return {"kind": "celery", "task": f"{JOBS}.{function}", "brokerUrl": redis_url, "backendUrl": redis_url}


@pytest.mark.timeout(300)
def test_jobs_are_watched_to_their_end_across_restarts(
    roles: Roles, rota_process: RotaProcesses, fleets: str, tmp_path: Path
) -> None:
    env = {"ROTA_EXECUTORS": "rq,celery"}
    first = roles.start("worker", **env, ROTA_LEASE="30s")
    gate = tmp_path / "gate"
    jobs = {
        kind: roles.shop.enqueue(target(kind, "count", fleets), args=[str(tmp_path / f"{kind}-ran"), str(gate)])
        for kind in ("rq", "celery")
    }
    wrong = roles.shop.enqueue(target("rq", "fail", fleets), maxAttempts=1)
    for kind in jobs:
        wait_until((tmp_path / f"{kind}-ran").exists, 60, f"the start of the {kind} job")
    assert first.stop() == 0  # at once, although the jobs go on
    second = roles.start("worker", **env)
    wait_until(lambda: {roles.shop.get(job).attempt for job in jobs.values()} == {2}, 60, "both are taken up")
    second.send(signal.SIGKILL)
    second.wait()
    roles.start("scheduler")  # it finds out that the worker is gone
    roles.start("worker", **env, ROTA_LEASE="30s")
    wait_until(lambda: {roles.shop.get(job).attempt for job in jobs.values()} == {3}, 60, "both are taken up again")
    gate.touch()
    for kind, job_id in jobs.items():
        job = roles.shop.wait(job_id)
        assert (job.status, job.result, job.attempts_used) == ("completed", "1", 1), kind  # it ran once
        assert roles.shop.outcomes(job_id)[:2] == ["interrupted", "lost"]
    roles.shop.wait(wrong, "failed")
    shown = rota_process.run("jobs", "show", wrong, env={"ROTA_DATABASE_URL": roles.shop.url}).stdout
    assert "ValueError: boom" in shown and "failed" in shown and f'"{JOBS}.fail"' in shown
