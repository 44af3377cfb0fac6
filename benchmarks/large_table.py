"""A table that is nearly all history, with much that waits, and with a transaction that somebody left open.

Beside it an empty table of the same run: how quickly each is drained, in turns; and how long claims and lists take.
PostgreSQL only, and half an hour: it runs when it is named, or with ``--full``.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from functools import partial

import msgspec
import psycopg

from benchmarks.figure import Figure, Goals, interleaved, of_rounds, percentile
from benchmarks.lateness import model_job
from benchmarks.setting import QUEUE, Bench, Session, fill, pause, resume, wait_for, worker
from rota.model import Job
from rota.store import claims, reads, results
from rota.store.database import columns
from rota.store.reads import JobFilter
from rota.store.results import Finished
from tests.store import builders

JOBS = 20_000
CLAIM = 200
CLAIMS = 300
LISTS = 20
HELD_JOBS = 300_000
"""So many jobs end while a transaction is open before it is measured again; their rows cannot be tidied up."""
HELD_S = 180.0
"""That lasts no longer than this, however slow it is."""
WINDOW_S = 2.0
"""How long the worker is let at the large table; its rate is of what it completed."""
PART = 500_000
LEASE_US = 3_600_000_000


class Size(msgspec.Struct, frozen=True):
    """How many rows there are of each kind."""

    waiting: int = 1_000_000
    future: int = 1_000_000
    finished: int = 5_000_000


QUICK = Size(120_000, 3_000, 10_000)
"""More wait than a quick worker ends in all windows: without one left, nothing would begin."""

# Ids grow with time: what has ended is older than what waits.
VALUES = {
    "id": "CAST(lpad(to_hex(p.first + g.i), 12, '0') || '-7000-8000-000000000000' AS uuid)",
    "type": "CASE WHEN g.i % 1000 = 7 AND p.status = 'completed' THEN 'rare' ELSE 'noop' END",
    "queue": "CASE WHEN p.status = 'pending' THEN 'bench' ELSE 'queue' || (g.i % 5) END",
    "schedule_id": "CASE WHEN g.i % 40 = 0 AND p.status = 'completed' THEN 'schedule' || (g.i % 400) END",
    "status": "CASE WHEN p.status = 'completed' AND g.i % 100 = 3 THEN 'failed' ELSE p.status END",
    "run_at": "s.created_at + CASE WHEN p.status = 'scheduled' THEN 86400000000 ELSE -60000000 END + g.i",
    "completed_at": "CASE WHEN p.status = 'completed' THEN s.created_at - 86400000000 + g.i END",
}
FILL = f"""
INSERT INTO rota_jobs ({columns(Job.__struct_fields__)})
SELECT {columns([VALUES.get(name, f"s.{name}") for name in Job.__struct_fields__])}
FROM rota_jobs s CROSS JOIN (SELECT CAST(:status AS text) AS status, CAST(:first AS bigint) AS first) p
CROSS JOIN generate_series(1, CAST(:n AS bigint)) AS g(i) WHERE s.id = :model
"""
INDEXES = "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'rota_jobs' AND indexname NOT LIKE '%_pkey'"
LEFT_RUNNING = (
    f"SELECT CASE WHEN count(*) = 0 THEN 1 ELSE 0 END FROM rota_jobs WHERE queue = '{QUEUE}' AND status = 'running'"
)
DONE_SINCE = """
SELECT min(started_at), max(completed_at), count(*) FROM rota_jobs
WHERE status = 'completed' AND origin = 'enqueue' AND completed_at > :mark
"""
BEGUN = "SELECT count(*) FROM (SELECT 1 FROM rota_jobs WHERE status = 'completed' AND completed_at > MARK LIMIT 1) one"
LISTINGS = {
    "all": JobFilter(),
    "of a rare type": JobFilter(type="rare"),
    "failed": JobFilter(statuses=("failed",)),
    "waiting": JobFilter(statuses=("pending", "scheduled")),
    "of a queue": JobFilter(queue="queue3"),
}


def run(session: Session) -> Iterator[Figure]:
    """Measure with nobody in the way, then with an open transaction."""
    size = QUICK if session.quick else Size()
    with session.fresh() as large, session.fresh() as empty:
        store(session, large, size)
        for bench in (large, empty):
            pause(bench)
        yield claimed(session, large, "")
        yield listed(session, large)
        with contextlib.ExitStack() as hold:
            with worker(large), worker(empty):
                yield drained(session, large, empty, "")
                hold.enter_context(held_open(large))
                session.say("jobs run, a transaction is open")
                end, left = time.monotonic() + HELD_S, session.some(HELD_JOBS)
                while left > 0 and time.monotonic() < end and waits(large, size.waiting // 3):
                    left -= work_on(large, window_s(session))[2]
                yield drained(session, large, empty, ", a transaction open")
            yield claimed(session, large, ", a transaction open")


def store(session: Session, bench: Bench, size: Size) -> None:
    """Fill the table; its indexes are made afterwards, which takes a third of the time."""
    model = model_job(bench)
    with bench.db.statement() as tx:
        indexes = [(str(name), str(definition)) for name, definition in tx.rows(INDEXES)]
        for name, _ in indexes:
            tx.run(f"DROP INDEX {name}")
    first = 1
    for status, count in (("completed", size.finished), ("pending", size.waiting), ("scheduled", size.future)):
        for start in range(0, count, PART):
            session.say(f"rows that are {status}: {start:,} of {count:,}")
            n = min(PART, count - start)
            with bench.db.statement() as tx:
                tx.run(FILL, {"n": n, "status": status, "first": first, "model": model})
            first += n
    with bench.db.statement() as tx:
        for name, definition in indexes:
            session.say(name)
            tx.run(definition)
        tx.run("VACUUM ANALYZE rota_jobs")


@contextlib.contextmanager
def held_open(bench: Bench) -> Iterator[None]:
    """Leave a transaction open, with a snapshot of now."""
    with psycopg.connect(bench.settings.database_url.conninfo) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        connection.execute("SELECT count(*) FROM rota_queues").fetchall()
        yield


def waits(bench: Bench, enough: int) -> bool:
    """Tell whether enough waits for a few more windows."""
    with bench.db.statement() as tx:
        return int(tx.value(f"SELECT count(*) FROM rota_jobs WHERE status = 'pending' AND queue = '{QUEUE}'")) > enough


def work_on(bench: Bench, seconds: float) -> tuple[int, int, int]:
    """Let the worker at the waiting jobs for some seconds; return the first start, the last end, and how many ended."""
    with bench.db.statement() as tx:
        mark = tx.now()
    resume(bench)
    wait_for(bench, BEGUN.replace("MARK", str(mark)), 1, 60)
    time.sleep(seconds)
    pause(bench)
    wait_for(bench, LEFT_RUNNING, 1, 60)
    with bench.db.statement() as tx:
        row = tx.row(DONE_SINCE, {"mark": mark})
    assert row is not None and row[2]
    return int(row[0]), int(row[1]), int(row[2])


def window_s(session: Session) -> float:
    """Return how long the worker is let at the table at a time (s)."""
    return 0.3 if session.quick else WINDOW_S


def drained(session: Session, large: Bench, empty: Bench, how: str) -> Figure:
    """Measure the drain of either table in turns."""
    jobs = session.some(JOBS)

    def rate(bench: Bench) -> float:
        first, last, done = work_on(bench, window_s(session))
        return done * 1e6 / (last - first)

    def of_empty() -> float:
        session.say(f"the empty table{how}")
        fill(empty, jobs)
        return rate(empty)

    def of_large() -> float:
        session.say(f"the large table{how}")
        return rate(large)

    return of_rounds(
        interleaved(session.rounds, of_empty, of_large), name=f"large table, drain{how}", database=large.kind,
        unit="jobs/s", raw_name="one worker on an empty table", goals=Goals(ratio=0.8),
    )  # fmt: skip


def claimed(session: Session, bench: Bench, how: str) -> Figure:
    """Measure claims of many jobs, which then end."""
    holder = builders.register(bench.db, LEASE_US)
    times = []
    session.say(f"claims{how}")
    resume(bench)
    for _ in range(session.some(CLAIMS)):
        began = time.perf_counter()
        taken = claims.claim(bench.db, claims.Request(holder, {"async": CLAIM}))
        times.append((time.perf_counter() - began) * 1e3)
        ended = [Finished(id=each.call.job_id, attempt=each.call.attempt, status="completed") for each in taken]
        if ended:
            bench.db.run(partial(results.finish, worker=holder, ended=ended))
    pause(bench)
    return Figure(
        name=f"large table, claim of {CLAIM}{how}, p99", database=bench.kind, value=percentile(times, 0.99), unit="ms",
        raw=percentile(times, 0.5), raw_name="the median of the same", goals=Goals(most=10.0),
    )  # fmt: skip


def listed(session: Session, bench: Bench) -> Figure:
    """Measure pages of jobs, by the filter that takes longest."""
    found = {}
    for name, wanted in LISTINGS.items():
        session.say(f"lists: {name}")
        found[name] = percentile([timed(bench, wanted) for _ in range(LISTS)], 0.95)
    worst = max(found, key=lambda name: found[name])
    return Figure(
        name=f"large table, a page of jobs ({worst}), p95", database=bench.kind, value=found[worst], unit="ms",
        goals=Goals(most=100.0),
    )  # fmt: skip


def timed(bench: Bench, wanted: JobFilter) -> float:
    """Return how long one page takes (ms)."""
    began = time.perf_counter()
    bench.db.read(lambda tx: reads.jobs(tx, wanted, limit=50))
    return (time.perf_counter() - began) * 1e3
