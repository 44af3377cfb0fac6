"""A worker with real executors in a thread of this process, and jobs for it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from rota.actions import jobs as actions
from rota.actions.decoding import convert
from rota.actions.specs import Caller, JobIn
from rota.engine.janitor import Janitor
from rota.engine.loading import load_executors
from rota.engine.loop import Loop, stop_all
from rota.engine.mover import Mover
from rota.engine.wakeups import Wakeups
from rota.engine.worker import Worker
from rota.executor import Executor
from rota.model import Attempt, Job
from rota.settings import Settings
from rota.store import jobs, logs, workers
from rota.store.database import Database
from rota.store.opening import open_database
from tests.engine.scheduling import settings_of
from tests.support.waiting import wait_until

APP = "tests.support.function_app:rota"
ANN = Caller("ann")
PATIENCE = 60.0


class HandTime:
    """What some modules of the engine take for ``time``: its monotonic clock stands still but for who turns it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
        """``modules`` by their names below ``rota.engine``."""
        self.now = time.monotonic()
        for module in modules:
            monkeypatch.setattr(f"rota.engine.{module}.time", self)

    def monotonic(self) -> float:
        """What the clock shows (s)."""
        return self.now

    def turn(self, seconds: float) -> None:
        """Let so much time pass."""
        self.now += seconds


class Shop:
    """A database, with workers, a mover and a janitor around it."""

    def __init__(self, db: Database, url: str) -> None:
        self.db = db
        self.url = url

    def settings(self, **given: Any) -> Settings:
        """Settings with a short grace, and a lease that no load makes anybody lose."""
        fields = {"lease": "10m", "grace": "500ms", "executors": "http,command", "log_level": "info"}
        return settings_of(self.url, **{**fields, **given})

    def enqueue(self, target: dict[str, Any] | None = None, **spec: Any) -> str:
        """Enqueue a job as a user does; its id."""
        given = convert({**({"target": target} if target else {}), **spec}, JobIn)
        settings = settings_of("sqlite:///unused.db", function_modules="tests.support")
        return self.db.run(lambda tx: actions.enqueue(tx, [given], ANN, settings))[0].id

    def shell(self, script: str, **spec: Any) -> str:
        """Enqueue a command."""
        return self.enqueue({"kind": "command", "shell": script}, **spec)

    def call(self, name: str, args: dict[str, Any] | None = None, **spec: Any) -> str:
        """Enqueue a function of the test application, by name; its type must be declared."""
        return self.enqueue(jobType=name, args=args or {}, **spec)

    def cancel(self, job_id: str, *, force: bool = False) -> None:
        """Cancel a job as a user does."""
        self.db.run(lambda tx: actions.cancel(tx, job_id, ANN, force=force))

    def get(self, job_id: str) -> Job:
        """A job that is there."""
        found = self.db.read(lambda tx: jobs.get(tx, job_id))
        assert found is not None
        return found

    def wait(self, job_id: str, *statuses: str, timeout: float = PATIENCE) -> Job:
        """Wait until a job has one of these statuses; ``completed`` unless told otherwise."""
        wanted = statuses or ("completed",)

        def reached() -> Job | None:
            job = self.get(job_id)
            return job if job.status in wanted else None

        found = wait_until(reached, timeout, lambda: f"{' or '.join(wanted)}: {self.get(job_id)} {self.text(job_id)}")
        assert found is not None
        return found

    def wait_text(self, job_id: str, text: str, timeout: float = PATIENCE) -> None:
        """Wait until a line of a job's log is this."""
        wait_until(lambda: text in self.text(job_id), timeout, lambda: f"{text!r} among {self.text(job_id)}")

    def attempts(self, job_id: str) -> list[Attempt]:
        """The starts of a job but its last."""
        return self.db.read(lambda tx: jobs.attempts(tx, job_id))

    def outcomes(self, job_id: str) -> list[str]:
        """How the starts of a job ended, but its last."""
        return [one.outcome for one in self.attempts(job_id)]

    def text(self, job_id: str, *streams: str) -> list[str]:
        """The lines of a job's log, of these streams or of all."""
        found = self.db.read(lambda tx: logs.lines(tx, job_id, limit=100_000))
        return [line["text"] for line in found if not streams or line["stream"] in streams]

    def types(self) -> set[str]:
        """The declared job types of which a living worker has the code."""
        found: set[str] = set()
        for worker in self.db.read(workers.living):
            found |= set(json.loads(worker.types or "[]"))
        return found

    def worker_states(self) -> list[str]:
        """The states of all workers, the first registered first."""
        rows = self.db.read(lambda tx: tx.rows("SELECT state FROM rota_workers WHERE role = 'worker' ORDER BY id"))
        return [row[0] for row in rows]

    def count(self, status: str, ids: Sequence[str] | None = None) -> int:
        """How many jobs, of these or of all, have a status."""
        rows = self.db.read(lambda tx: tx.rows("SELECT id FROM rota_jobs WHERE status = :status", {"status": status}))
        return len([row for row in rows if ids is None or row[0] in ids])

    def result(self, job_id: str) -> Any:
        """The result of a job, which must complete."""
        return json.loads(self.wait(job_id).result or "null")


class RunningWorker:
    """A worker on an event loop in a thread of its own."""

    def __init__(self, shop: Shop, settings: Settings, made: Sequence[Executor], apps: Sequence[str]) -> None:
        self.db = open_database(settings.database_url)
        self.worker = Worker(self.db, settings, made or load_executors(settings, apps))
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="test-worker")
        self._thread.start()
        assert self._ready.wait(PATIENCE)

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop, self._stop_now = asyncio.Event(), asyncio.Event()
        self._ready.set()
        await self.worker.run(self._stop, self._stop_now)

    def do(self, action: Any) -> None:
        """Have something called on the worker's event loop."""
        self._loop.call_soon_threadsafe(action)

    def stop(self, *, now: bool = False) -> None:
        """Ask it to drain, or to end at once."""
        self.do(self._stop.set)
        if now:
            self.do(self._stop_now.set)

    def join(self, timeout: float = PATIENCE) -> None:
        """Wait for its end."""
        self._thread.join(timeout)
        assert not self._thread.is_alive(), "the worker does not end"
        self.db.close()

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._thread.is_alive()


@contextlib.contextmanager
def working(
    shop: Shop, *, made: Sequence[Executor] = (), apps: Sequence[str] = (), **given: Any
) -> Iterator[RunningWorker]:
    """A worker that runs until the end of the block; with ``apps`` it has their functions.

    ``made`` are its executors; without them it has those that the settings name.
    """
    if apps:
        given.setdefault("executors", "function")
    running = RunningWorker(shop, shop.settings(**given), made, apps)
    try:
        yield running
    finally:
        if running.alive:
            running.stop(now=True)
        running.join()


@contextlib.contextmanager
def looked_after(shop: Shop) -> Iterator[None]:
    """A mover, and a janitor that looks as often as it does where leases are short."""
    mover = Mover(shop.db)
    loops: list[Loop] = [mover, Janitor(shop.db, shop.settings(lease="2s")), Wakeups(shop.db, {"due": [mover.wake]})]
    for loop in loops:
        loop.start()
    try:
        yield
    finally:
        assert stop_all(loops, 10) == []
