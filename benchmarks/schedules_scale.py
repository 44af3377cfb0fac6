"""Very many schedules: what they cost while nothing is due, how late the due ones are, and a start after a pause."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import msgspec

from benchmarks import lateness
from benchmarks.figure import Figure, Goals
from benchmarks.raw import raw_like
from benchmarks.setting import Bench, Session, cpu_s, process, wait_for, worker
from benchmarks.statements import counted
from rota.actions import schedules
from rota.actions.specs import Caller, ScheduleIn
from rota.model import Schedule
from rota.store.database import columns

COUNT = {"postgresql": 1_000_000, "sqlite": 100_000}
QUICK_COUNT = 2_000
IDLE_S = 30.0
SETTLE_S = 4.0
OVERDUE = 10_000
HOUR_US = 3_600_000_000
YEAR_US = 365 * 24 * HOUR_US

MODEL = "filler"
FILL = f"""
WITH RECURSIVE g(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM g WHERE i < CAST(:n AS bigint))
INSERT INTO rota_schedules ({columns(Schedule.__struct_fields__)})
SELECT {
    columns(
        [
            {"id": "'filler-' || g.i", "next_at": "s.next_at + g.i * CAST(:step AS bigint)"}.get(name, f"s.{name}")
            for name in Schedule.__struct_fields__
        ]
    )
}
FROM rota_schedules s CROSS JOIN g WHERE s.id = '{MODEL}'
"""
# Each of them missed an hour of its minutes.
MAKE_OVERDUE = """
UPDATE rota_schedules SET start_at = NULL, anchor_at = rota_now() - :by - 30000000,
  next_at = rota_now() - :by + 30000000
WHERE id IN (SELECT id FROM rota_schedules WHERE id LIKE 'filler-%' ORDER BY id LIMIT :n)
"""
NONE_OVERDUE = """
SELECT CASE WHEN EXISTS (SELECT 1 FROM rota_schedules WHERE next_at <= (SELECT rota_now()) - 60000000) THEN 0 ELSE 1 END
"""
CAUGHT_UP = "SELECT count(*) FROM rota_occurrences WHERE job_id IS NOT NULL AND schedule_id LIKE 'filler-%'"


def run(session: Session) -> Iterator[Figure]:
    """Fill a database with schedules and measure around them."""
    count = QUICK_COUNT if session.quick else COUNT[session.database]
    with session.fresh() as bench:
        session.say(f"{count:,} schedules")
        fill(bench, count)
        yield from idle(session, bench, count)
        yield from punctual(session, bench, count)
        yield from start(session, bench)


def fill(bench: Bench, count: int) -> None:
    """Store schedules of which none is due for a long time."""
    spec = ScheduleIn(every="1m", start_at=lateness.rfc3339(time.time() + 7 * 86400), job_type="noop")
    bench.db.run(lambda tx: schedules.put(tx, MODEL, spec, Caller(), bench.settings))
    step = YEAR_US // count
    with bench.db.transaction() as tx:
        tx.run(FILL, {"n": count - 1, "step": step})
    with bench.db.statement() as tx:
        tx.run("ANALYZE" if bench.kind == "sqlite" else "VACUUM ANALYZE rota_schedules")


def idle(session: Session, bench: Bench, count: int) -> Iterator[Figure]:
    """Measure a scheduler that has nothing to do."""
    seconds = 1.5 if session.quick else IDLE_S
    session.say(f"an idle scheduler for {seconds:.0f} s")
    url = bench.environment["ROTA_DATABASE_URL"]
    with contextlib.ExitStack() as stack:
        counter = stack.enter_context(counted(url)) if bench.kind == "postgresql" else None
        env = {"ROTA_DATABASE_URL": counter.url} if counter else {}
        child = stack.enter_context(process(bench, "scheduler", **env))
        wait_for(bench, "SELECT count(*) FROM rota_workers WHERE role = 'scheduler' AND state = 'running'", 1, 20)
        time.sleep(0.5 if session.quick else SETTLE_S)
        before, sent, raw_cpu, began = cpu_s(child.pid), counter.count if counter else 0, 0.0, time.monotonic()
        while time.monotonic() - began < seconds:
            raw_cpu += raw_poll(bench)
            time.sleep(1.0)
        took = time.monotonic() - began
        used = (cpu_s(child.pid) - before) / took * 100
        statements = ((counter.count - sent) / took) if counter else None
    of = f"idle scheduler, {count:,} schedules"
    yield Figure(
        name=f"{of}, processor", database=bench.kind, value=used, unit="% of a core", raw=raw_cpu / took * 100,
        raw_name="the least next instant, asked for once a second", goals=Goals(most=1.0),
    )  # fmt: skip
    if statements is not None:
        yield Figure(
            name=f"{of}, statements", database=bench.kind, value=statements, unit="/s", raw=1.0,
            raw_name="the least next instant, asked for once a second", goals=Goals(most=2.0),
        )  # fmt: skip


def raw_poll(bench: Bench) -> float:
    """Ask for the least next instant; return the processor time of it (s)."""
    began = time.thread_time()
    with bench.db.statement() as tx:
        tx.value("SELECT min(next_at) FROM rota_schedules WHERE next_at IS NOT NULL")
    return time.thread_time() - began


class Manner(msgspec.Struct, frozen=True):
    """How schedules are due each second: so many, one so long after the other (s); and the goals of p99 (ms)."""

    name: str
    many: int
    quick: int
    seconds: int
    apart_s: float
    most: dict[str, float]


MANNERS = (
    Manner("due at once, {many:,} of {count:,}", 1_000, 50, 10, 0.0, {"job started": 150.0}),
    Manner("due within a second, {many:,} of {count:,}", 1_000, 50, 10, 0.001, {"job started": 150.0}),
    Manner("one due, of {count:,}", 10, 5, 20, 0.1, {"job created": 10.0}),
)


def punctual(session: Session, bench: Bench, count: int) -> Iterator[Figure]:
    """Measure how late schedules are among the many."""
    with process(bench, "scheduler"), worker(bench):
        wait_for(bench, "SELECT count(*) FROM rota_workers WHERE role = 'scheduler' AND state = 'running'", 1, 20)
        for number, manner in enumerate(MANNERS):
            many, seconds = (manner.quick, 1) if session.quick else (manner.many, manner.seconds)
            name = manner.name.format(many=many, count=count)
            session.say(name)
            rows = lateness.due_together(bench, f"manner{number}", many, seconds, apart_s=manner.apart_s)
            together = 1 if manner.apart_s >= 0.1 else many
            raw = lateness.raw_seconds(session, bench, together)
            yield from lateness.figures(name, bench.kind, rows, raw, together, manner.most)


def start(session: Session, bench: Bench) -> Iterator[Figure]:
    """Measure a start when many schedules have been due for an hour."""
    overdue = 200 if session.quick else OVERDUE
    session.say(f"a start with {overdue:,} overdue schedules")
    with bench.db.transaction() as tx:
        tx.run(MAKE_OVERDUE, {"n": overdue, "by": HOUR_US})
    began = time.monotonic()
    with process(bench, "scheduler"):
        wait_for(bench, NONE_OVERDUE, 1, 120)
        took = time.monotonic() - began
    with bench.db.statement() as tx:
        made = int(tx.value(CAUGHT_UP))
    yield Figure(
        name=f"start, {overdue:,} overdue, until none is", database=bench.kind, value=took, unit="s",
        raw=raw_rows_s(bench, made), raw_name="as many rows of jobs inserted in one statement", goals=Goals(most=10.0),
    )  # fmt: skip
    yield Figure(
        name="start, overdue schedules that ran once", database=bench.kind, value=made, unit="",
        goals=Goals(least=overdue, most=overdue),
    )  # fmt: skip


def raw_rows_s(bench: Bench, count: int) -> float:
    """Insert rows of jobs; return how long it takes (s)."""
    with raw_like(bench, lateness.model_job(bench), queue="raw", status="completed") as raw:
        began = time.monotonic()
        raw.insert_many(count)
        return time.monotonic() - began
