"""A worker that is given what misbehaves, all of it at once, and must be as well afterwards as before."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rota.model import Job
from tests.support import procs
from tests.support.processes import KeptProcess
from tests.support.roles import PATIENCE, Roles
from tests.support.waiting import wait_until

MOST_GROWTH = 50 << 20
"""Bytes that the set may cost the worker, at any time."""
GRACE_S = 1.0


@dataclass(frozen=True)
class Case:
    """Something that misbehaves, and what must be said of it.  Texts are patterns, found anywhere."""

    name: str
    target: Mapping[str, Any]
    status: str = "failed"
    error: str = ""
    log: str = ""
    spec: Mapping[str, Any] = field(default_factory=dict)
    check: Callable[[Job], bool] = lambda job: True


class Stage:
    """One worker for a whole set."""

    def __init__(self, roles: Roles, *arguments: str, slots: int, **env: str) -> None:
        self.roles = roles
        self.slots = slots
        self.worker: KeptProcess = roles.start("worker", "--concurrency", str(slots), *arguments, **env)
        self.cases: dict[str, Case] = {}
        self._idle_family = 0

    def warm_up(self) -> None:
        """Run as many commands at once as there are slots, so that everything is loaded that will be."""
        self.all_slots_are_free("before")
        self._peak_before = peak_bytes(self.worker.pid)

    def put(self, cases: Sequence[Case]) -> None:
        """Enqueue all of them."""
        for case in cases:
            self.cases[self.roles.shop.enqueue(dict(case.target), **{"maxAttempts": 1, **case.spec})] = case

    def honest(self, timeout: float = PATIENCE) -> Job:
        """Run an honest command to its end."""
        return self.roles.shop.wait(self.roles.shop.shell("true"), timeout=timeout)

    def wait(self, timeout: float = PATIENCE) -> None:
        """Wait until every case stands as it must."""

        def waiting() -> list[str]:
            return [case.name for job_id, case in self.cases.items() if not self._stands(job_id, case)]

        wait_until(lambda: not waiting(), timeout, lambda: f"the end of {waiting()}")

    def _stands(self, job_id: str, case: Case) -> bool:
        status = self.roles.shop.get(job_id).status
        return status in ("completed", "failed", "cancelled") or status == case.status

    def faults(self, margin_s: float) -> list[str]:
        """Whatever is not true of an outcome, in words; ``margin_s`` is what an end may take beside the grace time."""
        return [fault for job_id, case in self.cases.items() for fault in self._faults(job_id, case, margin_s)]

    def _faults(self, job_id: str, case: Case, margin_s: float) -> list[str]:
        job = self.roles.shop.get(job_id)
        log = "\n".join(self.roles.shop.text(job_id)) if case.log else ""
        found = []
        if job.status != case.status:
            found.append(f"is {job.status}, not {case.status}")
        if not re.search(case.error, job.error or "") or (not case.error and job.error):
            found.append(f"says {job.error!r}, not {case.error!r}")
        if not re.search(case.log, log, re.MULTILINE):
            found.append(f"has {case.log!r} not in its log: …{log[-500:]!r}")
        if not case.check(job):
            found.append(f"has the result {(job.result or '')[:300]!r}")
        if job.timeout_us and job.started_at and job.completed_at:
            took_s = (job.completed_at - job.started_at) / 1e6
            if took_s > job.timeout_us / 1e6 + GRACE_S + margin_s:
                found.append(f"took {took_s:.1f} s")
        return [f"{case.name}: {each}" for each in found]

    def all_slots_are_free(self, what: str = "after") -> None:
        """Run as many commands as there are slots, none of which ends before all of them run."""
        place = self.roles.marks.with_name(what)
        place.mkdir()
        script = f"cd {place}; touch $$; until [ $(ls | wc -l) -ge {self.slots} ]; do sleep 0.1; done"
        for job_id in [self.roles.shop.shell(script) for _ in range(self.slots)]:
            self.roles.shop.wait(job_id)

    def growth_bytes(self) -> int:
        """How much the worker's memory has grown at most since the warm-up."""
        return peak_bytes(self.worker.pid) - self._peak_before

    def strangers(self) -> list[str]:
        """Processes that come of the worker and are not its own, but for those that runners may still have."""
        own = {self.worker.pid, *(pid for pid in procs.descendants(self.worker.pid) if is_ours(pid))}
        own |= {below for pid in own if is_runner(pid) for below in procs.descendants(pid)}
        return [command for pid, command in self.worker.family().items() if pid not in own]

    def assert_well(self, margin_s: float) -> None:
        """Fail unless outcomes are true, slots free, memory flat and no process is left."""
        assert self.worker.exit_code is None, str(self.worker)
        faults = self.faults(margin_s)
        assert not faults, "\n".join(faults)
        self.all_slots_are_free()
        wait_until(lambda: not self.strangers(), 10, lambda: f"the end of {self.strangers()}")
        assert self.growth_bytes() < MOST_GROWTH


def is_ours(pid: int) -> bool:
    """Tell whether a process is a shepherd, a keeper or a runner."""
    return _status(pid).get("Name", "").startswith("rota-") or is_runner(pid)


def is_runner(pid: int) -> bool:
    """Tell whether a process runs functions."""
    return "rota.executors.runner" in procs.command(pid)


def peak_bytes(pid: int) -> int:
    """The most memory that a process ever had."""
    return int(_status(pid)["VmHWM"].split()[0]) << 10


def _status(pid: int) -> dict[str, str]:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {}
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
