"""The acceptance tests at their full size."""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest

from tests.support import crontab
from tests.support.load import Load
from tests.support.postgres import Cluster
from tests.support.processes import RotaProcesses
from tests.support.target import TargetServer
from tests.system.test_acceptance_crontab import run_the_set
from tests.system.test_acceptance_kill import run_and_kill
from tests.system.test_acceptance_postgres import BACK_WITHIN_S, crash_and_go_on

TEN_MINUTES = 600.0
LATEST_S = 1.0


@pytest.fixture(params=[("pg_database", 2), ("sqlite_url", 1)], ids=["two-on-postgres", "one-on-sqlite"])
def services(request: pytest.FixtureRequest) -> tuple[str, int]:
    """A database, and how many ``rota up`` run on it."""
    fixture, count = request.param
    return str(request.getfixturevalue(fixture)), count


@pytest.mark.chaos("TICK-1")
@pytest.mark.timeout(900)
def test_twenty_schedules_for_ten_minutes(
    services: tuple[str, int], rota_process: RotaProcesses, tmp_path: Path, target_server: TargetServer
) -> None:
    database_url, count = services
    verdict = run_the_set(
        rota_process, tmp_path / "app", target_server, database_url, services=count, seconds=TEN_MINUTES
    )
    _print(database_url, verdict)
    assert verdict.faults == []
    assert verdict.instants > 1500
    assert verdict.latest < LATEST_S


def _print(database_url: str, verdict: crontab.Verdict) -> None:
    late = sorted(verdict.lateness)
    print(
        f"{database_url.partition(':')[0]}: {verdict.instants} instants, faults {len(verdict.faults)}, late: median "
        f"{statistics.median(late) * 1000:.0f} ms, p99 {late[int(len(late) * 0.99)] * 1000:.0f} ms, "
        f"worst {late[-1] * 1000:.0f} ms"
    )


@pytest.mark.chaos("KILL-1")
@pytest.mark.timeout(600)
def test_a_worker_is_killed_under_500_jobs(
    database_url: str, rota_process: RotaProcesses, tmp_path: Path, target_server: TargetServer
) -> None:
    load = Load(tmp_path / "app", target_server, seconds=1.0)
    told = run_and_kill(rota_process, load, database_url, {}, jobs=500, kills=3)
    print(f"killed 3 times: {told}")


@pytest.mark.chaos("PG-1")
@pytest.mark.timeout(900)
def test_postgres_crashes_ten_times_under_load(
    own_cluster: Cluster, rota_process: RotaProcesses, tmp_path: Path, target_server: TargetServer
) -> None:
    load = Load(tmp_path / "app", target_server, seconds=0.2)
    took = crash_and_go_on(rota_process, load, own_cluster, crashes=10, per_second=50)
    print(f"recovered after (s): {', '.join(f'{seconds:.1f}' for seconds in took)}")
    assert max(took) < BACK_WITHIN_S
