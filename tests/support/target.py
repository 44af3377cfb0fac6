"""An HTTP server in a thread for tests without an event loop: it answers as told and remembers every request."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.support.http_server import Received, serve
from tests.support.waiting import wait_until


@dataclass(frozen=True)
class Answer:
    """One answer; times are seconds.  A body that is neither text nor bytes is sent as JSON."""

    status: int = 200
    body: Any = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0
    """Wait before the first byte."""
    drip: float = 0
    """Send the body byte by byte, with this pause after each."""
    hang: bool = False
    """Never answer."""
    drop: bool = False
    """Close the connection instead of answering."""
    half: bool = False
    """Close the connection in the middle of the body."""

    def content(self) -> bytes:
        """The body as it is sent."""
        if isinstance(self.body, bytes):
            return self.body
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()


@dataclass(frozen=True)
class Request:
    """A request as it arrived; ``at`` is the time of its arrival as ``time.time()`` tells it."""

    at: float
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)


Rule = Callable[[Request], Answer]


class TargetServer:
    """A server on a free port of the loopback interface.  Unless told otherwise it answers 200 with ``{}``."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        """Every request, in the order of arrival."""
        self.in_flight = 0
        """How many requests have arrived and are not yet answered."""
        self.most_in_flight = 0
        self._rules: dict[str, Rule] = {}
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="target-server")
        self._loop: asyncio.AbstractEventLoop
        self._stop: asyncio.Event

    def answer(self, path: str, *answers: Answer | Rule) -> None:
        """Answer requests for this path with each of these in turn, and with the last for ever after."""
        left = list(answers)

        def rule(request: Request) -> Answer:
            now = left.pop(0) if len(left) > 1 else left[0]
            return now if isinstance(now, Answer) else now(request)

        self._rules[path] = rule

    def url(self, path: str = "") -> str:
        """The address of a path of this server."""
        return f"http://127.0.0.1:{self.port}{path}"

    def requests_to(self, path: str) -> list[Request]:
        """Every request for this path, in the order of arrival."""
        return [request for request in list(self.requests) if request.path == path]

    def wait_for(self, count: int, path: str | None = None, timeout: float = 10) -> list[Request]:
        """Return the requests when there are at least so many; fail the test when they do not come."""

        def arrived() -> list[Request]:
            found = list(self.requests) if path is None else self.requests_to(path)
            return found if len(found) >= count else []

        if count <= 0:
            raise ValueError("wait for one request or more")
        return wait_until(arrived, timeout, f"{count} requests to {path or 'the target server'}")

    def start(self) -> None:
        """Serve until ``close``."""
        self._thread.start()
        assert self._started.wait(60), "the target server did not start"

    def close(self) -> None:
        """Close the listener and every connection."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        assert not self._thread.is_alive(), "the target server did not stop"

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        async with serve(self._handle) as server:
            self.port = server.port
            self._started.set()
            await self._stop.wait()

    async def _handle(self, received: Received, writer: asyncio.StreamWriter) -> None:
        parts = urlsplit(received.path)
        request = Request(
            time.time(), received.method, parts.path, dict(parse_qsl(parts.query)), received.headers, received.body
        )
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        self.requests.append(request)  # last: who waits for it reads the others
        try:
            rule = self._rules.get(request.path)
            await _send(rule(request) if rule else Answer(), request, writer)
        finally:
            self.in_flight -= 1


async def _send(answer: Answer, request: Request, writer: asyncio.StreamWriter) -> None:
    if answer.hang:
        await asyncio.Event().wait()
    await asyncio.sleep(answer.delay)
    if answer.drop:
        writer.close()
        return
    content = answer.content()
    headers = {"Content-Type": "application/json", "Content-Length": str(len(content))} | dict(answer.headers)
    head = [
        f"HTTP/1.1 {answer.status} {_phrase(answer.status)}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    writer.write("\r\n".join(head).encode() + b"\r\n\r\n")
    if request.method == "HEAD":
        return
    if answer.half:
        writer.write(content[: len(content) // 2])
        await writer.drain()
        writer.close()
    elif answer.drip:
        for byte in content:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(answer.drip)
    else:
        writer.write(content)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


@contextlib.contextmanager
def running_target() -> Iterator[TargetServer]:
    """A target server that serves until the end of the block."""
    server = TargetServer()
    server.start()
    try:
        yield server
    finally:
        server.close()
