"""Transactions on PostgreSQL: of our own connections, and of those that callers lend."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from psycopg.abc import AdaptContext
from psycopg.adapt import Loader
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from rota.errors import DatabaseError, DatabaseRefused
from rota.store.database import NO_PARAMS, Database, Params, Row, Topic, Tx
from rota.store.lent import Answer, LentTx, closed
from rota.store.postgres_errors import translate
from rota.store.sql import render

CHANNEL = "rota"


class TextLoader(Loader):
    """Ids and JSON documents stay the text that the database sends."""

    def load(self, data: Any) -> str:
        return bytes(data).decode()


def register_loaders(context: AdaptContext) -> None:
    """Make ids and JSON come back as text there."""
    for kind in ("uuid", "json", "jsonb"):
        context.adapters.register_loader(kind, TextLoader)


class PostgresTx(Tx):
    """A transaction, or single statements, on one connection."""

    dialect = "postgresql"

    def __init__(self, db: Database, connection: psycopg.Connection[Row]) -> None:
        super().__init__(db)
        self.connection = connection

    def _execute(self, sql: str, params: Params, *, prepare: bool | None = None) -> psycopg.Cursor[Row]:
        try:
            return self._cursor().execute(render(sql, "postgresql").encode(), params, prepare=prepare)
        except psycopg.Error as error:
            raise translate(error) from error
        except UnicodeEncodeError as error:  # a lone surrogate
            raise DatabaseRefused(f"PostgreSQL: {error}") from error

    def _cursor(self) -> psycopg.Cursor[Row]:
        return self.connection.cursor()

    def commit(self) -> None:
        """Commit.  A transaction in which a statement failed is refused: the server would roll it back in silence."""
        if self._execute("COMMIT", {}).statusmessage != "COMMIT":
            raise DatabaseError("PostgreSQL: a statement of this transaction had failed, so nothing was stored")

    def rows(self, sql: str, params: Params = NO_PARAMS, *, fresh: bool = False) -> list[Row]:
        return self._execute(sql, params, prepare=False if fresh else None).fetchall()

    def dicts(self, sql: str, params: Params = NO_PARAMS) -> list[dict[str, Any]]:
        cursor = self._execute(sql, params)
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def run(self, sql: str, params: Params = NO_PARAMS) -> int:
        return self._execute(sql, params).rowcount

    def hint_within(self, topic: Topic) -> str:
        return f", pg_notify('{CHANNEL}', '{topic}')" if self.db.hints_due(topic) else ""

    def _send_hint(self, topic: Topic) -> None:
        self.run("SELECT pg_notify(:channel, :topic)", {"channel": CHANNEL, "topic": self.db.payload(topic)})

    @contextmanager
    def together(self) -> Iterator[None]:
        if not self.connection.autocommit or self.connection.info.transaction_status != TransactionStatus.IDLE:
            yield
            return
        self.run("BEGIN")
        try:
            yield
        except BaseException:
            with suppress(DatabaseError):  # the connection is gone: the cause says more
                self.run("ROLLBACK")
            raise
        self.commit()

    def script(self, sql: str) -> None:
        try:
            # Without parameters the text goes as it is, so the doubled per cent signs must not.
            self.connection.execute(render(sql, "postgresql").replace("%%", "%").encode())
        except psycopg.Error as error:
            raise translate(error) from error


class NotifiesAlways(Tx):
    """A transaction that somebody else commits: when, nobody here knows, so no hint of it is folded into another."""

    def hint(self, topic: Topic) -> None:
        self.run("SELECT pg_notify(:channel, :topic)", {"channel": CHANNEL, "topic": topic})

    def hint_within(self, topic: Topic) -> str:
        return f", pg_notify('{CHANNEL}', '{topic}')"


class AdoptedTx(NotifiesAlways, PostgresTx):
    """Statements on a connection that belongs to the caller, whose row factory and loaders stay as they are."""

    @property
    def stands_alone(self) -> bool:
        return self.connection.info.transaction_status == TransactionStatus.IDLE

    def _cursor(self) -> psycopg.Cursor[Row]:
        # Not the connection's own factory, which may put values into the text.
        cursor = psycopg.Cursor(self.connection, row_factory=tuple_row)
        register_loaders(cursor)
        return cursor


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
