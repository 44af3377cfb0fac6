"""SOAK: fifty jobs a second for hours, history that is soon deleted, the database gone for a while: nothing grows."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import pytest

from rota.durations import parse_duration
from rota.settings import parse_database_url
from rota.store.database import Database
from rota.store.opening import open_database
from tests.chaos.conftest import Figures
from tests.engine.scheduling import put
from tests.engine.working import Shop
from tests.support.load import Load
from tests.support.postgres import Cluster
from tests.support.processes import KeptProcess, RotaProcesses
from tests.support.roles import end_schedules
from tests.support.service import SECRET, start_up
from tests.support.soaking import MIB, Lines, Meter, grown, growths
from tests.support.target import TargetServer
from tests.support.waiting import free_port, wait_until

PER_SECOND, AT_ONCE = 50, 10
SHORT = {
    f"ROTA_RETENTION_{what}": "1m" for what in ("COMPLETED", "RUNS", "FAILED", "OCCURRENCES", "LOGS", "AUDIT", "PINGS")
}
ENV = {**SHORT, "ROTA_KEEP_LAST": "10", "ROTA_LOG_FORMAT": "json"}
SCHEDULES = 10
NORMAL_WITHIN_S = 15.0
SETTLED_S = 15.0


@dataclass
class Place:
    """A database that can be gone for a while."""

    url: str
    away: Callable[[], AbstractContextManager[None]]
    """Within it the database is gone."""


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest) -> Place:
    if request.param == "sqlite":
        path: Path = request.getfixturevalue("sqlite_path")
        return Place(f"sqlite:///{path}", lambda: _locked(path))
    cluster: Cluster = request.getfixturevalue("own_cluster")
    return Place(cluster.url(), lambda: _stopped(cluster))


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """A file cannot go away; somebody can keep it from all others."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=30)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield
        connection.execute("ROLLBACK")


@contextlib.contextmanager
def _stopped(cluster: Cluster) -> Iterator[None]:
    cluster.stop("immediate")
    yield
    cluster.start()


@dataclass
class Caller:
    """Enqueues jobs at a steady rate over the API, as one who does not wait for a service that is away."""

    port: int
    jobs: list[dict[str, Any]]
    accepted: list[str] = field(default_factory=list)
    refused: int = 0
    wrong: list[str] = field(default_factory=list)
    """Answers that are neither good nor say that the database is away."""
    ended: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._body = json.dumps({"jobs": self.jobs}).encode()

    def run(self) -> None:
        """Call until it is to end."""
        due = time.monotonic()
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        while not self.ended.wait(max(0.0, due - time.monotonic())):
            due = max(due + len(self.jobs) / PER_SECOND, time.monotonic() - 1)
            try:
                self.accepted += self._call(connection)
            except (OSError, HTTPException):
                self.refused += 1
                connection.close()
        connection.close()

    def _call(self, connection: HTTPConnection) -> list[str]:
        headers = {"Authorization": f"Bearer {SECRET}", "Content-Type": "application/json"}
        connection.request("POST", "/api/jobs/bulk", self._body, headers)
        answer = connection.getresponse()
        told = answer.read()
        if answer.status == 503:
            raise HTTPException("away")
        if answer.status != 201:
            self.wrong.append(told.decode())
            return []
        return [job["id"] for job in json.loads(told)["jobs"]]


@contextlib.contextmanager
def calling(port: int, jobs: list[dict[str, Any]]) -> Iterator[Caller]:
    """Jobs until the end of the block."""
    caller = Caller(port, jobs)
    thread = threading.Thread(target=caller.run)
    thread.start()
    try:
        yield caller
    finally:
        caller.ended.set()
        thread.join(60)


def watch(meter: Meter, until: float, every: float) -> None:
    """Take samples until a time, in seconds since the beginning."""
    while (left := until - meter.now()) > 0:
        time.sleep(min(every, left))
        meter.take()


@dataclass(frozen=True)
class Away:
    """What the processes did while the database was away."""

    busiest: str
    share: float
    """Of a core, by the process that used most."""
    lines: float
    """Of the log, a minute, by the role that wrote most."""


def be_away(place: Place, meter: Meter, service: KeptProcess, seconds: float) -> Away:
    """Take the database away for a while."""
    with place.away():
        time.sleep(SETTLED_S)  # what was under way ends
        used, lines, began = meter.cpu(), Lines(service), meter.now()
        time.sleep(seconds - SETTLED_S)
        took, said = meter.now() - began, lines.counted()
        busy = {process: (now - used[process]) / took for process, now in meter.cpu().items() if process in used}
    print(f"while it was gone: {busy}, {said}")
    busiest = max(busy, key=lambda process: busy[process])
    return Away(busiest[0], busy[busiest], max((each.total() * 60 / took for each in said.values()), default=0.0))


def unfinished(db: Database) -> int:
    sql = "SELECT count(*) FROM rota_jobs WHERE status IN ('scheduled', 'pending', 'held', 'running')"
    return int(db.read(lambda tx: tx.value(sql)))


@pytest.mark.chaos("SOAK")
@pytest.mark.timeout(6 * 3600)
def test_nothing_grows(
    place: Place, rota_process: RotaProcesses, tmp_path: Path, target_server: TargetServer,
    pytestconfig: pytest.Config, figures: Figures,
) -> None:  # fmt: skip
    length = parse_duration(pytestconfig.getoption("--soak", "2h")) / 1e6
    load, port = Load(tmp_path / "app", target_server, seconds=0.05), free_port()
    service = start_up(rota_process, place.url, port, {**ENV, **load.env}, cwd=load.folder)
    with contextlib.closing(open_database(parse_database_url(place.url))) as db:
        for number in range(SCHEDULES):
            put(db, f"s{number}", every="1s", overlap="allow", target={"kind": "command", "command": ["true"]})
        meter = Meter(service, db)
        with calling(port, load.jobs(AT_ONCE)) as caller:
            every = min(30.0, max(2.0, length / 200))
            watch(meter, length / 4, every)
            gone = min(600.0, length / 6)
            away = be_away(place, meter, service, gone)
            before, back = len(load.starts()), meter.now()
            wait_until(lambda: len(load.starts()) > before, 60, lambda: f"jobs start again; {caller.wrong[:1]}")
            normal = meter.now() - back
            watch(meter, length, every)
        end_schedules(Shop(db, place.url))
        wait_until(lambda: unfinished(db) == 0, 120, lambda: f"the end of {unfinished(db)} jobs")
    starts, faults = load.starts(), tell(meter, length, figures)
    rate = len(caller.accepted) / (length - gone)
    figures |= {
        "jobs": len(caller.accepted), "jobs a second": rate, "refused calls": caller.refused, "gone s": gone,
        "normal after s": normal, "share of a core then": away.share, "of": away.busiest, "lines a minute": away.lines,
    }  # fmt: skip
    assert caller.wrong == []
    assert [start for start, count in starts.items() if count > 1] == []
    assert set(caller.accepted) <= {job for job, _ in starts}, "something was lost"
    assert service.exit_code is None
    assert faults == []
    assert (away.share < 0.05, away.lines <= 10, normal < NORMAL_WITHIN_S) == (True, True, True)


def tell(meter: Meter, length: float, figures: Figures) -> list[str]:
    """What grew in the second half, by when what the beginning and the disaster left is deleted."""
    second = [sample for sample in meter.samples if sample.at >= length / 2]
    found = growths(second)
    for name, (usual, growth) in sorted(found.items()):
        print(f"{name}: {usual:.0f}, grew by {growth:.0f}")
        if name.endswith(" memory"):
            print([round(sample.values.get(name, 0.0) / MIB, 1) for sample in meter.samples[:: 1 + len(second) // 20]])
            figures |= {f"{name} MiB": usual / MIB, f"grew MiB ({name.removesuffix(' memory')})": growth / MIB}
    return grown(found)
