"""What is said to PostgreSQL on a connection of ours: several statements in one go, prepared where they recur."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest

from rota.errors import DatabaseError, DatabaseRefused
from rota.store import meta
from rota.store.database import Database, Duplicate, Tx
from rota.store.postgres_wire import MOST_PREPARED, PREPARE_AFTER, Statement, Wire
from tests.store import builders
from tests.support.waiting import wait_until

ECHO = (
    "SELECT :text, :none, CAST(:small AS bigint), CAST(:large AS bigint), CAST(:yes AS boolean), CAST(:part AS float8)"
)
PREPARED = "SELECT count(*) FROM pg_prepared_statements"


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[list[str]]]:
    """Record what goes to the server together."""
    ways: list[list[str]] = []
    run = Wire.run

    def recorded(wire: Wire, statements: list[Statement]) -> None:
        ways.append([one.sql for one in statements])
        run(wire, statements)

    monkeypatch.setattr(Wire, "run", recorded)
    yield ways


def keys(db: Database) -> set[str]:
    return {row[0] for row in db.read(lambda tx: tx.rows("SELECT key FROM rota_meta WHERE length(key) = 1"))}


@pytest.mark.parametrize("times", [1, PREPARE_AFTER + 2])
def test_values_go_and_come_as_they_are(pg: Database, times: int) -> None:
    given = {"text": "ü'\\%", "none": None, "small": -3, "large": 2**53, "yes": True, "part": 0.1}
    with pg.statement() as tx:
        for _ in range(times):
            assert tx.rows(ECHO, given) == [tuple(given.values())]


def test_a_value_of_another_type_goes_by_the_driver(pg: Database) -> None:
    number = uuid4()
    assert pg.read(lambda tx: tx.rows("SELECT :id, CAST(:n AS int) + 1", {"id": number, "n": 1})) == [(str(number), 2)]


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_a_text_that_cannot_be_stored_is_refused(pg: Database, text: str) -> None:
    with pytest.raises(DatabaseRefused):
        pg.run(lambda tx: tx.rows("SELECT CAST(:text AS text)", {"text": text}))
    assert pg.read(lambda tx: tx.value("SELECT 1")) == 1


def test_more_than_fits_into_the_buffers_goes_both_ways(pg: Database) -> None:
    text = "x" * 20_000_000
    with pg.transaction() as tx:
        echo = tx.ahead("SELECT CAST(:text AS text)", {"text": text})
        assert tx.value("SELECT length(CAST(:text AS text))", {"text": text}) == len(text)
    assert echo() == [(text,)]


def test_a_transaction_begins_with_its_first_statement_and_ends_with_its_last(
    pg: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with counted(monkeypatch) as ways, pg.transaction() as tx:
        assert tx.value("SELECT 1") == 1
        one = tx.ahead("SELECT 2")
        two = tx.ahead("SELECT 3")
    assert (one(), two()) == ([(2,)], [(3,)])
    assert ways == [["BEGIN", "SELECT 1"], ["SELECT 2", "SELECT 3", "COMMIT"]]


def test_an_answer_that_is_asked_for_early_is_there(pg: Database) -> None:
    with pg.transaction() as tx:
        first = tx.ahead("SELECT 1")
        assert first() == [(1,)]
        assert first() == [(1,)]


def test_outside_of_a_transaction_nothing_waits(pg: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with counted(monkeypatch) as ways, pg.statement() as tx:
        tx.ahead("SELECT 1")
        assert ways == [["SELECT 1"]]


def test_behind_a_pooler_each_goes_alone_and_unprepared(
    migrated: None, pg_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    del migrated
    pooled = builders.opened(f"{pg_database}?pgbouncer=true")
    with counted(monkeypatch) as ways:
        for _ in range(PREPARE_AFTER + 2):
            with pooled.transaction() as tx:
                tx.ahead("SELECT 1")
                assert tx.value(PREPARED) == 0
    assert ways[:4] == [["BEGIN"], ["SELECT 1"], [PREPARED], ["COMMIT"]]
    pooled.close()


class TestFailures:
    def test_of_one_that_waited_is_told_by_the_next_and_undoes_all(self, pg: Database) -> None:
        def work(tx: Tx) -> None:
            meta.put(tx, "a", "1")
            tx.ahead("SELECT 1/0")
            meta.put(tx, "b", "1")

        with pytest.raises(DatabaseError, match="division by zero"):
            pg.run(work)
        assert keys(pg) == set()

    def test_of_one_that_waited_for_the_commit_undoes_all(self, pg: Database) -> None:
        def work(tx: Tx) -> None:
            meta.put(tx, "a", "1")
            tx.ahead("SELECT 1/0")

        with pytest.raises(DatabaseError, match="division by zero"):
            pg.run(work)
        assert keys(pg) == set()
        pg.run(lambda tx: meta.put(tx, "b", "1"))
        assert keys(pg) == {"b"}

    def test_within_a_part_undoes_that_part(self, pg: Database) -> None:
        with pg.transaction() as tx:
            meta.put(tx, "a", "1")
            with pytest.raises(Duplicate), tx.savepoint():
                tx.run("INSERT INTO rota_meta (key, value) VALUES ('a', '2')")
            with tx.savepoint():
                meta.put(tx, "b", "1")
        assert keys(pg) == {"a", "b"}

    def test_before_the_first_statement_leaves_the_connection_as_it_was(self, pg: Database) -> None:
        with pytest.raises(ValueError, match="mine"), pg.transaction():
            raise ValueError("mine")
        assert pg.read(lambda tx: tx.value("SELECT 1")) == 1

    def test_an_interrupt_ends_the_wait_and_the_statement(self, pg: Database, pg_database: str) -> None:
        """The main thread waits for the server, and somebody presses Ctrl-C."""
        asleep = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"
        other = builders.opened(pg_database)

        def sleeps() -> bool:
            return bool(other.read(lambda tx: tx.value(asleep)))

        def press() -> None:
            wait_until(sleeps, what="the statement runs")
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)

        presser = threading.Thread(target=press)
        before = signal.signal(signal.SIGUSR1, signal.default_int_handler)
        presser.start()
        with pytest.raises(KeyboardInterrupt), pg.transaction() as tx:
            tx.rows("SELECT pg_sleep(600)")
        presser.join()
        signal.signal(signal.SIGUSR1, before)
        wait_until(lambda: not sleeps(), what="the server hears of it")
        other.close()
        assert pg.read(lambda tx: tx.value("SELECT 1")) == 1


class TestPrepared:
    def test_what_recurs_is_prepared_once(self, pg: Database) -> None:
        with pg.statement() as tx:
            for number in range(PREPARE_AFTER + 5):
                assert tx.value("SELECT CAST(:n AS int)", {"n": number}) == number
            assert tx.rows(PREPARED, fresh=True) == [(1,)]

    def test_what_is_to_be_planned_for_its_values_is_not(self, pg: Database) -> None:
        with pg.statement() as tx:
            for _ in range(PREPARE_AFTER + 2):
                tx.rows("SELECT 1", fresh=True)
            assert tx.rows(PREPARED, fresh=True) == [(0,)]

    def test_of_too_many_the_longest_unused_is_forgotten(self, pg: Database) -> None:
        with pg.statement() as tx:
            for number in range(MOST_PREPARED + 3):
                for _ in range(PREPARE_AFTER + 1):
                    assert tx.value(f"SELECT {number}") == number
            assert tx.rows(PREPARED, fresh=True) == [(MOST_PREPARED,)]
            assert tx.value("SELECT 0") == 0

    def test_what_fails_while_it_is_prepared_is_not_taken_for_prepared(self, pg: Database) -> None:
        with pg.statement() as tx:
            for _ in range(PREPARE_AFTER + 2):
                with pytest.raises(DatabaseError, match="no_such_table"):
                    tx.rows("SELECT * FROM no_such_table")
            tx.script("CREATE TABLE no_such_table (n int)")
            assert tx.rows("SELECT * FROM no_such_table") == []

    def test_a_change_of_the_schema_has_all_prepared_anew(self, pg: Database) -> None:
        with pg.statement() as tx:
            for _ in range(PREPARE_AFTER + 2):
                tx.rows("SELECT * FROM rota_meta")
            tx.script("ALTER TABLE rota_meta ADD COLUMN more int")
            assert all(len(row) == 3 for row in tx.rows("SELECT * FROM rota_meta"))
