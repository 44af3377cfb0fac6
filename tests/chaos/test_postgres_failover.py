"""PG-6: the primary dies under load, its synchronous standby takes its place, and the URL names both."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.chaos.conftest import Figures
from tests.chaos.feeding import feeding, recovery
from tests.engine.scheduling import put
from tests.support.needs import cannot_be_had
from tests.support.postgres import Cluster, PostgresMissing
from tests.support.processes import RotaProcesses
from tests.support.roles import Roles, end_schedules, occurrences, opened
from tests.support.run_directory import RunDirectory
from tests.support.target import TargetServer
from tests.support.waiting import wait_until

NORMAL_WITHIN_S = 15.0
WAITS = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync' AND state = 'streaming'"


class Pair:
    """A primary, and a standby that has every commit before it is answered."""

    def __init__(self, run: RunDirectory) -> None:
        name = os.urandom(3).hex()
        self.primary = Cluster(run, name=f"one-{name}", durable=True)
        self.primary.start_first()
        self.standby = Cluster(run, name=f"two-{name}", durable=True, source=self.primary)
        self.standby.start_first()
        ports = (self.primary.port, self.standby.port)
        self.url = f"postgresql://postgres@127.0.0.1:{ports[0]},127.0.0.1:{ports[1]}/postgres"
        self._bind()

    def _bind(self) -> None:
        """Have the primary wait for the standby from now on."""
        with psycopg.connect(self.primary.url(), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            connection.execute("SELECT pg_reload_conf()")
            wait_until(lambda: connection.execute(WAITS).fetchone() == (1,), 30, "the standby keeps up")

    def fail_over(self, after_s: float) -> None:
        """Kill the primary, and promote the standby a while later."""
        self.primary.kill()
        time.sleep(after_s)
        self.standby.promote()
        self.primary, self.standby = self.standby, self.primary

    def pair_again(self) -> None:
        """Make a standby of what was the primary."""
        self.standby.follow(self.primary)
        self.standby.start()
        self._bind()

    def remove(self) -> None:
        for cluster in (self.standby, self.primary):
            cluster.remove()


@pytest.fixture
def pair(run_directory: RunDirectory) -> Iterator[Pair]:
    try:
        made = Pair(run_directory)
    except PostgresMissing as missing:
        cannot_be_had(str(missing))
    yield made
    made.remove()


@pytest.fixture
def roles(pair: Pair, rota_process: RotaProcesses, target_server: TargetServer, tmp_path: Path) -> Iterator[Roles]:
    with opened(rota_process, target_server, tmp_path, pair.url) as found:
        yield found


@pytest.mark.chaos("PG-6")
@pytest.mark.timeout(900)
def test_pg_6_a_standby_takes_over(
    pair: Pair, roles: Roles, dice: random.Random, figures: Figures, full_size: bool
) -> None:
    times, rate = (6, 50.0) if full_size else (1, 10.0)
    names = ("scheduler", "scheduler", "worker", "worker") if full_size else ("scheduler", "worker")
    processes = [roles.begin(name, ROTA_LEASE="20s") for name in names]
    for process, name in zip(processes, names, strict=True):
        process.wait_for_output(f'"event":"{name}/started"')
    put(roles.shop.db, "each-second", every="1s", overlap="allow", target={"kind": "command", "command": ["true"]})
    took: list[float] = []
    with feeding(roles, rate) as fed:
        for number in range(times):
            if number:
                pair.pair_again()
            recovery(roles, 4)
            time.sleep(dice.uniform(0.0, 15.0 if full_size else 0.5))
            pair.fail_over(dice.uniform(0.0, 10.0 if full_size else 0.3))
            fired = occurrences(roles.shop)
            took.append(recovery(roles, 10 if full_size else 2))
            wait_until(lambda fired=fired: occurrences(roles.shop) > fired, 15, "the schedule fires")  # type: ignore[misc]
    end_schedules(roles.shop)
    roles.wait_for_all(180)
    assert [process.exit_code for process in processes] == [None] * len(processes)
    assert roles.faults() == []
    assert {roles.shop.get(job_id).status for job_id in roles.ids} == {"completed"}
    assert max(took) < NORMAL_WITHIN_S
    again = sum(roles.shop.get(job_id).attempt > 1 for job_id in roles.ids)
    figures |= {
        "jobs": len(roles.ids), "failovers": times, "refused": fed.refused, "begun again": again,
        "slowest recovery s": max(took),
    }  # fmt: skip
