"""Compression of answers that are worth it."""

from __future__ import annotations

import asyncio
import gzip
import zlib

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LEAST_BYTES = 1024
LARGE_BYTES = 128 * 1024
"""From here on another thread compresses: it would hold up all other callers."""
LEVEL = 4
COMPRESSED = frozenset(
    ("application/json", "application/problem+json", "application/x-ndjson", "text/csv", "text/html", "text/plain")
)
"""Never streams of events: each is to be there at once."""
WITH_SECRETS = ("/api/tokens", "/api/secrets", "/login")
"""The length of a compressed answer tells of what is in it beside that which an attacker has a say in."""


class Compressing:
    """ASGI middleware that compresses with gzip what is large and whose caller takes it."""

    def __init__(self, app: ASGIApp, root_path: str = "") -> None:
        self._app = app
        self._secret = tuple(prefix + path for path in WITH_SECRETS for prefix in ("", root_path))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] != "HEAD" and not scope["path"].startswith(self._secret):
            send = _Answer(send, takes_gzip=_takes_gzip(Headers(scope=scope))).send
        await self._app(scope, receive, send)


def _takes_gzip(headers: Headers) -> bool:
    for choice in headers.get("accept-encoding", "").lower().split(","):
        name, _, quality = choice.partition(";")
        if name.strip() in ("gzip", "x-gzip", "*"):
            return quality.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


class _Answer:
    """Sends an answer on: its head once the first part of its content tells what is to be done."""

    def __init__(self, send: Send, *, takes_gzip: bool) -> None:
        self._send = send
        self._takes_gzip = takes_gzip
        self._head: Message | None = None
        self._stream: zlib._Compress | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if _may_be_compressed(message):
                self._head = message
                MutableHeaders(scope=message).add_vary_header("Accept-Encoding")
            if not (self._head and self._takes_gzip):
                self._head = None
                await self._send(message)
        elif message["type"] != "http.response.body":
            await self._send(message)
        elif self._head is not None:
            head, self._head = self._head, None
            await self._first(head, message)
        elif self._stream is not None:
            await self._send({**message, "body": self._more(message)})
        else:
            await self._send(message)

    async def _first(self, head: Message, message: Message) -> None:
        body, headers = message.get("body", b""), MutableHeaders(scope=head)
        if message.get("more_body", False):
            self._stream = zlib.compressobj(LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
            headers["content-encoding"] = "gzip"
            del headers["content-length"]
            message = {**message, "body": self._more(message)}
        elif len(body) >= LEAST_BYTES:
            large = len(body) >= LARGE_BYTES
            body = await asyncio.to_thread(_compressed, body) if large else _compressed(body)
            headers["content-encoding"] = "gzip"
            headers["content-length"] = str(len(body))
            message = {**message, "body": body}
        await self._send(head)
        await self._send(message)

    def _more(self, message: Message) -> bytes:
        """Return the next part of a stream, as far as it can be read by itself."""
        assert self._stream is not None
        part = self._stream.compress(message.get("body", b""))
        return part + self._stream.flush(zlib.Z_SYNC_FLUSH if message.get("more_body", False) else zlib.Z_FINISH)


def _compressed(body: bytes) -> bytes:
    return gzip.compress(body, LEVEL, mtime=0)


def _may_be_compressed(head: Message) -> bool:
    headers = Headers(raw=head["headers"])
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind in COMPRESSED and "content-encoding" not in headers and head["status"] not in (204, 304)
