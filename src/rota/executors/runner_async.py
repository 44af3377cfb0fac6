"""The async runner: many calls at once on one event loop, a task for each."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any

from rota import traces
from rota.executor import Outcome
from rota.executors import runner_frames as frames
from rota.executors.proctree import make_undumpable
from rota.executors.runner_app import Functions, Refused
from rota.executors.runner_call import Limits, RunningCall, bad_arguments
from rota.executors.runner_frames import BEGUN, EXECUTING, Work
from rota.executors.runner_life import end_group
from rota.executors.runner_link import Link
from rota.executors.runner_output import current

_READ = 256 * 1024
_log = logging.getLogger("rota.runner")


class AsyncLane:
    """Runs async functions.

    ``marker`` is memory that the worker can read when this process is dead.  It names the call whose code executes,
    set for each step of a task and cleared after it, so that of many calls the one that called ``os._exit`` or
    crashed the interpreter is known.
    """

    def __init__(self, link: Link, functions: Functions, limits: Limits, marker: memoryview) -> None:
        self._link = link
        self._functions = functions
        self._limits = limits
        self._marker = marker
        self._loop = asyncio.new_event_loop()
        self._reader = frames.FrameReader()
        self._running: dict[int, tuple[RunningCall, asyncio.Task[None]]] = {}
        self._flush_due = False
        self._draining = False

    def run(self) -> None:
        """Work until the worker says that it is enough."""
        asyncio.set_event_loop(self._loop)
        self._loop.add_reader(self._link.socket, self._readable)
        while not self._draining or self._running:
            try:
                self._loop.run_forever()
            except (SystemExit, KeyboardInterrupt) as error:
                # Out of a task or callback that a function left behind; the loop has stopped and can go on.
                _log.warning("%s in a background task or callback", type(error).__name__)
        self._loop.remove_reader(self._link.socket)
        with contextlib.suppress(Exception):
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._link.flush()

    def _readable(self) -> None:
        try:
            data = self._link.socket.recv(_READ)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            end_group()
        try:
            found = self._reader.feed(data)
        except frames.FrameError:  # somebody else wrote to the socket
            end_group()
        for kind, payload in found:
            if kind == frames.WORK:
                for work in frames.decode_work(payload):
                    self._begin(work)
            elif kind == frames.STOP:
                for number in frames.decode_numbers(payload):
                    self._stop(number)
            elif kind == frames.DRAIN:
                self._draining = True
                self._leave_if_done()

    def _begin(self, work: Work) -> None:
        if work.secrets:
            make_undumpable()  # before what it starts could look
        call = RunningCall(work, self._link, self._limits)
        self._marker[EXECUTING] = self._marker[BEGUN] = call.number
        try:
            function = self._functions.find(work)
            if function.lane == "sync":
                # It would hold up all others here.
                self._link.moved(call.number)
                self._flush_soon()
                return
            args, kwargs = call.arguments(function)
        except Refused as refused:
            self._end(call, refused.outcome)
        except Exception as error:  # noqa: BLE001 - a model of the author may raise anything
            self._end(call, bad_arguments(error))
        else:
            task = self._loop.create_task(self._execute(call, function.function, args, kwargs))
            if not task.done():  # an eager task factory of the application has run it already
                self._running[call.number] = (call, task)
        finally:
            self._marker[EXECUTING] = 0

    async def _execute(
        self, call: RunningCall, function: Callable[..., Awaitable[Any]], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        current.set(call.output)
        call.begun = True
        outcome: Outcome | str
        try:
            if call.cancelled:
                raise asyncio.CancelledError
            with traces.attached(call.trace):
                outcome = call.returned(await _marked(function(*args, **kwargs), call.number, self._marker))
        except BaseException as error:  # noqa: BLE001 - sys.exit and cancellation end the call, not the runner
            outcome = call.raised(error)
        self._end(call, outcome)

    def _stop(self, number: int) -> None:
        found = self._running.get(number)
        if found is None:
            return
        call, task = found
        call.cancelled = True
        # A task that is cancelled before its first step never runs, and so would never report.
        if call.begun:
            task.cancel()

    def _end(self, call: RunningCall, outcome: Outcome | str) -> None:
        call.output.close()
        if isinstance(outcome, str):
            self._link.done(call.number, outcome)
        else:
            self._link.ended(call.number, outcome)
        self._running.pop(call.number, None)
        self._flush_soon()
        if self._draining:
            self._leave_if_done()

    def _flush_soon(self) -> None:
        """Send at the end of this turn of the loop: what ends together travels together."""
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_due = False
        self._link.flush()

    def _leave_if_done(self) -> None:
        if not self._running:
            self._loop.call_soon(self._loop.stop)


@types.coroutine
def _marked(coroutine: Any, number: int, marker: memoryview) -> Generator[Any, None, Any]:
    """Await ``coroutine``, with its number in ``marker`` while its code executes."""
    if not isinstance(coroutine, Coroutine):
        coroutine = _awaited(coroutine)
    step: Callable[[Any], Any] = coroutine.send
    given: Any = None
    while True:
        marker[EXECUTING] = number
        try:
            waited_for = step(given)
        except StopIteration as end:
            return end.value
        finally:
            marker[EXECUTING] = 0
        try:
            yield waited_for
        except BaseException as error:  # noqa: BLE001 - thrown in by the task: it belongs to the coroutine
            step, given = coroutine.throw, error
        else:
            step, given = coroutine.send, None


async def _awaited(awaitable: Awaitable[Any]) -> Any:
    return await awaitable
