"""OVER: each overlap policy with real commands, while a worker and a scheduler are killed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.overlap import Overlapping, needs_flock
from tests.support.roles import Roles, end_schedules, kill

PATIENT = {"ROTA_GRACE": "10m"}
"""So that only what is killed without grace ends at once."""


@needs_flock
@pytest.mark.timeout(400)
def test_each_policy_holds_whoever_dies(roles: Roles, tmp_path: Path) -> None:
    schedulers = [roles.start("scheduler") for _ in range(2)]
    workers = [roles.start("worker", "--concurrency", "20", **PATIENT) for _ in range(2)]
    stage = Overlapping(roles, tmp_path)
    roles.wait_for_starts(8)
    kill(workers[0], tree=True)
    roles.wait_for_starts(16)
    kill(schedulers[0])
    roles.wait_for_starts(24)
    end_schedules(roles.shop)
    roles.wait_for_all(240)  # each second one more waits in the queue of those that take longer than that
    assert stage.faults() == []
    counts = stage.counts()
    assert counts["skip skipped"] and counts["queueOne coalesced"], counts
    roles.ids += [job_id for (job_id,) in roles.shop.db.read(lambda tx: tx.rows("SELECT id FROM rota_jobs"))]
    assert roles.faults() == []
