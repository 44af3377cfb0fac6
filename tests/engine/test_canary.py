"""The outside monitor hears of runs that really completed, once of each, and of nothing else."""

from __future__ import annotations

import pytest

from rota.engine.canary import CanaryLoop
from rota.engine.scheduler import Scheduler
from rota.insight.own_conditions import own
from rota.model import Schedule
from rota.settings import Settings
from rota.store import canary, channels, schedules
from rota.store.canary import SCHEDULE
from rota.store.database import Database
from tests.engine.scheduling import settings_of
from tests.support.clock import MINUTE, SECOND, HandClock
from tests.support.target import Answer, TargetServer
from tests.support.waiting import wait_until

PATH = "/0b1c2d3e-secret-of-the-check"


@pytest.fixture
def url(target_server: TargetServer) -> str:
    return target_server.url(PATH)


@pytest.fixture
def settings(database_url: str, url: str) -> Settings:
    return settings_of(database_url, canary_url=url)


@pytest.fixture
def loop(db: Database, settings: Settings) -> CanaryLoop:
    return CanaryLoop(db, settings)


def found(db: Database) -> Schedule | None:
    return db.read(lambda tx: schedules.get(tx, SCHEDULE))


def state(db: Database) -> canary.Canary:
    known = db.read(canary.get)
    assert known is not None
    return known


def run(db: Database, clock: HandClock, status: str = "completed") -> None:
    """A minute passes, the schedule is decided, and its job ends."""
    clock.turn(MINUTE)
    Scheduler(db, settings_of("sqlite:///unused.db")).run_once()
    sql = """
    UPDATE rota_jobs SET status = :status, started_at = rota_now(), completed_at = rota_now()
    WHERE schedule_id = :id AND status IN ('pending', 'scheduled')
    """
    assert db.run(lambda tx: tx.run(sql, {"status": status, "id": SCHEDULE})) == 1


def told(db: Database, loop: CanaryLoop) -> None:
    loop.run_once()
    wait_until(lambda: loop._pinging is None or not loop._pinging.is_alive(), what="the ping")  # noqa: SLF001


def wrong(db: Database) -> list[tuple[str, str]]:
    return db.read(lambda tx: [(one.kind, one.sentence.told()) for one in own(tx, tx.now())])


def test_each_run_that_completed_is_told_once(
    db: Database, clock: HandClock, loop: CanaryLoop, settings: Settings, target_server: TargetServer
) -> None:
    told(db, loop)
    assert (made := found(db)) is not None and (made.owner, made.source) == ("code", "Rota's canary")
    assert target_server.requests == []
    run(db, clock)
    another = CanaryLoop(db, settings)
    for each in (loop, another, loop):
        told(db, each)
    assert len(target_server.requests_to(PATH)) == 1
    run(db, clock, "failed")
    told(db, loop)
    assert len(target_server.requests_to(PATH)) == 1
    run(db, clock)
    told(db, another)
    assert len(target_server.requests_to(PATH)) == 2
    assert wrong(db) == []
    assert state(db).failing_since is None


def test_what_completed_long_ago_proves_nothing(
    db: Database, clock: HandClock, loop: CanaryLoop, target_server: TargetServer
) -> None:
    told(db, loop)
    run(db, clock)
    clock.turn(10 * MINUTE)
    told(db, loop)
    assert target_server.requests == []
    [(kind, text)] = wrong(db)
    assert kind == "canary" and text.startswith("No run of rota-canary completed, and the outside monitor was not told")


def test_a_ping_that_fails_is_seen_and_tried_again(
    db: Database, clock: HandClock, loop: CanaryLoop, target_server: TargetServer
) -> None:
    target_server.answer(PATH, Answer(503), Answer(drop=True), Answer())
    told(db, loop)
    run(db, clock)
    told(db, loop)
    assert (state(db).error, state(db).told_at) == ("it answered 503", None)
    assert [kind for kind, _ in wrong(db)] == ["canary"]
    told(db, loop)  # too early
    clock.turn(11 * SECOND)
    told(db, loop)
    assert "secret" not in (state(db).error or "secret")
    clock.turn(11 * SECOND)
    told(db, loop)
    assert len(target_server.requests_to(PATH)) == 3
    assert (state(db).error, state(db).failing_since) == (None, None)
    assert wrong(db) == []


def test_without_an_address_it_is_taken_away(db: Database, loop: CanaryLoop, database_url: str) -> None:
    told(db, loop)
    CanaryLoop(db, settings_of(database_url)).run_once()
    assert found(db) is None and db.read(canary.get) is None


def test_a_channel_that_fails_is_a_problem(db: Database) -> None:
    db.run(lambda tx: channels.announce(tx, [("ops", "slack", "warning")], tx.now()))
    assert wrong(db) == []
    db.run(lambda tx: channels.fails(tx, "ops", "it answered 500", tx.now()))
    [(kind, text)] = wrong(db)
    assert kind == "channel" and text.startswith("The channel ops takes no messages since 20")
    assert text.endswith(": it answered 500.")
