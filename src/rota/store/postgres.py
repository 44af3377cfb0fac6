"""PostgreSQL: any number of machines.  The only module that imports ``psycopg``."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple, TypeVar

import psycopg
from psycopg import sql
from psycopg.abc import AdaptContext
from psycopg.adapt import Loader
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from rota.errors import (
    DatabaseBusy,
    DatabaseError,
    DatabaseFull,
    DatabaseReadOnly,
    DatabaseRefused,
    DatabaseUnavailable,
    DatabaseUnusable,
)
from rota.settings import DatabaseUrl
from rota.store.bell import Bell
from rota.store.database import NO_PARAMS, Database, Duplicate, Params, Pool, Row, Topic, Tx, driver_connection
from rota.store.lent import (
    AlchemyPort,
    Answer,
    AsyncpgPort,
    Lent,
    LentTx,
    Port,
    alchemy,
    closed,
    elsewhere,
    is_a,
    named,
    no_transaction,
    positional,
)
from rota.store.sql import render

T = TypeVar("T")

POOL_SIZE = 16
CHANNEL = "rota"
CONNECTION = {
    "application_name": "rota",
    "connect_timeout": "4",
    "keepalives": "1",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
}


class TextLoader(Loader):
    """Ids and JSON documents stay the text that the database sends."""

    def load(self, data: Any) -> str:
        return bytes(data).decode()


# By SQLSTATE, the first prefix that fits.  Class names would mislead: to psycopg a cancelled statement and a value
# that is too large are operational errors, like a lost connection.
KINDS: tuple[tuple[str, type[DatabaseError]], ...] = (
    ("53100", DatabaseFull),
    ("53", DatabaseBusy),
    ("40", DatabaseBusy),
    ("55P03", DatabaseBusy),
    ("57014", DatabaseBusy),
    ("25006", DatabaseReadOnly),
    ("25P03", DatabaseUnavailable),
    ("57P", DatabaseUnavailable),
    ("58", DatabaseUnavailable),
    ("08", DatabaseUnavailable),
    ("22", DatabaseRefused),
    ("54", DatabaseRefused),
)
HOME = "SELECT c.relnamespace::regnamespace::text FROM pg_class c WHERE c.oid = to_regclass('rota_jobs')"
HERE = f"""
SELECT current_setting('search_path'), ({HOME}), concat_ws(' ', pg_postmaster_start_time(), current_database(),
  to_regclass(CAST(:home AS text) || '.rota_jobs')::oid)
"""
"""The search path, the schema in which it finds our tables, and which tables they are: by server, database, number."""
UNIQUE_VIOLATION = "23505"
REFUSALS = (
    "authentication failed",
    "no pg_hba.conf entry",
    "no password supplied",
    "does not exist",
    "permission denied",
)
"""By these words a server says that it is there, but not for this user or not with this database."""


def translate(error: psycopg.Error) -> Exception:
    """Return our own error for one of psycopg's."""
    state = error.sqlstate or ""
    text = " ".join(str(error).split()) or type(error).__name__
    if not state and isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)):
        return DatabaseUnavailable(f"PostgreSQL: {text}")
    if not state and isinstance(error, psycopg.DataError):
        return DatabaseRefused(f"PostgreSQL: {text}")
    return _by_state(state, text)


def translate_any(error: Exception) -> Exception:
    """Return our own error for one of whatever library a connection is of."""
    if not isinstance(error, psycopg.Error):
        error = getattr(error, "orig", None) or error  # as SQLAlchemy wraps it
    if isinstance(error, psycopg.Error):
        return translate(error)
    if not getattr(error, "sqlstate", None) and isinstance(error.__cause__, Exception):
        error = error.__cause__
    text = " ".join(str(error).split()) or type(error).__name__
    return _by_state(getattr(error, "sqlstate", None) or "", text)


def _by_state(state: str, text: str) -> Exception:
    if state == UNIQUE_VIOLATION:
        return Duplicate(text)
    for prefix, kind in KINDS:
        if state.startswith(prefix):
            return kind(f"PostgreSQL: {text}")
    return DatabaseError(f"PostgreSQL: {text}")


class PostgresTx(Tx):
    """A transaction, or single statements, on one connection."""

    dialect = "postgresql"

    def __init__(self, db: PostgresDatabase, connection: psycopg.Connection[Row]) -> None:
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


def register_loaders(context: AdaptContext) -> None:
    """Make ids and JSON come back as text there."""
    for kind in ("uuid", "json", "jsonb"):
        context.adapters.register_loader(kind, TextLoader)


def _usable(connection: psycopg.Connection[Row]) -> bool:
    return not connection.closed and connection.info.transaction_status == TransactionStatus.IDLE


def _not_connected(error: psycopg.Error) -> DatabaseUnavailable:
    """Return our own error for a connection that was not made; libpq gives no SQLSTATE for it, only words."""
    text = " ".join(str(error).split()).partition(" Is the server running")[0]
    text = text.removeprefix("connection failed: ").removeprefix("connection is bad: ")
    if any(refusal in text for refusal in REFUSALS):
        return DatabaseUnusable(f"PostgreSQL: {text}", hint="look at user, password and name in ROTA_DATABASE_URL")
    return DatabaseUnavailable(f"PostgreSQL: {text}")


class Home(NamedTuple):
    """The schema of our tables, quoted as SQL needs it, and what tells them from all others."""

    schema: str
    identity: str


class PostgresDatabase(Database):
    """A PostgreSQL database, reached by plain connections of our own small pool."""

    dialect = "postgresql"

    def __init__(self, url: DatabaseUrl) -> None:
        super().__init__()
        self.url = url
        try:
            given = conninfo_to_dict(url.conninfo)
        except psycopg.Error as error:
            raise DatabaseUnavailable(f"the database URL is not understood: {error}") from error
        self._arguments: dict[str, Any] = {**CONNECTION, **given}
        if "," in str(given.get("host", "")):
            # Of several hosts only the primary serves; a standby would be read-only for as long as we stay with it.
            self._arguments.setdefault("target_session_attrs", "read-write")
        self._search_path = sql.Identifier(url.schema).as_string() if url.schema else None
        self._home: Home | None = None
        """Where our tables are; found when first needed."""
        self._pool = Pool(self.connect, POOL_SIZE, usable=_usable)

    def connect(self) -> psycopg.Connection[Row]:
        """Open a connection; the caller closes it."""
        try:
            connection = psycopg.connect(**self._arguments, autocommit=True)
        except psycopg.Error as error:
            raise _not_connected(error) from error
        register_loaders(connection)
        if self.url.pooled:
            connection.prepare_threshold = None
        else:
            try:
                self._set_up(connection)
            except psycopg.Error as error:
                connection.close()
                raise translate(error) from error
        return connection

    def _set_up(self, connection: psycopg.Connection[Row]) -> None:
        """Set what lasts for the session, so not behind a transaction pooler."""
        # Compiling a statement takes 30 ms and more; ours are quick ones that the planner sometimes thinks dear.
        settings = [("jit", "off")]
        if self._search_path:
            settings.append(("search_path", self._search_path))
        parts = [sql.SQL("set_config({}, {}, false)").format(name, value) for name, value in settings]
        connection.execute(sql.SQL("SELECT {}").format(sql.SQL(", ").join(parts)))

    @contextmanager
    def transaction(self) -> Iterator[Tx]:
        with self._pool.connection() as connection:
            tx = PostgresTx(self, connection)
            tx.run("BEGIN")
            try:
                if self.url.pooled and self._search_path:
                    tx.run("SELECT set_config('search_path', :path, true)", {"path": self._search_path})
                yield tx
            except DatabaseUnavailable:
                raise
            except BaseException:
                with translated():
                    connection.rollback()
                raise
            tx.commit()
            self.last_contact = time.monotonic()
        tx.committed()

    @contextmanager
    def statement(self) -> Iterator[Tx]:
        if self.url.pooled and self._search_path:
            # A pooler gives each transaction another session, so the search path is set in each.
            with self.transaction() as tx:
                yield tx
            return
        with self._pool.connection() as connection:
            tx = PostgresTx(self, connection)
            yield tx
            self.last_contact = time.monotonic()
        tx.committed()

    def run_alone(self, work: Callable[[Tx], T]) -> T:
        return self._again(self.statement, work)

    async def lend(self, connection: Any) -> Lent | None:
        over, found = await alchemy(connection)
        port: Port
        if isinstance(found, psycopg.AsyncConnection):
            port = AsyncPsycopgPort(found)
        elif is_a(found, "asyncpg", "Connection", "PoolConnectionProxy"):
            port = AsyncpgPort(found, translate_any)
        else:
            return None
        if over is not None:
            written = positional if isinstance(port, AsyncpgPort) else named
            port = AlchemyPort(over, port, written, translate_any)
        return Lent(port)

    @contextmanager
    def adopt(self, connection: Any) -> Iterator[Tx]:
        """Work inside the caller's own open transaction on the caller's own connection.

        What ``after_commit`` was given is never called: nobody here learns whether the caller commits.
        """
        tx: AdoptedTx | LentPostgresTx
        if isinstance(connection, Lent):
            tx = LentPostgresTx(self, connection)
        else:
            found = driver_connection(connection, psycopg.Connection, "a connection of psycopg (version 3)")
            if found.closed:
                raise closed()
            tx = AdoptedTx(self, found)
        with self._on_our_path(tx):
            yield tx

    @contextmanager
    def _on_our_path(self, tx: AdoptedTx | LentPostgresTx) -> Iterator[None]:
        """Have our tables found, whatever the caller's own search path is, which is put back afterwards."""
        ours = self._home or self._find_home()
        before, here, identity = tx.rows(HERE, {"home": ours.schema})[0]
        if tx.stands_alone:
            raise no_transaction()
        if identity != ours.identity and identity != self._find_home().identity:
            raise elsewhere(self.url.display)
        if ours.schema == here:
            yield
            return
        put = "SELECT set_config('search_path', :path, true)"
        tx.rows(put, {"path": ours.schema})
        try:
            yield
        finally:
            with suppress(DatabaseError):  # the transaction has failed, or the connection is gone: that is told already
                tx.rows(put, {"path": before})

    def _find_home(self) -> Home:
        """Look where our tables are; anew where they may have moved."""
        schema = self.read(lambda own: own.value(HOME))
        self._home = Home(schema, self.read(lambda own: own.rows(HERE, {"home": schema}))[0][2])
        return self._home

    def listen(self) -> Listener:
        if self.url.pooled:
            raise DatabaseError("behind a transaction pooler there is no LISTEN: polling alone serves")
        return Listener(self.connect())

    def close(self) -> None:
        self._pool.close()


class Listener:
    """A connection of its own that waits for notifications."""

    def __init__(self, connection: psycopg.Connection[Row]) -> None:
        self._connection = connection
        with translated():
            connection.execute(f"LISTEN {CHANNEL}".encode())
            self._bell = Bell(connection.fileno())

    def wait(self, timeout_s: float) -> set[str]:
        """Return the topics hinted at, at the latest after ``timeout_s``."""
        self._bell.wait(timeout_s)
        with translated():
            return {note.payload for note in self._connection.notifies(timeout=0)}

    def interrupt(self) -> None:
        """End the wait of another thread at once."""
        self._bell.ring()

    def close(self) -> None:
        self._bell.close()
        self._connection.close()


@contextmanager
def translated() -> Iterator[None]:
    """Turn the driver's errors into ours."""
    try:
        yield
    except psycopg.Error as error:
        raise translate(error) from error
