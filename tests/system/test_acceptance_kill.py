"""A worker dies under load: nothing is lost, repeats are new attempts, nothing goes on running."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from rota.client import Client
from tests.support import procs
from tests.support.load import Load, audit, kill_role, role_pids, unfinished
from tests.support.processes import RotaProcesses
from tests.support.service import SECRET, start_up
from tests.support.target import TargetServer
from tests.support.waiting import free_port, wait_until

LEASE = {"ROTA_LEASE": "2s"}


def run_and_kill(
    rota_process: RotaProcesses, load: Load, database_url: str, env: dict[str, str], *, jobs: int, kills: int
) -> dict[str, int]:
    """Enqueue so many jobs, kill the worker so often while they run, audit; return how many starts each status saw."""
    port = free_port()
    service = start_up(rota_process, database_url, port, {**load.env, **env}, cwd=load.folder)
    with Client(f"http://127.0.0.1:{port}", SECRET) as client:
        wait_until(lambda: len(client.job_types()) >= 2, 60, "the application was loaded")
        ids = [job["id"] for job in client.enqueue_many(load.jobs(jobs))]
        for kill in range(kills):
            _wait_for_starts(load, (kill + 1) * jobs // (kills + 2))
            kill_role(service, "worker")
        wait_until(lambda: not unfinished(client, ids), 180, lambda: f"the end of {unfinished(client, ids)}")
        assert audit(client, load, ids) == []
        found = list(client.jobs())
    assert len(found) == jobs
    assert {job["status"] for job in found} == {"completed"}
    repeated = [job for job in found if job["attempt"] > 1]
    assert repeated, "no job was under way when its worker was killed"
    assert all(job["attemptsUsed"] <= 1 for job in found)
    return {"jobs": jobs, "repeated": len(repeated), "starts": sum(load.starts().values())}


def _wait_for_starts(load: Load, count: int) -> None:
    wait_until(lambda: len(load.starts()) >= count, 60, lambda: f"{count} starts instead of {len(load.starts())}")


def test_a_killed_worker_loses_nothing(
    database_url: str, rota_process: RotaProcesses, tmp_path: Path, target_server: TargetServer
) -> None:
    load = Load(tmp_path / "app", target_server, seconds=0.5)
    run_and_kill(rota_process, load, database_url, LEASE, jobs=80, kills=1)


def test_a_killed_supervisor_takes_everything_along(
    sqlite_url: str, rota_process: RotaProcesses, tmp_path: Path, target_server: TargetServer
) -> None:
    load = Load(tmp_path / "app", target_server, seconds=600)
    port = free_port()
    service = start_up(rota_process, sqlite_url, port, {**load.env, **LEASE}, cwd=load.folder)
    with Client(f"http://127.0.0.1:{port}", SECRET) as client:
        wait_until(lambda: len(client.job_types()) >= 2, 60, "the application was loaded")
        client.enqueue_many(load.jobs(8))
        wait_until(lambda: len(load.starts()) >= 8, 60, "all jobs run")
    family = service.family()
    assert len(family) > 10
    service.send(signal.SIGKILL)
    assert service.wait() == -signal.SIGKILL
    wait_until(lambda: not any(map(procs.alive, family)), 10, lambda: f"the end of {service.family()}")


@pytest.mark.parametrize("role", ["api", "scheduler"])
def test_a_killed_role_is_started_again(sqlite_url: str, rota_process: RotaProcesses, role: str) -> None:
    service = start_up(rota_process, sqlite_url, free_port(), LEASE)
    others = {name: pid for name, pid in role_pids(service).items() if name != role}
    killed = kill_role(service, role)
    again = wait_until(lambda: role_pids(service).get(role), 10, f"{role} is started again")
    assert again != killed
    assert {name: pid for name, pid in role_pids(service).items() if name != role} == others
    service.wait_for_output("supervisor/child-died")
