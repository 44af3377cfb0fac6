"""Calls of functions, and an executor with real runner processes around a recording host."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from rota.executor import Call, Outcome
from rota.executors.function import FunctionExecutor
from rota.ids import new_id
from tests.support import function_app
from tests.support.host import RecordingHost
from tests.support.waiting import wait_until_async

ROOT = Path(__file__).parents[2]
APP = "tests.support.function_app:rota"


def function_call(name: str, /, **args: Any) -> Call:
    """Return a call of a function of `tests.support.function_app`, on its own lane."""
    return make_call(name, function_app.rota.jobs[name].lane, json.dumps(args))


def make_call(name: str | None, lane: str, args: str = "{}", **fields: Any) -> Call:
    """Return a call."""
    given: dict[str, Any] = {"attempt": 1, "queue": "test", "target": None, "timeout_us": None, "created_at": 0}
    return Call(job_id=new_id(), type=name, lane=lane, args=args, **given | fields)


def inline_call(function: str, lane: str = "sync", /, **args: Any) -> Call:
    """Return a call whose target names a function."""
    target = json.dumps({"kind": "function", "function": function})
    return make_call(None, lane, json.dumps(args), target=target)


class Functions:
    """A started executor and what it reports."""

    def __init__(self, executor: FunctionExecutor, host: RecordingHost) -> None:
        self.executor = executor
        self.host = host

    async def run(self, call: Call, timeout: float = 20) -> Outcome:
        """Run one call and return its outcome, reported exactly once."""
        self.executor.submit([call])
        return await self.outcome(call, timeout)

    async def outcome(self, call: Call, timeout: float = 20) -> Outcome:
        """Wait for the outcome of a call that was submitted."""
        await self.host.wait(lambda: (call.job_id, call.attempt) in self.host.outcomes, timeout)
        return self.host.outcome(call)

    async def result(self, call: Call) -> Any:
        """Run one call, which must complete; return its result."""
        outcome = await self.run(call)
        assert outcome.kind == "completed", outcome
        return json.loads(outcome.result or "")

    async def begin(self, call: Call, text: str = "waiting") -> None:
        """Submit a call and wait until it has said something."""
        self.executor.submit([call])
        await self.host.wait_text(call, text, 20)

    def stop(self, call: Call, why: Any = "cancel") -> None:
        """Ask a call to end."""
        self.executor.stop(call.job_id, call.attempt, why)


@contextlib.asynccontextmanager
async def running_functions(
    apps: Sequence[str] = (APP,), modules: Sequence[str] = (), **options: Any
) -> AsyncIterator[Functions]:
    """Start an executor; close it at the end."""
    host = RecordingHost()
    executor = FunctionExecutor(apps, modules, **options)
    await executor.start(host)
    try:
        yield Functions(executor, host)
    finally:
        await executor.close()


async def read_marks(path: Path, lines: int = 1) -> list[str]:
    """Wait until a function has left that many marks; return them."""
    await wait_until_async(lambda: path.exists() and path.read_text().count("\n") >= lines, what=f"marks in {path}")
    return path.read_text().splitlines()
