"""What every benchmark needs: fresh databases, jobs to run, processes beside this one."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import msgspec

from benchmarks import app
from rota.ids import new_id
from rota.model import JobType, NewJob
from rota.settings import Settings, load_settings
from rota.store import jobs, migrate, types
from rota.store.database import Database, Tx
from rota.store.opening import open_database
from tests.support import procs

ROOT = Path(__file__).parent.parent
QUEUE = "bench"
FILL = 5_000
TICKS = os.sysconf("SC_CLK_TCK")


class Session(msgspec.Struct, frozen=True):
    """One benchmark on one kind of database."""

    database: str
    postgres_url: str | None
    quick: bool
    say: Callable[[str], None]
    """Takes what is being measured now."""

    @property
    def rounds(self) -> int:
        return 1 if self.quick else 3

    def some(self, count: int) -> int:
        """Return how many of something to measure."""
        return max(20, count // 20) if self.quick else count

    @contextlib.contextmanager
    def fresh(self) -> Iterator[Bench]:
        """Yield a fresh, migrated database; it is removed afterwards."""
        self.say("a fresh database")
        with tempfile.TemporaryDirectory(prefix="rota-bench-") as folder:
            if self.database == "sqlite":
                with _opened(self.database, f"sqlite:///{folder}/bench.db") as bench:
                    yield bench
            else:
                from tests.support.postgres import fresh_database

                assert self.postgres_url is not None
                with fresh_database(self.postgres_url) as url, _opened(self.database, url) as bench:
                    yield bench


class Bench(msgspec.Struct, frozen=True):
    """A fresh database."""

    kind: str
    db: Database
    settings: Settings
    environment: dict[str, str]


@contextlib.contextmanager
def _opened(kind: str, url: str) -> Iterator[Bench]:
    settings = load_settings({}, database_url=url)
    db = open_database(settings.database_url)
    migrate.migrate(db)
    db.run(lambda tx: types.put(tx, _declared()))
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ROTA_")}
    try:
        yield Bench(kind, db, settings, {**clean, "ROTA_DATABASE_URL": url, "ROTA_LOG_FORMAT": "json"})
    finally:
        db.close()


def _declared() -> list[JobType]:
    return [
        JobType(name=each.name, lane=each.lane, target=None, args_schema=each.args_schema, defaults=each.defaults_json,
                owner="code")
        for each in app.rota.jobs.values()
    ]  # fmt: skip


def fill(
    bench: Bench,
    count: int,
    *,
    queue: str = QUEUE,
    type_name: str | None = "noop",
    lane: str = "async",
    target: str | None = None,
    args: str = "{}",
) -> None:
    """Store jobs; the table is as tidy as autovacuum would make it, with fresh statistics, so that rounds are alike."""
    for start in range(0, count, FILL):
        batch = [
            NewJob(
                id=new_id(), type=type_name, lane=lane, target=target, queue=queue, rank=0, args=args, max_attempts=4,
                timeout_us=3_600_000_000,
            )
            for _ in range(min(FILL, count - start))
        ]  # fmt: skip
        bench.db.run(partial(jobs.insert, jobs=batch))
    with bench.db.statement() as tx:
        tx.run("ANALYZE" if bench.kind == "sqlite" else "VACUUM ANALYZE rota_jobs")


PAUSE = """
INSERT INTO rota_queues (name, created_at, paused_at) VALUES (:name, rota_now(), rota_now())
ON CONFLICT (name) DO UPDATE SET paused_at = rota_now()
"""


def pause(bench: Bench, queue: str = QUEUE) -> None:
    """Keep workers from a queue, which comes into being where it is not there."""
    bench.db.run(lambda tx: tx.run(PAUSE, {"name": queue}))


def resume(bench: Bench, queue: str = QUEUE) -> None:
    """Let workers take from a queue."""

    def action(tx: Tx) -> None:
        tx.run("UPDATE rota_queues SET paused_at = NULL WHERE name = :name", {"name": queue})
        tx.hint("jobs")

    bench.db.run(action)


@contextlib.contextmanager
def process(bench: Bench, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``rota …`` beside; it is ended afterwards.  Its log goes to a file, as in production to a collector."""
    with tempfile.TemporaryFile() as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "rota", *arguments],
            env={**bench.environment, **environment}, cwd=ROOT, stdout=log, stderr=log,
        )  # fmt: skip
        try:
            yield child
        finally:
            child.send_signal(signal.SIGTERM)
            try:
                child.wait(40)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


@contextlib.contextmanager
def worker(bench: Bench, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a worker with the benchmarks' application; yield when it can take jobs."""
    with process(bench, "worker", "--app", "benchmarks.app:rota", *arguments, **environment) as child:
        ready = "SELECT count(*) FROM rota_workers WHERE state = 'running' AND types IS NOT NULL AND pid = "
        wait_for(bench, f"{ready}{child.pid}", 1, 30)
        yield child


def wait_for(bench: Bench, sql: str, wanted: int, timeout_s: float) -> None:
    """Wait until a count reaches ``wanted``."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        with bench.db.statement() as tx:
            if int(tx.value(sql)) >= wanted:
                return
        time.sleep(0.02)
    raise TimeoutError(f"not within {timeout_s:g} s: {sql}")


def cpu_s(pid: int) -> float:
    """Return the processor time (s) that a process and its living descendants have used, those that ended left out."""
    ticks = 0
    for each in (pid, *procs.descendants(pid)):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS
