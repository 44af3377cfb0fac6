"""A clock was set back, and schedules were edited to instants that had their runs: those wanted still come."""

from __future__ import annotations

import pytest

from rota.engine.scheduler import Scheduler
from rota.settings import Settings
from rota.store.database import Database
from tests.engine.scheduling import put, runs, settle
from tests.store.builders import get_schedule
from tests.support.clock import MINUTE, HandClock


@pytest.mark.parametrize(("catchup", "asleep"), [("none", 1), ("all", 1), ("all", 5)])
def test_an_instant_that_had_its_run_takes_none_from_those_that_are_wanted(
    db: Database, clock: HandClock, settings: Settings, catchup: str, asleep: int
) -> None:
    scheduler, start = Scheduler(db, settings), clock.now
    put(db, every="1m", overlap="allow", maxRuns=4)
    for _ in range(3):
        clock.turn(MINUTE)
        settle(scheduler)
    clock.set(start)
    put(db, overlap="allow", maxRuns=4, cron="* * * * *", catchup=catchup)
    for _ in range(10):
        clock.turn(asleep * MINUTE)
        settle(scheduler)
    assert len({job.scheduled_for for job in runs(db)}) == len(runs(db)) == 4
    found = get_schedule(db)
    assert (found.runs, found.next_at) == (4, None)
