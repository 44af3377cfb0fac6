"""Jobs of every kind at once, whose targets keep their own books, and the audit of what became of them."""

from __future__ import annotations

import json
import os
import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rota.client import Client, Json
from rota.model import FINAL
from tests.support import procs
from tests.support.processes import KeptProcess
from tests.support.target import Answer, TargetServer
from tests.support.waiting import wait_until

APP = '''
"""The application of this test: its functions note each start, work for a while, and are done."""

import asyncio
import os
import time
from pathlib import Path

from rota import Context, Rota

rota = Rota()


def note(ctx: Context) -> None:
    with open(Path(os.environ["MARKS"]) / "functions", "ab", buffering=0) as file:
        file.write(f"{ctx.job.id} {ctx.attempt}\\n".encode())


@rota.job
async def work_async(ctx: Context, seconds: float) -> int:
    note(ctx)
    await asyncio.sleep(seconds)
    return ctx.attempt


@rota.job
def work_sync(ctx: Context, seconds: float) -> int:
    note(ctx)
    time.sleep(seconds)
    return ctx.attempt
'''


@dataclass
class Load:
    """A mixed load in a folder: commands, HTTP calls, functions of both kinds."""

    folder: Path
    server: TargetServer
    seconds: float
    """How long each job works."""

    def __post_init__(self) -> None:
        (self.folder / "marks").mkdir(parents=True)
        (self.folder / "load_app.py").write_text(APP)
        self.server.answer("/work", Answer(delay=self.seconds))

    @property
    def env(self) -> dict[str, str]:
        """What a service needs to run it."""
        return {"ROTA_APP": "load_app:rota", "MARKS": str(self.folder / "marks")}

    def jobs(self, count: int) -> list[dict[str, Any]]:
        """That many jobs, as many of each kind."""
        mark = shlex.quote(str(self.folder / "marks" / "commands"))
        shell = f'echo "$ROTA_JOB_ID $ROTA_ATTEMPT" >> {mark}; sleep {self.seconds} & wait'
        kinds: list[dict[str, Any]] = [
            {"target": {"kind": "command", "shell": shell}},
            {"target": {"kind": "http", "url": self.server.url("/work")}},
            {"jobType": "work_async", "args": {"seconds": self.seconds}},
            {"jobType": "work_sync", "args": {"seconds": self.seconds}},
        ]
        return [kinds[number % len(kinds)] for number in range(count)]

    def starts(self) -> Counter[tuple[str, int]]:
        """How often each (job, attempt) was started, as the targets saw it."""
        seen = [(body["jobId"], body["attempt"]) for body in (json.loads(r.body) for r in self.server.requests)]
        for path in (self.folder / "marks").iterdir():
            seen += [(job, int(attempt)) for job, attempt in map(str.split, path.read_text().splitlines())]
        return Counter(seen)


def unfinished(client: Client, ids: Iterable[str]) -> set[str]:
    """Which of the jobs have no final status yet."""
    active = {job["id"] for job in client.jobs(status="scheduled,pending,running")}
    return active & set(ids)


def audit(client: Client, load: Load, ids: Sequence[str]) -> list[str]:
    """Compare the jobs with what their targets saw; every fault in words."""
    faults: list[str] = []
    starts = load.starts()
    faults += [f"attempt {attempt} of {job} was started {n} times" for (job, attempt), n in starts.items() if n > 1]
    faults += [f"{job} ran and was never accepted" for job, _ in starts if job not in set(ids)]
    for job_id in ids:
        faults += _audit_one(client.job(job_id), {attempt for job, attempt in starts if job == job_id})
    return faults


def _audit_one(job: Json, seen: set[int]) -> list[str]:
    faults = []
    told = [one["attempt"] for one in job["attempts"]]
    if job["status"] not in FINAL:
        faults.append(f"{job['id']} is {job['status']}")
    if told != list(range(1, job["attempt"] + 1)):
        faults.append(f"{job['id']}: attempts {told}, the last is {job['attempt']}")
    if not seen <= set(told):
        faults.append(f"{job['id']}: targets saw the attempts {sorted(seen)}, told are {told}")
    if job["status"] == "completed" and job["attempt"] not in seen:
        faults.append(f"{job['id']}: completed by attempt {job['attempt']}, targets saw {sorted(seen)}")
    return faults


def role_pids(process: KeptProcess) -> dict[str, int]:
    """The process of each role of a ``rota up``."""
    found = {}
    for pid in procs.children(process.pid):
        words = procs.command(pid).split()
        if "-m" in words and words.index("-m") + 2 < len(words):
            found[words[words.index("-m") + 2]] = pid
    return found


def kill_role(process: KeptProcess, role: str) -> int:
    """``kill -9`` one role; return its process id when it and all that it had started are gone."""
    pid = role_pids(process)[role]
    family = {pid, *procs.descendants(pid)}
    os.kill(pid, 9)
    wait_until(lambda: not any(map(procs.alive, family)), 10, lambda: f"the end of {_alive(family)}")
    return pid


def _alive(pids: Iterable[int]) -> list[str]:
    return [f"{pid} {procs.command(pid)}" for pid in pids if procs.alive(pid)]
