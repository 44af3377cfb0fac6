"""The runner processes of a worker: started, kept warm, replaced, ended; and who is to blame when one dies."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from typing import Protocol

from rota.executor import Call, ErrorDetail, Line, Outcome
from rota.executors import runner_telling as telling
from rota.executors import stopping
from rota.executors.runner import Setup
from rota.executors.runner_care import Care, Complaints
from rota.executors.runner_frames import Hello
from rota.executors.runner_process import Runner

_SECOND_US = 1_000_000
_MAX_BACKOFF_S = 60.0
_MAX_DEATHS = 3
_DRAIN_S = 10.0


class Reports(Protocol):
    """What the pools tell the executor."""

    def ended(self, call: Call, outcome: Outcome) -> None:
        """A call has ended."""

    def moved(self, call: Call) -> None:
        """A call on the async lane turned out to be of a sync function."""

    def lines(self, call: Call, lines: Sequence[Line]) -> None:
        """A call has output."""

    def full(self, call: Call) -> bool:
        """Tell whether a call says more than can be stored."""

    def progress(self, call: Call, value: float | None, message: str | None) -> None:
        """A call has progressed."""

    def extend(self, call: Call, extra_us: int) -> None:
        """A call asks for more time."""

    def checkpoint(self, call: Call, value: str) -> None:
        """A call has stored something for the next attempt."""

    def loaded(self, hello: Hello) -> None:
        """The runner that takes the async calls has loaded the applications, perhaps not all."""


class Pool:
    """What both lanes have in common."""

    lane = ""

    def __init__(self, reports: Reports, setup: Setup, care: Care, complaints: Complaints) -> None:
        self.runners: set[Runner] = set()
        self._reports = reports
        self._setup = setup
        self._care = care
        self._loop = asyncio.get_running_loop()
        self._failures = 0
        self._not_before = 0.0
        self._deaths: Counter[str] = Counter()
        self._complaints = complaints
        self._closed = False

    def find(self, job_id: str, attempt: int) -> tuple[Runner, int] | None:
        """Return where a call runs, and its number there."""
        for runner in self.runners:
            for number, call in runner.calls.items():
                if call.job_id == job_id and call.attempt == attempt:
                    return runner, number
        return None

    async def close(self) -> None:
        """End all runners at once; those without work may leave by themselves."""
        self._closed = True
        for runner in self.runners:
            if runner.calls or runner.hello is None:
                runner.kill()
            else:
                runner.drain()
        leaving = [asyncio.ensure_future(runner.gone.wait()) for runner in self.runners]
        if leaving:
            await asyncio.wait(leaving, timeout=1.0)
            for runner in self.runners:
                runner.kill()
            await asyncio.wait(leaving)

    def ended(self, runner: Runner, call: Call, outcome: Outcome) -> None:
        self._reports.ended(call, outcome)
        if runner.draining and not runner.calls:
            self._loop.call_later(_DRAIN_S, runner.kill)

    def moved(self, runner: Runner, call: Call) -> None:
        self._reports.moved(call)

    def lines(self, call: Call, lines: Sequence[Line]) -> None:
        self._reports.lines(call, lines)

    def full(self, call: Call) -> bool:
        return self._reports.full(call)

    def progress(self, call: Call, value: float | None, message: str | None) -> None:
        self._reports.progress(call, value, message)

    def extend(self, call: Call, extra_us: int) -> None:
        self._reports.extend(call, extra_us)

    def checkpoint(self, call: Call, value: str) -> None:
        self._reports.checkpoint(call, value)

    def ready(self, runner: Runner, hello: Hello) -> None:
        telling.started(runner)
        if not hello.errors:
            self._failures = 0
        self._complaints.say(hello.errors)

    def gone(self, runner: Runner, how: str) -> None:
        self.runners.discard(runner)
        if runner.hello is None and not runner.killed:
            self._back_off()
            words = runner.last_words().strip().splitlines()
            self._complaints.say_line(f"a runner ended before it was ready ({how}){': ' + words[-1] if words else ''}")
        elif not runner.was_asked:
            telling.died(runner, how)
        for call, outcome in [*self._settle(runner, how)]:
            self._reports.ended(call, outcome)

    def give_back(self, calls: Sequence[Call]) -> None:
        """Return calls that nobody can take now; they come again when a runner is there."""
        delay_us = int(max(1.0, self._not_before - time.monotonic()) * _SECOND_US)
        detail = ErrorDetail("no-runner", message=self._complaints.last)
        outcome = Outcome("interrupted", error="no runner is ready", detail=detail, delay_us=delay_us, begun=False)
        for call in calls:
            self._loop.call_soon(self._reports.ended, call, outcome)

    def _spawn(self) -> Runner | None:
        """Start a runner; None while that must wait."""
        if self._closed or time.monotonic() < self._not_before:
            return None
        try:
            runner = Runner(self, self.lane, self._setup)
        except OSError as error:
            self._back_off()
            self._complaints.say_line(f"cannot start a runner: {error}")
            return None
        self.runners.add(runner)
        self._loop.call_later(self._care.boot_s, self._boot_overdue, runner)
        return runner

    def _boot_overdue(self, runner: Runner) -> None:
        if runner.hello is None and runner in self.runners and not self._closed:
            apps = ", ".join(self._setup.apps) or "the application"
            self._complaints.say_line(f"{apps} did not load within {self._care.boot_s:g} s")
            self._back_off()
            runner.kill()

    def _retire(self, runner: Runner) -> None:
        """Let a runner finish what it runs, and go."""
        if not runner.draining and (reason := self._worn(runner)):
            telling.recycled(runner, reason)
        runner.drain()
        if not runner.calls:
            self._loop.call_later(_DRAIN_S, runner.kill)

    def _back_off(self) -> None:
        pause = min(self._care.backoff_s * 2**self._failures, _MAX_BACKOFF_S)
        self._failures = min(self._failures + 1, 16)
        self._not_before = time.monotonic() + pause

    def _worn(self, runner: Runner) -> str | None:
        """Return why a runner is to be replaced, though nothing is wrong with it; None when it is not."""
        if runner.taken >= self._care.recycle_jobs:
            return f"it was given {runner.taken} calls"
        resident = runner.resident_bytes() or 0
        return f"it has {resident >> 20} MiB of memory" if resident > self._care.recycle_bytes else None

    def _settle(self, runner: Runner, how: str) -> Iterator[tuple[Call, Outcome]]:
        """Tell what becomes of the calls of a runner that is gone.

        A call that was asked to end has ended.  When the worker ended the process, or it never was ready, nobody is
        to blame.  Else the call whose code was executing failed, and the others start again; if that is not known
        (a thread crashed, somebody killed the process), a call fails when it was there for the third time.
        """
        nobody = runner.killed or runner.hello is None
        culprit = None if nobody else runner.culprit()
        begun = runner.begun()
        suspects = set() if nobody or culprit is not None else begun
        for number, call in runner.calls.items():
            if number in runner.stopping:
                yield call, stopping.killed(runner.stopping[number])
            elif number == culprit or (number in suspects and self._was_there_too_often(call)):
                yield call, _died(runner, how)
            else:
                delay_us = self._delay_us() if runner.hello is None else None
                reason = f"its runner process ended ({how})"
                yield call, Outcome("interrupted", error=reason, delay_us=delay_us, begun=number in begun)
        runner.calls.clear()

    def _was_there_too_often(self, call: Call) -> bool:
        if len(self._deaths) > 10_000:
            self._deaths.clear()
        self._deaths[call.job_id] += 1
        if self._deaths[call.job_id] < _MAX_DEATHS:
            return False
        del self._deaths[call.job_id]
        return True

    def _delay_us(self) -> int:
        return int(max(self._care.backoff_s, self._not_before - time.monotonic()) * _SECOND_US)


class AsyncRunners(Pool):
    """The async lane: one runner takes all calls; its successor is ready before it goes."""

    lane = "async"

    def __init__(self, reports: Reports, setup: Setup, care: Care, complaints: Complaints) -> None:
        super().__init__(reports, setup, care, complaints)
        self._current: Runner | None = None
        self._successor: Runner | None = None

    def start(self) -> None:
        """Start the runner, which also tells what the applications declare."""
        self._current = self._spawn()
        if self._current is None:
            self._try_again()

    def submit(self, calls: Sequence[Call]) -> None:
        """Begin calls."""
        if self._current is None or self._closed:
            self.give_back(calls)
            return
        self._current.begin(calls)
        if self._current.taken >= self._care.recycle_jobs:
            self._replace()

    def maintain(self) -> None:
        """Replace the runner when it is worn."""
        if self._current is not None and self._worn(self._current):
            self._replace()

    def reload(self) -> None:
        """Load the applications anew: the runner that is there finishes what it runs."""
        self._failures, self._not_before = 0, 0.0
        loading, self._successor = self._successor, None
        if loading is not None:  # perhaps it has read the old files
            loading.kill()
        if self._current is None:
            self._start_if_none()
        else:
            self._replace()

    def ready(self, runner: Runner, hello: Hello) -> None:
        old = self._current
        if runner is self._successor:
            self._successor = None
            if old is not None and old.hello is not None and _worse(hello, old.hello):
                self._complaints.say(hello.errors)
                runner.kill()
                self._back_off()
                self._refresh_later()
                return
            self._current = runner
            if old is not None:
                self._retire(old)
        super().ready(runner, hello)
        self._reports.loaded(hello)
        if hello.errors:
            self._back_off()
            self._refresh_later()

    def gone(self, runner: Runner, how: str) -> None:
        super().gone(runner, how)
        if self._closed:
            return
        if runner is self._successor:
            self._successor = None
            self._refresh_later()
        elif runner is self._current:
            self._current, self._successor = self._successor, None
            if self._current is None:
                self.start()

    def _replace(self) -> None:
        if self._successor is None:
            self._successor = self._spawn()

    def _refresh_later(self) -> None:
        """Try to load the applications anew, in a fresh process: perhaps they are mended."""
        self._loop.call_later(self._not_before - time.monotonic() + 0.01, self._replace)

    def _try_again(self) -> None:
        if not self._closed:
            self._loop.call_later(max(0.01, self._not_before - time.monotonic() + 0.01), self._start_if_none)

    def _start_if_none(self) -> None:
        if self._current is None and not self._closed:
            self.start()


class SyncRunners(Pool):
    """The sync lane: a runner for each call that runs, at most ``slots``; others wait in order."""

    lane = "sync"

    def __init__(self, reports: Reports, setup: Setup, care: Care, complaints: Complaints, slots: int) -> None:
        super().__init__(reports, setup, care, complaints)
        self._slots = slots
        self._expects_errors = False
        self._idle: list[Runner] = []
        self._outdated: set[Runner] = set()
        """Runners that have loaded files which have changed since."""
        self._waiting: deque[Call] = deque()

    def warm(self) -> None:
        """Have a runner ready for the first call."""
        if not self.runners:
            runner = self._spawn()
            if runner is not None:
                self._idle.append(runner)

    def submit(self, calls: Sequence[Call]) -> None:
        """Begin calls, as far as there are runners."""
        if self._closed:
            self.give_back(calls)
            return
        self._waiting.extend(calls)
        self._serve()

    def take_back(self, job_id: str, attempt: int) -> Call | None:
        """Return a call that still waits, which then is not begun."""
        for call in self._waiting:
            if call.job_id == job_id and call.attempt == attempt:
                self._waiting.remove(call)
                return call
        return None

    def expect(self, errors: bool) -> None:
        """Learn whether the applications load just now; if so, runners in which they did not are replaced."""
        self._expects_errors = errors
        if not errors:
            self._failures, self._not_before = 0, 0.0
        for runner in [*self._idle]:
            if self._broken(runner):
                self._idle.remove(runner)
                self._retire(runner)

    def reload(self) -> None:
        """Replace the runners, each when it has ended what it runs."""
        self._failures, self._not_before = 0, 0.0
        self._outdated = set(self.runners)
        for runner in [*self._idle]:
            self._idle.remove(runner)
            self._retire(runner)

    def maintain(self) -> None:
        """Send away what is worn, and what has had no work for long."""
        old = time.monotonic() - self._care.idle_s
        for runner in [*self._idle]:
            if self._worn(runner) or (runner.idle_since < old and len(self._idle) > 1):
                self._idle.remove(runner)
                self._retire(runner)

    async def close(self) -> None:
        self._closed = True
        for call in self._waiting:
            self._reports.ended(call, Outcome("interrupted", begun=False))
        self._waiting.clear()
        await super().close()

    def ended(self, runner: Runner, call: Call, outcome: Outcome) -> None:
        super().ended(runner, call, outcome)
        self._free(runner)
        self._serve()

    def ready(self, runner: Runner, hello: Hello) -> None:
        if not self._expects_errors:  # else the async lane has said it
            super().ready(runner, hello)

    def gone(self, runner: Runner, how: str) -> None:
        super().gone(runner, how)
        self._outdated.discard(runner)
        if runner in self._idle:
            self._idle.remove(runner)
        self._serve()

    def _broken(self, runner: Runner) -> bool:
        return runner.hello is not None and bool(runner.hello.errors) and not self._expects_errors

    def _free(self, runner: Runner) -> None:
        worn = runner.taken >= self._care.recycle_jobs or runner in self._outdated
        if worn or runner.draining or runner.killed or self._broken(runner):
            self._retire(runner)
            return
        runner.idle_since = time.monotonic()
        self._idle.append(runner)

    def _serve(self) -> None:
        while self._waiting and not self._closed:
            if self._idle:
                runner: Runner | None = self._idle.pop()
            elif sum(not each.draining for each in self.runners) < self._slots:
                runner = self._spawn()
            else:
                return
            if runner is None:
                calls = [*self._waiting]
                self._waiting.clear()
                self.give_back(calls)
                return
            runner.begin([self._waiting.popleft()])


def _worse(new: Hello, old: Hello) -> bool:
    """Tell whether a fresh runner knows less than the one that works."""
    return len(new.errors) > len(old.errors) or (bool(new.errors) and new.errors == old.errors)


def _died(runner: Runner, how: str) -> Outcome:
    line = f"the runner process died: {how}"
    detail = ErrorDetail("runner-died", message=line, trace=runner.last_words() or None)
    return Outcome("failed", error=line, detail=detail)
