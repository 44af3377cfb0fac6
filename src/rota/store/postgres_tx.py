"""Transactions on PostgreSQL: of our own connections, and of those that callers lend."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from psycopg.abc import AdaptContext
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row
from psycopg.types.string import TextLoader

from rota.errors import DatabaseError, DatabaseRefused
from rota.store.database import NO_PARAMS, Database, Params, Row, Topic, Tx
from rota.store.lent import Answer, LentTx, closed
from rota.store.postgres_errors import translate
from rota.store.postgres_wire import Connection, Statement
from rota.store.sql import render

CHANNEL = "rota"


def register_loaders(context: AdaptContext) -> None:
    """Make ids and JSON come back there as text, by the driver's own loader, which is in C."""
    for kind in ("uuid", "json", "jsonb"):
        context.adapters.register_loader(kind, TextLoader)


class PostgresTx(Tx):
    """A transaction, or single statements, on one connection."""

    dialect = "postgresql"
    takes_values = True

    def __init__(self, db: Database, connection: Connection) -> None:
        super().__init__(db)
        self.connection = connection
        self._waiting: list[Statement] = []
        """What goes to the server together with the next statement whose answer is needed."""
        self._begun = False

    def _execute(self, sql: str, params: Params, *, prepare: bool | None = None) -> Statement:
        statement = Statement(sql, params, fresh=prepare is False)
        self._waiting.append(statement)
        self._run_waiting()
        return statement

    def _run_waiting(self, run: Callable[[list[Statement]], None] | None = None) -> None:
        waiting, self._waiting = self._waiting, []
        try:
            (run or self.connection.wire.run)(waiting)
        except psycopg.Error as error:
            raise translate(error) from error
        except UnicodeEncodeError as error:  # a lone surrogate
            raise DatabaseRefused(f"PostgreSQL: {error}") from error

    def _later(self, sql: str, params: Params = NO_PARAMS) -> Statement:
        statement = Statement(sql, params)
        self._waiting.append(statement)
        if not self._begun or not self.connection.wire.takes_several:
            self._run_waiting()
        return statement

    def ahead(self, sql: str, params: Params = NO_PARAMS, *, at_once: bool = False) -> Callable[[], list[Row]]:
        statement = self._later(sql, params)
        if at_once and self._waiting:
            self._run_waiting(self.connection.wire.send)

        def rows() -> list[Row]:
            if statement.result is None:
                self._run_waiting()
            return statement.fetchall()

        return rows

    def begin(self, sql: str = "BEGIN") -> None:
        """Begin a transaction: nothing is said to the server before the first statement."""
        self._begun = True
        self._later(sql)

    def commit(self) -> None:
        """Commit.  A transaction in which a statement failed is refused: the server would roll it back in silence."""
        if self._execute("COMMIT", NO_PARAMS).tag != b"COMMIT":
            raise DatabaseError("PostgreSQL: a statement of this transaction had failed, so nothing was stored")

    def roll_back(self) -> None:
        """Undo all; what was not yet said to the server is not said any more."""
        self._waiting.clear()
        self.connection.wire.settle()
        if self.connection.info.transaction_status != TransactionStatus.IDLE:
            self._execute("ROLLBACK", NO_PARAMS)

    def rows(self, sql: str, params: Params = NO_PARAMS, *, fresh: bool = False) -> list[Row]:
        return self._execute(sql, params, prepare=False if fresh else None).fetchall()

    def dicts(self, sql: str, params: Params = NO_PARAMS) -> list[dict[str, Any]]:
        statement = self._execute(sql, params)
        names = statement.names
        return [dict(zip(names, row, strict=True)) for row in statement.fetchall()]

    def run(self, sql: str, params: Params = NO_PARAMS) -> int:
        return self._execute(sql, params).rowcount

    def load(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        self._run_waiting()
        try:
            with (
                self.connection.cursor() as cursor,
                cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN".encode()) as copy,
            ):
                for row in rows:
                    copy.write_row(row)
        except psycopg.Error as error:
            raise translate(error) from error

    def _mark(self, sql: str) -> None:
        self._later(sql)

    def hint_within(self, topic: Topic) -> str:
        self.told[topic] += 1
        return f", pg_notify('{CHANNEL}', '{topic}')" if self.db.hints_due(topic) else ""

    def _send_hint(self, topic: Topic) -> None:
        self._later("SELECT pg_notify(:channel, :topic)", {"channel": CHANNEL, "topic": self.db.payload(topic)})

    @contextmanager
    def together(self) -> Iterator[None]:
        if self._begun:
            yield
            return
        self.begin()
        try:
            yield
        except BaseException:
            with suppress(DatabaseError):  # the connection is gone: the cause says more
                self.roll_back()
            raise
        finally:
            self._begun = False
        self.commit()

    def script(self, sql: str) -> None:
        self._run_waiting()
        try:
            # Without parameters the text goes as it is, so the doubled per cent signs must not.
            self.connection.execute(render(sql, "postgresql").replace("%%", "%").encode())
            self.connection.wire.forget()
        except psycopg.Error as error:
            raise translate(error) from error


class NotifiesAlways(Tx):
    """A transaction that somebody else commits: when, nobody here knows, so no hint of it is folded into another."""

    def hint(self, topic: Topic) -> None:
        self.run("SELECT pg_notify(:channel, :topic)", {"channel": CHANNEL, "topic": topic})

    def hint_within(self, topic: Topic) -> str:
        return f", pg_notify('{CHANNEL}', '{topic}')"


class AdoptedTx(NotifiesAlways):
    """Statements on a connection that belongs to the caller, whose row factory and loaders stay as they are."""

    dialect = "postgresql"

    def __init__(self, db: Database, connection: psycopg.Connection[Any]) -> None:
        super().__init__(db)
        self._connection = connection
        # Not the connection's own factory, which may put values into the text.
        self._cursor = psycopg.Cursor(connection, row_factory=tuple_row)
        register_loaders(self._cursor)

    @property
    def stands_alone(self) -> bool:
        return self._connection.info.transaction_status == TransactionStatus.IDLE

    def _execute(self, sql: str, params: Params, *, prepare: bool | None = None) -> psycopg.Cursor[Row]:
        try:
            return self._cursor.execute(render(sql, "postgresql").encode(), params, prepare=prepare)
        except psycopg.Error as error:
            raise translate(error) from error
        except UnicodeEncodeError as error:
            raise DatabaseRefused(f"PostgreSQL: {error}") from error

    def rows(self, sql: str, params: Params = NO_PARAMS, *, fresh: bool = False) -> list[Row]:
        return self._execute(sql, params, prepare=False if fresh else None).fetchall()

    def dicts(self, sql: str, params: Params = NO_PARAMS) -> list[dict[str, Any]]:
        cursor = self._execute(sql, params)
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def run(self, sql: str, params: Params = NO_PARAMS) -> int:
        return self._execute(sql, params).rowcount

    def _send_hint(self, topic: Topic) -> None:
        raise NotImplementedError("it notifies always")

    def script(self, sql: str) -> None:
        raise NotImplementedError("the schema is not changed within a caller's transaction")


class LentPostgresTx(NotifiesAlways, LentTx):
    """The same on a connection of an asynchronous library."""

    def _send_hint(self, topic: Topic) -> None:
        raise NotImplementedError("it notifies always")


class AsyncPsycopgPort:
    """An asynchronous connection of psycopg."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        if connection.closed:
            raise closed()
        self._connection = connection

    @property
    def in_transaction(self) -> bool:
        return self._connection.info.transaction_status != TransactionStatus.IDLE

    @property
    def stands_alone(self) -> bool:
        return not self.in_transaction

    async def execute(self, text: str, params: Params, *, returns: bool) -> Answer:
        try:
            async with psycopg.AsyncCursor(self._connection, row_factory=tuple_row) as cursor:
                register_loaders(cursor)
                await cursor.execute(text.encode(), params)
                names = [column.name for column in cursor.description or ()]
                return Answer(names, await cursor.fetchall() if names else [], cursor.rowcount)
        except psycopg.Error as error:
            raise translate(error) from error
        except UnicodeEncodeError as error:
            raise DatabaseRefused(f"PostgreSQL: {error}") from error
