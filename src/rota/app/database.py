"""The database of an application in one process."""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

from rota.errors import DatabaseError
from rota.handle import Home
from rota.model import JobType
from rota.settings import Settings, load_settings
from rota.store import migrate
from rota.store.database import Database, Tx
from rota.store.lent import Lent
from rota.store.opening import open_database


class AppHome(Home, Protocol):
    """Where the jobs of an application go."""

    declared: dict[str, JobType]
    """The job types that this process has written there."""

    @property
    def settings(self) -> Settings: ...

    def adopt(self, connection: Any) -> AbstractContextManager[Tx]:
        """Work inside the caller's own transaction."""

    async def lend(self, connection: Any) -> Lent | None:
        """Return a connection of an asynchronous library as ``adopt`` takes it in a thread, None for any other."""

    def close(self) -> None:
        """Close the connections; the next use opens them anew."""


class AppDatabase:
    """Opens the database at the first use, and anew in a forked process: connections do not survive a fork."""

    def __init__(self, url: str | None = None, settings: Settings | None = None) -> None:
        self._url = url
        self._settings = settings
        self._db: Database | None = None
        self._of_parents: list[Database] = []
        self._lock = threading.Lock()
        self.declared: dict[str, JobType] = {}
        if hasattr(os, "register_at_fork"):
            forked = weakref.WeakMethod(self._forked)
            os.register_at_fork(after_in_child=lambda: (method := forked()) and method())

    @property
    def settings(self) -> Settings:
        """The settings, read when first needed."""
        if self._settings is None:
            self._settings = load_settings() if self._url is None else load_settings(database_url=self._url)
        return self._settings

    def database(self) -> Database:
        """Return the database; the first call opens it and brings its schema up to date."""
        with self._lock:
            if self._db is None:
                db = open_database(self.settings.database_url)
                try:
                    migrate.migrate(db)
                except BaseException:
                    db.close()
                    raise
                self._db = db
            return self._db

    @contextmanager
    def adopt(self, connection: Any) -> Iterator[Tx]:
        with self.database().adopt(connection) as tx:
            try:
                with tx.savepoint():  # what goes wrong here must not spoil what the caller has done before
                    yield tx
            except DatabaseError as error:
                if "rota_" in error.message:
                    shown = self.settings.database_url.display
                    error.hint = f"the connection must be one to Rota's own database, {shown}"
                raise

    async def lend(self, connection: Any) -> Lent | None:
        database = await asyncio.to_thread(self.database)
        return await database.lend(connection)

    def before_wait(self) -> None:
        """There is nothing to do: workers work."""

    async def before_wait_async(self) -> None:
        """There is nothing to do, likewise."""

    def close(self) -> None:
        with self._lock:
            if self._db is not None:
                self._db.close()
                self._db = None
            self.declared.clear()

    def _forked(self) -> None:
        """In a child: leave the parent's connections to the parent, open for good."""
        self._lock = threading.Lock()
        if self._db is not None:
            self._of_parents.append(self._db)
            self._db = None
        self.declared = {}


class StandIn(Protocol):
    """Does the work where no worker runs."""

    def before_wait(self) -> None:
        """Hear that a program is about to wait for a job."""

    async def before_wait_async(self) -> None:
        """As ``before_wait``, where an event loop runs."""


class GivenDatabase:
    """A database that somebody else opens and closes."""

    def __init__(self, db: Database, settings: Settings, worker: StandIn | None) -> None:
        self.settings = settings
        self.declared: dict[str, JobType] = {}
        self._db = db
        self._worker = worker

    def database(self) -> Database:
        return self._db

    @contextmanager
    def adopt(self, _connection: Any) -> Iterator[Tx]:
        """Leave the caller's connection alone: it is one to another database."""
        with self._db.transaction() as tx:
            yield tx

    async def lend(self, connection: Any) -> Lent | None:
        """Leave it alone likewise."""
        del connection
        return None

    def before_wait(self) -> None:
        if self._worker is not None:
            self._worker.before_wait()

    async def before_wait_async(self) -> None:
        if self._worker is not None:
            await self._worker.before_wait_async()

    def close(self) -> None:
        """It stays open."""
