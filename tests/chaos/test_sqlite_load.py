"""S-1: one SQLite file, an API, a scheduler, workers, and a stranger who reads for a long while."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import aiohttp
import pytest

from rota.store import journal
from tests.chaos.conftest import Figures
from tests.engine.scheduling import put
from tests.support.roles import Roles, end_schedules
from tests.support.service import SECRET, is_ready
from tests.support.waiting import free_port, wait_until

MIB = 1024 * 1024
AT_ONCE = 32


class Callers:
    """Enqueue jobs over REST at a steady rate until they are told to end; what is refused is counted by its reason."""

    def __init__(self, port: int, target: str, per_second: float) -> None:
        self.accepted: list[str] = []
        self.refused: Counter[str] = Counter()
        self.slowest = 0.0
        self._url = f"http://127.0.0.1:{port}/api/jobs"
        self._body = {"target": {"kind": "http", "url": target}}
        self._pause = 1 / per_second
        self._numbers = count()
        self._ended = threading.Event()

    @contextmanager
    def calling(self) -> Iterator[None]:
        """Call until the end of the block."""
        thread = threading.Thread(target=lambda: asyncio.run(self._call_all()))
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join(60)

    async def _call_all(self) -> None:
        began = time.monotonic()
        headers, timeout = {"Authorization": f"Bearer {SECRET}"}, aiohttp.ClientTimeout(total=30)
        async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
            await asyncio.gather(*(self._call(session, began) for _ in range(AT_ONCE)))

    async def _call(self, session: aiohttp.ClientSession, began: float) -> None:
        while not self._ended.is_set():
            due = began + next(self._numbers) * self._pause
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            asked = time.monotonic()
            async with session.post(self._url, json=self._body) as answer:
                found = await answer.json()
            self.slowest = max(self.slowest, time.monotonic() - asked)
            if answer.status == 201:
                self.accepted.append(found["id"])
            else:
                self.refused[f"{answer.status} {found.get('detail')}"] += 1


def read_for(path: str, seconds: float) -> tuple[int, int]:
    """Read as a stranger, in one transaction; return how large the journal was before and at its end."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=10)
    before = journal.size(path)
    connection.execute("BEGIN")
    connection.execute("SELECT count(*) FROM rota_jobs").fetchall()
    time.sleep(seconds)
    largest = journal.size(path)
    connection.execute("SELECT count(*) FROM rota_jobs").fetchall()
    connection.execute("COMMIT")
    connection.close()
    return before, largest


@pytest.mark.chaos("S-1")
@pytest.mark.timeout(900)
def test_s_1_a_stranger_reads(lite_roles: Roles, figures: Figures, full_size: bool) -> None:
    roles, port = lite_roles, free_port()
    rate, workers, reads_s, beside_s = (200.0, 4, 10.0, 20.0) if full_size else (40.0, 1, 1.0, 0.5)
    path = roles.shop.db.url.path or ""
    env = {"ROTA_PORT": str(port), "ROTA_AUTH_SECRET": SECRET, "ROTA_LEASE": "30s", "ROTA_GRACE": "10s"}
    processes = [roles.begin(role, **env) for role in ("api", "scheduler", *["worker"] * workers)]
    for number in range(20):
        put(roles.shop.db, f"s{number}", every="1s", overlap="allow", target={"kind": "command", "command": ["true"]})
    wait_until(lambda: is_ready(port), 60, "the API is ready")
    for process, role in zip(processes[1:], ("scheduler", *["worker"] * workers), strict=True):
        process.wait_for_output(f'"event":"{role}/started"')
    callers = Callers(port, roles.target("/job"), rate)
    with callers.calling():
        time.sleep(beside_s)
        before, largest = read_for(path, reads_s)
        if full_size:
            time.sleep(10.0)
            after = journal.size(path)
            assert after <= 64 * MIB, "it does not grow any more once nobody reads"
            figures["WAL 10 s after MiB"] = after / MIB
    roles.ids += callers.accepted
    end_schedules(roles.shop)
    roles.wait_for_all(180)
    for process in processes:
        process.send(signal.SIGTERM)
    for process in processes:
        assert process.wait() == 0
        for word in ("locked", "database/lost", "loop/failed", "Traceback"):
            assert word not in process.stderr, process.stderr[-3000:]
    assert callers.refused == Counter()
    assert roles.faults() == []
    figures |= {
        "jobs": len(callers.accepted), "slowest answer s": callers.slowest, "WAL before MiB": before / MIB,
        "WAL while it reads MiB": largest / MIB,
    }  # fmt: skip
