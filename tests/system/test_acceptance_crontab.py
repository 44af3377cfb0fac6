"""A crontab-like set of schedules: each due instant runs exactly once and on time, whoever fires it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rota.client import Client
from tests.support import crontab
from tests.support.processes import KeptProcess, RotaProcesses
from tests.support.service import SECRET, start_up
from tests.support.target import TargetServer
from tests.support.waiting import free_port, wait_until

SECONDS = 12
"""How long the set runs here; the chaos tests run it for ten minutes."""


def run_the_set(
    rota_process: RotaProcesses, folder: Path, server: TargetServer, database_url: str, *, services: int, seconds: float
) -> crontab.Verdict:
    """Run the set with so many ``rota up`` on one database, and judge."""
    crontab.write_app(folder)
    env = {"ROTA_APP": "crontab_app:rota", "MARKS": str(folder / "marks")}
    ports = [free_port() for _ in range(services)]
    started = [start_up(rota_process, database_url, port, env, cwd=folder) for port in ports]
    with Client(f"http://127.0.0.1:{ports[0]}", SECRET) as client:
        wait_until(lambda: len(list(client.schedules())) >= 2, 60, "the application declared its schedules")
        crontab.add_all(client, folder, server)
        assert len(list(client.schedules())) == len(crontab.SET)
        finish = time.monotonic() + seconds
        wait_until(lambda: time.monotonic() >= finish or not all_run(started), seconds + 5, "the end of the run")
        assert all_run(started)
        end = datetime.now(UTC)
        wait_until(lambda: not unfinished(client, end), 60, "the end of every job")
        return crontab.judge(client, folder, server, end)


def all_run(processes: Sequence[KeptProcess]) -> bool:
    """Tell whether no process has ended."""
    return all(process.exit_code is None for process in processes)


def unfinished(client: Client, end: datetime) -> bool:
    """Tell whether a schedule is not yet accounted for up to ``end``, or a job up to then goes on."""
    behind = [one for one in client.schedules() if one["nextAt"] and crontab.instant_of(one["nextAt"]) <= end]
    active = client.jobs(status="scheduled,pending,running")
    return bool(behind) or any(crontab.instant_of(job["scheduledFor"] or "") <= end for job in active)


@pytest.mark.parametrize("services", [1, 2])
def test_on_sqlite(
    sqlite_url: str, rota_process: RotaProcesses, tmp_path: Path, target_server: TargetServer, services: int
) -> None:
    check(run_the_set(rota_process, tmp_path / "app", target_server, sqlite_url, services=services, seconds=SECONDS))


def test_two_services_on_postgres(
    pg_database: str, rota_process: RotaProcesses, tmp_path: Path, target_server: TargetServer
) -> None:
    check(run_the_set(rota_process, tmp_path / "app", target_server, pg_database, services=2, seconds=SECONDS))


def check(verdict: crontab.Verdict) -> None:
    """Each instant ran once; how late the last one was is measured by the chaos tests, on a machine at rest."""
    assert verdict.faults == []
    assert verdict.instants > 40
    assert verdict.typical < 0.5
