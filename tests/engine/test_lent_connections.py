"""A job enqueued on the caller's own asynchronous connection is part of the caller's transaction."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterator
from typing import Any

import aiosqlite
import asyncpg
import psycopg
import pytest
import sqlalchemy
from psycopg.rows import dict_row
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from rota import Rota
from rota.errors import Conflict, DatabaseError, Invalid, RotaError, UnknownJobType
from tests.engine.lending import POSTGRES, SQLITE, opened
from tests.support.postgres import fresh_database
from tests.support.waiting import wait_until

KINDS = [*POSTGRES, *SQLITE]


def application(url: str) -> Rota:
    app = Rota(url)

    @app.job(queue="mail")
    def receipt(order: int) -> None: ...

    app.database().run(lambda tx: tx.run("CREATE TABLE orders (id integer)"))
    return app


@pytest.fixture
def url(request: pytest.FixtureRequest, migrated: None, kind: str) -> str:
    found: str = request.getfixturevalue("sqlite_url" if kind in SQLITE else "pg_database")
    return found


@pytest.fixture
def app(url: str) -> Iterator[Rota]:
    found = application(url)
    yield found
    found.close()


def ids(app: Rota) -> list[str]:
    return [row[0] for row in app.database().read(lambda tx: tx.rows("SELECT id FROM rota_jobs ORDER BY id"))]


def orders(app: Rota) -> int:
    return int(app.database().read(lambda tx: tx.value("SELECT count(*) FROM orders")))


every_kind = pytest.mark.parametrize("kind", KINDS)
on_postgres = pytest.mark.parametrize("kind", POSTGRES)


@every_kind
@pytest.mark.parametrize("first", [True, False])
async def test_it_is_stored_with_what_the_caller_did(kind: str, url: str, app: Rota, first: bool) -> None:
    async with opened(kind, url) as own:
        if not first:
            await own.execute("INSERT INTO orders VALUES (1)")
        job = await app.aenqueue("receipt", {"order": 1}, connection=own.given)
        if first:
            await own.execute("INSERT INTO orders VALUES (1)")
        assert (ids(app), orders(app)) == ([], 0)
        await own.commit()
        assert (ids(app), orders(app)) == ([job.id], 1)
    assert (job.status, job.existing) == ("pending", False)


@every_kind
async def test_it_is_gone_when_the_caller_rolls_back(kind: str, url: str, app: Rota) -> None:
    async with opened(kind, url) as own:
        await own.execute("INSERT INTO orders VALUES (1)")
        await app.aenqueue("receipt", {"order": 1}, connection=own.given)
        await own.rollback()
    assert (ids(app), orders(app)) == ([], 0)
    assert (await app.aenqueue("receipt", {"order": 2})).status == "pending"  # declared, whatever became of the first


@every_kind
async def test_an_error_of_the_caller_takes_it_along(kind: str, url: str, app: Rota) -> None:
    async def failing() -> None:
        async with opened(kind, url) as own:
            await app.jobs["receipt"].options(connection=own.given).aenqueue(order=1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await failing()
    assert ids(app) == []


@every_kind
async def test_many_go_in_one_transaction(kind: str, url: str, app: Rota) -> None:
    async with opened(kind, url) as own:
        many = await app.aenqueue_many([("receipt", {"order": n}) for n in range(50)], connection=own.given)
        one_by_one = [await app.aenqueue("receipt", [n], connection=own.given, delay="1h") for n in range(5)]
        await own.commit()
    assert ids(app) == sorted(job.id for job in [*many, *one_by_one])


@every_kind
async def test_a_held_unique_key_leaves_the_transaction_sound(kind: str, url: str, app: Rota) -> None:
    holder = app.enqueue("receipt", {"order": 1}, unique_key="order 1")
    async with opened(kind, url) as own:
        await own.execute("INSERT INTO orders VALUES (1)")
        found = await app.aenqueue("receipt", {"order": 1}, unique_key="order 1", connection=own.given)
        other = await app.aenqueue("receipt", {"order": 2}, unique_key="order 2", connection=own.given)
        again = await app.aenqueue("receipt", {"order": 2}, unique_key="order 2", connection=own.given)
        await own.commit()
    assert (found.id, found.existing) == (holder.id, True)
    assert (again.id, again.existing, other.existing) == (other.id, True, False)
    assert (ids(app), orders(app)) == ([holder.id, other.id], 1)


@every_kind
async def test_what_is_refused_leaves_the_transaction_sound(kind: str, url: str, app: Rota) -> None:
    async with opened(kind, url) as own:
        await own.execute("INSERT INTO orders VALUES (1)")
        with pytest.raises(UnknownJobType):
            await app.aenqueue("recipt", {"order": 1}, connection=own.given)
        with pytest.raises(Invalid, match="order"):
            await app.aenqueue("receipt", {"order": "x"}, connection=own.given)
        with pytest.raises(RotaError):
            await app.aenqueue_many([("receipt", [1]), ("nothing", {})], connection=own.given)
        await own.commit()
    assert (ids(app), orders(app)) == ([], 1)


@every_kind
async def test_a_type_that_the_database_does_not_know_yet_is_declared(kind: str, url: str, app: Rota) -> None:
    async with opened(kind, url) as own:
        await own.execute("INSERT INTO orders VALUES (1)")  # on SQLite: the only write lock there is

        @app.job
        def fresh(a: int = 1) -> None: ...

        async with asyncio.timeout(5):
            job = await fresh.options(connection=own.given).aenqueue()
        await own.commit()
    assert ids(app) == [job.id]


@every_kind
async def test_another_database_is_refused(
    kind: str, url: str, app: Rota, request: pytest.FixtureRequest, tmp_path: Any
) -> None:
    with contextlib.ExitStack() as stack:
        address = f"sqlite:///{tmp_path / 'other.db'}"
        if kind in POSTGRES:
            address = stack.enter_context(fresh_database(request.getfixturevalue("postgres")))
        other = Rota(address)
        other.database()
        async with opened(kind, url) as own:
            with pytest.raises(Invalid, match="connection: is one to another database"):
                await other.aenqueue("receipt", {}, connection=own.given)
        other.close()
    wrong = Rota(f"sqlite:///{tmp_path / 'wrong.db'}") if kind in POSTGRES else None
    if wrong is not None:
        async with opened(kind, url) as own:
            with pytest.raises(Invalid, match="connection: is of type") as refused:
                await wrong.aenqueue("receipt", {}, connection=own.given)
            assert "sqlite3" in str(refused.value.hint)
        wrong.close()


@every_kind
async def test_cancelled_it_leaves_nothing_behind(kind: str, url: str, app: Rota) -> None:
    for delay in (0, 0.001, 0.002, 0.004, 0.008):
        async with opened(kind, url) as own:
            await own.execute("INSERT INTO orders VALUES (1)")
            items = [("receipt", {"order": n}) for n in range(300)]
            work = asyncio.create_task(app.aenqueue_many(items, connection=own.given))
            await asyncio.sleep(delay)
            work.cancel()
            await asyncio.wait([work])
            await own.rollback()
        assert (ids(app), orders(app)) == ([], 0)


@on_postgres
async def test_workers_hear_of_it_with_the_commit(kind: str, url: str, app: Rota) -> None:
    listener = app.database().listen()
    try:
        async with opened(kind, url) as own:
            app.enqueue("receipt", {"order": 1})  # whose hint must not swallow the other
            await app.aenqueue("receipt", {"order": 2}, connection=own.given)
            assert await asyncio.to_thread(listener.wait, 5) == {"jobs"}
            assert await asyncio.to_thread(listener.wait, 0.2) == set()
            await own.commit()
            assert await asyncio.to_thread(listener.wait, 5) == {"jobs"}
    finally:
        listener.close()


@on_postgres
async def test_our_tables_are_found_whatever_the_search_path_is(kind: str, url: str, app: Rota) -> None:
    app.database().run(lambda tx: tx.run("CREATE SCHEMA elsewhere"))
    async with opened(kind, url) as own:
        await own.execute("SET LOCAL search_path = elsewhere")
        job = await app.aenqueue("receipt", {"order": 1}, connection=own.given)
        await own.execute("CREATE TABLE orders (id integer)")  # the caller's path is the caller's again
        await own.execute("INSERT INTO elsewhere.orders VALUES (1)")
        await own.commit()
    assert ids(app) == [job.id]


@pytest.mark.parametrize("kind", ["asyncpg", "psycopg"])
async def test_a_new_queue_keeps_nobody_waiting(kind: str, url: str, app: Rota) -> None:
    async with opened(kind, url) as own:
        await app.aenqueue("receipt", {"order": 1}, queue="new", connection=own.given)
        async with asyncio.timeout(5):
            other = await app.aenqueue("receipt", {"order": 2}, queue="new")
        await own.rollback()
    assert ids(app) == [other.id]


async def test_many_that_wait_for_one_lock_do_not_keep_it_from_being_freed(pg_database: str) -> None:
    app = application(pg_database)

    async def keep(connection: asyncpg.Connection[Any]) -> bool:
        async with connection.transaction():
            job = await app.aenqueue("receipt", {"order": 1}, unique_key="k", connection=connection)
            return job.existing

    async with (
        asyncio.timeout(30),
        asyncpg.create_pool(pg_database, min_size=1, max_size=40) as pool,
        pool.acquire() as first,
        asyncio.TaskGroup() as group,
    ):
        await first.execute("BEGIN")
        await app.aenqueue("receipt", {"order": 1}, unique_key="k", connection=first)
        waiting = [group.create_task(_with(pool, keep)) for _ in range(39)]
        await asyncio.to_thread(wait_until, lambda: _waiting(app) == 39, 20, "all wait for the key")
        await app.aenqueue("receipt", {"order": 2}, connection=first)
        await first.execute("COMMIT")
    assert all(task.result() for task in waiting)
    app.close()


def _waiting(app: Rota) -> int:
    sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    return int(app.database().read(lambda tx: tx.value(sql)))


async def _with(pool: Any, work: Any) -> bool:
    async with pool.acquire() as connection:
        return bool(await work(connection))


async def test_the_callers_own_codecs_do_no_harm(pg_database: str) -> None:
    app = application(pg_database)
    app.database().run(
        lambda tx: tx.run(
            "INSERT INTO rota_types (name, lane, target, defaults, owner, version, created_at, updated_at) VALUES"
            """ ('ping', 'command', '{"kind": "command", "command": ["true"]}', '{"queue": "q"}', 'api', 1, 1, 1)"""
        )
    )
    connection = await asyncpg.connect(pg_database)
    for kind in ("json", "jsonb"):
        await connection.set_type_codec(kind, encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
    async with connection.transaction():
        await app.aenqueue("ping", {"a": 1}, connection=connection)
    await connection.close()
    async with await psycopg.AsyncConnection.connect(pg_database, row_factory=dict_row) as own:
        await app.aenqueue("ping", {"a": 1}, connection=own)
        await own.commit()
    sql = "SELECT args, CAST(target AS text), queue FROM rota_jobs"
    stored = app.database().read(lambda tx: tx.rows(sql))
    assert [(args, json.loads(target), queue) for args, target, queue in stored] == [
        ('{"a":1}', {"kind": "command", "command": ["true"]}, "q")
    ] * 2
    app.close()


@pytest.mark.parametrize("kind", ["sqlalchemy+asyncpg", "sqlalchemy+psycopg", "sqlalchemy+aiosqlite"])
async def test_within_begin_and_begin_nested_of_sqlalchemy(kind: str, url: str, app: Rota) -> None:
    engine = create_async_engine(url.replace("://", f"+{kind.partition('+')[2]}://", 1))
    insert = sqlalchemy.text("INSERT INTO orders VALUES (1)")

    async def undone(part: Any, over: Any) -> None:
        async with part:
            await over.execute(insert)
            await app.aenqueue("receipt", {"order": 2}, connection=over)
            raise Conflict

    async with AsyncSession(engine) as session, session.begin():
        await session.execute(insert)
        kept = await app.aenqueue("receipt", {"order": 1}, connection=session)
        with pytest.raises(Conflict):
            await undone(session.begin_nested(), session)
        async with session.begin_nested():
            also = await app.aenqueue("receipt", {"order": 3}, connection=session)
    async with engine.begin() as connection:
        last = await app.aenqueue("receipt", {"order": 4}, connection=connection)
    begun = engine.connect()
    async with begun:
        with pytest.raises(Conflict):
            await undone(begun.begin(), begun)
    await engine.dispose()
    assert ids(app) == [kept.id, also.id, last.id]
    assert orders(app) == 1


@pytest.mark.parametrize("kind", POSTGRES)
async def test_a_connection_of_which_each_statement_stands_alone_is_refused(kind: str, url: str, app: Rota) -> None:
    library, _, driver = kind.partition("+")
    refused = pytest.raises(Invalid, match="connection: has no open transaction")
    if library.startswith("asyncpg"):
        own = await asyncpg.connect(url)
        with refused:
            await app.aenqueue("receipt", {"order": 1}, connection=own)
        await own.close()
    elif library == "psycopg":
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as alone:
            with refused:
                await app.aenqueue("receipt", {"order": 1}, connection=alone)
            async with alone.transaction():
                await app.aenqueue("receipt", {"order": 1}, connection=alone)
            assert len(ids(app)) == 1
        return
    else:
        engine = create_async_engine(url.replace("://", f"+{driver}://", 1), isolation_level="AUTOCOMMIT")
        async with AsyncSession(engine) if library == "session" else engine.connect() as over:
            with refused:
                await app.aenqueue("receipt", {"order": 1}, connection=over)
        await engine.dispose()
    assert ids(app) == []


@pytest.mark.parametrize("kind", SQLITE)
async def test_so_it_is_on_sqlite(kind: str, url: str, app: Rota) -> None:
    if kind == "aiosqlite":
        async with aiosqlite.connect(url.removeprefix("sqlite:///"), isolation_level=None) as own:
            with pytest.raises(Invalid, match="connection: has no open transaction"):
                await app.aenqueue("receipt", {"order": 1}, connection=own)
    else:
        engine = create_async_engine(url.replace("://", "+aiosqlite://", 1), isolation_level="AUTOCOMMIT")
        async with engine.connect() as over:
            with pytest.raises(Invalid, match="connection: has no open transaction"):
                await app.aenqueue("receipt", {"order": 1}, connection=over)
        await engine.dispose()
    assert ids(app) == []


@every_kind
async def test_a_closed_one_is_refused(kind: str, url: str, app: Rota) -> None:
    if kind == "asyncpg pool" or kind.startswith("session"):
        return  # the pool says so itself, and a session opens another
    async with opened(kind, url) as own:
        given = own.given
        if kind == "asyncpg":
            await own.execute("ROLLBACK")
    with pytest.raises(Invalid, match="connection: is closed"):
        await app.aenqueue("receipt", {"order": 1}, connection=given)


async def test_plain_calls_say_where_an_asynchronous_one_goes(pg_database: str) -> None:
    app = application(pg_database)
    connection = await asyncpg.connect(pg_database)
    with pytest.raises(Invalid, match="is of type asyncpg.connection.Connection") as refused:
        app.enqueue("receipt", {"order": 1}, connection=connection)
    assert "await aenqueue" in str(refused.value.hint)
    await connection.close()
    app.close()


async def test_a_transaction_that_has_failed_says_so(pg_database: str) -> None:
    app = application(pg_database)
    connection = await asyncpg.connect(pg_database)
    await connection.execute("BEGIN")
    with pytest.raises(asyncpg.PostgresError):
        await connection.execute("SELECT no_such_function()")
    with pytest.raises(DatabaseError, match="current transaction is aborted"):
        await app.aenqueue("receipt", {"order": 1}, connection=connection)
    await connection.execute("ROLLBACK")
    await connection.close()
    app.close()
