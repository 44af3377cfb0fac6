"""What is said of jobs that no live worker can take."""

from __future__ import annotations

import pytest

from rota.engine.unserved import Unserved
from rota.store import queues
from rota.store.database import Database
from tests.engine.scheduling import declare
from tests.store import builders
from tests.support.clock import MINUTE, SECOND, HandClock

LANES = '{"async":1,"command":1}'


class Teller:
    """A loop that is turned by hand, and what it says."""

    def __init__(self, db: Database, log: pytest.LogCaptureFixture) -> None:
        self._loop = Unserved(db)
        self._log = log

    def look(self) -> list[str]:
        """Turn it once; return its lines."""
        self._log.clear()
        self._loop.run_once()
        return [record.getMessage() for record in self._log.records]


@pytest.fixture
def teller(db: Database, caplog: pytest.LogCaptureFixture) -> Teller:
    return Teller(db, caplog)


def wait(db: Database, **given: object) -> str:
    """A job of a type with code that waits."""
    return builders.insert_one(db, **{"lane": "async", "type": "digest", **given})


def test_a_type_without_a_worker_is_told(db: Database, clock: HandClock, teller: Teller) -> None:
    declare(db, "digest")
    builders.register(db, lanes=LANES, types='["other"]')
    wait(db)
    wait(db, queue="mail")
    clock.turn(15 * SECOND)
    [line] = teller.look()
    assert "type/no-worker" in line and "2 jobs wait: no live worker runs job type digest" in line


def test_a_worker_that_is_restarted_may_be_missing_for_a_while(db: Database, clock: HandClock, teller: Teller) -> None:
    declare(db, "digest")
    wait(db)
    clock.turn(9 * SECOND)
    assert teller.look() == []
    clock.turn(2 * SECOND)
    assert len(teller.look()) == 1


def test_it_is_told_once_a_minute(db: Database, clock: HandClock, teller: Teller) -> None:
    declare(db, "digest")
    wait(db)
    said = 0
    for _ in range(18):
        clock.turn(10 * SECOND)
        said += len(teller.look())
    assert said == 3


def test_a_type_is_found_behind_others(db: Database, clock: HandClock, teller: Teller) -> None:
    declare(db, "digest")
    declare(db, "busy")
    builders.register(db, lease_us=MINUTE, lanes=LANES, types='["busy"]')
    builders.insert(db, *(builders.new_job(lane="async", type="busy", rank=-5) for _ in range(3)))
    wait(db)
    clock.turn(15 * SECOND)
    [line] = teller.look()
    assert "1 job waits: no live worker runs job type digest" in line


def test_nothing_is_said_when_a_worker_has_the_code(db: Database, clock: HandClock, teller: Teller) -> None:
    declare(db, "digest")
    builders.register(db, lease_us=MINUTE, lanes=LANES, types='["digest"]')
    wait(db)
    clock.turn(15 * SECOND)
    assert teller.look() == []


def test_a_lost_worker_has_no_code_any_more(db: Database, clock: HandClock, teller: Teller) -> None:
    declare(db, "digest")
    builders.register(db, lanes=LANES, types='["digest"]')
    wait(db)
    clock.turn(MINUTE)
    assert len(teller.look()) == 1


def test_jobs_of_a_paused_queue_wait_for_another_reason(db: Database, clock: HandClock, teller: Teller) -> None:
    declare(db, "digest")
    wait(db, queue="mail")
    db.run(lambda tx: queues.pause(tx, "mail", by=None, note=None))
    clock.turn(MINUTE)
    assert teller.look() == []


def test_a_queue_that_no_worker_takes_is_told(db: Database, clock: HandClock, teller: Teller) -> None:
    declare(db, "digest")
    builders.register(db, lease_us=MINUTE, lanes=LANES, queues='["mail"]', types='["digest"]')
    wait(db, queue="other")
    builders.insert_one(db, lane="command", queue="other", type=None)
    builders.insert_one(db, lane="command", queue="mail", type=None)
    clock.turn(15 * SECOND)
    lines = teller.look()
    assert len(lines) == 2
    assert "queue/no-worker" in lines[0]
    assert "1 async job of queue other waits: no live worker takes queue other" in lines[0]
    assert "1 command job of queue other waits: no live worker takes queue other" in lines[1]
