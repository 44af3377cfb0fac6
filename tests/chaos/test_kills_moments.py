"""KILL-2, KILL-4: ``kill -9`` at the moments that matter: around a start, around an end, under callers of the API."""

from __future__ import annotations

import asyncio
import os
import random
import shlex
import signal
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.chaos.conftest import Figures
from tests.support.audit import marks
from tests.support.processes import KeptProcess
from tests.support.roles import Roles, kill
from tests.support.service import SECRET, is_ready
from tests.support.waiting import free_port, wait_until

MOMENTS = ("claimed", "started", "ended")
SLOTS = 16
AT_ONCE = 50
LEASE = {"ROTA_LEASE": "8s"}
"""So that only who dies loses it, however busy the machine is."""
RUNNING = "SELECT id, attempt FROM rota_jobs WHERE status = 'running'"

AT_WORK = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle' AND pid <> pg_backend_pid()
"""


def soon(reached: Callable[[], object], what: str) -> None:
    """Wait as ``wait_until``, but look so often that the moment is not over."""
    give_up = time.monotonic() + 60
    while not reached():
        assert time.monotonic() < give_up, what
        time.sleep(0.0005)


def size(path: Path) -> int:
    """How much has been written."""
    return path.stat().st_size if path.exists() else 0


def running(roles: Roles) -> set[tuple[str, int]]:
    """The attempts that are under way, as the database says."""
    return {(job_id, attempt) for job_id, attempt in roles.shop.db.read(lambda tx: tx.rows(RUNNING))}


def die(roles: Roles, worker: KeptProcess, ends: Path, moment: str, dice: random.Random) -> Counter[str]:
    """Kill the worker about a moment of its jobs; return how many it had claimed, started and ended."""
    began, ended = size(roles.marks), size(ends)
    for number in range(2 * SLOTS):
        length = 5.0 if number % 8 == 7 else dice.uniform(0.0, 0.1)  # some are under way whenever it dies
        work = f'test "$ROTA_ATTEMPT" -gt 1 || sleep {length}'
        roles.command(f'{work}; echo "$ROTA_JOB_ID $ROTA_ATTEMPT" >> {shlex.quote(str(ends))}')
    if moment == "claimed":
        soon(lambda: size(roles.marks) > began or running(roles), "a claim")
    elif moment == "started":
        soon(lambda: size(roles.marks) > began, "a start")
    else:
        soon(lambda: size(ends) > ended, "an end")
    time.sleep(dice.choice((0.0, dice.uniform(0.0, 0.03))))
    kill(worker, tree=dice.random() < 0.5)
    if roles.shop.db.dialect == "postgresql":  # the server may still be at what the dead one asked for last
        wait_until(lambda: roles.shop.db.read(lambda tx: tx.value(AT_WORK)) == 0, 60, "the server is at rest")
    met = running(roles)
    over, begun = set(marks(ends)), set(roles.starts())
    return Counter("ended" if one in over else "started" if one in begun else "claimed" for one in met)


@pytest.mark.chaos("KILL-2")
@pytest.mark.timeout(1800)
def test_kill_2_between_two_steps(
    roles: Roles, tmp_path: Path, dice: random.Random, figures: Figures, full_size: bool
) -> None:
    wanted, most = (100, 120) if full_size else (1, 1)
    ends, met, deaths = tmp_path / "ends", Counter[str](), 0
    roles.start("scheduler")
    worker = roles.start("worker", "--concurrency", str(SLOTS), **LEASE)
    while deaths < most and min(met[moment] for moment in MOMENTS) < wanted:
        rarest = min(MOMENTS, key=lambda moment: (met[moment], dice.random()))
        met += die(roles, worker, ends, rarest, dice)
        deaths += 1
        worker.assert_nothing_left()
        worker = roles.begin("worker", "--concurrency", str(SLOTS), **LEASE)
        roles.wait_for_all()
    assert roles.faults() == []
    jobs = [roles.shop.get(job_id) for job_id in roles.ids]
    assert {(job.status, job.attempts_used) for job in jobs} == {("completed", 1)}
    assert max(job.attempt for job in jobs) <= 2, "one death costs one attempt"
    assert met.total() > 0
    again = sum(job.attempt == 2 for job in jobs)
    assert again == met.total()
    figures |= {"jobs": len(jobs), "kills": deaths, "begun again": again, **{name: met[name] for name in MOMENTS}}


class Callers:
    """Enqueue jobs over REST, all at once, each with a key that makes it one job however often it is sent."""

    def __init__(self, port: int, count: int) -> None:
        self.answers: dict[str, set[str]] = {f"key-{number}": set() for number in range(count)}
        """The ids that each key was answered with."""
        self.failures: Counter[str] = Counter()
        self._url = f"http://127.0.0.1:{port}/api/jobs"
        self._strike: tuple[int, Callable[[], None]] | None = None
        self._replies = 0

    def send_all(self, strike: tuple[int, Callable[[], None]] | None = None) -> None:
        """Send what has no answer yet, all at once; after so many replies something befalls the service."""
        self._strike = strike
        asyncio.run(self._send_all([key for key, ids in self.answers.items() if not ids], len(self.answers)))
        if self._strike is not None:
            strike_late = self._strike[1]
            self._strike = None
            strike_late()

    def send_until_answered(self) -> None:
        """Send what has no answer yet, some at a time, until all have one."""
        give_up = time.monotonic() + 120
        while keys := [key for key, ids in self.answers.items() if not ids]:
            assert time.monotonic() < give_up, self.failures
            asyncio.run(self._send_all(keys, AT_ONCE))

    def send_again(self) -> None:
        """Send everything once more."""
        asyncio.run(self._send_all([*self.answers], AT_ONCE))

    @property
    def answered(self) -> int:
        """How many have an answer."""
        return sum(bool(ids) for ids in self.answers.values())

    def _strike_in_time(self) -> None:
        self._replies += 1
        if self._strike is not None and self._replies >= self._strike[0]:
            _, strike = self._strike
            self._strike = None
            strike()

    async def _send_all(self, keys: list[str], at_once: int) -> None:
        headers = {"Authorization": f"Bearer {SECRET}"}
        connector = aiohttp.TCPConnector(limit=at_once, force_close=True)
        timeout = aiohttp.ClientTimeout(total=60)
        async with aiohttp.ClientSession(headers=headers, connector=connector, timeout=timeout) as session:
            await asyncio.gather(*(self._send(session, key) for key in keys))

    async def _send(self, session: aiohttp.ClientSession, key: str) -> None:
        body: dict[str, Any] = {"target": {"kind": "command", "command": ["true"]}, "args": {"key": key}}
        try:
            async with session.post(self._url, json=body, headers={"Idempotency-Key": key}) as answer:
                found = await answer.json()
            if answer.status < 300:
                self.answers[key].add(found["id"])
            else:
                self.failures[str(answer.status)] += 1
            self._strike_in_time()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            self.failures[type(error).__name__] += 1


@pytest.mark.chaos("KILL-4")
@pytest.mark.timeout(1800)
def test_kill_4_the_api_under_callers(roles: Roles, dice: random.Random, figures: Figures, full_size: bool) -> None:
    rounds, count = (5, 1000) if full_size else (1, 60)
    port, before = free_port(), 0
    env = {"ROTA_PORT": str(port), "ROTA_AUTH_SECRET": SECRET}
    callers, failures = Callers(port, 0), Counter[str]()
    for _ in range(rounds):
        api = roles.begin("api", **env)
        wait_until(lambda: is_ready(port), 60, "the API is ready")
        round_ = Callers(port, count)
        round_.send_all((dice.randrange(1, count // 2), partial(os.kill, api.pid, signal.SIGKILL)))
        assert api.wait() == -signal.SIGKILL
        before += round_.answered
        failures += round_.failures
        callers.answers |= {f"{before} {key}": ids for key, ids in round_.answers.items()}
        api = roles.begin("api", **env)
        wait_until(lambda: is_ready(port), 60, "the API is ready")
        round_.send_until_answered()
        round_.send_again()
        assert api.stop() == 0
        stored = roles.shop.db.read(lambda tx: {row[0] for row in tx.rows("SELECT id FROM rota_jobs")})
        for ids in round_.answers.values():
            assert len(ids) == 1, "one key, one job"
        assert {job_id for ids in callers.answers.values() for job_id in ids} == stored
    assert failures or not full_size
    figures |= {"requests": rounds * count, "answered before": before, "broken": failures.total()}
