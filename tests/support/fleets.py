"""Real workers of RQ and Celery, and calls that are handed to them."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec

from rota.executor import Call
from rota.executors.handoff import HandoffExecutor, Trade, celery_trade, rq_trade
from rota.executors.handoff_broker import Brokers
from rota.ids import new_id
from tests.support.host import RecordingHost
from tests.support.processes import ROOT, KeptProcess

JOBS = "tests.support.fleet_jobs"
SECOND = 1_000_000


def rq_worker(redis_url: str, directory: Path, *queues: str, simple: bool = False) -> KeptProcess:
    """Start ``rq worker`` and wait until it listens."""
    kind = ("--worker-class", "rq.worker.SimpleWorker") if simple else ()
    worker = _start(directory, "rq", "worker", "--url", redis_url, *kind, *queues)
    worker.wait_for_output("Listening on")
    return worker


def celery_worker(redis_url: str, directory: Path, queue: str, *, pool: str = "solo") -> KeptProcess:
    """Start ``celery worker`` and wait until it is ready."""
    options = (
        "--pool",
        pool,
        "--concurrency",
        "1",
        "-Q",
        queue,
        "-n",
        f"{queue}@fleet",
        "-l",
        "INFO",
        "--without-mingle",
    )
    worker = _start(directory, "celery", "-A", JOBS, "worker", *options, redis=redis_url)
    worker.wait_for_output("ready.")
    return worker


def _start(directory: Path, program: str, *arguments: str, redis: str = "") -> KeptProcess:
    directory.mkdir(parents=True, exist_ok=True)
    env = {"PYTHONPATH": str(ROOT), "FLEET_REDIS": redis}
    return KeptProcess(str(Path(sys.executable).with_name(program)), *arguments, directory=directory, env=env)


class Fleet:
    """A started executor for one of the two, and calls for it."""

    def __init__(self, executor: HandoffExecutor[Any], host: RecordingHost, target: dict[str, Any]) -> None:
        self.executor = executor
        self.host = host
        self._target = target

    def call(self, function: str, *args: Any, target: dict[str, Any] | None = None, **fields: Any) -> Call:
        """Return a call of a function of `fleet_jobs`; a single dict is its arguments by name."""
        name = "function" if self._target["kind"] == "rq" else "task"
        document = {**self._target, name: f"{JOBS}.{function}", **(target or {})}
        given = args[0] if len(args) == 1 and isinstance(args[0], dict) else list(args)
        usual: dict[str, Any] = {
            "job_id": new_id(),
            "attempt": 1,
            "timeout_us": 60 * SECOND,
            "created_at": 0,
            "queue": "default",
        }
        return Call(
            type=None,
            lane=document["kind"],
            target=msgspec.json.encode(document).decode(),
            args=msgspec.json.encode(given).decode(),
            **usual | fields,
        )

    async def run(self, *calls: Call, timeout: float = 20) -> None:
        """Submit calls and wait for the end of all."""
        self.executor.submit(calls)
        await self.ended(*calls, timeout=timeout)

    async def ended(self, *calls: Call, timeout: float = 20) -> None:
        """Wait for the end of calls."""
        keys = {(call.job_id, call.attempt) for call in calls}
        await self.host.wait(lambda: keys <= self.host.outcomes.keys(), timeout)


@contextlib.asynccontextmanager
async def handing(trade: Trade[Any], target: dict[str, Any], **options: Any) -> AsyncIterator[Fleet]:
    """A started executor; closed afterwards."""
    executor: HandoffExecutor[Any] = HandoffExecutor(trade, **{"grace_s": 10.0, **options})
    host = RecordingHost()
    await executor.start(host)
    try:
        yield Fleet(executor, host, target)
    finally:
        await executor.close()


def to_rq(redis_url: str, **options: Any) -> contextlib.AbstractAsyncContextManager[Fleet]:
    """An executor that hands to RQ workers."""
    trade = rq_trade(Brokers(rq_url=redis_url), max_bytes=1 << 20, max_depth=64)
    return handing(trade, {"kind": "rq"}, **options)


def to_celery(redis_url: str, **options: Any) -> contextlib.AbstractAsyncContextManager[Fleet]:
    """An executor that hands to Celery workers."""
    brokers = Brokers(celery_broker_url=redis_url, celery_backend_url=redis_url)
    return handing(celery_trade(brokers, max_bytes=1 << 20, max_depth=64), {"kind": "celery"}, **options)


def next_attempt(call: Call, *, began_with: int | None = None) -> Call:
    """Return the attempt after this one, which goes on with its work unless told otherwise."""
    began = call.began_with if began_with is None else began_with
    return msgspec.structs.replace(call, attempt=call.attempt + 1, began_with=began)
