"""Commands below their keepers, beside a bare spawn loop of the same run."""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import time
from collections.abc import Iterator, Sequence

from benchmarks.figure import Figure, Goals, Round, of_rounds
from benchmarks.setting import Session
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

    def checkpoint(self, call: Call, value: str) -> None: ...

    def full(self, call: Call) -> bool:
        return False

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


def run(session: Session) -> Iterator[Figure]:
    """Measure quick commands, one alone, and a flood of output."""
    yield from asyncio.run(Keepers(session).measure())


class Keepers:
    """The executor of commands, with nothing of the engine around it."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._host = CountingHost()
        self._executor = CommandExecutor()

    async def measure(self) -> list[Figure]:
        await self._executor.start(self._host)
        await self._seconds(quick())
        found = [*await self._quick_ones(), await self._alone()]
        if not self._session.quick:
            found += [await self._flood(name, text) for name, text in FLOODS.items()]
        await self._executor.close()
        return found

    async def _seconds(self, calls: list[Call]) -> float:
        began = time.perf_counter()
        wanted = self._host.ended + len(calls)
        self._executor.submit(calls)
        await self._host.wait(wanted)
        return time.perf_counter() - began

    async def _quick_ones(self) -> list[Figure]:
        count = self._session.some(COUNT)
        rounds, cpu_s = [], []
        before = bare(count)
        for _ in range(self._session.rounds):
            self._session.say("quick commands")
            cpu_before = time.process_time()
            rate = count / await self._seconds(quick(count))
            cpu_s.append(time.process_time() - cpu_before)
            self._session.say("bare spawning")
            after = bare(count)
            rounds.append(Round(rate, (before + after) / 2))
            before = after
        return [
            of_rounds(
                rounds, name="commands, quick ones", database="", unit="jobs/s",
                raw_name="spawning them one by one", goals=Goals(ratio=0.6),
            ),
            figure("commands, CPU of the worker for each", statistics.median(cpu_s) / count * 1e6, "µs"),
        ]  # fmt: skip

    async def _alone(self) -> Figure:
        self._session.say("one alone")
        times = [await self._seconds(quick()) for _ in range(self._session.some(ALONE))]
        return figure("commands, one alone, median", statistics.median(times) * 1e3, "ms")

    async def _flood(self, name: str, text: str) -> Figure:
        self._session.say(f"1 GB of {name}")
        kept = self._host.kept
        took = await self._seconds([command(f'{{"kind":"command","shell":"{text}"}}')])
        return figure(f"commands, 1 GB of {name}, {self._host.kept - kept:,} kept", took, "s")


def quick(count: int = 1) -> list[Call]:
    return [command('{"kind":"command","command":["true"]}') for _ in range(count)]


def figure(name: str, value: float, unit: str) -> Figure:
    return Figure(name=name, database="", value=value, unit=unit)
