"""Transactions: all or nothing, parts undone, told afterwards, tried again, and the caller's own."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from rota.errors import Conflict, DatabaseBusy, DatabaseError, DatabaseRefused, DatabaseUnavailable
from rota.store import database, jobs, meta, queues, unique
from rota.store.database import Database, Duplicate, Tx
from rota.store.postgres import PostgresDatabase
from rota.store.sqlite import SqliteDatabase
from tests.store import builders
from tests.store.builders import new_job


def put(tx: Tx, key: str, *, then: BaseException | None = None) -> None:
    meta.put(tx, key, "1")
    if then is not None:
        raise then


def keys(db: Database) -> set[str]:
    found = db.read(lambda tx: tx.rows("SELECT key FROM rota_meta WHERE length(key) = 1"))
    return {row[0] for row in found}


class TestAllOrNothing:
    def test_what_ends_well_is_stored(self, db: Database) -> None:
        with db.transaction() as tx:
            put(tx, "a")
            put(tx, "b")
        assert keys(db) == {"a", "b"}

    @pytest.mark.parametrize("error", [Conflict(), ValueError(), KeyboardInterrupt(), DatabaseBusy(), Duplicate()])
    def test_what_raises_is_undone(self, db: Database, error: BaseException) -> None:
        with pytest.raises(type(error)), db.transaction() as tx:
            put(tx, "a", then=error)
        assert keys(db) == set()
        db.run(lambda tx: put(tx, "b"))
        assert keys(db) == {"b"}

    def test_a_failed_statement_that_was_swallowed_does_not_pass_for_success(self, pg: Database) -> None:
        def careless(tx: Tx) -> None:
            put(tx, "a")
            with pytest.raises(DatabaseError):
                tx.run("SELECT no_such_function()")

        with pytest.raises(DatabaseError, match="nothing was stored"):
            pg.run(careless)
        assert keys(pg) == set()

    def test_on_sqlite_a_failed_statement_undoes_only_itself(self, lite: Database) -> None:
        def careless(tx: Tx) -> None:
            put(tx, "a")
            with pytest.raises(DatabaseError):
                tx.run("SELECT no_such_function()")

        lite.run(careless)
        assert keys(lite) == {"a"}

    def test_others_see_nothing_before_the_end(self, db: Database) -> None:
        with db.transaction() as tx:
            put(tx, "a")
            assert keys(db) == set()
        assert keys(db) == {"a"}


class TestSavepoint:
    def test_a_part_is_undone_alone(self, db: Database) -> None:
        with db.transaction() as tx:
            put(tx, "a")
            with pytest.raises(Conflict), tx.savepoint():
                put(tx, "b", then=Conflict())
            put(tx, "c")
        assert keys(db) == {"a", "c"}

    def test_after_an_error_of_the_database_too(self, db: Database) -> None:
        job = new_job(unique_key="k", unique_scope="active")
        builders.insert(db, job)

        def collide(tx: Tx) -> None:
            tx.run("UPDATE rota_jobs SET unique_hold = NULL")
            tx.run("INSERT INTO rota_meta (key, value) VALUES ('a', '2')")

        with db.transaction() as tx:
            put(tx, "a")
            with pytest.raises(Duplicate), tx.savepoint():
                collide(tx)
            put(tx, "b")
        assert keys(db) == {"a", "b"}
        assert db.read(lambda tx: unique.holder(tx, "k")) == job.id

    def test_they_nest(self, db: Database) -> None:
        def undone(tx: Tx) -> None:
            put(tx, "a")
            with pytest.raises(ValueError, match="inner"), tx.savepoint():
                put(tx, "b", then=ValueError("inner"))
            put(tx, "c", then=Conflict())

        with db.transaction() as tx:
            with pytest.raises(Conflict), tx.savepoint():
                undone(tx)
            with tx.savepoint():
                with tx.savepoint():
                    put(tx, "d")
                put(tx, "e")
        assert keys(db) == {"d", "e"}


class TestAfterCommit:
    def test_it_is_called_once_what_it_tells_is_true(self, db: Database) -> None:
        seen: list[set[str]] = []
        with db.transaction() as tx:
            put(tx, "a")
            tx.after_commit(lambda: seen.append(keys(db)))
            assert seen == []
        assert seen == [{"a"}]

    def test_it_is_not_called_for_what_was_undone(self, db: Database) -> None:
        seen: list[str] = []

        def undone(tx: Tx) -> None:
            tx.after_commit(lambda: seen.append("undone"))
            put(tx, "a", then=Conflict())

        with pytest.raises(Conflict):
            db.run(undone)
        with db.transaction() as tx:
            tx.after_commit(lambda: seen.append("before"))
            with pytest.raises(Conflict), tx.savepoint():
                undone(tx)
            tx.after_commit(lambda: seen.append("after"))
        assert seen == ["before", "after"]


class TestRunAgain:
    """``Database.run``: one place that retries."""

    @pytest.mark.parametrize("error", [DatabaseUnavailable, DatabaseBusy])
    def test_passing_troubles_are_tried_again_from_the_beginning(
        self, db: Database, error: type[DatabaseError]
    ) -> None:
        tries: list[int] = []

        def work(tx: Tx) -> str:
            tries.append(1)
            put(tx, "a", then=error() if len(tries) < 3 else None)
            return "done"

        assert db.run(work) == "done"
        assert (len(tries), keys(db)) == (3, {"a"})

    @pytest.mark.parametrize("error", [Conflict, DatabaseError, DatabaseRefused, Duplicate, ValueError])
    def test_others_are_not(self, db: Database, error: type[Exception]) -> None:
        tries: list[int] = []

        def work(tx: Tx) -> None:
            tries.append(1)
            put(tx, "a", then=error("no"))

        with pytest.raises(error):
            db.run(work)
        assert (len(tries), keys(db)) == (1, set())

    def test_it_gives_up_in_time(self, db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(database, "RETRY_FOR_S", 0.3)
        tries: list[int] = []

        def work(tx: Tx) -> None:
            tries.append(1)
            raise DatabaseBusy

        began = time.monotonic()
        with pytest.raises(DatabaseBusy):
            db.run(work)
        assert time.monotonic() - began < 1.5
        assert 2 <= len(tries) <= 20

    def test_a_503_comes_within_five_seconds(self) -> None:
        assert database.RETRY_FOR_S <= 4


class TestCallersOwnConnection:
    @contextmanager
    def own(self, db: Database, **given: Any) -> Iterator[Any]:
        """A connection of the application's own to the same database, set up as applications like it."""
        if isinstance(db, SqliteDatabase):
            lite = sqlite3.connect(db.path)
            lite.row_factory = sqlite3.Row
            try:
                yield lite
            finally:
                lite.close()
        else:
            assert isinstance(db, PostgresDatabase)
            with db.connect() as template:
                conninfo = template.info.dsn
            with psycopg.connect(conninfo, row_factory=dict_row) as connection:
                yield connection

    def adopt(self, db: Database, connection: Any) -> AbstractContextManager[Tx]:
        assert isinstance(db, (SqliteDatabase, PostgresDatabase))
        return db.adopt(connection)

    def test_jobs_and_the_applications_rows_go_together(self, db: Database) -> None:
        db.run(lambda tx: tx.run("CREATE TABLE orders (id text)"))
        kept, undone = new_job(queue="kept"), new_job(queue="undone")
        with self.own(db) as connection:
            for job, ends in ((kept, connection.commit), (undone, connection.rollback)):
                connection.execute("INSERT INTO orders VALUES ('1')")
                with self.adopt(db, connection) as tx:
                    assert jobs.insert(tx, [job]) == [job.id]
                    found = jobs.get(tx, job.id)
                    assert found is not None and found.args == "{}"
                assert db.read(lambda tx: jobs.existing(tx, [undone.id])) == set()
                ends()
        assert builders.column(db, "id") == [kept.id]
        assert builders.column(db, "id", "orders") == ["1"]
        assert [queue.name for queue in db.read(queues.listed)] == ["kept"]

    def test_a_queue_that_was_undone_is_made_again(self, db: Database) -> None:
        with self.own(db) as connection:
            with self.adopt(db, connection) as tx:
                jobs.insert(tx, [new_job(queue="q")])
            connection.rollback()
        builders.insert_one(db, queue="q")
        assert len(builders.claim(db, builders.register(db))) == 1

    def test_the_connection_stays_as_it_was(self, db: Database) -> None:
        with self.own(db) as connection:
            with self.adopt(db, connection) as tx:
                jobs.insert(tx, [new_job(args='{"a": 1}')])
                assert tx.value("SELECT args FROM rota_jobs") == '{"a": 1}'
            row = connection.execute("SELECT id, args FROM rota_jobs").fetchone()
            connection.rollback()
        if isinstance(db, SqliteDatabase):
            assert isinstance(row, sqlite3.Row)
        else:
            assert row["args"] == {"a": 1} and not isinstance(row["id"], str)

    def test_errors_are_ours(self, db: Database) -> None:
        with self.own(db) as connection:
            with self.adopt(db, connection) as tx, pytest.raises(DatabaseError):
                tx.run("SELECT no_such_function()")
            connection.rollback()

    def test_what_was_to_be_told_is_not(self, db: Database) -> None:
        seen: list[str] = []
        with self.own(db) as connection:
            with self.adopt(db, connection) as tx:
                tx.after_commit(lambda: seen.append("told"))
            connection.commit()
        assert seen == []


class TestValuesThatDoNotFit:
    @pytest.mark.parametrize("value", ["\ud800", 2**70])
    def test_they_are_refused_with_words(self, db: Database, value: object) -> None:
        sql = "INSERT INTO rota_meta (key, value) VALUES (:v, '')"
        if isinstance(value, int):
            sql = "UPDATE rota_workers SET pid = :v"
        with pytest.raises(DatabaseRefused) as caught:
            db.run(lambda tx: tx.run(sql, {"v": value}))
        assert caught.value.status == 422

    def test_nul_is_refused_where_it_cannot_be(self, pg: Database) -> None:
        with pytest.raises(DatabaseRefused):
            pg.run(lambda tx: meta.put(tx, "a\0", "b"))

    def test_what_is_no_json_is_refused(self, pg: Database) -> None:
        with pytest.raises(DatabaseRefused):
            builders.insert(pg, new_job(args="{oops"))
        with pytest.raises(DatabaseRefused):
            builders.insert(pg, new_job(args='{"a": NaN}'))
