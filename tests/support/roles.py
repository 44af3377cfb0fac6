"""Workers and schedulers as real processes on one database, and jobs for them."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rota.settings import parse_database_url
from rota.store import migrate
from rota.store.database import Tx
from rota.store.opening import open_database
from tests.engine.working import Shop
from tests.support import procs
from tests.support.audit import Starts, audit, marks
from tests.support.postgres import Cluster
from tests.support.processes import ROOT, KeptProcess, RotaProcesses
from tests.support.target import TargetServer
from tests.support.waiting import wait_until

SHORT = {"ROTA_LEASE": "2s", "ROTA_GRACE": "1s", "ROTA_EXECUTORS": "http,command", "ROTA_LOG_FORMAT": "json"}
PATIENCE = 60.0


class Roles:
    """Starts and kills them; every job leaves a mark at each of its starts."""

    def __init__(self, rota: RotaProcesses, shop: Shop, server: TargetServer, folder: Path) -> None:
        self.shop = shop
        self.ids: list[str] = []
        """Of every job that was accepted."""
        self.marks = folder / "marks"
        self._rota = rota
        self._server = server

    def start(self, role: str, *arguments: str, **env: str) -> KeptProcess:
        """Start a ``worker`` or a ``scheduler``; return when it works."""
        process = self.begin(role, *arguments, **env)
        process.wait_for_output(f'"event":"{role}/started"')
        assert process.exit_code is None, str(process)
        return process

    def begin(self, role: str, *arguments: str, **env: str) -> KeptProcess:
        """Start it and return at once."""
        settings = {**SHORT, "ROTA_DATABASE_URL": self.shop.url, "PYTHONPATH": str(ROOT), **env}
        return self._rota(role, *arguments, env=settings)

    def command(self, script: str = "sleep 0.1", **spec: Any) -> str:
        """Enqueue a command that leaves its mark first."""
        mark = f'echo "$ROTA_JOB_ID $ROTA_ATTEMPT" >> {shlex.quote(str(self.marks))}'
        self.ids.append(self.shop.shell(f"{mark}; {script}", **spec))
        return self.ids[-1]

    def call(self, path: str = "/job", **spec: Any) -> str:
        """Enqueue a call of the test's server, which remembers it."""
        self.ids.append(self.shop.enqueue({"kind": "http", "url": self._server.url(path)}, **spec))
        return self.ids[-1]

    def target(self, path: str) -> str:
        """The address of a path of the test's server."""
        return self._server.url(path)

    def load(self, count: int, script: str = "sleep 0.1", **spec: Any) -> None:
        """Enqueue as many commands as calls."""
        for number in range(count):
            if number % 2:
                self.call(**spec)
            else:
                self.command(script, **spec)

    def starts(self) -> Starts:
        """Every start that a target saw."""
        found = marks(self.marks)
        for request in list(self._server.requests):
            found[request.headers["rota-job-id"], int(request.headers["rota-attempt"])] += 1
        return found

    def unfinished(self) -> int:
        """How many jobs have no final status yet."""
        sql = "SELECT count(*) FROM rota_jobs WHERE status IN ('scheduled', 'pending', 'held', 'running')"
        return int(self.shop.db.read(lambda tx: tx.value(sql)))

    def unfinished_but(self, schedule_id: str) -> int:
        """The same, without the runs of a schedule."""
        sql = """
        SELECT count(*) FROM rota_jobs WHERE status IN ('scheduled', 'pending', 'held', 'running')
          AND coalesce(schedule_id, '') <> :id
        """
        return int(self.shop.db.read(lambda tx: tx.value(sql, {"id": schedule_id})))

    def wait_for_starts(self, count: int) -> None:
        """Wait until the targets have seen so many starts."""
        wait_until(
            lambda: self.starts().total() >= count, PATIENCE, lambda: f"{count} starts, not {self.starts().total()}"
        )

    def wait_for_all(self, timeout: float = PATIENCE) -> None:
        """Wait until every job has ended."""
        wait_until(lambda: self.unfinished() == 0, timeout, lambda: f"the end of {self.unfinished()} jobs")

    def faults(self) -> list[str]:
        """What the audit finds."""
        return audit(self.shop.db, self.ids, self.starts())


@contextlib.contextmanager
def opened(
    rota: RotaProcesses, server: TargetServer, folder: Path, url: str, clock: Callable[[], int] | None = None
) -> Iterator[Roles]:
    """Roles on a fresh database, whose clock this process knows too."""
    database = open_database(parse_database_url(url), clock=clock)
    try:
        migrate.migrate(database)
        yield Roles(rota, Shop(database, url), server, folder)
    finally:
        database.close()


@pytest.fixture
def roles(
    migrated: None, database_url: str, rota_process: RotaProcesses, target_server: TargetServer, tmp_path: Path
) -> Iterator[Roles]:
    """Starts workers and schedulers on a database of either kind, and enqueues jobs for them."""
    with opened(rota_process, target_server, tmp_path, database_url) as found:
        yield found


@pytest.fixture
def lite_roles(
    sqlite_url: str, rota_process: RotaProcesses, target_server: TargetServer, tmp_path: Path
) -> Iterator[Roles]:
    """The same on SQLite only."""
    with opened(rota_process, target_server, tmp_path, sqlite_url) as found:
        yield found


@pytest.fixture
def own_roles(
    own_cluster: Cluster, rota_process: RotaProcesses, target_server: TargetServer, tmp_path: Path
) -> Iterator[Roles]:
    """The same on a PostgreSQL server that may be stopped."""
    with opened(rota_process, target_server, tmp_path, own_cluster.url()) as found:
        yield found


def occurrences(shop: Shop, *, fired: bool = True) -> int:
    """How many rows the ledgers have of instants that fired, or of others."""
    sql = f"SELECT count(*) FROM rota_occurrences WHERE disposition {'=' if fired else '<>'} 'fired'"
    return int(shop.db.read(lambda tx: tx.value(sql)))


def end_schedules(shop: Shop) -> None:
    """Let no schedule fire any more."""

    def end(tx: Tx) -> None:
        tx.rows('SELECT id FROM rota_schedules ORDER BY id {pg|COLLATE "C" FOR UPDATE}')  # as schedulers take them
        tx.run("UPDATE rota_schedules SET next_at = NULL, version = version + 1")

    shop.db.run(end)


def kill(process: KeptProcess, *, tree: bool = False) -> None:
    """``kill -9`` a process, alone or with all that it has started; return when all of it is gone."""
    family = {process.pid, *procs.descendants(process.pid)}
    # The process first: it would else tell of the death of those below it.
    for pid in [process.pid, *(family - {process.pid})] if tree else [process.pid]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()
    wait_until(lambda: not any(map(procs.alive, family)), 10, lambda: f"the end of {[*map(procs.command, family)]}")


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
