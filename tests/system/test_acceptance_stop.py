"""SIGTERM with jobs under way: short ones end, long ones are given back and run again, nothing is left behind."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from rota.client import Client, Json
from rota.engine.signals import SAME_STOP_S
from tests.support.load import Load, audit
from tests.support.processes import KeptProcess, RotaProcesses
from tests.support.service import SECRET, start_up
from tests.support.target import TargetServer
from tests.support.waiting import free_port, wait_until

GRACE_S = 4.0
"""Jobs of a second end within it, also where a busy machine notices that late."""
BEYOND_S = 5.0
"""How long after the grace time a service may take to end."""
ENV = {"ROTA_GRACE": f"{GRACE_S:g}s", "ROTA_LEASE": "4s"}


@pytest.fixture
def short(tmp_path: Path, target_server: TargetServer) -> Load:
    return Load(tmp_path / "app", target_server, seconds=1.0)


def test_it_drains(database_url: str, rota_process: RotaProcesses, tmp_path: Path, short: Load) -> None:
    port = free_port()
    service = start_up(rota_process, database_url, port, short.env | ENV, cwd=short.folder)
    with Client(f"http://127.0.0.1:{port}", SECRET) as client:
        ids = _enqueue_and_wait(client, short, long_jobs(short))
    took = stop(service)
    assert took < GRACE_S + BEYOND_S
    service.assert_nothing_left()

    port = free_port()
    again = start_up(rota_process, database_url, port, short.env | ENV, cwd=short.folder)
    with Client(f"http://127.0.0.1:{port}", SECRET) as client:
        found = [client.job(job_id) for job_id in ids]
        assert [job["status"] for job in found[:8]] == ["completed"] * 8
        assert [job["attempt"] for job in found[:8]] == [1] * 8
        for job in found[8:]:
            _check_given_back(client, job["id"])
    assert stop(again) < GRACE_S + BEYOND_S


def long_jobs(load: Load) -> list[Json]:
    """Two jobs that outlast any grace: a command, and a function in a thread that nobody can stop."""
    mark = load.folder / "marks" / "commands"
    shell = f'echo "$ROTA_JOB_ID $ROTA_ATTEMPT" >> {mark}; trap "" TERM; sleep 600 & setsid sleep 600 & wait; sleep 600'
    return [
        {"target": {"kind": "command", "shell": shell}},
        {"jobType": "work_sync", "args": {"seconds": 600}},
    ]


def _enqueue_and_wait(client: Client, load: Load, more: list[Json]) -> list[str]:
    wait_until(lambda: len(client.job_types()) >= 2, 60, "the application was loaded")
    ids = [job["id"] for job in client.enqueue_many([*load.jobs(8), *more])]
    wait_until(lambda: len(load.starts()) >= len(ids), 60, lambda: f"{len(ids)} starts, not {len(load.starts())}")
    return ids


def _check_given_back(client: Client, job_id: str) -> None:
    job = wait_until(lambda: (job := client.job(job_id))["status"] == "running" and job, 60, "the second start")
    assert isinstance(job, dict)
    assert [one["outcome"] for one in job["attempts"]] == ["interrupted", "running"]
    assert (job["attempt"], job["attemptsUsed"]) == (2, 0)


def stop(service: KeptProcess) -> float:
    """Ask for the end; return how long it took (s)."""
    began = time.monotonic()
    assert service.stop(GRACE_S + BEYOND_S + 5) == 0, str(service)
    return time.monotonic() - began


def test_a_second_signal_ends_it_at_once(sqlite_url: str, rota_process: RotaProcesses, short: Load) -> None:
    port = free_port()
    env = short.env | ENV | {"ROTA_GRACE": "1m"}
    service = start_up(rota_process, sqlite_url, port, env, cwd=short.folder)
    with Client(f"http://127.0.0.1:{port}", SECRET) as client:
        ids = _enqueue_and_wait(client, short, long_jobs(short))
    service.send(signal.SIGTERM)
    service.wait_for_output("worker/draining")
    heard = time.monotonic()  # by the worker, which on a busy machine hears it long after it was sent
    wait_until(lambda: time.monotonic() > heard + 2 * SAME_STOP_S, what="a moment that makes it a second request")
    began = time.monotonic()
    service.send(signal.SIGTERM)
    service.wait(10)
    assert time.monotonic() - began < BEYOND_S
    service.assert_nothing_left()
    listing = rota_process.run("jobs", "list", "--json", "--status", "running", env={"ROTA_DATABASE_URL": sqlite_url})
    assert listing.stdout.strip() == "[]", listing.stdout
    assert len(ids) == 10


def test_nothing_is_lost_in_rolling_restarts(pg_database: str, rota_process: RotaProcesses, short: Load) -> None:
    ports = [free_port(), free_port()]
    services = [start_up(rota_process, pg_database, port, short.env | ENV, cwd=short.folder) for port in ports]
    with Client(f"http://127.0.0.1:{ports[0]}", SECRET) as client:
        ids = _enqueue_and_wait(client, short, [])
        ids += [job["id"] for job in client.enqueue_many(short.jobs(40))]
        assert stop(services[1]) < GRACE_S + BEYOND_S
        start_up(rota_process, pg_database, ports[1], short.env | ENV, cwd=short.folder)
        active = "scheduled,pending,running"
        wait_until(lambda: not list(client.jobs(status=active)), 60, "the end of every job")
        assert audit(client, short, ids) == []
        assert {job["status"] for job in client.jobs()} == {"completed"}
