"""PG-1, PG-2: PostgreSQL crashes or is away under load."""

from __future__ import annotations

import random
import time

import pytest

from tests.chaos.conftest import Figures
from tests.chaos.feeding import feeding, recovery
from tests.engine.scheduling import put
from tests.support.postgres import Cluster
from tests.support.roles import Roles, cpu_seconds, end_schedules

NORMAL_WITHIN_S = 15.0


@pytest.mark.chaos("PG-1")
def test_pg_1_ten_crashes(own_roles: Roles, own_cluster: Cluster, dice: random.Random, figures: Figures) -> None:
    roles = own_roles
    processes = [roles.start(role, ROTA_LEASE="20s") for role in ("scheduler", "scheduler", "worker", "worker")]
    put(roles.shop.db, "each-second", every="1s", overlap="allow", target={"kind": "command", "command": ["true"]})
    took: list[float] = []
    with feeding(roles, 50) as fed:
        for _ in range(10):
            time.sleep(dice.uniform(15, 30))
            own_cluster.restart("immediate")
            took.append(recovery(roles))
    end_schedules(roles.shop)
    roles.wait_for_all(120)
    assert [process.exit_code for process in processes] == [None] * 4
    assert [fault for fault in roles.faults() if "was accepted" not in fault] == []
    assert {roles.shop.get(job_id).status for job_id in roles.ids} == {"completed"}
    assert max(took) < NORMAL_WITHIN_S
    again = sum(roles.shop.get(job_id).attempt > 1 for job_id in roles.ids)
    figures |= {"jobs": len(roles.ids), "refused": fed.refused, "begun again": again, "slowest recovery s": max(took)}


@pytest.mark.chaos("PG-2")
def test_pg_2_away_for_a_while(own_roles: Roles, own_cluster: Cluster, figures: Figures) -> None:
    roles = own_roles
    processes = [roles.start(role, ROTA_LEASE="20s") for role in ("scheduler", "worker")]
    with feeding(roles, 20):
        time.sleep(5)
        own_cluster.stop("immediate")
        used = [cpu_seconds(process.pid) for process in processes]
        lines = [process.stderr.count('"database/lost"') for process in processes]
        time.sleep(60)
        busy = max((cpu_seconds(process.pid) - was) / 60 for process, was in zip(processes, used, strict=True))
        said = max(process.stderr.count('"database/lost"') - was for process, was in zip(processes, lines, strict=True))
        own_cluster.start()
        took = recovery(roles)
    roles.wait_for_all(120)
    assert [process.exit_code for process in processes] == [None] * 2
    assert [fault for fault in roles.faults() if "was accepted" not in fault] == []
    assert (busy < 0.05, said <= 10, took < NORMAL_WITHIN_S) == (True, True, True)
    figures |= {"processor share": busy, "lines a minute": said, "recovery s": took}
