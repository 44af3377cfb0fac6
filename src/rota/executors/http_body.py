"""Reads the body of an answer within bounds, also when it is compressed."""

from __future__ import annotations

import asyncio
import codecs
import re
import zlib
from dataclasses import dataclass
from functools import lru_cache

import aiohttp

from rota.executors.http_trouble import Trouble

_TEXT_CODECS = re.compile(
    r"ascii|utf-8|utf-16(-[bl]e)?|utf-32(-[bl]e)?|iso8859-\d+|cp125\d|koi8-[ru]|shift_jis|euc_jp|euc_kr|gb2312|gbk|gb18030|big5"
)


_SMALL = 64 << 10
"""Bytes that every answer may have in memory; larger ones take turns."""
_LARGE_AT_ONCE = 8


class BodyBounds:
    """What the bodies of one executor's calls may take together.

    Up to ``limit`` bytes are read of a body.  Only so many large ones are read at once, the rest wait for their turn
    with the first part of their answer: hundreds that drip a megabyte each would take hundreds of megabytes.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.large = asyncio.Semaphore(_LARGE_AT_ONCE)


@dataclass(slots=True)
class Body:
    """The body of an answer, or its beginning."""

    data: bytes = b""
    size: int = 0
    """Bytes of the whole body; when its end was not seen, as far as known."""
    whole: bool = True

    def text(self, content_type: str) -> str:
        """Return the body as text; bytes that are none become U+FFFD."""
        return self.data.decode(_codec(content_type), "replace")


class BodyReader:
    """Reads one body.  ``received`` counts the bytes as they come, for who gives up waiting."""

    def __init__(self, bounds: BodyBounds) -> None:
        self._bounds = bounds
        self._limit = bounds.limit
        self.received = 0
        self._large = False

    async def read(self, response: aiohttp.ClientResponse) -> Body:
        """Read up to the limit, and no further.  Raises `Trouble` when the answer is broken."""
        if response.method == "HEAD":
            return Body()
        try:
            return await self._read(response)
        finally:
            self._leave()

    async def _next(self, response: aiohttp.ClientResponse) -> bytes:
        if self.received > _SMALL and not self._large:
            await self._bounds.large.acquire()
            self._large = True
        chunk = await response.content.readany()
        self.received += len(chunk)
        return chunk

    def _leave(self) -> None:
        if self._large:
            self._bounds.large.release()
            self._large = False

    async def _read(self, response: aiohttp.ClientResponse) -> Body:
        encoding = response.headers.get("Content-Encoding", "").strip().lower()
        if encoding in ("", "identity"):
            return await self._read_plain(response)
        if encoding in ("gzip", "x-gzip", "deflate"):
            return await self._read_packed(response, encoding)
        # Nothing was asked for but identity; what was done must not be repeated for it.
        raise Trouble("encoding", f"the answer is compressed with {encoding[:40]!r}", permanent=response.ok)

    async def _read_plain(self, response: aiohttp.ClientResponse) -> Body:
        parts: list[bytes] = []
        while chunk := await self._next(response):
            parts.append(chunk)
            if self.received > self._limit:
                size = max(self.received, response.content_length or 0)
                return Body(b"".join(parts)[: self._limit], size, whole=False)
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        return Body(data, len(data))

    async def _read_packed(self, response: aiohttp.ClientResponse, encoding: str) -> Body:
        inflater: Inflater | None = None
        data = bytearray()
        while chunk := await self._next(response):
            inflater = inflater or Inflater(encoding, chunk[0])
            data += inflater.feed(chunk, self._limit + 1 - len(data))
            if len(data) > self._limit or self.received > self._limit:
                return Body(bytes(data[: self._limit]), max(len(data), self.received), whole=False)
        if inflater is not None and not inflater.ended:
            raise Trouble("broken-answer", "the compressed answer broke off before its end")
        return Body(bytes(data), len(data))


class Inflater:
    """Inflates gzip or deflate without ever holding more than it is asked for."""

    def __init__(self, encoding: str, first: int) -> None:
        if encoding == "deflate":
            # Half of all servers send zlib, as the standard says, and half raw deflate.
            window = zlib.MAX_WBITS if first & 0x0F == 8 else -zlib.MAX_WBITS
        else:
            window = zlib.MAX_WBITS | 16
        self._stream = zlib.decompressobj(window)

    @property
    def ended(self) -> bool:
        """Whether the end of the stream was seen."""
        return self._stream.eof

    def feed(self, chunk: bytes, most: int) -> bytes:
        """Return up to ``most`` bytes, which must be positive, of what ``chunk`` holds.  Raises `Trouble`."""
        try:
            return self._stream.decompress(chunk, most)
        except zlib.error as error:
            raise Trouble("broken-answer", f"the compressed answer is broken: {error}") from None


@lru_cache(maxsize=64)
def _codec(content_type: str) -> str:
    match = re.search(r"charset\s*=\s*\"?([\w.:-]{1,40})", content_type, re.IGNORECASE | re.ASCII)
    if match is None:
        return "utf-8"
    try:
        name = codecs.lookup(match[1]).name
    except LookupError:
        return "utf-8"
    return name if _TEXT_CODECS.fullmatch(name) else "utf-8"
