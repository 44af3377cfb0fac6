"""Connections of asynchronous libraries, which callers lend to a store that is synchronous.

The store works in a thread; each of its statements goes to the caller's event loop, which runs it on the caller's
connection, and back.  So the same code serves every kind of connection.  The libraries are known by the names of
their types: whoever does not use them need not have them.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import re
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import Any, NamedTuple, Protocol, TypeVar
from uuid import UUID

import msgspec

from rota.errors import Invalid
from rota.store.database import NO_PARAMS, Params, Row, Tx
from rota.store.sql import render

T = TypeVar("T")
_PARAMETER = re.compile(r"%\((\w+)\)s|%%")
_JSON_PARAMETER = re.compile(r"CAST\((%\(\w+\)s) AS json\)")
_CASTS = {bool: "::boolean", int: "::bigint", float: "::double precision"}


class Answer(NamedTuple):
    """What a statement returned."""

    names: list[str]
    rows: list[Row]
    changed: int


class Port(Protocol):
    """Runs statements on a connection of one library, on the event loop to which it belongs."""

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open there."""

    @property
    def stands_alone(self) -> bool:
        """Whether each statement commits for itself, once the first one was run."""

    async def execute(self, text: str, params: Params, *, returns: bool) -> Answer:
        """Run a statement, as `render` wrote it, whose rows are wanted, or how many it changed; raises our errors."""


class Lent:
    """A connection for the time of one call, with the event loop that runs its statements."""

    def __init__(self, port: Port) -> None:
        self.port = port
        self._loop = asyncio.get_running_loop()
        self._ended = False
        self._statement: asyncio.Task[Any] | None = None

    async def work(self, work: Callable[[], T]) -> T:
        """Run ``work`` in a thread.  Cancelled, it begins no other statement, and ends before this does.

        The thread is its own: those of a pool may all be waiting for a lock that only one more of them would free.
        """
        outcome: concurrent.futures.Future[T] = concurrent.futures.Future()
        context = contextvars.copy_context()
        threading.Thread(target=_fill, args=(outcome, context, work), name="rota-lent", daemon=True).start()
        ended = asyncio.wrap_future(outcome)
        try:
            return await asyncio.shield(ended)
        except asyncio.CancelledError:
            self._ended = True
            if self._statement is not None:
                self._statement.cancel()
            while not ended.done():  # else it would use the connection while its owner rolls back
                with suppress(asyncio.CancelledError):
                    await asyncio.wait([ended])
            if not ended.cancelled():
                ended.exception()  # looked at, so that nobody complains of it
            raise
        finally:
            self._ended = True

    def execute(self, text: str, params: Params, *, returns: bool) -> Answer:
        """Run a statement from the thread."""
        return asyncio.run_coroutine_threadsafe(self._execute(text, params, returns), self._loop).result()

    async def _execute(self, text: str, params: Params, returns: bool) -> Answer:
        if self._ended:
            raise asyncio.CancelledError
        self._statement = asyncio.current_task()
        try:
            return await self.port.execute(text, params, returns=returns)
        finally:
            self._statement = None


def _fill(outcome: concurrent.futures.Future[T], context: contextvars.Context, work: Callable[[], T]) -> None:
    try:
        outcome.set_result(context.run(work))
    except BaseException as error:  # noqa: BLE001 - it is raised where the outcome is awaited
        outcome.set_exception(error)


class LentTx(Tx):
    """The caller's own transaction on a lent connection."""

    def __init__(self, db: Any, lent: Lent) -> None:
        super().__init__(db)
        self.dialect = db.dialect
        self._lent = lent

    @property
    def in_transaction(self) -> bool:
        return self._lent.port.in_transaction

    @property
    def stands_alone(self) -> bool:
        return self._lent.port.stands_alone

    def _answer(self, sql: str, params: Params, *, returns: bool = True) -> Answer:
        return self._lent.execute(render(sql, self.dialect), params, returns=returns)

    def rows(self, sql: str, params: Params = NO_PARAMS, *, fresh: bool = False) -> list[Row]:
        return self._answer(sql, params).rows

    def dicts(self, sql: str, params: Params = NO_PARAMS) -> list[dict[str, Any]]:
        answer = self._answer(sql, params)
        return [dict(zip(answer.names, row, strict=True)) for row in answer.rows]

    def run(self, sql: str, params: Params = NO_PARAMS) -> int:
        return self._answer(sql, params, returns=False).changed

    def script(self, sql: str) -> None:
        raise NotImplementedError("scripts are ours alone")


class AsyncpgPort:
    """A connection of asyncpg, or one that its pool lends."""

    def __init__(self, connection: Any, translate: Callable[[Exception], Exception]) -> None:
        if connection.is_closed():
            raise closed()
        self._connection = connection
        self._translate = translate

    @property
    def in_transaction(self) -> bool:
        return bool(self._connection.is_in_transaction())

    @property
    def stands_alone(self) -> bool:
        return not self.in_transaction

    async def execute(self, text: str, params: Params, *, returns: bool) -> Answer:
        numbered, values = positional(text, params)
        try:
            if not returns:
                status = await self._connection.execute(numbered, *values)
                return Answer([], [], int(status.rpartition(" ")[2] if status[-1:].isdigit() else -1))
            records = await self._connection.fetch(numbered, *values)
        except Exception as error:
            raise self._translate(error) from error
        names = list(records[0].keys()) if records else []
        return Answer(names, [plain(tuple(record)) for record in records], len(records))


class AlchemyPort:
    """A connection of SQLAlchemy; ``inner`` is what it is over, ``written`` how that takes a statement."""

    def __init__(
        self,
        connection: Any,
        inner: Port,
        written: Callable[[str, Params], tuple[str, Any]],
        translate: Callable[[Exception], Exception],
    ) -> None:
        self._connection = connection
        self._inner = inner
        self._written = written
        self._translate = translate

    @property
    def in_transaction(self) -> bool:
        return self._inner.in_transaction

    @property
    def stands_alone(self) -> bool:
        return self._inner.stands_alone

    async def execute(self, text: str, params: Params, *, returns: bool) -> Answer:
        try:
            result = await self._connection.exec_driver_sql(*self._written(text, params))
            rows = [plain(tuple(row)) for row in result.fetchall()] if result.returns_rows else []
            return Answer(list(result.keys()) if result.returns_rows else [], rows, result.rowcount)
        except Exception as error:
            raise self._translate(error) from error


async def alchemy(given: Any) -> tuple[Any, Any]:
    """Return SQLAlchemy's connection, given that or a session of it, and the driver's below it.

    What is not SQLAlchemy's is itself the driver's.  A transaction is begun as SQLAlchemy does: by the first statement.
    """
    if is_a(given, "sqlalchemy", "async_scoped_session"):
        given = given()
    if is_a(given, "sqlalchemy", "AsyncSession"):
        given = await given.connection()
    if not is_a(given, "sqlalchemy", "AsyncConnection"):
        return None, given
    if given.closed:
        raise closed()
    return given, (await given.get_raw_connection()).driver_connection


def is_a(given: Any, library: str, *names: str) -> bool:
    """Tell whether something is of a type of a library, which need not be installed."""
    return any(kind.__name__ in names and kind.__module__.partition(".")[0] == library for kind in type(given).__mro__)


def closed() -> Invalid:
    """Return the error for a connection that is none any more."""
    return Invalid("connection", "is closed", hint="give an open one, in the transaction that the job is to be part of")


def no_transaction() -> Invalid:
    """Return the error for a connection on which each statement stands alone."""
    return Invalid(
        "connection",
        "has no open transaction: the job would be stored at once, whatever becomes of your work",
        hint="begin a transaction first, or leave the connection out",
    )


def elsewhere(shown: str) -> Invalid:
    """Return the error for a connection to another database than ours."""
    return Invalid(
        "connection", "is one to another database", hint=f"the connection must be one to Rota's own database, {shown}"
    )


def named(text: str, params: Params) -> tuple[str, Params]:
    """Return a statement for a driver that takes values by name, as ours do."""
    return text, params


def positional(text: str, params: Params) -> tuple[str, tuple[Any, ...]]:
    """Return a statement with ``$1`` for ``%(name)s``, and the values in that order."""
    numbered, names = _numbered(text, tuple((name, type(value)) for name, value in params.items()))
    return numbered, tuple(params[name] for name in names)


@lru_cache(maxsize=1000)
def _numbered(text: str, kinds: tuple[tuple[str, type], ...]) -> tuple[str, tuple[str, ...]]:
    casts = {name: _CASTS.get(kind, "") for name, kind in kinds}
    places: dict[str, int] = {}

    def number(match: re.Match[str]) -> str:
        if match[1] is None:
            return "%"
        return f"${places.setdefault(match[1], len(places) + 1)}{casts[match[1]]}"

    # As text first: whoever gave the connection a codec of his own for JSON would have ours encoded twice.
    text = _JSON_PARAMETER.sub(r"CAST(CAST(\1 AS text) AS json)", text)
    return _PARAMETER.sub(number, text), tuple(places)


def plain(row: Row) -> Row:
    """Return a row with ids and JSON documents as text, whatever the caller's connection makes of them."""
    return tuple(_plain(value) for value in row)


def _plain(value: Any) -> Any:
    if isinstance(value, UUID):
        return str(value)
    return msgspec.json.encode(value).decode() if isinstance(value, (dict, list)) else value
