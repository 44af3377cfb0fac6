"""SQLite: one file, one machine, any number of processes.  The only module that imports ``sqlite3``."""

from __future__ import annotations

import errno
import os
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from rota.errors import (
    DatabaseBusy,
    DatabaseError,
    DatabaseFull,
    DatabaseReadOnly,
    DatabaseRefused,
    DatabaseUnavailable,
    DatabaseUnusable,
    Invalid,
)
from rota.settings import DatabaseUrl
from rota.store.answer_tokens import token_hash
from rota.store.database import (
    NO_PARAMS,
    Database,
    Duplicate,
    HintListener,
    Params,
    Row,
    Topic,
    Tx,
    driver_connection,
)
from rota.store.lent import (
    AlchemyPort,
    Answer,
    Lent,
    LentTx,
    Port,
    alchemy,
    closed,
    elsewhere,
    is_a,
    named,
    no_transaction,
)
from rota.store.pool import Pool
from rota.store.sql import render
from rota.store.wake import Wake

BUSY_FOR_S = 10.0
"""How long a statement waits for the lock that another process holds."""
LOOK_AGAIN_S = (0.0002, 0.0015)
"""Least and longest pause between two looks at that lock.  SQLite's own busy handler waits longer each time, up to
100 ms: whoever waits longest then gets the lock last, seconds later (docs/decisions/0006-waiting-on-sqlite.md)."""
POOL_SIZE = 32
LEGACY = -1
"""``sqlite3.LEGACY_TRANSACTION_CONTROL``: the module begins a transaction before the first change."""
_PASSING = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EINTR))
"""What may be in the way of opening a file for a while, though nothing is wrong with the file."""
SETUP = (
    "PRAGMA busy_timeout=0",
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA journal_size_limit=67108864",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA cache_size=-16384",
)


def translate(error: sqlite3.Error) -> Exception:
    """Return our own error for one of SQLite's."""
    text = str(error)
    name = getattr(error, "sqlite_errorname", "") or ""
    if isinstance(error, sqlite3.IntegrityError) and name.startswith(
        ("SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY")
    ):
        return Duplicate(text)
    for prefix, kind in (
        ("SQLITE_BUSY", DatabaseBusy),
        ("SQLITE_LOCKED", DatabaseBusy),
        ("SQLITE_READONLY", DatabaseReadOnly),
        ("SQLITE_FULL", DatabaseFull),
        ("SQLITE_IOERR", DatabaseFull if "full" in text else DatabaseUnavailable),
        ("SQLITE_CANTOPEN", DatabaseUnavailable),
        ("SQLITE_TOOBIG", DatabaseRefused),
    ):
        if name.startswith(prefix):
            return kind(f"SQLite: {text}")
    return DatabaseError(f"SQLite: {text}")


def translate_any(error: Exception) -> Exception:
    """Return our own error for one of whatever library a connection is of."""
    found = getattr(error, "orig", None) or error  # as SQLAlchemy wraps it
    if isinstance(found, sqlite3.Error):
        return translate(found)
    if isinstance(found, (OverflowError, UnicodeEncodeError)):
        return DatabaseRefused(f"SQLite: {found}")
    return DatabaseError(f"SQLite: {found}")


def _look_again() -> None:
    time.sleep(random.uniform(*LOOK_AGAIN_S))


class SqliteTx(Tx):
    """A transaction, or single statements, on one connection."""

    dialect = "sqlite"

    def __init__(self, db: SqliteDatabase, connection: sqlite3.Connection) -> None:
        super().__init__(db)
        self._wake = db.wake
        self._ended_by: Exception | None = None
        self.connection = connection

    def _execute(self, sql: str, params: Params) -> sqlite3.Cursor:
        if self._ended_by is not None:
            # SQLite rolls back by itself when the disk is full; each later statement would be committed alone.
            raise self._ended_by
        open_before = self.connection.in_transaction
        give_up = time.monotonic() + BUSY_FOR_S
        while True:
            try:
                cursor = self.connection.cursor()
                cursor.row_factory = None  # an adopted connection may have one
                return cursor.execute(render(sql, "sqlite"), params)
            except sqlite3.Error as error:
                ours = translate(error)
                if open_before and not self.connection.in_transaction:
                    self._ended_by = ours
                if open_before or not isinstance(ours, DatabaseBusy) or time.monotonic() > give_up:
                    raise ours from error
            except (OverflowError, UnicodeEncodeError) as error:  # an integer beyond 64 bits, a lone surrogate
                raise DatabaseRefused(f"SQLite: {error}") from error
            _look_again()

    def rows(self, sql: str, params: Params = NO_PARAMS, *, fresh: bool = False) -> list[Row]:
        cursor = self._execute(sql, params)
        try:
            return cursor.fetchall()
        except sqlite3.Error as error:
            raise translate(error) from error

    def dicts(self, sql: str, params: Params = NO_PARAMS) -> list[dict[str, Any]]:
        cursor = self._execute(sql, params)
        try:
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor]
        except sqlite3.Error as error:
            raise translate(error) from error

    def run(self, sql: str, params: Params = NO_PARAMS) -> int:
        return self._execute(sql, params).rowcount

    def load(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        marks = ", ".join("?" for _ in columns)
        try:
            self.connection.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", rows)
        except sqlite3.Error as error:
            raise translate(error) from error

    def _send_hint(self, topic: Topic) -> None:
        self.after_commit(lambda: self._wake.send(self.db.payload(topic)))

    def script(self, sql: str) -> None:
        for statement in _statements(render(sql, "sqlite")):
            self.run(statement)


class KeepsHints(Tx):
    """A transaction that somebody else commits: nobody here knows when, so polling finds what is in it."""

    def hint(self, topic: Topic) -> None:
        del topic


class AdoptedTx(KeepsHints, SqliteTx):
    """Statements on a connection that belongs to the caller."""

    @property
    def in_transaction(self) -> bool:
        return self.connection.in_transaction

    @property
    def stands_alone(self) -> bool:
        """Whether each statement commits for itself; from Python 3.12 on there are two ways to say so."""
        mode = getattr(self.connection, "autocommit", LEGACY)
        return mode is True or (mode == LEGACY and self.connection.isolation_level is None)


class LentSqliteTx(KeepsHints, LentTx):
    """The same on a connection of aiosqlite."""

    def _send_hint(self, topic: Topic) -> None:
        raise NotImplementedError("it keeps its hints")


class AiosqlitePort:
    """A connection of aiosqlite."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    @property
    def in_transaction(self) -> bool:
        return bool(self._connection.in_transaction)

    @property
    def stands_alone(self) -> bool:
        """Whether each statement commits for itself."""
        return self._connection.isolation_level is None

    async def execute(self, text: str, params: Params, *, returns: bool) -> Answer:
        try:
            async with self._connection.execute(text, params) as cursor:
                names = [column[0] for column in cursor.description or ()]
                return Answer(names, [tuple(row) for row in await cursor.fetchall()] if names else [], cursor.rowcount)
        except (sqlite3.Error, ValueError, OverflowError) as error:
            raise translate_any(error) from error


def _statements(script: str) -> Iterator[str]:
    """Split a script; ``executescript`` would commit the open transaction."""
    part = ""
    for piece in script.split(";"):
        part += piece + ";"
        if sqlite3.complete_statement(part):
            if piece.strip():
                yield part
            part = ""
    if part:
        yield part


class SqliteDatabase(Database):
    """A SQLite database file in WAL mode, each commit flushed to the disk."""

    dialect = "sqlite"

    def __init__(self, url: DatabaseUrl, clock: Callable[[], int] | None = None) -> None:
        super().__init__()
        if url.path is None:
            raise DatabaseUnavailable("the database URL names no SQLite file")
        self.url = url
        self.path = url.path
        self._clock = clock or (lambda: time.time_ns() // 1000)
        self._pool = Pool(self._connect, POOL_SIZE, usable=lambda connection: not connection.in_transaction)
        self.wake = Wake(Path(f"{self.path}-wake"))
        # One writer at a time in this process: its threads need not look for the lock of the file again and again.
        self._writer = threading.Lock()

    def _connect(self) -> sqlite3.Connection:
        give_up = time.monotonic() + BUSY_FOR_S
        while True:
            try:
                return self._open()
            except sqlite3.Error as error:
                ours = translate(error)
                if not isinstance(ours, DatabaseBusy) or time.monotonic() > give_up:
                    raise self._unusable(error) or ours from error
            _look_again()

    def _open(self) -> sqlite3.Connection:
        with suppress(OSError):  # what is wrong with it, or that it is there, SQLite finds out by itself
            # For its user alone, as SQLite's own files beside it then are: it holds what all jobs were given.
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        connection = sqlite3.connect(self.path, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            connection.create_function("rota_now", 0, self._clock)
            connection.create_function("rota_answer_hash", 3, token_hash, deterministic=True)
            for pragma in SETUP:
                connection.execute(pragma)
        except BaseException:
            connection.close()
            raise
        return connection

    def _unusable(self, error: sqlite3.Error) -> DatabaseUnusable | None:
        """Return what is wrong with the file where waiting will not help; SQLite's own words name neither."""
        name = getattr(error, "sqlite_errorname", "") or ""
        hint = "set ROTA_DATABASE_URL to another file"
        if name == "SQLITE_NOTADB":
            return DatabaseUnusable(f"SQLite: {self.path} is no SQLite database", hint=hint)
        if not name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY")):
            return None
        try:
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as trouble:
            if trouble.errno in _PASSING:
                return None
            folder = os.path.dirname(self.path)
            is_missing = trouble.errno == errno.ENOENT and not os.path.isdir(folder)
            reason = f"there is no folder {folder}" if is_missing else trouble.strerror
            return DatabaseUnusable(f"SQLite: {self.path} cannot be opened: {reason}", hint=hint)
        return None

    @contextmanager
    def transaction(self) -> Iterator[Tx]:
        with self._writing(), self._pool.connection() as connection:
            tx = SqliteTx(self, connection)
            tx.run("BEGIN IMMEDIATE")
            try:
                yield tx
                tx.run("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # what is left open, the pool closes
                    connection.rollback()
                raise
            self.last_contact = time.monotonic()
        tx.committed()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        if not self._writer.acquire(timeout=BUSY_FOR_S):
            raise DatabaseBusy("SQLite: other threads of this process write all the time")
        try:
            yield
        finally:
            self._writer.release()

    @contextmanager
    def statement(self) -> Iterator[Tx]:
        with self._pool.connection() as connection:
            tx = SqliteTx(self, connection)
            yield tx
            self.last_contact = time.monotonic()
        tx.committed()

    @contextmanager
    def snapshot(self) -> Iterator[Tx]:
        with self.statement() as tx:
            tx.run("PRAGMA query_only=ON")
            try:
                tx.run("BEGIN")
                yield tx
                tx.run("COMMIT")
            finally:  # one that is left open in a transaction, the pool closes
                tx.run("PRAGMA query_only=OFF")

    async def lend(self, connection: Any) -> Lent | None:
        over, found = await alchemy(connection)
        if not is_a(found, "aiosqlite", "Connection"):
            return None
        port: Port = AiosqlitePort(found)
        try:
            await found.create_function("rota_now", 0, self._clock)
        except (sqlite3.Error, ValueError) as error:  # a ValueError says that there is no connection any more
            raise closed() from error
        return Lent(port if over is None else AlchemyPort(over, port, named, translate_any))

    @contextmanager
    def adopt(self, connection: Any) -> Iterator[Tx]:
        """Work inside the caller's own open transaction on the caller's own connection.

        What ``after_commit`` was given is never called: nobody here learns whether the caller commits.
        """
        tx: AdoptedTx | LentSqliteTx
        if isinstance(connection, Lent):
            tx = LentSqliteTx(self, connection)
        else:
            found = driver_connection(connection, sqlite3.Connection, "a connection of sqlite3")
            try:
                found.create_function("rota_now", 0, self._clock)
            except sqlite3.ProgrammingError as error:
                raise Invalid(
                    "connection", f"cannot be used: {error}", hint="give an open one, of this thread"
                ) from None
            tx = AdoptedTx(self, found)
        self._check_home(tx)
        if not tx.in_transaction:
            if tx.stands_alone:
                raise no_transaction()
            # As the module itself does before the first change; but a savepoint of ours must not be what begins it.
            tx.run("BEGIN IMMEDIATE")
        yield tx

    def _check_home(self, tx: Tx) -> None:
        path = next((row[2] for row in tx.rows("PRAGMA database_list") if row[1] == "main"), "")
        try:
            is_ours = os.path.samefile(path, self.path)
        except OSError:
            is_ours = False
        if not is_ours:
            raise elsewhere(self.url.display)

    def listen(self) -> HintListener:
        return self.wake.listen()

    def close(self) -> None:
        self._pool.close()
        self.wake.close()
