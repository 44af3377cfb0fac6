"""What is said to a PostgreSQL server on a connection of ours: one statement, or several in one go.

libpq is called directly: a short statement costs a fifth of what it costs by a cursor of the driver, which goes through
generators and a selector for each (docs/decisions/0017-what-a-job-costs.md).  What recurs is prepared.
"""

from __future__ import annotations

import re
import select
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import Any, NamedTuple

import psycopg
from psycopg import errors
from psycopg.abc import Transformer as Loader
from psycopg.adapt import PyFormat, Transformer
from psycopg.pq import ConnStatus, ExecStatus
from psycopg.pq.abc import PGresult

from rota.store.database import Params, Row
from rota.store.sql import render

PREPARE_AFTER = 5
"""So often a statement is parsed anew before it is prepared: those made for one filter do not come again."""
MOST_PREPARED = 100
SILENT_S = 10.0
"""After so long without a word from the server it is looked whether it still works at what it was asked for."""
_PARAMETER = re.compile(r"%\((\w+)\)s|%%")
_BOOL, _INT, _BIGINT, _FLOAT = 16, 23, 20, 701
_UNKNOWN = 0
_INT_RANGE = range(-(2**31), 2**31)
_BIGINT_RANGE = range(-(2**63), 2**63)
_FAILED = (ExecStatus.FATAL_ERROR, ExecStatus.BAD_RESPONSE, ExecStatus.NONFATAL_ERROR)


class Connection(psycopg.Connection[Row]):
    """A connection of ours."""

    wire: Wire


class Statement:
    """A statement, and its answer once it was run."""

    __slots__ = ("_loader", "fresh", "params", "result", "sql")

    def __init__(self, sql: str, params: Params, *, fresh: bool = False) -> None:
        """``fresh``: never prepared, so that it is planned for its very values."""
        self.sql = sql
        self.params = params
        self.fresh = fresh
        self.result: PGresult | None = None
        self._loader: Loader | None = None

    def answered(self, result: PGresult, loader: Loader) -> None:
        """Keep the answer."""
        self.result, self._loader = result, loader

    def fetchall(self) -> list[Row]:
        """Return its rows."""
        result, loader = self._answer()
        if not result.ntuples:
            return []
        loader.set_pgresult(result)
        return loader.load_rows(0, result.ntuples, tuple)

    @property
    def names(self) -> list[str]:
        """The names of its columns."""
        result, _ = self._answer()
        return [(result.fname(place) or b"").decode() for place in range(result.nfields)]

    @property
    def rowcount(self) -> int:
        """How many rows it changed."""
        return self._answer()[0].command_tuples or 0

    @property
    def tag(self) -> bytes | None:
        """What the server says it did."""
        return self._answer()[0].command_status

    def _answer(self) -> tuple[PGresult, Loader]:
        if self.result is None or self._loader is None:
            raise psycopg.InterfaceError("this statement was not run")
        return self.result, self._loader


class _Message(NamedTuple):
    """What is sent for a statement, or to prepare one."""

    text: bytes
    values: list[Any] | None
    types: tuple[int, ...]
    formats: list[Any] | None
    name: bytes = b""
    """Of what is prepared, or was."""
    of: Statement | None = None


class Wire:
    """Runs statements on one connection, for one thread at a time."""

    def __init__(
        self,
        connection: psycopg.Connection[Row],
        *,
        pooled: bool,
        works: Callable[[float], bool] = lambda _silent: False,
    ) -> None:
        """``pooled``: behind a transaction pooler, where nothing can be prepared and little be taken for granted.

        ``works`` tells, after so many seconds of silence, whether the server is still at it.  A network that has
        forgotten the connection may confirm for ever what is sent, so that the system never learns of it.
        """
        self._connection = connection
        self._link = connection.pgconn
        self._encoding = connection.info.encoding
        self._pooled = pooled
        self._loader: Loader = Transformer(connection)
        self._seen: OrderedDict[tuple[bytes, tuple[int, ...]], int] = OrderedDict()
        self._prepared: OrderedDict[tuple[bytes, tuple[int, ...]], bytes] = OrderedDict()
        self._number = 0
        self._sent: list[_Message] = []
        """What the server works at, and has not been asked for."""
        self._wait = _waiting(self._link.socket)
        self._works = works
        self.takes_several = not pooled and psycopg.Pipeline.is_supported()
        """Whether several statements may go in one go; else each goes alone."""

    def run(self, statements: Sequence[Statement]) -> None:
        """Run statements one after the other, on one way to the server and back; each keeps its answer.

        Raises the driver's error of the first that failed; those behind it were not run.
        """
        messages = self._all_messages(statements)
        asked, sent, results = [*self._sent, *messages], self._sent, list[PGresult]()
        with self._undisturbed():
            if sent or (len(messages) > 1 and self.takes_several):
                self._begin_several()
                self._sent = []
                results = self._several(messages)
            else:
                for message in messages:
                    self._send(message)
                    results += self._one()
                    if results[-1].status in _FAILED:
                        break
        self._keep(asked, results)

    def send(self, statements: Sequence[Statement]) -> None:
        """Let the server run statements meanwhile; they have their answers after the next `run`."""
        if not self.takes_several:
            self.run(statements)
            return
        messages = self._all_messages(statements)
        with self._undisturbed():
            self._begin_several()
            self._sent += messages
            for message in messages:
                self._send(message)
            self._flush()

    def settle(self) -> None:
        """Wait for what the server works at; whether that went well does not matter any more."""
        if self._sent:
            with suppress(psycopg.Error):
                self.run([])

    @contextmanager
    def _undisturbed(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error:
            raise
        except BaseException:  # interrupted: what the server does or says is nobody's business any more
            with suppress(psycopg.Error):
                self._connection.cancel()
            self._connection.close()
            raise

    def forget(self) -> None:
        """Prepare everything anew: what statements speak of may have been changed on this connection."""
        if self._prepared:
            self._connection.execute("DEALLOCATE ALL")
            self._prepared.clear()

    # -- what is sent -------------------------------------------------------------------------------------------------

    def _all_messages(self, statements: Sequence[Statement]) -> list[_Message]:
        messages: list[_Message] = []
        try:
            for one in statements:
                messages += self._messages(one)
        except BaseException:
            self._unprepare(messages)
            raise
        return messages

    def _unprepare(self, messages: Sequence[_Message]) -> None:
        """Take for not prepared what was not sent, or not taken."""
        for message in messages:
            if message.values is None:
                self._prepared.pop((message.text, message.types), None)

    def _messages(self, statement: Statement) -> list[_Message]:
        text, names = _numbered(statement.sql)
        values, types, formats = self._dumped(names, statement.params)
        if self._pooled or statement.fresh:
            return [_Message(text, values, types, formats, of=statement)]
        key = (text, types)
        name = self._prepared.get(key)
        if name is not None:
            self._prepared.move_to_end(key)
            return [_Message(b"", values, types, formats, name, statement)]
        seen = self._seen.pop(key, 0) + 1
        if seen <= PREPARE_AFTER or not self.takes_several:
            self._seen[key] = seen
            if len(self._seen) > MOST_PREPARED:
                self._seen.popitem(last=False)
            return [_Message(text, values, types, formats, of=statement)]
        return self._prepare(key, statement, values, formats)

    def _prepare(
        self, key: tuple[bytes, tuple[int, ...]], statement: Statement, values: list[Any], formats: list[Any] | None
    ) -> list[_Message]:
        text, types = key
        self._number += 1
        name = f"rota_{self._number}".encode()
        self._prepared[key] = name
        prepare = _Message(text, None, types, None, name)
        execute = _Message(b"", values, types, formats, name, statement)
        if len(self._prepared) <= MOST_PREPARED:
            return [prepare, execute]
        _, old = self._prepared.popitem(last=False)
        return [_Message(b"DEALLOCATE " + old, [], (), None), prepare, execute]

    def _dumped(self, names: Sequence[str], params: Params) -> tuple[list[Any], tuple[int, ...], list[Any] | None]:
        """Return values as the server reads them; types as the driver gives them, but for the smallest integers."""
        values: list[Any] = []
        types: list[int] = []
        for name in names:
            value = params[name]
            kind = type(value)
            if kind is str:
                dumped = value.encode(self._encoding)
                if b"\0" in dumped:
                    raise psycopg.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes")
                values.append(dumped)
                types.append(_UNKNOWN)
            elif value is None:
                values.append(None)
                types.append(_UNKNOWN)
            elif kind is int and value in _BIGINT_RANGE:
                values.append(b"%d" % value)
                types.append(_INT if value in _INT_RANGE else _BIGINT)
            elif kind is bool:
                values.append(b"t" if value else b"f")
                types.append(_BOOL)
            elif kind is float:
                values.append(repr(value).encode())
                types.append(_FLOAT)
            else:
                return self._dumped_by_driver([params[each] for each in names])
        return values, tuple(types), None

    def _dumped_by_driver(self, given: Sequence[Any]) -> tuple[list[Any], tuple[int, ...], list[Any] | None]:
        driver = Transformer(self._connection)
        values = list(driver.dump_sequence(given, [PyFormat.AUTO] * len(given)))
        return values, tuple(driver.types or ()), list(driver.formats or ())

    def _send(self, message: _Message) -> None:
        link = self._link
        if message.values is None:
            link.send_prepare(message.name, message.text, message.types)
        elif message.name:
            link.send_query_prepared(message.name, message.values, message.formats)
        else:
            link.send_query_params(message.text, message.values, message.types, message.formats)

    # -- what comes back ----------------------------------------------------------------------------------------------

    def _one(self) -> list[PGresult]:
        self._flush()
        result = self._next()
        if result is None:
            raise psycopg.OperationalError(self._link.get_error_message() or "the server gave no answer")
        try:
            while self._next() is not None:
                pass
        except psycopg.Error:
            if result.status not in _FAILED:  # else that says why the connection is gone
                raise
        return [result]

    def _begin_several(self) -> None:
        if not self._sent:
            self._link.enter_pipeline_mode()

    def _several(self, messages: Sequence[_Message]) -> list[PGresult]:
        link, results = self._link, list[PGresult]()
        for message in messages:
            self._send(message)
        link.pipeline_sync()
        try:
            self._flush()
            while (result := self._next()) is None or result.status != ExecStatus.PIPELINE_SYNC:
                if result is not None:
                    results.append(result)
                elif link.status != ConnStatus.OK:
                    raise psycopg.OperationalError(link.get_error_message())
        except psycopg.Error:
            if not any(result.status in _FAILED for result in results):
                raise
            return results
        link.exit_pipeline_mode()
        return results

    def _next(self) -> PGresult | None:
        link = self._link
        while link.is_busy():
            self._hear(self._wait)
            link.consume_input()
        return link.get_result()

    def _hear(self, wait: Callable[[], bool | None]) -> bool:
        """Wait until the server says something, or takes more; tell whether it said something."""
        began = time.monotonic()
        while (heard := wait()) is None:
            silent_s = time.monotonic() - began
            if not self._works(silent_s):
                self._connection.close()
                raise psycopg.OperationalError(f"the server has said nothing for {silent_s:.0f} s")
        return heard

    def _flush(self) -> None:
        """Send all; read what the server says meanwhile, or it might wait for us as we for it."""
        link = self._link
        if not link.flush():
            return
        wait = _waiting(link.socket, also_to_send=True)
        while link.flush():
            if self._hear(wait):
                link.consume_input()

    def _keep(self, messages: Sequence[_Message], results: Sequence[PGresult]) -> None:
        for place, (message, result) in enumerate(zip(messages, results, strict=False)):
            if result.status in _FAILED:
                self._unprepare(messages[place:])
                raise errors.error_from_result(result, self._encoding)
            if message.of is not None:
                message.of.answered(result, self._loader)


def _waiting(socket: int, *, also_to_send: bool = False) -> Callable[[], bool | None]:
    """Return what waits until the server says something, or takes more, and tells whether it said something.

    It gives None where neither comes for ``SILENT_S``.
    """
    if sys.platform == "win32":  # where there is no poll

        def wait() -> bool | None:
            said, takes, _ = select.select([socket], [socket] if also_to_send else [], [], SILENT_S)
            return bool(said) if said or takes else None

        return wait
    poll = select.poll()
    poll.register(socket, select.POLLIN | (select.POLLOUT if also_to_send else 0))

    def wait_by_poll() -> bool | None:
        events = poll.poll(SILENT_S * 1000)
        return any(event != select.POLLOUT for _, event in events) if events else None

    return wait_by_poll


@lru_cache(maxsize=2000)
def _numbered(sql: str) -> tuple[bytes, tuple[str, ...]]:
    """Return a statement with ``$1`` for each parameter, and the names of those in order."""
    places: dict[str, int] = {}

    def number(match: re.Match[str]) -> str:
        return f"${places.setdefault(match[1], len(places) + 1)}" if match[1] else "%"

    return _PARAMETER.sub(number, render(sql, "postgresql")).encode(), tuple(places)
