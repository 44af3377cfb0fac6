"""Several schedulers on one database: each instant exactly once, whoever comes first, stops in between or dies."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from rota.actions.deciding import Decision
from rota.engine.scheduler import Scheduler
from rota.errors import DatabaseUnavailable
from rota.settings import Settings
from rota.store import firing as firing_store
from rota.store import occurrences as occurrence_store
from rota.store.database import Database, Tx
from tests.engine.scheduling import ledger, occurrences, put, runs, settle
from tests.store.builders import at_once
from tests.support.clock import MINUTE, HandClock

ON_POSTGRES = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@pytest.fixture
def pair(clock: HandClock, settings: Settings) -> tuple[Scheduler, Scheduler]:
    """Two schedulers, each with connections of its own."""
    return Scheduler(clock.open(), settings), Scheduler(clock.open(), settings)


def counts(db: Database) -> tuple[int, int, int]:
    """(occurrences, jobs of schedules, different instants among those)."""
    return (
        db.read(lambda tx: tx.value("SELECT count(*) FROM rota_occurrences WHERE disposition = 'fired'")),
        db.read(lambda tx: tx.value("SELECT count(*) FROM rota_jobs WHERE schedule_id IS NOT NULL")),
        db.read(
            lambda tx: tx.value("SELECT count(*) FROM (SELECT DISTINCT schedule_id, scheduled_for FROM rota_jobs) d")
        ),
    )


@pytest.mark.parametrize("many", [2, 5])
def test_each_instant_fires_exactly_once(db: Database, clock: HandClock, settings: Settings, many: int) -> None:
    crowd = [Scheduler(clock.open(), settings) for _ in range(many)]
    for number in range(100):
        put(db, f"s{number}", every="1m", overlap="allow")
    for _ in range(20):
        clock.turn(MINUTE)
        at_once(*(lambda one=one: settle(one) for one in crowd))
    assert counts(db) == (2000, 2000, 2000)
    assert db.read(lambda tx: tx.value("SELECT sum(runs) FROM rota_schedules")) == 2000


class TestInterleavings:
    """Forced: one acts between two steps of the other."""

    def test_whoever_writes_second_writes_nothing(
        self, db: Database, clock: HandClock, pair: tuple[Scheduler, Scheduler]
    ) -> None:
        first, second = pair
        put(db, every="1m")
        clock.turn(MINUTE)
        before_writing(first, lambda: settle(second))
        settle(first)
        assert counts(db) == (1, 1, 1)

    def test_one_that_was_stopped_for_hours_writes_nothing_old(
        self, db: Database, clock: HandClock, pair: tuple[Scheduler, Scheduler]
    ) -> None:
        first, second = pair
        start = clock.now
        put(db, every="1m", overlap="allow")
        clock.turn(MINUTE)

        def meanwhile() -> None:
            for _ in range(180):
                settle(second)
                clock.turn(MINUTE)

        before_writing(first, meanwhile)
        settle(first)
        assert ledger(db, since=start, unit=MINUTE) == [("fired", n, n) for n in range(1, 182)]

    @ON_POSTGRES  # SQLite has one writer at a time
    def test_two_in_the_same_transaction_at_the_same_time(
        self, db: Database, clock: HandClock, pair: tuple[Scheduler, Scheduler], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first, second = pair
        for number in range(10):
            put(db, f"s{number}", every="1m")
        clock.turn(MINUTE)
        advanced, waiting = threading.Event(), threading.Event()
        account = occurrence_store.account

        def slowly(tx: Tx, rows: Any) -> Any:
            if not advanced.is_set():  # the first holds its rows until the second waits for them
                advanced.set()
                waiting.wait(10)
            return account(tx, rows)

        monkeypatch.setattr(occurrence_store, "account", slowly)

        def second_one() -> None:
            advanced.wait(10)
            threading.Timer(0.2, waiting.set).start()
            settle(second)

        at_once(lambda: settle(first), second_one)
        assert counts(db) == (10, 10, 10)

    def test_one_that_dies_in_the_middle_leaves_nothing_half(
        self, db: Database, clock: HandClock, pair: tuple[Scheduler, Scheduler], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first, second = pair
        put(db, every="1m")
        clock.turn(MINUTE)
        account = occurrence_store.account

        def die(tx: Tx, rows: Any) -> Any:
            account(tx, rows)
            raise KeyboardInterrupt

        monkeypatch.setattr(occurrence_store, "account", die)
        with pytest.raises(KeyboardInterrupt):
            first.run_once()
        monkeypatch.undo()
        assert occurrences(db) == []
        settle(second)
        assert counts(db) == (1, 1, 1)

    @ON_POSTGRES
    def test_an_answer_lost_at_commit_fires_no_second_time(
        self, db: Database, clock: HandClock, pair: tuple[Scheduler, Scheduler], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first, _ = pair
        put(db, every="1m")
        clock.turn(MINUTE)
        fire, lost = firing_store.fire, threading.Event()

        def once_lost(*given: Any, **options: Any) -> Any:
            if lost.is_set():
                return fire(*given, **options)
            lost.set()
            other = clock.open()
            # On a connection of its own, as if this one had been committed and the answer lost.
            other.run(lambda tx: fire(tx, *given[1:], **options))
            raise DatabaseUnavailable("the connection is gone")

        monkeypatch.setattr(firing_store, "fire", once_lost)
        settle(first)
        assert counts(db) == (1, 1, 1)
        assert len(runs(db)) == 1


def before_writing(scheduler: Scheduler, action: Callable[[], None]) -> None:
    """Have something done, once, when the scheduler has decided and is about to write."""
    write = scheduler._write  # noqa: SLF001 - the seam between decision and writing

    def first_the_action(decisions: Sequence[Decision]) -> list[tuple[Decision, set[int]]]:
        scheduler._write = write  # type: ignore[method-assign]  # noqa: SLF001
        action()
        return write(decisions)

    scheduler._write = first_the_action  # type: ignore[method-assign]  # noqa: SLF001
