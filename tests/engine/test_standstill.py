"""The watermark stands still: health says so, whatever the scheduler thinks of itself."""

from __future__ import annotations

import contextlib
import re
import signal
from collections.abc import Iterator

import pytest

from rota.api.wellbeing import judge
from rota.insight.problems import LEAST_STANDSTILL_US
from rota.serve import process_lease, scheduler_loops
from rota.settings import Settings
from rota.store import meta
from rota.store.database import Database
from rota.store.vitals import look
from tests.engine.scheduling import put, settings_of
from tests.store import builders
from tests.support.processes import RotaProcesses
from tests.support.waiting import wait_until

SHORT = 1_000_000

REFUSE_POSTGRES = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'the disk is full'; END $$;
CREATE TRIGGER refuse BEFORE UPDATE ON rota_meta FOR EACH ROW EXECUTE FUNCTION refuse();
CREATE TRIGGER refuse BEFORE UPDATE ON rota_schedules FOR EACH ROW EXECUTE FUNCTION refuse();
"""
REFUSE_SQLITE = """
CREATE TRIGGER refuse_meta BEFORE UPDATE ON rota_meta BEGIN SELECT RAISE(ABORT, 'the disk is full'); END;
CREATE TRIGGER refuse_schedules BEFORE UPDATE ON rota_schedules BEGIN SELECT RAISE(ABORT, 'the disk is full'); END;
"""


@pytest.fixture
def lasting(database_url: str) -> Settings:
    """Settings by which a lease outlives the test: it is the watermark that must tell."""
    return settings_of(database_url, lease="10m")


@contextlib.contextmanager
def scheduling(db: Database, settings: Settings) -> Iterator[None]:
    """A scheduler with all its loops and its lease, in threads of this process."""
    loops = scheduler_loops(db, settings)
    lease = process_lease(db, settings, "scheduler", loops)
    for loop in (lease, *loops):
        loop.start()
    try:
        yield
    finally:
        for loop in (*loops, lease):
            assert loop.stop()


def problems(db: Database) -> list[str]:
    return judge(db.read(look), SHORT).problems


def age(db: Database) -> None:
    """Make the watermark as old as it is after a standstill of a minute, so that no test needs to wait for one.

    Another row of it: where nobody may change one, this can be done after the scheduler has written for the last time.
    """
    new = "INSERT INTO rota_meta (key, value) VALUES ('accounted_to', CAST(rota_now() - 60000000 AS text))"
    with db.transaction() as tx:
        assert tx.run("DELETE FROM rota_meta WHERE key = 'accounted_to'") == 1
        assert tx.run(new) == 1


def test_one_that_cannot_write(real_db: Database, lasting: Settings) -> None:
    """It lives, it renews its lease, its loops turn; but nothing is accounted for."""
    with scheduling(real_db, lasting):
        wait_until(lambda: real_db.read(meta.accounted_to) and not problems(real_db), what="a well system")
        put(real_db, every="1s")
        with real_db.transaction() as tx:
            tx.script(REFUSE_POSTGRES if real_db.dialect == "postgresql" else REFUSE_SQLITE)
        age(real_db)
        # Longer than the scheduler waits between two writes of the watermark; on a busy machine it is seen later still.
        told = r"up to (6[6-9]|[7-9]\d) s ago only; schedule nightly waits"
        wait_until(lambda: re.search(told, str(problems(real_db))))
        assert real_db.read(look).scheduler_seen_at is not None


def test_one_that_was_stopped(real_db: Database, database_url: str, rota_process: RotaProcesses) -> None:
    """SIGSTOP: the operating system holds it, and it cannot even notice."""
    env = {"ROTA_DATABASE_URL": database_url, "ROTA_LEASE": "10m", "ROTA_LOG_FORMAT": "json"}
    process = rota_process("scheduler", env=env)
    wait_until(lambda: real_db.read(meta.accounted_to) and not problems(real_db), 60, "a well system")
    process.send(signal.SIGSTOP)
    try:
        stopped_at = real_db.read(lambda tx: tx.now())

        def told() -> list[str]:
            """What is told; nothing only in the time in which a standstill need not be told."""
            seen = real_db.read(look)
            found = judge(seen, SHORT).problems
            assert found or seen.now - stopped_at < LEAST_STANDSTILL_US + 2 * builders.SECOND
            return found

        (problem,) = wait_until(told, what="a system that is not well")
        assert problem.startswith("due instants are accounted for up to ")
    finally:
        process.send(signal.SIGCONT)
    wait_until(lambda: not problems(real_db), 30, "a well system again")
