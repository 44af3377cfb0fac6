"""Connections of every library that a program may lend Rota, all used in the same way."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiosqlite
import asyncpg
import psycopg
import sqlalchemy
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

POSTGRES = (
    "asyncpg", "asyncpg pool", "psycopg", "sqlalchemy+asyncpg", "sqlalchemy+psycopg", "session+asyncpg",
    "session+psycopg",
)  # fmt: skip
SQLITE = ("aiosqlite", "sqlalchemy+aiosqlite", "session+aiosqlite")


class Own:
    """A connection of the application's own, in a transaction that is open, or begins with the first statement."""

    def __init__(
        self,
        given: Any,
        execute: Callable[[str], Awaitable[Any]],
        commit: Callable[[], Awaitable[Any]],
        rollback: Callable[[], Awaitable[Any]],
    ) -> None:
        self.given = given
        self.execute = execute
        self.commit = commit
        self.rollback = rollback


@contextlib.asynccontextmanager
async def opened(kind: str, url: str) -> AsyncIterator[Own]:
    """Open a connection of some kind to the database of that address."""
    library, _, driver = kind.partition("+")
    if library == "asyncpg":
        connection = await asyncpg.connect(url)
        try:
            yield await _asyncpg(connection)
        finally:
            await connection.close()
    elif library == "asyncpg pool":
        async with asyncpg.create_pool(url, min_size=1, max_size=1) as pool, pool.acquire() as lent:
            yield await _asyncpg(lent)
    elif library == "psycopg":
        async with await psycopg.AsyncConnection.connect(url) as own:
            yield Own(own, own.execute, own.commit, own.rollback)
    elif library == "aiosqlite":
        async with aiosqlite.connect(url.removeprefix("sqlite:///")) as lite:
            yield Own(lite, lite.execute, lite.commit, lite.rollback)
    else:
        async with _alchemy(library, driver, url) as own_one:
            yield own_one


async def _asyncpg(connection: Any) -> Own:
    await connection.execute("BEGIN")
    return Own(
        connection, connection.execute, lambda: connection.execute("COMMIT"), lambda: connection.execute("ROLLBACK")
    )


@contextlib.asynccontextmanager
async def _alchemy(library: str, driver: str, url: str) -> AsyncIterator[Own]:
    engine = create_async_engine(url.replace("://", f"+{driver}://", 1))
    try:
        async with AsyncSession(engine) if library == "session" else engine.connect() as own:
            yield Own(own, lambda sql: own.execute(sqlalchemy.text(sql)), own.commit, own.rollback)
    finally:
        await engine.dispose()
