"""Real PostgreSQL servers for tests: one shared by the run, and own ones for tests that stop a server."""

from __future__ import annotations

import contextlib
import os
import pwd
import queue
import secrets
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from typing import Any, Literal
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from tests.support import postgres_binaries, procs
from tests.support.run_directory import RunDirectory, server_of
from tests.support.waiting import free_port, wait_until

StopMode = Literal["smart", "fast", "immediate"]

FAST_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
COMMON_SETTINGS = {"listen_addresses": "127.0.0.1", "max_connections": "200", "shared_buffers": "64MB"}
START_ATTEMPTS = 5
STOCK_S = 60
"""How long a database may take to be made, or the last ones to be dropped."""


class PostgresMissing(Exception):
    """There are no programs of a PostgreSQL server on this machine."""


class Cluster:
    """One private server on a free port of the loopback interface, with trust for everybody there.

    ``durable`` keeps the server's own promises (fsync); without it a crash of the machine may lose data, a crash of
    the server still does not.
    """

    def __init__(
        self,
        run: RunDirectory,
        *,
        name: str,
        durable: bool,
        settings: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
        source: Cluster | None = None,
    ) -> None:
        """``environment`` is added to that of the server; with a ``source`` it is a copy that follows that one."""
        found = postgres_binaries.find()
        if found is None:
            raise PostgresMissing(postgres_binaries.MISSING)
        self.directory = run.path / name
        self.data = self.directory / "data"
        self.log = self.directory / "log"
        self.port = free_port()
        self._settings = COMMON_SETTINGS | ({} if durable else FAST_SETTINGS) | dict(settings or {})
        self._environment = dict(environment or {})
        self._identity = _unprivileged()
        run.watch()
        self.directory.mkdir(mode=0o700)
        if self._identity:
            os.chown(self.directory, self._identity["user"], self._identity["group"])
            with run.locked("programs"):
                found = postgres_binaries.reachable(
                    found, self._identity["user"], self._identity["group"], run.path / "programs"
                )
        self._programs = found
        if source is not None:
            self.follow(source)
            return
        self._run(
            "initdb", "--pgdata", str(self.data), "--username", "postgres", "--auth", "trust", "--encoding", "UTF8",
            "--no-locale", "--no-sync",
        )  # fmt: skip

    def follow(self, source: Cluster) -> None:
        """Become a standby of a running server: a copy of it, instead of all that was here; it is not started."""
        if not (self._programs / "pg_basebackup").exists():
            raise PostgresMissing(f"there is no pg_basebackup in {self._programs}")
        shutil.rmtree(self.data, ignore_errors=True)
        self._run(
            "pg_basebackup", "-h", "127.0.0.1", "-p", str(source.port), "-U", "postgres", "-D", str(self.data),
            "--write-recovery-conf", "--wal-method", "stream", "--checkpoint", "fast", "--no-sync",
        )  # fmt: skip

    def promote(self) -> None:
        """Make the primary of a standby, and return when it is."""
        self._run("pg_ctl", "promote", "-D", str(self.data), "-w", "-t", "60")

    def start(self) -> None:
        """Start the server and return when it takes connections."""
        self._run("pg_ctl", "start", "-D", str(self.data), "-l", str(self.log), "-w", "-t", "60", "-o", self._options())

    def start_first(self) -> None:
        """As ``start``, on another port when a stranger took ours meanwhile."""
        for attempt in range(START_ATTEMPTS):
            try:
                self.start()
            except AssertionError:
                if attempt == START_ATTEMPTS - 1 or "Address already in use" not in self.log.read_text():
                    raise
                self.port = free_port()
            else:
                return

    def stop(self, mode: StopMode = "fast") -> None:
        """Stop the server and return when it is gone; ``immediate`` is a crash that the next start recovers from."""
        self._run("pg_ctl", "stop", "-D", str(self.data), "-w", "-t", "60", "-m", mode)

    def restart(self, mode: StopMode = "fast") -> None:
        """Stop in the given mode and start again, on the same port."""
        self.stop(mode)
        self.start()

    def kill(self) -> None:
        """End every process of the server by SIGKILL, as when the power fails."""
        server = self.pid
        if server is None:
            return
        # Stopped first, else it would start new children while the old ones are being killed.
        os.kill(server, signal.SIGSTOP)
        family = [server, *procs.descendants(server)]
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not any(map(procs.alive, family)), what="the killed server is gone")
        # Where nobody reaps orphans the next start would take the zombie for a running server.
        for lock in (self.data / "postmaster.pid", *self.directory.glob(".s.PGSQL.*")):
            lock.unlink()

    @property
    def pid(self) -> int | None:
        """The server's main process, None when it does not run."""
        return server_of(self.data)

    def url(self, dbname: str = "postgres") -> str:
        """The address of a database of this cluster."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{dbname}"

    def remove(self) -> None:
        """Stop the server if it runs and delete its data."""
        if self.pid is not None:
            self.stop("immediate")
        shutil.rmtree(self.directory)

    def _options(self) -> str:
        settings = {**self._settings, "port": str(self.port), "unix_socket_directories": str(self.directory)}
        return " ".join(f"-c {name}={value}" for name, value in settings.items())

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._programs / program), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self.directory,
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"} | self._environment,
            start_new_session=True,
            text=True,
            errors="replace",
            timeout=90,
            check=False,
            **self._identity,
        )
        if done.returncode != 0:
            tail = self.log.read_text(errors="replace")[-2000:] if self.log.exists() else ""
            raise AssertionError(f"{program} {' '.join(arguments[:1])} failed:\n{done.stdout}\n{tail}")


def _unprivileged() -> dict[str, Any]:
    """Arguments that make ``subprocess`` give up root, as which a PostgreSQL server refuses to run."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            user = pwd.getpwnam(name)
            return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    raise PostgresMissing("root may not run PostgreSQL, and there is neither a user postgres nor a user nobody")


def shared_url(run: RunDirectory) -> str:
    """The address of the run's shared server, started by the first process that asks."""
    address = run.path / "postgres-url"
    with run.locked("postgres"):
        if not address.exists():
            cluster = Cluster(run, name="shared", durable=False)
            cluster.start_first()
            address.write_text(cluster.url())
        return address.read_text()


@contextlib.contextmanager
def fresh_database(
    base_url: str, template: str = "template0", connection: psycopg.Connection | None = None
) -> Iterator[str]:
    """The address of a new copy of a database of that server, an empty one unless told otherwise.

    Dropped at the end, whoever is still connected.  A ``connection`` to the server saves two of its own.
    """
    # Not from `random`, which is seeded alike in every process of a run.
    name = f"rota_test_{secrets.token_hex(8)}"
    create = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
    with _connected(base_url, connection) as server:
        if _copies_files_quickly(server):
            create += sql.SQL(" STRATEGY file_copy")
        server.execute(create)
    try:
        yield urlunsplit(urlsplit(base_url)._replace(path=f"/{name}"))
    finally:
        with _connected(base_url, connection) as server:
            server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


class Stock:
    """Databases of one kind, each made while the test before runs, and dropped while the next one does.

    A test waits for neither: together they take as long as most tests.
    """

    def __init__(self, base_url: str, template: str) -> None:
        self._base_url = base_url
        self._template = template
        self._orders: queue.SimpleQueue[contextlib.ExitStack | Literal["make", "end"]] = queue.SimpleQueue()
        self._made: queue.SimpleQueue[tuple[str, contextlib.ExitStack] | Exception] = queue.SimpleQueue()
        self._orders.put("make")
        self._thread = threading.Thread(target=self._work, name="test-databases", daemon=True)
        self._thread.start()

    @contextlib.contextmanager
    def taken(self) -> Iterator[str]:
        """The address of a database of this caller's own."""
        made = self._made.get(timeout=STOCK_S)
        if isinstance(made, Exception):
            raise made
        self._orders.put("make")
        url, used = made
        try:
            yield url
        finally:
            self._orders.put(used)

    def close(self) -> None:
        """Drop what is left."""
        self._orders.put("end")
        self._thread.join(STOCK_S)
        assert not self._thread.is_alive(), "the databases of tests are not dropped"

    def _work(self) -> None:
        try:
            with psycopg.connect(self._base_url, autocommit=True) as connection:
                while (order := self._orders.get()) != "end":
                    if isinstance(order, contextlib.ExitStack):
                        order.close()
                    else:
                        stack = contextlib.ExitStack()
                        url = stack.enter_context(fresh_database(self._base_url, self._template, connection))
                        self._made.put((url, stack))
                while not self._made.empty():
                    left = self._made.get()
                    assert not isinstance(left, Exception)
                    left[1].close()
        except Exception as error:  # noqa: BLE001 - it belongs to the test that waits for its database
            self._made.put(error)


def _connected(
    base_url: str, connection: psycopg.Connection | None
) -> contextlib.AbstractContextManager[psycopg.Connection]:
    if connection is not None and not connection.closed:
        return contextlib.nullcontext(connection)
    return psycopg.connect(base_url, autocommit=True)


def _copies_files_quickly(connection: psycopg.Connection) -> bool:
    """Whether files are copied without being synchronised; other strategies, since version 15, write much WAL."""
    fsync = connection.execute("SHOW fsync").fetchone()
    return connection.info.server_version >= 15_00_00 and fsync == ("off",)
