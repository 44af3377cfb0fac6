"""The database as the rest of Rota sees it: transactions, our own errors, one place that retries."""

from __future__ import annotations

import os
import random
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from rota.errors import DatabaseBusy, DatabaseError, DatabaseUnavailable, Invalid
from rota.settings import DatabaseUrl
from rota.store.sql import Dialect

if TYPE_CHECKING:
    from rota.store.lent import Lent
    from rota.store.pool import Pool

T = TypeVar("T")
C = TypeVar("C")
Topic = Literal["jobs", "due", "schedules", "cancel", "room"]
HINT_SILENCE_S = 0.002
Params = Mapping[str, Any]
Row = tuple[Any, ...]
NO_PARAMS: Params = {}

RETRY_FOR_S = 3.0
"""How long ``Database.run`` tries again before it gives up: the API must answer 503 within 5 s."""


class Duplicate(Exception):
    """A unique index refused the row; callers turn it into what it means."""


class Remembered:
    """What was read a moment ago, so that not every call reads it."""

    FOR_S = 0.5

    def __init__(self) -> None:
        self._value: Mapping[str, str] | None = None
        self._until = 0.0

    @property
    def value(self) -> Mapping[str, str] | None:
        """None where it was not read, or too long ago."""
        return self._value if time.monotonic() < self._until else None

    def keep(self, value: Mapping[str, str]) -> Mapping[str, str]:
        """Remember a value."""
        self._value, self._until = value, time.monotonic() + self.FOR_S
        return value

    def forget(self) -> None:
        """Have it read the next time."""
        self._until = 0.0


class HintListener(Protocol):
    """Receives hints from other processes, and from this one."""

    def wait(self, timeout_s: float) -> set[str]:
        """Return the topics hinted at, at the latest after ``timeout_s``."""

    def interrupt(self) -> None:
        """End the wait of another thread at once."""

    def close(self) -> None:
        """Stop listening."""


class Tx(ABC):
    """An open transaction (or a single statement outside of one)."""

    dialect: Dialect
    takes_values = False
    """Whether a single row is best given as values of its own, rather than as a JSON document of one."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self._after: list[Callable[[], None]] = []
        self.told: Counter[Topic] = Counter()
        """How often this transaction had what to hint at, also where the hint of another serves."""

    @abstractmethod
    def rows(self, sql: str, params: Params = NO_PARAMS, *, fresh: bool = False) -> list[Row]:
        """Run a statement and return its rows.

        ``fresh`` has it planned for these very values: for filters, of which one finds half the table and the next
        nothing, so that no one plan serves all.
        """

    @abstractmethod
    def dicts(self, sql: str, params: Params = NO_PARAMS) -> list[dict[str, Any]]:
        """Run a statement and return its rows by column name."""

    @abstractmethod
    def run(self, sql: str, params: Params = NO_PARAMS) -> int:
        """Run a statement and return how many rows it changed."""

    @abstractmethod
    def script(self, sql: str) -> None:
        """Run several statements without parameters."""

    def load(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        """Store whole rows as quickly as the database can."""
        raise NotImplementedError

    def ahead(self, sql: str, params: Params = NO_PARAMS, *, at_once: bool = False) -> Callable[[], list[Row]]:
        """Run a statement whose rows are not needed at once: the answer gives them, also after the commit.

        It may wait for the next statement, to save a way to the server and back; ``at_once``, the server works at it
        meanwhile.  Where it fails, the next statement says so.
        """
        del at_once
        rows = self.rows(sql, params)
        return lambda: rows

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undo only the block when it raises."""
        self._mark("SAVEPOINT rota_part")
        mark = len(self._after)
        try:
            yield
        except BaseException:
            del self._after[mark:]  # what this part would have told is not going to be true
            with suppress(DatabaseError):  # the connection is gone, or the whole transaction is: the cause says more
                self.run("ROLLBACK TO SAVEPOINT rota_part")
                self.run("RELEASE SAVEPOINT rota_part")
            raise
        self._mark("RELEASE SAVEPOINT rota_part")

    def _mark(self, sql: str) -> None:
        """Run a statement that cannot fail for what it says and answers nothing."""
        self.run(sql)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Have the statements of the block committed together, also outside of a transaction."""
        yield

    def row(self, sql: str, params: Params = NO_PARAMS) -> Row | None:
        """Return the first row, or None."""
        found = self.rows(sql, params)
        return found[0] if found else None

    def value(self, sql: str, params: Params = NO_PARAMS) -> Any:
        """Return the first column of the first row, or None."""
        found = self.rows(sql, params)
        return found[0][0] if found else None

    def now(self) -> int:
        """The database's clock, µs UTC."""
        return int(self.value("SELECT rota_now()"))

    def hint(self, topic: Topic) -> None:
        """Tell waiting processes, once this is committed, that there is something to look at."""
        self.told[topic] += 1
        if self.db.hints_due(topic):
            self._send_hint(topic)

    def hint_within(self, topic: Topic) -> str:
        """As ``hint``, by the statement run next where the database can: return what is added to its RETURNING."""
        self.hint(topic)
        return ""

    @abstractmethod
    def _send_hint(self, topic: Topic) -> None: ...

    def after_commit(self, action: Callable[[], None]) -> None:
        """Call ``action`` once the transaction is durable."""
        self._after.append(action)

    def committed(self) -> None:
        actions, self._after = self._after, []
        for action in actions:
            action()


class Database(ABC):
    """A SQLite file or a PostgreSQL database; safe to use from any thread."""

    dialect: Dialect
    url: DatabaseUrl
    _pool: Pool

    def __init__(self) -> None:
        self._hinted: dict[Topic, float] = {}
        self._sender = os.urandom(4).hex()
        self.known_queues: set[str] = set()
        self.queue_defaults = Remembered()
        self.last_contact = 0.0
        """``time.monotonic()`` of the last statement that the database answered."""

    @abstractmethod
    @contextmanager
    def transaction(self) -> Iterator[Tx]:
        """Commit when the block ends, roll back when it raises."""

    @abstractmethod
    @contextmanager
    def statement(self) -> Iterator[Tx]:
        """A connection outside of a transaction: each statement stands alone.  For reads and single statements."""

    @abstractmethod
    @contextmanager
    def snapshot(self) -> Iterator[Tx]:
        """Read everything as it is at one moment, without keeping anybody from writing; nothing can be changed."""

    @abstractmethod
    def close(self) -> None:
        """Close every connection."""

    def usage(self) -> tuple[int, float]:
        """Return how often this process used a connection, and how long in all (s)."""
        return self._pool.uses, self._pool.used_s

    def at_once(self) -> AbstractContextManager[None]:
        """Let this thread have a connection at once within the block, however many callers wait for one.

        For what the lives of others hang on: a lease must be renewed while all else is slow.
        """
        return self._pool.at_once()

    def payload(self, topic: Topic) -> str:
        """Return what is sent as a hint.  A worker that made room knows it before the hint is back with it."""
        return f"room {self._sender}" if topic == "room" else topic

    def topics(self, payloads: Iterable[str]) -> set[str]:
        """Return the topics of received hints, without those of our own that need not come back."""
        own = self.payload("room")
        return {payload.partition(" ")[0] for payload in payloads if payload != own}

    def hints_due(self, topic: Topic) -> bool:
        """Tell whether a hint must be sent: those within ``HINT_SILENCE_S`` of the last are folded into it.

        Whoever gets a hint looks again a little later, so a folded one is not lost; polling is the truth anyway.
        (A NOTIFY in each transaction cut inserts to a third.)
        """
        now = time.monotonic()
        if now - self._hinted.get(topic, 0.0) < HINT_SILENCE_S:
            return False
        self._hinted[topic] = now
        return True

    @abstractmethod
    def adopt(self, connection: Any) -> AbstractContextManager[Tx]:
        """Work inside the caller's own open transaction on the caller's own connection, or SQLAlchemy's over it.

        Raises Invalid for anything that is no connection of this database's driver.
        """

    async def lend(self, connection: Any) -> Lent | None:
        """Return a connection of an asynchronous library as `adopt` takes it, on the event loop that runs here.

        None for any other, which belongs to its thread.
        """
        del connection
        return None

    @abstractmethod
    def listen(self) -> HintListener:
        """Begin to receive hints; raises DatabaseError where they cannot be had."""

    def run(self, work: Callable[[Tx], T]) -> T:
        """Run ``work`` in a transaction; try again when the database was busy or the connection lost.

        A connection lost at commit leaves open whether it happened, so ``work`` must be idempotent: ids are made
        before, results are fenced, statuses are compared.
        """
        return self._again(self.transaction, work)

    def run_alone(self, work: Callable[[Tx], T]) -> T:
        """As ``run``, for work whose statements may each stand alone: the usual one is spared the transaction."""
        return self.run(work)

    def read(self, work: Callable[[Tx], T]) -> T:
        """Run ``work`` outside of a transaction, tried again likewise."""
        return self._again(self.statement, work)

    def _again(self, opener: Callable[[], Any], work: Callable[[Tx], T]) -> T:
        give_up = time.monotonic() + RETRY_FOR_S
        pause = 0.02
        while True:
            try:
                with opener() as tx:
                    return work(tx)
            except (DatabaseUnavailable, DatabaseBusy):
                if time.monotonic() + pause >= give_up:
                    raise
            time.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(pause * 2, 0.5)


def driver_connection(given: object, kind: type[C], needed: str) -> C:
    """Return the caller's own connection as the driver has it, also from SQLAlchemy's or Django's over it.

    Raises Invalid, with what is ``needed``, for anything that is no ``kind``.
    """
    if isinstance(given, kind):
        return given
    found: Any = given
    if callable(getattr(found, "ensure_connection", None)):  # of Django
        found.ensure_connection()
        found = found.connection
    elif not type(given).__module__.startswith("sqlalchemy.ext.asyncio"):
        found = _below_sqlalchemy(given)
    if isinstance(found, kind):
        return found
    what = f"{type(found).__module__}.{type(found).__qualname__}".removeprefix("builtins.")
    reason = f"is of type {what}" if found is given else f"is one over {what}"
    if isinstance(given, str):
        reason = "is an address, not an open connection"
    hint = f"{needed} is needed, or SQLAlchemy's or Django's over one; an asynchronous one is for `await aenqueue(…)`"
    raise Invalid("connection", reason, hint=hint)


def _below_sqlalchemy(found: Any) -> Any:
    """Return the driver's own connection, in whose transaction SQLAlchemy's stands; anything else is returned."""
    if callable(getattr(found, "get_bind", None)) and callable(getattr(found, "connection", None)):
        found = found.connection()  # a session
    if callable(getattr(found, "in_transaction", None)) and hasattr(found, "connection"):
        if not found.in_transaction():
            found.begin()  # else its commit() would have nothing to commit
        found = found.connection
    return getattr(found, "driver_connection", found)


def columns(names: Sequence[str], prefix: str = "") -> str:
    """``a, b`` or ``j.a, j.b``: the column list of a statement."""
    return ", ".join(f"{prefix}{name}" for name in names)
