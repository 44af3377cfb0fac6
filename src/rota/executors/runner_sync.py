"""The sync runner: one call at a time, in the main thread.

The main thread, because only there signals, alarms and interrupts reach a function, and some libraries demand it;
the socket is read by the thread of the link.
"""

from __future__ import annotations

import asyncio
import inspect
import queue
import socket
import sys
from collections.abc import Awaitable
from typing import Any

from rota import traces
from rota.executor import Outcome
from rota.executors import runner_frames as frames
from rota.executors.proctree import make_undumpable
from rota.executors.runner_app import Functions, Refused
from rota.executors.runner_call import Limits, RunningCall, bad_arguments
from rota.executors.runner_frames import BEGUN, Work
from rota.executors.runner_link import Link
from rota.executors.runner_output import Only
from rota.executors.stopping import stopped
from rota.traces.here import Only as OnlyTrace


class SyncLane:
    """Runs sync functions."""

    def __init__(self, connection: socket.socket, limits: Limits, marker: memoryview) -> None:
        self._limits = limits
        self._marker = marker
        self._reader = frames.FrameReader()
        self._waiting: queue.SimpleQueue[RunningCall | None] = queue.SimpleQueue()
        self._calls: dict[int, tuple[RunningCall, Work]] = {}
        self._task: asyncio.Task[Any] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        """The loop that functions find, and may leave tasks on."""
        self.link = Link(connection)
        self.link.watch(self._received)

    def run(self, functions: Functions) -> None:
        """Work until the worker says that it is enough."""
        while True:
            call = self._waiting.get()
            if call is None:
                return
            self._execute(call, self._calls[call.number][1], functions)

    def _received(self, data: bytes) -> None:
        """Take frames, in the thread of the link: a stop must arrive while the function runs."""
        for kind, payload in self._reader.feed(data):
            if kind == frames.WORK:
                for work in frames.decode_work(payload):
                    if work.secrets:
                        make_undumpable()  # before what it starts could look
                    call = RunningCall(work, self.link, self._limits)
                    self._calls[call.number] = (call, work)
                    self._waiting.put(call)
            elif kind == frames.STOP:
                for number in frames.decode_numbers(payload):
                    self._stop(number)
            elif kind == frames.DRAIN:
                self._waiting.put(None)

    def _stop(self, number: int) -> None:
        found = self._calls.get(number)
        if found is None:
            return
        found[0].cancelled = True
        task = self._task
        if task is not None:
            task.get_loop().call_soon_threadsafe(task.cancel)

    def _execute(self, call: RunningCall, work: Work, functions: Functions) -> None:
        outcome: Outcome | str
        self._marker[BEGUN] = call.number
        if call.cancelled:
            outcome = stopped("it had not begun")
        else:
            Only.output, OnlyTrace.trace = call.output, call.trace
            streams = sys.stdout, sys.stderr
            with traces.attached(call.trace):
                outcome = self._outcome(call, work, functions)
            sys.stdout, sys.stderr = streams  # what a function puts in their place must not swallow the next one's log
            Only.output = OnlyTrace.trace = None
        call.output.close()
        del self._calls[call.number]
        if isinstance(outcome, str):
            self.link.done(call.number, outcome)
        else:
            self.link.ended(call.number, outcome)
        self.link.flush()

    def _outcome(self, call: RunningCall, work: Work, functions: Functions) -> Outcome | str:
        try:
            function = functions.find(work)
            args, kwargs = call.arguments(function)
        except Refused as refused:
            return refused.outcome
        except Exception as error:  # noqa: BLE001 - a model of the author may raise anything
            return bad_arguments(error)
        try:
            self._offer_loop()
            value: Any = function.function(*args, **kwargs)
            if inspect.isawaitable(value):
                value = asyncio.run(self._awaited(value))
            self._run_what_is_left()
            return call.returned(value)
        except BaseException as error:  # noqa: BLE001 - sys.exit ends the call, not the runner
            return call.raised(error)

    def _offer_loop(self) -> None:
        """Have a loop where a function looks for one (``get_event_loop``); an earlier call may have taken it away."""
        if self._loop is None or self._loop.is_closed():
            self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)

    def _run_what_is_left(self) -> None:
        """Run the tasks that a function left on its loop: the attempt ends when they do."""
        while self._loop is not None and not self._loop.is_closed() and (left := asyncio.all_tasks(self._loop)):
            self._loop.run_until_complete(self._awaited(asyncio.gather(*left)))

    async def _awaited(self, awaitable: Awaitable[Any]) -> Any:
        """Await what an async function returned that was called here."""
        self._task = asyncio.current_task()
        try:
            return await awaitable
        finally:
            self._task = None
