"""A job enqueued on the caller's own connection is part of the caller's transaction, its type too."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy
from sqlalchemy.orm import Session

from rota import Rota
from rota.errors import Invalid
from tests.support.postgres import fresh_database


def application(url: str) -> Rota:
    app = Rota(url)

    @app.job
    def receipt(order: int) -> None: ...

    app.database()
    return app


def connect(url: str, app: Rota) -> Any:
    if url.startswith("postgresql"):
        return psycopg.connect(url)
    path = app.settings.database_url.path
    assert path is not None
    assert Path(path).exists()
    return sqlite3.connect(path)


@pytest.mark.parametrize("commits", [True, False])
def test_it_is_stored_or_gone_with_the_callers_transaction(database_url: str, commits: bool) -> None:
    app = application(database_url)
    connection = connect(database_url, app)
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE orders (id integer)")
    connection.commit()
    cursor.execute("INSERT INTO orders VALUES (1)")
    job = app.enqueue("receipt", {"order": 1}, connection=connection)
    (connection.commit if commits else connection.rollback)()
    connection.close()
    stored = app.database().read(lambda tx: tx.value("SELECT count(*) FROM rota_jobs WHERE id = :id", {"id": job.id}))
    assert stored == (1 if commits else 0)
    assert app.enqueue("receipt", {"order": 2}).status == "pending"  # declared, whatever became of the first
    app.close()


def engine_of(url: str, app: Rota) -> sqlalchemy.Engine:
    if url.startswith("postgresql"):
        return sqlalchemy.create_engine(url.replace("postgresql", "postgresql+psycopg", 1))
    return sqlalchemy.create_engine(f"sqlite:///{app.settings.database_url.path}")


def is_stored(app: Rota, job_id: str) -> bool:
    sql = "SELECT count(*) FROM rota_jobs WHERE id = :id"
    return bool(app.database().read(lambda tx: tx.value(sql, {"id": job_id})))


@pytest.mark.parametrize("commits", [True, False])
@pytest.mark.parametrize("begun", [True, False])
def test_a_connection_of_sqlalchemy_will_do(database_url: str, begun: bool, commits: bool) -> None:
    app = application(database_url)
    engine = engine_of(database_url, app)
    with engine.connect() as connection:
        if begun:
            connection.execute(sqlalchemy.text("SELECT 1"))
        job = app.enqueue("receipt", {"order": 1}, connection=connection)
        (connection.commit if commits else connection.rollback)()
    assert is_stored(app, job.id) == commits
    with Session(engine) as session:
        job = app.enqueue("receipt", {"order": 2}, connection=session)
        (session.commit if commits else session.rollback)()
    assert is_stored(app, job.id) == commits
    engine.dispose()
    app.close()


@pytest.mark.parametrize("autocommit", [True, False])
@pytest.mark.parametrize("path", ["elsewhere", "elsewhere, public"])
def test_our_tables_are_found_from_a_connection_with_another_search_path(
    pg_database: str, path: str, autocommit: bool
) -> None:
    with psycopg.connect(pg_database, autocommit=True) as setup:
        for schema in ("elsewhere", '"The Jobs"'):
            setup.execute(f"CREATE SCHEMA {schema}".encode())
        setup.execute("CREATE TABLE elsewhere.orders (id integer)")
    for url in (pg_database, f"{pg_database}?schema=The%20Jobs"):
        app = application(url)
        with psycopg.connect(pg_database, options=f"-c search_path={path.replace(' ', '')}") as connection:
            connection.autocommit = autocommit
            with connection.transaction():
                job = app.enqueue("receipt", {"order": 1}, connection=connection)
                connection.execute("INSERT INTO orders VALUES (1)")  # the caller's path is the caller's again
                assert connection.execute("SHOW search_path").fetchone() == (path.replace(" ", ""),)
        assert is_stored(app, job.id)
        app.close()


async def test_what_is_no_connection_of_the_driver_is_refused_with_words(database_url: str) -> None:
    app = application(database_url)
    driver = "psycopg (version 3)" if database_url.startswith("postgresql") else "sqlite3"
    wrong: list[tuple[Any, str]] = [
        ("postgresql+psycopg://h/d", "connection: is an address, not an open connection"),
        ("mysql://h/d", "connection: is an address, not an open connection"),
        (object(), "connection: is of type object"),
        (engine_of(database_url, app), "connection: is of type sqlalchemy.engine.base.Engine"),
        (sqlite3.connect(":memory:").cursor(), "connection: is of type sqlite3.Cursor"),
    ]
    if database_url.startswith("postgresql"):
        wrong.append((await psycopg.AsyncConnection.connect(database_url), "is of type psycopg.AsyncConnection"))
    for given, words in wrong:
        with pytest.raises(Invalid) as refused:
            app.enqueue("receipt", {"order": 1}, connection=given)
        assert words in str(refused.value)
        assert driver in str(refused.value.hint)
        if isinstance(given, psycopg.AsyncConnection):
            await given.close()
    app.close()


def test_one_that_is_closed_or_in_no_transaction_is_refused(database_url: str) -> None:
    app = application(database_url)
    closed = connect(database_url, app)
    closed.close()
    alone = connect(database_url, app)
    if isinstance(alone, sqlite3.Connection):
        alone.isolation_level = None
    else:
        alone.autocommit = True
    for given, words in ((closed, "closed"), (alone, "has no open transaction")):
        with pytest.raises(Invalid, match=f"connection: .*{words}"):
            app.enqueue("receipt", {"order": 1}, connection=given)
    alone.execute("BEGIN")
    job = app.enqueue("receipt", {"order": 1}, connection=alone)
    alone.execute("COMMIT")
    assert is_stored(app, job.id)
    alone.close()
    app.close()


def test_one_to_another_database_is_refused(database_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    app = application(database_url)
    with contextlib.ExitStack() as stack:
        url = f"sqlite:///{tmp_path / 'other.db'}"
        if database_url.startswith("postgresql"):
            url = stack.enter_context(fresh_database(request.getfixturevalue("postgres")))
        other = application(url)  # with all our tables, too
        elsewhere = connect(url, other)
        with pytest.raises(Invalid, match="connection: is one to another database"):
            app.enqueue("receipt", {"order": 1}, connection=elsewhere)
        elsewhere.close()
        other.close()
    app.close()


def test_what_is_refused_leaves_the_transaction_sound(database_url: str) -> None:
    app = application(database_url)
    app.database().run(lambda tx: tx.run("CREATE TABLE orders (id integer)"))
    connection = connect(database_url, app)
    connection.execute("INSERT INTO orders VALUES (1)")
    many = [("receipt", {"order": 1}, {"unique_key": "k"}), ("receipt", {"order": 2}, {"unique_key": "k" * 501})]
    with pytest.raises(Invalid):
        app.enqueue_many(many, connection=connection)
    job = app.enqueue("receipt", {"order": 3}, unique_key="k", connection=connection)
    assert not job.existing  # nothing of the refused ones is left
    connection.commit()
    connection.close()
    assert is_stored(app, job.id)
    app.close()


def test_the_tables_may_move_to_another_place(pg_database: str) -> None:
    app = application(pg_database)
    with psycopg.connect(pg_database) as connection:
        app.enqueue("receipt", {"order": 1}, connection=connection)
    with psycopg.connect(pg_database) as connection:  # as a restore does: they are others, of the same names
        connection.execute("CREATE TABLE moved AS SELECT * FROM rota_jobs")
        connection.execute("ALTER TABLE rota_jobs RENAME TO old_jobs")
        connection.execute("CREATE TABLE rota_jobs (LIKE old_jobs INCLUDING ALL)")
    with psycopg.connect(pg_database) as connection:
        job = app.enqueue("receipt", {"order": 2}, connection=connection)
    assert is_stored(app, job.id)
    app.close()
