"""A host that remembers what an executor reports, for the tests of every executor."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

from rota.executor import Call, Declared, Line, Outcome

Key = tuple[str, int]


class RecordingHost:
    """Records outcomes, log lines, progress and declarations by (job id, attempt), and lets a test wait for them."""

    def __init__(self) -> None:
        self.outcomes: dict[Key, Outcome] = {}
        self.order: list[Key] = []
        self.reports: Counter[Key] = Counter()
        self.logs: dict[Key, list[Line]] = defaultdict(list)
        self.progresses: dict[Key, list[tuple[float | None, str | None]]] = defaultdict(list)
        self.checkpoints: dict[Key, list[str]] = defaultdict(list)
        self.extensions: dict[Key, list[int]] = defaultdict(list)
        self.types: dict[str, Declared] = {}
        self.schedules: list[str] = []
        self._changed = asyncio.Event()

    def done(self, call: Call, outcome: Outcome) -> None:
        key = (call.job_id, call.attempt)
        self.outcomes[key] = outcome
        self.order.append(key)
        self.reports[key] += 1
        self._changed.set()

    def lines(self, call: Call, lines: Sequence[Line]) -> None:
        self.logs[call.job_id, call.attempt].extend(lines)
        self._changed.set()

    def full(self, call: Call) -> bool:
        return False

    def progress(self, call: Call, value: float | None, message: str | None) -> None:
        self.progresses[call.job_id, call.attempt].append((value, message))
        self._changed.set()

    def extend(self, call: Call, extra_us: int) -> None:
        self.extensions[call.job_id, call.attempt].append(extra_us)
        self._changed.set()

    def checkpoint(self, call: Call, value: str) -> None:
        self.checkpoints[call.job_id, call.attempt].append(value)
        self._changed.set()

    def declared(self, types: Sequence[Declared], schedules: Sequence[str]) -> None:
        self.types.update((each.name, each) for each in types)
        self.schedules = [*schedules]
        self._changed.set()

    async def wait(self, condition: Callable[[], object], timeout: float = 60.0) -> None:
        """Return as soon as ``condition`` holds; every report makes it look again."""
        async with asyncio.timeout(timeout):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def wait_done(self, n: int, timeout: float = 60.0) -> list[Outcome]:
        """Wait for ``n`` outcomes altogether; return them in the order of their arrival."""
        await self.wait(lambda: len(self.order) >= n, timeout)
        return [self.outcomes[key] for key in self.order]

    async def wait_declared(self, n: int = 1, timeout: float = 60.0) -> None:
        """Wait until ``n`` job types are declared."""
        await self.wait(lambda: len(self.types) >= n, timeout)

    async def wait_text(self, call: Call, text: str, timeout: float = 60.0) -> None:
        """Wait until the log of ``call`` contains ``text``."""
        await self.wait(lambda: text in self.text(call), timeout)

    def outcome(self, call: Call) -> Outcome:
        """Return the outcome of ``call``, which must have been reported exactly once."""
        key = (call.job_id, call.attempt)
        assert self.reports[key] == 1, f"{self.reports[key]} outcomes for {key}"
        return self.outcomes[key]

    def text(self, call: Call) -> str:
        """Return the log of ``call`` as text."""
        return "\n".join(line.text for line in self.logs[call.job_id, call.attempt])
