"""Calls of command targets, and an executor with a recording host around it."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from rota.executor import Call, Outcome
from rota.executors.command import CommandExecutor
from rota.ids import new_id
from tests.support.host import RecordingHost
from tests.support.waiting import wait_until_async


def command_call(*argv: str, args: str = "{}", **fields: Any) -> Call:
    """Return a call of a command (or ``shell=``); a call's own fields go to the call, the others to the target."""
    own: dict[str, Any] = {"job_id": new_id(), "attempt": 1, "type": None, "queue": "default"}
    own |= {"timeout_us": None, "created_at": 0}
    own |= {name: fields.pop(name) for name in list(fields) if name in Call.__struct_fields__}
    target = {"kind": "command", **({"command": argv} if argv else {}), **fields}
    own.setdefault("target", msgspec.json.encode(target).decode())
    return Call(**own, lane="command", args=args)


def python_call(code: str, *argv: str, **fields: Any) -> Call:
    """Return a call that runs Python code."""
    return command_call(sys.executable, "-I", "-S", "-c", code, *argv, **fields)


class Running:
    """A started executor and what it reports."""

    def __init__(self, executor: CommandExecutor, host: RecordingHost) -> None:
        self.executor = executor
        self.host = host

    async def call(self, call: Call, timeout: float = 20) -> Outcome:
        """Run one call and return its outcome, reported exactly once."""
        self.executor.submit([call])
        return await self.outcome(call, timeout)

    async def outcome(self, call: Call, timeout: float = 20) -> Outcome:
        """Wait for the outcome of a call that was submitted."""
        key = (call.job_id, call.attempt)
        await self.host.wait(lambda: key in self.host.outcomes, timeout)
        return self.host.outcome(call)

    async def shell(self, text: str, **fields: Any) -> tuple[Outcome, list[str]]:
        """Run a shell command; return its outcome and what it wrote."""
        call = command_call(shell=text, **fields)
        return await self.call(call), self.output(call)

    def stop(self, call: Call, why: Any = "timeout") -> None:
        """Stop the run of a call."""
        self.executor.stop(call.job_id, call.attempt, why)

    def output(self, call: Call, *streams: str) -> list[str]:
        """Return the lines that the command itself wrote."""
        wanted = streams or ("stdout", "stderr")
        return [line.text for line in self.host.logs[call.job_id, call.attempt] if line.stream in wanted]

    def system(self, call: Call) -> str:
        """Return what Rota says in the log of the call."""
        return "\n".join(self.output(call, "system"))

    async def pids(self, call: Call, count: int) -> list[int]:
        """Wait until the command has written that many process ids, one on a line; return them."""
        await self.host.wait(lambda: len(self.output(call, "stdout")) >= count)
        return [int(text) for text in self.output(call, "stdout")[:count]]


def exists(pid: int) -> bool:
    """Tell whether there is a process, even a zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def all_gone(pids: list[int], timeout: float = 5) -> None:
    """Wait until none of the processes exists, not even as a zombie."""
    await wait_until_async(lambda: not any(map(exists, pids)), timeout, f"the end of {pids}")


@contextlib.asynccontextmanager
async def running(host: RecordingHost | None = None, **options: Any) -> AsyncIterator[Running]:
    """Start an executor with ``options``; close it at the end."""
    executor = CommandExecutor(**options)
    host = host or RecordingHost()
    await executor.start(host)
    try:
        yield Running(executor, host)
    finally:
        await executor.close()
