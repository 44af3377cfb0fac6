"""What a service uses while it works for hours: samples of its processes and tables, and whether they grow."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

from rota.store.database import Database, Tx
from tests.support import procs
from tests.support.load import role_pids
from tests.support.processes import KeptProcess
from tests.support.roles import cpu_seconds

MIB = 1 << 20
KEPT_US = 150_000_000
"""What ended so long ago is deleted where history is kept for a minute: the janitor looks once a minute."""
TRAFFIC = {"rota_jobs": "completed_at", "rota_logs": "at", "rota_occurrences": "decided_at"}
"""Tables with as many rows as there is traffic, by the column that tells a row's age: of them the old ones count."""
MOST_PAIRS = 20_000


@dataclass(frozen=True)
class Sample:
    """What was used at one time."""

    at: float
    """Seconds since the beginning."""
    values: dict[str, float]
    """By the name of what was measured, such as ``api memory``."""


@dataclass(frozen=True)
class Bound:
    """How much something may grow while it is watched: by a part of what it is, and by so much in any case."""

    part: float
    more: float


BOUNDS = {
    "memory": Bound(0.03, 3 * MIB),
    "handles": Bound(0.0, 3),
    "threads": Bound(0.0, 1),
    "rows": Bound(0.10, 200),
    "bytes": Bound(0.10, 8 * MIB),
}
"""By the last word of the name."""


class Meter:
    """Takes samples of a ``rota up`` and its database."""

    def __init__(self, service: KeptProcess, db: Database) -> None:
        self.samples: list[Sample] = []
        self._service = service
        self._db = db
        self._began = time.monotonic()

    def now(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._began

    def take(self) -> None:
        """Take a sample; the database must be there."""
        values: dict[str, float] = {}
        for name, pid in self._processes():
            for what, value in _used(pid):  # the most of those that are alike: how many there are goes with the load
                values[f"{name} {what}"] = max(value, values.get(f"{name} {what}", 0.0))
        self.samples.append(Sample(self.now(), {**values, **self._tables()}))

    def cpu(self) -> dict[tuple[str, int], float]:
        """Processor time that each process has used so far (s), by its role and its id."""
        used = {}
        for name, pid in self._processes():
            with contextlib.suppress(OSError):  # it has just ended
                used[name, pid] = cpu_seconds(pid)
        return used

    def _processes(self) -> list[tuple[str, int]]:
        """Those that stay: the supervisor, the roles, and what these keep to run jobs."""
        found = [("supervisor", self._service.pid)]
        for role, pid in role_pids(self._service).items():
            found += [(role, pid)] + [(f"{role}'s", child) for child in procs.descendants(pid) if _stays(child)]
        return found

    def _tables(self) -> dict[str, float]:
        """Rows of each table, and bytes of all."""
        sqlite = self._db.dialect == "sqlite"
        names = (
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'rota%'"
            if sqlite
            else "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename LIKE 'rota%'"
        )
        counts = self._db.read(lambda tx: dict(_rows(tx, name) for (name,) in tx.rows(names)))
        if sqlite:
            path = self._db.url.path or ""
            sizes = {"database bytes": _size(path), "WAL bytes": _size(f"{path}-wal")}
        else:
            size = self._db.read(lambda tx: tx.value("SELECT pg_database_size(current_database())"))
            sizes = {"database bytes": size}
        return {**counts, **sizes}


def _rows(tx: Tx, table: str) -> tuple[str, int]:
    if table in TRAFFIC:
        sql = f"SELECT count(*) FROM {table} WHERE {TRAFFIC[table]} < :before"
        return f"{table} old rows", int(tx.value(sql, {"before": tx.now() - KEPT_US}))
    return f"{table} rows", int(tx.value(f"SELECT count(*) FROM {table}"))


def _stays(pid: int) -> bool:
    return " -m rota" in procs.command(pid)


def _size(path: str) -> int:
    return os.path.getsize(path) if os.path.exists(path) else 0


def _used(pid: int) -> list[tuple[str, float]]:
    """Memory (bytes, what is shared divided by those who share it), open handles and threads."""
    place = Path(f"/proc/{pid}")
    try:
        rollup = (place / "smaps_rollup").read_text()
        status = (place / "status").read_text()
        handles = len(os.listdir(place / "fd"))
    except OSError:
        return []
    memory = next(int(line.split()[1]) << 10 for line in rollup.splitlines() if line.startswith("Pss:"))
    threads = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("Threads:"))
    return [("memory", memory), ("handles", handles), ("threads", threads)]


@dataclass
class Lines:
    """The log lines of a service since a moment, by who wrote them and what they say."""

    process: KeptProcess
    _from: int = field(init=False)

    def __post_init__(self) -> None:
        self._from = self._path.stat().st_size

    @property
    def _path(self) -> Path:
        return self.process.directory / "stderr"

    def counted(self) -> dict[str, Counter[str]]:
        """How often each event was written so far, by the role that did it."""
        found: dict[str, Counter[str]] = {}
        with self._path.open("rb") as file:
            file.seek(self._from)
            for line in file.read().splitlines():
                if line.startswith(b"{"):
                    event = json.loads(line)
                    found.setdefault(event["role"], Counter())[event["event"]] += 1
        return found


def growths(samples: Sequence[Sample]) -> dict[str, tuple[float, float]]:
    """By name: the median of what was measured, and by how much it grew from the first to the last of the samples."""
    names = {name for sample in samples for name in sample.values}
    length = samples[-1].at - samples[0].at
    found = {}
    for name in names:
        points = [(sample.at, sample.values.get(name, 0.0)) for sample in samples]
        found[name] = (statistics.median(value for _, value in points), slope(points) * length)
    return found


def slope(points: Sequence[tuple[float, float]]) -> float:
    """The median of the slopes between all pairs, which a few odd points do not change (Theil and Sen)."""
    pairs = list(combinations(points, 2))
    pairs = pairs[:: 1 + len(pairs) // MOST_PAIRS]
    return statistics.median((b - a) / (later - at) for (at, a), (later, b) in pairs if later > at)


def grown(found: dict[str, tuple[float, float]]) -> list[str]:
    """What grew more than it may, in words."""
    faults = []
    for name, (usual, growth) in sorted(found.items()):
        bound = BOUNDS[name.rpartition(" ")[2]]
        if growth > bound.part * usual + bound.more:
            faults.append(f"{name} grew by {growth:.0f} from about {usual:.0f}")
    return faults
