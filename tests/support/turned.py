"""Schedulers and workers whose database has a clock that is turned while they run."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from rota.store import meta
from tests.support.faketime import FakeClock, FaketimeMissing, library
from tests.support.postgres import Cluster, PostgresMissing
from tests.support.processes import ROOT, KeptProcess, RotaProcesses
from tests.support.roles import Roles, end_schedules, opened
from tests.support.run_directory import RunDirectory
from tests.support.target import TargetServer
from tests.support.waiting import wait_until

SECOND = 1_000_000


class Turned:
    """A database with a clock of its own, and processes on it.

    On SQLite the clock of the database is that of the processes, so it is theirs that is turned; on PostgreSQL it is
    the server's, and the processes keep the machine's.
    """

    def __init__(self, roles: Roles, clock: FakeClock, environment: dict[str, str]) -> None:
        self.roles = roles
        self.shop = roles.shop
        self.clock = clock
        self._environment = environment

    def start(self, role: str, **env: str) -> KeptProcess:
        """Start a role; return when it works."""
        return self.roles.start(role, **{**self._environment, **env})

    def accounted_to(self) -> int:
        """The watermark (µs UTC); 0 where there is none."""
        return self.shop.db.read(meta.accounted_to) or 0

    def wait_until_accounted(self, timeout: float = 30) -> None:
        """Wait until the watermark has come near the clock."""
        wait_until(
            lambda: self.accounted_to() > self.clock.now() - 6 * SECOND,
            timeout,
            lambda: f"the watermark to be near, not {(self.clock.now() - self.accounted_to()) / 1e6:.1f} s behind",
        )

    def fired(self) -> int:
        """How many instants made a job."""
        sql = "SELECT count(*) FROM rota_occurrences WHERE job_id IS NOT NULL"
        return int(self.shop.db.read(lambda tx: tx.value(sql)))

    def wait_for_more(self, count: int = 2, timeout: float = 30) -> None:
        """Wait until so many more instants have fired."""
        before = self.fired()
        wait_until(lambda: self.fired() >= before + count, timeout, "instants that fire")

    def faults(self) -> list[str]:
        """What the audit finds once no schedule fires any more, jobs that wait aside."""
        end_schedules(self.shop)
        return [fault for fault in self.roles.faults() if " is pending" not in fault]


@contextlib.contextmanager
def on_sqlite(rota: RotaProcesses, server: TargetServer, folder: Path) -> Iterator[Turned]:
    """On a SQLite file, with the processes' clock turned."""
    clock = FakeClock(folder / "clock")
    url = f"sqlite:///{folder / 'rota.db'}"
    with opened(rota, server, folder, url, clock.now) as roles:
        path = f"{clock.python_path}:{ROOT}"
        yield Turned(roles, clock, {**clock.environment, "PYTHONPATH": path})


@contextlib.contextmanager
def on_postgres(rota: RotaProcesses, server: TargetServer, folder: Path, run: RunDirectory) -> Iterator[Turned]:
    """On a PostgreSQL server of its own, with the server's clock turned."""
    clock = FakeClock(run.path / f"clock-{folder.name}")
    cluster = Cluster(run, name=f"turned-{folder.name}", durable=False, environment=clock.environment)
    try:
        cluster.start_first()
        with opened(rota, server, folder, cluster.url(), clock.now) as roles:
            yield Turned(roles, clock, {})
            rota.finish()
    finally:
        cluster.remove()


@pytest.fixture
def faketime() -> None:
    """A loud skip on a developer's machine, a failure where everything must be there."""
    try:
        library()
    except FaketimeMissing as missing:
        if os.environ.get("CI") == "true":
            pytest.fail(str(missing))
        pytest.skip(str(missing))


@pytest.fixture(params=["sqlite", "postgresql"])
def turned(
    request: pytest.FixtureRequest,
    faketime: None,
    rota_process: RotaProcesses,
    target_server: TargetServer,
    tmp_path: Path,
    run_directory: RunDirectory,
) -> Iterator[Turned]:
    """A database with a clock of its own."""
    if request.param == "sqlite":
        with on_sqlite(rota_process, target_server, tmp_path) as found:
            yield found
        return
    try:
        with on_postgres(rota_process, target_server, tmp_path, run_directory) as found:
            yield found
    except PostgresMissing as missing:
        pytest.skip(str(missing))
