"""The executors, each with calls that do the same: what the contract test needs to know of them."""

from __future__ import annotations

import asyncio
import contextlib
import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import msgspec

from rota.executor import Call, Executor
from tests.support import command_calls, function_calls, http_calls
from tests.support.host import RecordingHost
from tests.support.http_server import HttpServer, Received, hang, reply, serve
from tests.support.waiting import wait_until_async


class Subject(ABC):
    """A started executor under test; each method returns a call that behaves as its name says."""

    grace_s = 0.5

    def __init__(self, executor: Executor, host: RecordingHost) -> None:
        self.executor = executor
        self.host = host

    @abstractmethod
    def answering(self, result: Any) -> Call:
        """Ends well, with this result."""

    @abstractmethod
    def failing(self) -> Call:
        """Fails, so that a retry may help."""

    @abstractmethod
    def malformed(self) -> Call:
        """Has a target that no executor can understand."""

    @abstractmethod
    def hanging(self) -> Call:
        """Never ends by itself."""

    @abstractmethod
    async def begun(self, call: Call) -> None:
        """Wait until a hanging call runs."""


Factory = Callable[[], AbstractAsyncContextManager[Subject]]


class FunctionSubject(Subject):
    """Functions of one lane."""

    lane = "async"

    def answering(self, result: Any) -> Call:
        return function_calls.function_call("answer" if self.lane == "async" else "sync_answer", value=result)

    def failing(self) -> Call:
        return function_calls.function_call("wrong" if self.lane == "async" else "sync_wrong")

    def malformed(self) -> Call:
        return function_calls.make_call(None, self.lane, target='{"kind": "function"}')

    def hanging(self) -> Call:
        return function_calls.function_call("wait" if self.lane == "async" else "sync_sleep")

    async def begun(self, call: Call) -> None:
        await self.host.wait(lambda: self.host.text(call), 20)


class SyncFunctionSubject(FunctionSubject):
    lane = "sync"


def _functions(kind: type[FunctionSubject]) -> Factory:
    @contextlib.asynccontextmanager
    async def start() -> AsyncIterator[Subject]:
        async with function_calls.running_functions(grace_s=Subject.grace_s) as running:
            yield kind(running.executor, running.host)

    return start


class HttpSubject(Subject):
    """Calls of a server that answers as its path says."""

    def __init__(self, executor: Executor, host: RecordingHost, server: HttpServer) -> None:
        super().__init__(executor, host)
        self._server = server

    def answering(self, result: Any) -> Call:
        return http_calls.http_call(f"{self._server.url}/echo", args=json.dumps({"value": result}))

    def failing(self) -> Call:
        return http_calls.http_call(f"{self._server.url}/error")

    def malformed(self) -> Call:
        return http_calls.http_call(None)

    def hanging(self) -> Call:
        return http_calls.http_call(f"{self._server.url}/hang")

    async def begun(self, call: Call) -> None:
        def arrived() -> bool:
            return any(request.headers["rota-job-id"] == call.job_id for request in self._server.requests)

        await wait_until_async(arrived, what="the request")


async def _answer(request: Received, writer: asyncio.StreamWriter) -> None:
    if request.path == "/hang":
        await hang(request, writer)
    elif request.path == "/error":
        reply(writer, '{"error": "no"}', status="500 Internal Server Error")
    else:
        body = msgspec.json.decode(request.body, type=dict[str, Any])
        reply(writer, json.dumps(body["args"]["value"]))


@contextlib.asynccontextmanager
async def _http() -> AsyncIterator[Subject]:
    async with serve(_answer) as server, http_calls.running() as running:
        yield HttpSubject(running.executor, running.host, server)


class CommandSubject(Subject):
    """Commands."""

    def answering(self, result: Any) -> Call:
        code = "import os, json; print('::rota result', json.dumps(json.loads(os.environ['ROTA_ARGS'])['value']))"
        return command_calls.python_call(code, args=json.dumps({"value": result}))

    def failing(self) -> Call:
        return command_calls.command_call("sh", "-c", "exit 3")

    def malformed(self) -> Call:
        return command_calls.command_call()

    def hanging(self) -> Call:
        return command_calls.command_call("sh", "-c", "trap '' TERM; echo begun; sleep 600; sleep 600")

    async def begun(self, call: Call) -> None:
        await self.host.wait_text(call, "begun", 20)


@contextlib.asynccontextmanager
async def _commands() -> AsyncIterator[Subject]:
    async with command_calls.running(grace_s=Subject.grace_s) as running:
        yield CommandSubject(running.executor, running.host)


SUBJECTS: dict[str, Factory] = {
    "function-async": _functions(FunctionSubject),
    "function-sync": _functions(SyncFunctionSubject),
    "http": _http,
    "command": _commands,
}
"""Every executor, by name.  A new one joins here, and has its contract tested."""
