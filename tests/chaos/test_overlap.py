"""OVER: each overlap policy for a minute, while workers and schedulers are killed."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.chaos.conftest import Figures
from tests.support.overlap import Overlapping, needs_flock
from tests.support.processes import KeptProcess
from tests.support.roles import Roles, end_schedules, kill

PATIENT = {"ROTA_GRACE": "10m"}
"""So that only what is killed without grace ends at once."""


@pytest.mark.chaos("OVER")
@needs_flock
def test_over(roles: Roles, tmp_path: Path, dice: random.Random, figures: Figures) -> None:
    def worker() -> KeptProcess:
        return roles.start("worker", "--concurrency", "40", **PATIENT)

    schedulers = [roles.start("scheduler") for _ in range(2)]
    workers = [worker() for _ in range(2)]
    stage = Overlapping(roles, tmp_path, each=3)
    kills, end = 0, time.monotonic() + 60
    while time.monotonic() < end:
        time.sleep(dice.uniform(2, 6))
        kill(workers.pop(0), tree=dice.random() < 0.5)
        workers.append(worker())
        time.sleep(dice.uniform(2, 6))
        kill(schedulers.pop(0))
        schedulers.append(roles.start("scheduler"))
        kills += 2
    end_schedules(roles.shop)
    roles.wait_for_all(300)
    assert stage.faults() == []
    assert roles.shop.db.read(lambda tx: tx.value("SELECT count(*) FROM rota_jobs WHERE status = 'held'")) == 0
    roles.ids += [job_id for (job_id,) in roles.shop.db.read(lambda tx: tx.rows("SELECT id FROM rota_jobs"))]
    assert roles.faults() == []
    lost = roles.shop.db.read(lambda tx: tx.value("SELECT count(*) FROM rota_attempts WHERE outcome = 'lost'"))
    assert lost
    figures |= {"kills": kills, "jobs": len(roles.ids), "lost attempts": lost, **stage.counts()}
