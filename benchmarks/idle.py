"""What ``rota up`` costs while there is nothing to do: transactions, processor time and memory of all its processes."""

from __future__ import annotations

import contextlib
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figure import Figure, Goals
from benchmarks.setting import Session, cpu_s, fill, process, wait_for
from benchmarks.statements import counted
from tests.support import procs

SECONDS = 30.0
SETTLE_S = 5.0
WARM_JOBS = 200
"""Run before, so that the memory is that of processes that have worked."""
READY = "SELECT count(*) FROM rota_workers WHERE state = 'running' AND (role <> 'worker' OR types IS NOT NULL)"
PROCESSES = 3
"""api, scheduler, worker"""
DONE = "SELECT count(*) FROM rota_jobs WHERE queue = 'bench' AND status = 'completed'"
WEB = re.compile(r"/(pydantic_core|fastapi)[/.]")
"""FastAPI brings pydantic, whose core is a library that is seen in the memory map."""


def run(session: Session) -> Iterator[Figure]:
    """Start everything, let it work for a moment, and watch it idle."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    seconds, settle_s = (1.5, 1.0) if session.quick else (SECONDS, SETTLE_S)
    with session.fresh() as bench, contextlib.ExitStack() as stack:
        url = bench.environment["ROTA_DATABASE_URL"]
        counter = stack.enter_context(counted(url)) if bench.kind == "postgresql" else None
        env = {"ROTA_DATABASE_URL": counter.url} if counter else {}
        child = stack.enter_context(process(bench, "up", "--port", str(port), "--app", "benchmarks.app:rota", **env))
        wait_for(bench, READY, PROCESSES, 40)
        fill(bench, session.some(WARM_JOBS))
        fill(bench, session.some(WARM_JOBS), type_name="noop_sync", lane="sync")
        wait_for(bench, DONE, 2 * session.some(WARM_JOBS), 40)
        with bench.db.statement() as tx:  # else what counts is that the server tidies up a fresh database
            tx.run("ANALYZE" if bench.kind == "sqlite" else "VACUUM ANALYZE")
        session.say(f"everything, idle for {seconds:.0f} s")
        time.sleep(settle_s)
        before, cpu_before, began = counter.transactions if counter else 0, cpu_s(child.pid), time.monotonic()
        time.sleep(seconds)
        took = time.monotonic() - began
        cpu_ms = (cpu_s(child.pid) - cpu_before) * 1e3 / took
        sent = (counter.transactions - before) / took if counter else None
        worker, runners = parts(child.pid)
        sizes = [pss_mb(pid) for pid in runners]
        web = len(WEB.findall(Path(f"/proc/{worker}/maps").read_text()))
        worker_mb = pss_mb(worker)
    if sent is not None:
        yield Figure(
            name="idle rota up, transactions", database=bench.kind, value=sent, unit="/s", goals=Goals(most=3.0)
        )
    yield Figure(
        name="idle rota up, CPU of all its processes", database=bench.kind, value=cpu_ms, unit="ms/s",
        goals=Goals(most=6.0),
    )  # fmt: skip
    yield Figure(
        name="memory of the worker (PSS)", database=bench.kind, value=worker_mb, unit="MB", goals=Goals(most=60.0)
    )
    yield Figure(
        name="memory of a runner (PSS), the largest", database=bench.kind, value=max(sizes), unit="MB",
        goals=Goals(most=35.0),
    )  # fmt: skip
    yield Figure(
        name="FastAPI or pydantic in the worker", database=bench.kind, value=web, unit="libraries",
        goals=Goals(most=0.0),
    )  # fmt: skip


def parts(pid: int) -> tuple[int, list[int]]:
    """Return the process of the worker, and its runners."""
    commands = {each: procs.command(each) for each in procs.descendants(pid)}
    (worker,) = [each for each, command in commands.items() if re.search(r"\bworker\b", command)]
    return worker, [each for each, command in commands.items() if "rota.executors.runner " in command]


def pss_mb(pid: int) -> float:
    """Return the memory of a process, what it shares with others counted by its share."""
    match = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    assert match is not None
    return int(match[1]) / 1024
