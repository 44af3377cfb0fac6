"""An HTTP server on loopback that behaves as a test says, also in ways that no HTTP library would allow."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import msgspec


@dataclass
class Received:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> dict[str, object]:
        """Return the body, a JSON object."""
        return msgspec.json.decode(self.body, type=dict[str, object])


Handler = Callable[[Received, asyncio.StreamWriter], Awaitable[None]]
"""Answers a request by writing raw bytes; when it returns, the connection waits for the next request."""


@dataclass
class HttpServer:
    """A running server and what it has received."""

    port: int
    requests: list[Received] = field(default_factory=list)
    readers: list[asyncio.StreamReader] = field(default_factory=list)

    @property
    def left(self) -> int:
        """How many connections the client has closed."""
        return sum(reader.at_eof() or reader.exception() is not None for reader in self.readers)

    @property
    def url(self) -> str:
        """Address without a path."""
        return f"http://127.0.0.1:{self.port}"


@contextlib.asynccontextmanager
async def serve(handler: Handler, host: str = "127.0.0.1") -> AsyncIterator[HttpServer]:
    """Serve ``handler`` on a free port."""
    running: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        server.readers.append(reader)
        try:
            await _converse(server, handler, reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            running.discard(task)
            writer.close()

    listener = await asyncio.start_server(connected, host, 0)
    server = HttpServer(listener.sockets[0].getsockname()[1])
    try:
        yield server
    finally:
        listener.close()
        tasks = list(running)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await listener.wait_closed()


async def _converse(
    server: HttpServer, handler: Handler, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    while True:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ", 2)
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        request = Received(method, path, headers, body)
        server.requests.append(request)
        await handler(request, writer)
        await writer.drain()


def reply(
    writer: asyncio.StreamWriter,
    body: bytes | str = b"{}",
    *,
    status: str = "200 OK",
    content_type: str = "application/json",
    headers: tuple[str, ...] = (),
) -> None:
    """Write a complete, correct answer."""
    data = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {content_type}", f"Content-Length: {len(data)}", *headers]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + data)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
"""The beginning of an answer, up to whatever a test puts behind it."""


def raw(*parts: bytes, close: bool = False) -> Handler:
    async def handler(request: Received, writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
        if close:
            writer.close()

    return handler


def endless(first: bytes, again: bytes) -> Handler:
    """Begin with ``first``, then write ``again`` for ever, as fast as the other side reads."""

    async def handler(request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        while True:
            writer.write(again)
            await writer.drain()

    return handler


async def hang(request: Received, writer: asyncio.StreamWriter) -> None:
    """Never answer."""
    await asyncio.Event().wait()
