"""Bodies of requests, read within bounds."""

from __future__ import annotations

import asyncio

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from rota.errors import TooLarge

DRAIN_BYTES = 64 * 1024 * 1024
DRAIN_S = 2.0


async def read_body(receive: Receive, limit: int) -> bytes:
    """Return the whole body; raises TooLarge as soon as it is larger than ``limit`` bytes."""
    message = await receive()
    _check_connected(message["type"])
    first: bytes = message.get("body", b"")
    if not message.get("more_body", False) and len(first) <= limit:
        return first  # nearly every body comes in one piece
    parts, size = [first], len(first)
    while message.get("more_body", False) and size <= limit:
        message = await receive()
        _check_connected(message["type"])
        parts.append(message.get("body", b""))
        size += len(parts[-1])
    if size > limit:
        if message.get("more_body", False):
            await drain(receive)
        raise TooLarge("body", f"is larger than {limit} bytes")
    return b"".join(parts)


async def read_head(receive: Receive, most: int) -> tuple[bytes, bool]:
    """Return the first ``most`` bytes of a body, and whether there were more; the rest is taken and forgotten."""
    head, more = bytearray(), True
    while more and len(head) <= most:
        message = await receive()
        _check_connected(message["type"])
        head += message.get("body", b"")
        more = message.get("more_body", False)
    if more:
        await drain(receive)
    return bytes(head[:most]), len(head) > most


async def drain(receive: Receive) -> None:
    """Take what the client still sends, within bounds: closing the connection on it would hide the answer."""
    size = 0
    try:
        async with asyncio.timeout(DRAIN_S):
            while size <= DRAIN_BYTES:
                message = await receive()
                size += len(message.get("body", b""))
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return
    except TimeoutError:
        return


def _check_connected(kind: str) -> None:
    if kind == "http.disconnect":
        raise ClientDisconnect
