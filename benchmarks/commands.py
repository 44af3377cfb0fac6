"""Commands below their keepers, beside a bare spawn loop of the same run.  ``python -m benchmarks.commands``."""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import time
from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.setting import Figure
from rota.executor import Call, Declared, Line, Outcome
from rota.executors.command import CommandExecutor
from rota.ids import new_id

COUNT = 1000
ALONE = 200
FLOODS = {
    "short lines": "yes | head -c 1000000000",
    "long lines": f"yes {'x' * 100} | head -c 1000000000",
    "one line": "head -c 1000000000 /dev/zero",
}


class CountingHost:
    """Counts outcomes and lines."""

    def __init__(self) -> None:
        self.ended = 0
        self.kept = 0
        self._wanted = 0
        self._reached = asyncio.Event()

    def done(self, call: Call, outcome: Outcome) -> None:
        self.ended += 1
        if self.ended >= self._wanted:
            self._reached.set()

    def lines(self, call: Call, lines: Sequence[Line]) -> None:
        self.kept += len(lines)

    def progress(self, call: Call, value: float | None, message: str | None) -> None: ...

    def declared(self, types: Sequence[Declared], schedules: Sequence[str]) -> None: ...

    async def wait(self, count: int) -> None:
        """Wait for so many outcomes altogether."""
        self._wanted = count
        if self.ended < count:
            self._reached.clear()
            await self._reached.wait()


def command(target: str) -> Call:
    return Call(new_id(), 1, "command", "default", None, target, "{}", None, 0)


def bare(count: int) -> float:
    """Spawn one after the other, with pipes and a session; return commands a second."""
    began = time.perf_counter()
    for _ in range(count):
        with subprocess.Popen(
            ["true"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        ) as process:
            process.communicate()
    return count / (time.perf_counter() - began)


def run() -> Iterator[Figure]:
    """Measure quick commands, one alone, and a flood of output."""
    yield from asyncio.run(measure())


async def measure() -> list[Figure]:
    host = CountingHost()
    executor = CommandExecutor()
    await executor.start(host)

    async def seconds(calls: list[Call]) -> float:
        began = time.perf_counter()
        wanted = host.ended + len(calls)
        executor.submit(calls)
        await host.wait(wanted)
        return time.perf_counter() - began

    def quick(count: int = 1) -> list[Call]:
        return [command('{"kind":"command","command":["true"]}') for _ in range(count)]

    await seconds(quick())
    raw, rate, cpu_s = 0.0, 0.0, 0.0
    for _ in range(3):
        raw += bare(COUNT) / 3
        cpu_s -= time.process_time()
        rate += COUNT / await seconds(quick(COUNT)) / 3
        cpu_s += time.process_time()
    alone = statistics.median([await seconds(quick()) for _ in range(ALONE)])
    found = [
        figure("commands, quick ones", rate, "/s", raw=raw, raw_name="bare spawning, one by one", goal=0.6),
        figure("commands, CPU of the worker for each", cpu_s / 3 / COUNT * 1e6, "µs"),
        figure("commands, one alone, median", alone * 1e3, "ms"),
    ]
    for name, text in FLOODS.items():
        kept = host.kept
        took = await seconds([command(f'{{"kind":"command","shell":"{text}"}}')])
        found.append(figure(f"commands, 1 GB of {name}, {host.kept - kept:,} lines kept", took, "s"))
    await executor.close()
    return found


def figure(name: str, value: float, unit: str, **fields: Any) -> Figure:
    return Figure(name=name, database="", value=value, unit=unit, **fields)


if __name__ == "__main__":
    for each in run():
        ratio = f"{each.raw_name} {each.raw:,.0f}{each.unit}, ratio {each.ratio:.2f}" if each.raw else ""
        print(f"{each.name:60} {each.value:>10,.2f} {each.unit:3} {ratio}")
