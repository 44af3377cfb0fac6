"""What every benchmark needs: fresh databases, jobs to run, a worker process, figures."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from rota.ids import new_id
from rota.model import JobType, NewJob
from rota.settings import Settings, load_settings
from rota.store import jobs, migrate, types
from rota.store.database import Database
from rota.store.opening import open_database

ROOT = Path(__file__).parent.parent


class Figure(msgspec.Struct, kw_only=True):
    """One measured line: a value, its raw reference in the same run, and their ratio."""

    name: str
    database: str
    value: float
    unit: str
    raw: float | None = None
    raw_name: str | None = None
    goal: float | None = None
    """The least ratio that the project promises, where it does."""

    @property
    def ratio(self) -> float | None:
        """Value to raw."""
        return None if not self.raw else self.value / self.raw


class Bench(msgspec.Struct, frozen=True):
    """A fresh database of one kind."""

    kind: str
    db: Database
    settings: Settings
    environment: dict[str, str]


@contextlib.contextmanager
def fresh(kind: str, postgres_url: str | None) -> Iterator[Bench]:
    """Yield a fresh, migrated database; it is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="rota-bench-") as folder:
        if kind == "sqlite":
            url = f"sqlite:///{folder}/bench.db"
            with opened(kind, url) as bench:
                yield bench
        else:
            from tests.support.postgres import fresh_database

            assert postgres_url is not None
            with fresh_database(postgres_url) as url, opened(kind, url) as bench:
                yield bench


@contextlib.contextmanager
def opened(kind: str, url: str) -> Iterator[Bench]:
    """Yield an open, migrated database."""
    settings = load_settings({}, database_url=url)
    db = open_database(settings.database_url)
    migrate.migrate(db)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ROTA_")}
    try:
        yield Bench(kind, db, settings, {**clean, "ROTA_DATABASE_URL": url, "ROTA_LOG_FORMAT": "json"})
    finally:
        db.close()


def make_jobs(count: int, *, type_name: str = "noop", lane: str = "async", queue: str = "bench") -> list[NewJob]:
    """Return no-op jobs."""
    return [
        NewJob(id=new_id(), type=type_name, lane=lane, target=None, queue=queue, rank=0, args="{}", max_attempts=4,
               timeout_us=3_600_000_000)
        for _ in range(count)
    ]  # fmt: skip


def fill(bench: Bench, count: int, **fields: str) -> None:
    """Store no-op jobs, and fresh statistics with them."""
    declare(bench)
    for start in range(0, count, 5000):
        batch = make_jobs(min(5000, count - start), **fields)
        bench.db.run(lambda tx, batch=batch: jobs.insert(tx, batch))  # type: ignore[misc]
    with bench.db.statement() as tx:
        tx.run("ANALYZE")


def declare(bench: Bench) -> None:
    """Declare the types of the benchmark's application."""
    declared = [
        JobType(name=name, lane=lane, target=None, args_schema=None, defaults="{}", owner="code")
        for name, lane in (("noop", "async"), ("noop_sync", "sync"))
    ]
    bench.db.run(lambda tx: types.put(tx, declared))


@contextlib.contextmanager
def process(bench: Bench, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``rota …`` beside; it is ended afterwards.  Its log goes to a file, as in production to a collector."""
    with tempfile.TemporaryFile() as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "rota", *arguments], env=bench.environment, cwd=ROOT, stdout=log, stderr=log
        )
        try:
            yield child
        finally:
            child.send_signal(signal.SIGTERM)
            try:
                child.wait(40)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def wait_for(bench: Bench, sql: str, wanted: int, timeout_s: float) -> float:
    """Wait until a count reaches ``wanted``; return ``time.monotonic()`` of the moment it was seen."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        with bench.db.statement() as tx:
            if int(tx.value(sql)) >= wanted:
                return time.monotonic()
        time.sleep(0.02)
    raise TimeoutError(f"not within {timeout_s:g} s: {sql}")
