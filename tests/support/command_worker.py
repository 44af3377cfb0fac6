"""A small process that hosts an executor of commands, so that it can be killed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import msgspec

from rota.executor import Call, Declared, Line, Outcome
from rota.executors.command import CommandExecutor
from rota.executors.proctree import make_undumpable

ROOT = Path(__file__).parents[2]


class PrintingHost:
    """Prints every line of output, and how many outcomes there were."""

    def done(self, call: Call, outcome: Outcome) -> None:
        """Print the end."""
        sys.stdout.write(f"outcome {outcome.kind}\n")
        sys.stdout.flush()

    def lines(self, call: Call, lines: Sequence[Line]) -> None:
        """Print the lines."""
        sys.stdout.write("".join(f"{line.text}\n" for line in lines))
        sys.stdout.flush()

    def full(self, call: Call) -> bool:
        """Never."""
        return False

    def progress(self, call: Call, value: float | None, message: str | None) -> None:
        """Print progress."""
        sys.stdout.write(f"progress {value} {message}\n")

    def extend(self, call: Call, extra_us: int) -> None:
        """Print how much time it asks for."""
        sys.stdout.write(f"extend {extra_us}\n")

    def checkpoint(self, call: Call, value: str) -> None:
        """Print a checkpoint."""
        sys.stdout.write(f"checkpoint {value}\n")

    def declared(self, types: Sequence[Declared], schedules: Sequence[str]) -> None:
        """Commands declare nothing."""


class Worker:
    """A started process, with the lines that it has printed."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.seen: list[str] = []

    async def lines_until(self, text: str) -> list[str]:
        """Return all lines printed up to the first that contains ``text``."""
        while not (self.seen and text in self.seen[-1]):
            await self.next_lines(1)
        return self.seen

    async def next_lines(self, count: int) -> list[str]:
        """Return all lines printed up to the next ``count``."""
        assert self.process.stdout is not None
        for _ in range(count):
            line = await asyncio.wait_for(self.process.stdout.readline(), 20)
            assert line, f"the worker ended after {self.seen}"
            self.seen.append(line.decode().rstrip("\n"))
        return self.seen

    async def kill(self) -> None:
        """End it as ``kill -9`` does."""
        self.process.kill()
        await self.process.wait()


@contextlib.asynccontextmanager
async def worker(
    calls: Sequence[Call], env: Mapping[str, str] | None = None, prefix: Sequence[str] = ()
) -> AsyncIterator[Worker]:
    """Start a worker that runs ``calls``, by the command ``prefix``; kill it at the end."""
    process = await asyncio.create_subprocess_exec(
        *prefix,
        *(sys.executable, "-m", "tests.support.command_worker", json.dumps(msgspec.to_builtins(calls))),
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        stdout=asyncio.subprocess.PIPE,
    )
    started = Worker(process)
    try:
        yield started
    finally:
        if process.returncode is None:
            await started.kill()


async def main() -> None:
    """Run the calls given as JSON, and stay."""
    make_undumpable()
    executor = CommandExecutor(slots=50)
    await executor.start(PrintingHost())
    executor.submit(msgspec.convert(json.loads(sys.argv[1]), list[Call]))
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
