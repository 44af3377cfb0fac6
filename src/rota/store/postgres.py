"""PostgreSQL: any number of machines."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any, NamedTuple, TypeVar

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus

from rota.errors import DatabaseError, DatabaseUnavailable
from rota.settings import DatabaseUrl
from rota.store.bell import Bell
from rota.store.database import NO_PARAMS, Database, Row, Tx, driver_connection
from rota.store.lent import (
    AlchemyPort,
    AsyncpgPort,
    Lent,
    Port,
    alchemy,
    closed,
    elsewhere,
    is_a,
    named,
    no_transaction,
    positional,
)
from rota.store.pool import Pool
from rota.store.postgres_errors import not_connected, translate, translate_any, translated
from rota.store.postgres_tx import CHANNEL, AdoptedTx, AsyncPsycopgPort, LentPostgresTx, PostgresTx, register_loaders
from rota.store.postgres_wire import Connection, Statement, Wire

T = TypeVar("T")

POOL_SIZE = 16
LISTEN = f"LISTEN {CHANNEL}"
LISTEN_CHECK_S = 15.0
"""After so long without a hint it is looked whether one could come at all."""
CONNECTION = {
    "application_name": "rota",
    "connect_timeout": "4",
    "keepalives": "1",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
}
SESSION = {
    # Compiling a statement takes 30 ms and more; ours are quick ones that the planner sometimes thinks dear.
    "jit": "off",
    # What a machine that is gone had locked is free again soon: else the server waits for it, two hours by default.
    # Sooner than 15 s, up to which a late instant fires as itself: a scheduler may have stood still amid a firing.
    "idle_in_transaction_session_timeout": "10s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}
AT_WORK = """
SELECT count(*) FROM pg_stat_activity
WHERE pid = :pid AND state NOT LIKE 'idle%' AND wait_event_type IS DISTINCT FROM 'Client'
"""
UNSEEN_S = 60.0
"""So long the answer to a statement is waited for where the server cannot tell whether it is at it."""
HOME = "SELECT c.relnamespace::regnamespace::text FROM pg_class c WHERE c.oid = to_regclass('rota_jobs')"
HERE = f"""
SELECT current_setting('search_path'), ({HOME}), concat_ws(' ', pg_postmaster_start_time(), current_database(),
  to_regclass(CAST(:home AS text) || '.rota_jobs')::oid)
"""
"""The search path, the schema in which it finds our tables, and which tables they are: by server, database, number."""


def _usable(connection: psycopg.Connection[Row]) -> bool:
    return not connection.closed and connection.info.transaction_status == TransactionStatus.IDLE


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

    def connect(self) -> Connection:
        """Open a connection; the caller closes it."""
        connection = self._connected()
        pid = connection.info.backend_pid
        connection.wire = Wire(connection, pooled=self.url.pooled, works=lambda silent: self._works_at(pid, silent))
        return connection

    def _connected(self) -> Connection:
        try:
            connection = Connection.connect(**self._arguments, autocommit=True)
        except psycopg.Error as error:
            raise not_connected(error) from error
        register_loaders(connection)
        connection.prepare_threshold = None  # what recurs goes by the wire
        connection.wire = Wire(connection, pooled=self.url.pooled)
        if not self.url.pooled:
            try:
                self._set_up(connection)
            except psycopg.Error as error:
                connection.close()
                raise translate(error) from error
        return connection

    def _set_up(self, connection: Connection) -> None:
        """Set what lasts for the session, so not behind a transaction pooler."""
        settings = SESSION | ({"search_path": self._search_path} if self._search_path else {})
        parts = ", ".join(f"set_config('{name}', :{name}, false)" for name in settings)
        connection.wire.run([Statement(f"SELECT {parts}", settings)])

    def _works_at(self, pid: int, silent_s: float) -> bool:
        """Ask on another connection whether the server works at what it was asked on the one with this number."""
        try:
            with closing(self._connected()) as other:
                if self.url.pooled:  # the number is the pooler's own
                    return silent_s < UNSEEN_S
                asked = Statement(AT_WORK, {"pid": pid})
                other.wire.run([asked])
                return bool(asked.fetchall()[0][0])
        except DatabaseError as error:
            return "FATAL" in str(error) and silent_s < UNSEEN_S  # it is there, and has no room for this connection
        except psycopg.Error:
            return False

    @contextmanager
    def transaction(self) -> Iterator[Tx]:
        with self._pool.connection() as connection:
            tx = PostgresTx(self, connection)
            tx.begin()
            try:
                if self.url.pooled and self._search_path:
                    tx.run("SELECT set_config('search_path', :path, true)", {"path": self._search_path})
                yield tx
            except DatabaseUnavailable:
                raise
            except BaseException:
                if not connection.closed:
                    tx.roll_back()
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

    @contextmanager
    def snapshot(self) -> Iterator[Tx]:
        with self._pool.connection() as connection:
            tx = PostgresTx(self, connection)
            tx.begin("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            try:
                # It locks nothing, and what is read may take long to be worked at.
                tx.run("SELECT set_config('idle_in_transaction_session_timeout', '0', true)")
                if self.url.pooled and self._search_path:
                    tx.run("SELECT set_config('search_path', :path, true)", {"path": self._search_path})
                yield tx
            finally:
                if not connection.closed:
                    tx.roll_back()

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

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        with translated():
            connection.wire.run([Statement(LISTEN, NO_PARAMS)])
            self._bell = Bell(connection.fileno())
        self._heard = time.monotonic()

    def wait(self, timeout_s: float) -> set[str]:
        """Return the topics hinted at, at the latest after ``timeout_s``."""
        self._bell.wait(timeout_s)
        with translated():
            found = {note.payload for note in self._connection.notifies(timeout=0)}
            if found:
                self._heard = time.monotonic()
            elif time.monotonic() - self._heard > LISTEN_CHECK_S:
                found = self._check()
        return found

    def _check(self) -> set[str]:
        """See that the connection is not one that nothing comes by any more; return what came meanwhile."""
        self._connection.wire.run([Statement(LISTEN, NO_PARAMS)])
        self._heard = time.monotonic()
        found = set()
        while (note := self._connection.pgconn.notifies()) is not None:
            found.add(note.extra.decode())
        return found

    def interrupt(self) -> None:
        """End the wait of another thread at once."""
        self._bell.ring()

    def close(self) -> None:
        self._bell.close()
        self._connection.close()
