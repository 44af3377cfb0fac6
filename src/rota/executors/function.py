"""Runs Python functions in runner processes, never in the process that holds the leases."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence

from rota.executor import Call, Declared, Host, Line, Outcome, Stop
from rota.executors import runner_telling as telling
from rota.executors.runner import Setup
from rota.executors.runner_call import Limits
from rota.executors.runner_care import Care, Complaints
from rota.executors.runner_frames import Hello
from rota.executors.runner_process import Runner
from rota.executors.runners import AsyncRunners, SyncRunners
from rota.executors.stopping import stopped

KILL_WAIT_S = 1.0
"""How long a call that is to be killed before it has begun may take to be left out."""


class FunctionExecutor:
    """The executor of the lanes ``async`` and ``sync``.

    ``apps`` are ``MODULE:ATTR`` strings of `rota.executors.runner_app.Application`; ``modules`` the packages from
    which a target may name any function.  Without either there is nothing to run, and no lane.
    """

    lanes: Mapping[str, int]

    def __init__(
        self,
        apps: Sequence[str],
        modules: Sequence[str] = (),
        *,
        async_slots: int = 800,
        sync_slots: int | None = None,
        grace_s: float = 20.0,
        limits: Limits | None = None,
        care: Care | None = None,
    ) -> None:
        sync_slots = max(8, 2 * (os.cpu_count() or 1)) if sync_slots is None else sync_slots
        self.lanes = {"async": async_slots, "sync": sync_slots} if apps or modules else {}
        self._setup = Setup(
            lane="",
            socket=-1,
            marker=-1,
            worker_pid=os.getpid(),
            apps=tuple(apps),
            modules=tuple(modules),
            limits=limits or Limits(),
        )
        self._care = care or Care()
        self._grace_s = grace_s
        self._sync_slots = sync_slots
        self._maintenance: asyncio.TimerHandle | None = None
        self._reloading = False
        self._told: tuple[list[Declared], list[str]] = ([], [])

    async def start(self, host: Host) -> None:
        """Begin; calls may be submitted at once, and run when the applications are loaded."""
        self._host = host
        self._loop = asyncio.get_running_loop()
        complaints = Complaints()
        self._async = AsyncRunners(self, self._setup, self._care, complaints)
        self._sync = SyncRunners(self, self._setup, self._care, complaints, self._sync_slots)
        if self.lanes:
            self._async.start()
            self._maintain()

    def submit(self, calls: Sequence[Call]) -> None:
        """Begin calls."""
        many = [call for call in calls if call.lane == "async"]
        if many:
            self._async.submit(many)
        if len(many) < len(calls):
            self._sync.submit([call for call in calls if call.lane != "async"])

    def stop(self, job_id: str, attempt: int, why: Stop) -> None:
        """End a run.

        An async function gets ``CancelledError``, a sync one finds ``ctx.cancelled`` set.  After the grace time its
        runner is killed; other calls of that runner are interrupted.  ``kill`` does so at once.
        """
        waiting = self._sync.take_back(job_id, attempt)
        if waiting is not None:
            self._loop.call_soon(self._host.done, waiting, stopped("it had not begun", begun=False))
            return
        found = self._async.find(job_id, attempt) or self._sync.find(job_id, attempt)
        if found is None:
            return
        runner, number = found
        if number not in runner.stopping:
            runner.stop(number, why)
            self._loop.call_later(self._grace_s, self._kill_if_running, runner, number)
        if why == "kill":
            runner.stopping[number] = why
            # One that has not begun is given the moment in which its runner leaves it out: the others need not suffer.
            pause = 0.0 if number in runner.begun() else min(KILL_WAIT_S, self._grace_s)
            self._loop.call_later(pause, self._kill_if_running, runner, number)

    def reload(self) -> None:
        """Load the applications anew; what runs ends with the code with which it began.

        Files that cannot be loaded change nothing: the runners that are there go on, and it is tried again.
        """
        if self.lanes:
            self._reloading = True
            self._async.reload()

    async def close(self) -> None:
        """End what still runs, at once; it is reported as interrupted, or stopped where that was asked for."""
        if self._maintenance is not None:
            self._maintenance.cancel()
        await asyncio.gather(self._async.close(), self._sync.close())

    def ended(self, call: Call, outcome: Outcome) -> None:
        """Pass on the end of a call."""
        self._host.done(call, outcome)

    def moved(self, call: Call) -> None:
        """Begin a call where a function may block."""
        self._sync.submit([call])

    def lines(self, call: Call, lines: Sequence[Line]) -> None:
        """Pass on output."""
        self._host.lines(call, lines)

    def progress(self, call: Call, value: float | None, message: str | None) -> None:
        """Pass on progress."""
        self._host.progress(call, value, message)

    def full(self, call: Call) -> bool:
        """Ask whether a call says more than can be stored."""
        return self._host.full(call)

    def extend(self, call: Call, extra_us: int) -> None:
        """Pass on that a call asks for more time."""
        self._host.extend(call, extra_us)

    def checkpoint(self, call: Call, value: str) -> None:
        """Pass on what a call has stored for the next attempt."""
        self._host.checkpoint(call, value)

    def loaded(self, hello: Hello) -> None:
        """Pass on what the applications declare, and make ready for it."""
        self._sync.expect(bool(hello.errors))
        if self._reloading and not hello.errors:
            self._reloading = False
            self._sync.reload()
        if any(each.lane == "sync" for each in hello.types):
            self._sync.warm()
        told = (hello.types, hello.schedules)
        if told != self._told:
            self._told = told
            self._host.declared(*told)

    def _kill_if_running(self, runner: Runner, number: int) -> None:
        if number in runner.calls:
            telling.killed(runner, runner.calls[number], runner.stopping[number])
            runner.kill()

    def _maintain(self) -> None:
        self._async.maintain()
        self._sync.maintain()
        self._maintenance = self._loop.call_later(self._care.look_s, self._maintain)
