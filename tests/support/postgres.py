"""Real PostgreSQL servers for tests: one shared by the run, and own ones for tests that stop a server."""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import subprocess
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
    ) -> None:
        """``environment`` is added to that of the server."""
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
        self._run(
            "initdb", "--pgdata", str(self.data), "--username", "postgres", "--auth", "trust", "--encoding", "UTF8",
            "--no-locale", "--no-sync",
        )  # fmt: skip

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
def fresh_database(base_url: str, template: str = "template0") -> Iterator[str]:
    """The address of a new copy of a database of that server, an empty one unless told otherwise.

    Dropped at the end, whoever is still connected.
    """
    # Not from `random`, which is seeded alike in every process of a run.
    name = f"rota_test_{secrets.token_hex(8)}"
    create = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
    with psycopg.connect(base_url, autocommit=True) as connection:
        if _copies_files_quickly(connection):
            create += sql.SQL(" STRATEGY file_copy")
        connection.execute(create)
    try:
        yield urlunsplit(urlsplit(base_url)._replace(path=f"/{name}"))
    finally:
        with psycopg.connect(base_url, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _copies_files_quickly(connection: psycopg.Connection) -> bool:
    """Whether files are copied without being synchronised; other strategies, since version 15, write much WAL."""
    fsync = connection.execute("SHOW fsync").fetchone()
    return connection.info.server_version >= 15_00_00 and fsync == ("off",)
