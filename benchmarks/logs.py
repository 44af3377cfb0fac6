"""What a job costs that writes 10,000 lines a second: the worker and its helper, beside a bare insert of the chunks."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.figure import Figure, Goals
from benchmarks.setting import TICKS, Bench, Session, fill, wait_for, worker
from rota.ids import new_id
from rota.store import logs as log_store
from tests.support import procs

RATE = 10_000
SECONDS = 10.0
PAGE = 1000
SCRIPT = """
import sys, time
began, written = time.monotonic(), 0
while written < {count}:
    due = min({count}, int((time.monotonic() - began) * {rate}))
    sys.stdout.write("".join(f"line {{n:08d}} of a job that has much to tell\\n" for n in range(written, due)))
    sys.stdout.flush()
    written = due
    time.sleep(0.01)
"""
WRITTEN = "SELECT count(*) FROM rota_jobs WHERE status = 'completed'"
LAST = "SELECT id FROM rota_jobs ORDER BY id DESC LIMIT 1"
CHUNKS = "SELECT attempt, first_line, lines, at, body FROM rota_logs WHERE job_id = :id ORDER BY first_line"
RAW = """
INSERT INTO rota_logs (job_id, attempt, first_line, lines, at, body)
VALUES (:job, :attempt, :first_line, :lines, :at, :body)
"""


def run(session: Session) -> Iterator[Figure]:
    """Let a command and a function write, and read the log page by page."""
    seconds = 1.0 if session.quick else SECONDS
    count = int(RATE * seconds)
    script = json.dumps({"kind": "command", "command": [sys.executable, "-c", SCRIPT.format(count=count, rate=RATE)]})
    with session.fresh() as bench, worker(bench) as child:
        writers: tuple[tuple[str, dict[str, Any]], ...] = (
            ("a command", {"type_name": None, "lane": "command", "target": script}),
            ("a function", {"type_name": "chatter", "lane": "sync", "args": json.dumps({"count": count})}),
        )
        for done, (name, job) in enumerate(writers, 1):
            session.say(f"{name} that writes {RATE:,} lines a second")
            before = used(child.pid)
            began = time.monotonic()
            fill(bench, 1, **job)
            wait_for(bench, WRITTEN, done, seconds + 60)
            took = time.monotonic() - began
            cpu = {who: s - before.get(who, 0.0) for who, s in used(child.pid).items()}
            raw = bare(bench, seconds)
            yield Figure(
                name=f"log, {name} of {RATE:,} lines/s, CPU of the worker", database=bench.kind,
                value=100 * cpu["worker"] / took, unit="% of a core", raw=100 * raw / took,
                raw_name="inserting its chunks, one by one", goals=Goals(most=5.0),
            )  # fmt: skip
            yield Figure(
                name=f"log, {name} of {RATE:,} lines/s, CPU of its helper", database=bench.kind,
                value=100 * sum(s for who, s in cpu.items() if who != "worker") / took, unit="% of a core",
            )  # fmt: skip
        yield from paging(session, bench, count)


def used(pid: int) -> dict[str, float]:
    """Return the processor time (s) of the worker, of its runners, and of keepers without the commands themselves."""
    found = {"worker": own_cpu_s(pid)}
    for each in procs.descendants(pid):
        if "rota." in procs.command(each):
            found[str(each)] = own_cpu_s(each)
    return found


def own_cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def bare(bench: Bench, seconds: float) -> float:
    """Insert the chunks of the last job again, as many in a transaction as came together; return the CPU time (s)."""
    with bench.db.statement() as tx:
        rows = tx.rows(CHUNKS, {"id": tx.value(LAST)})
    again = new_id()
    together = max(1, round(len(rows) / (seconds * 10)))
    began = time.process_time()
    for start in range(0, len(rows), together):
        with bench.db.transaction() as tx:
            for attempt, first, lines, at, body in rows[start : start + together]:
                params = {"job": again, "attempt": attempt, "first_line": first, "lines": lines, "at": at, "body": body}
                tx.run(RAW, params)
    return time.process_time() - began


def paging(session: Session, bench: Bench, count: int) -> Iterator[Figure]:
    """Read the first and the last page of the log, and search in it."""
    with bench.db.statement() as tx:
        job_id = tx.value(LAST)
        queries: tuple[tuple[str, dict[str, Any]], ...] = (
            ("the first page", {"limit": PAGE}),
            ("the last page", {"after": count - PAGE, "limit": PAGE}),
            ("a search for a line near its end", {"text": f"line {count - 10:08d}"}),
        )
        for name, query in queries:
            session.say(name)
            began = time.perf_counter()
            after, found = 0, 0
            while not found:
                part = log_store.read(tx, job_id, **{"after": after, **query})
                after, found = part.through, len(part.lines)
                assert not part.complete or found
            took = time.perf_counter() - began
            yield Figure(name=f"log of {count:,} lines, {name}", database=bench.kind, value=took * 1e3, unit="ms")
