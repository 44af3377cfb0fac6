"""Messages between worker, shepherd and keepers: a kind, a length, a payload.

Standard library only, as in everything that the shepherd loads.
"""

from __future__ import annotations

import struct

KEEPER = b"K"
"""Worker to shepherd: a new keeper (number); its channel comes with the message."""
KILL = b"9"
"""Worker to shepherd: kill the keeper of this number, and all below it."""
READY = b"H"
"""Shepherd to worker: up and running."""
RUN = b"R"
"""Worker to keeper: run this command (JSON)."""
STOP = b"T"
"""Worker to keeper: TERM now, KILL after so many seconds (number)."""
BEGUN = b"B"
"""Keeper to worker: the command is started."""
OUTPUT = b"O"
"""Keeper to worker: whole lines of one stream (`pack_output`)."""
LEFT_OUT = b"L"
"""Keeper to worker: how many lines and bytes of output were dropped here (JSON)."""
PROGRESS = b"P"
"""Keeper to worker: what followed ``::rota progress``."""
RESULT = b"J"
"""Keeper to worker: what followed ``::rota result``, cut when it is very long, behind its size in bytes."""
CHECKPOINT = b"C"
"""Keeper to worker: what followed ``::rota checkpoint``, cut when it is too long."""
EXTEND = b"M"
"""Keeper to worker: what followed ``::rota extend``."""
EXIT = b"X"
"""Keeper to worker: the command and all that it started have ended (JSON)."""
REFUSED = b"E"
"""Keeper to worker: the command could not be started (JSON)."""

STDOUT = b"o"
STDERR = b"e"

_HEADER = struct.Struct("<cI")
_OUTPUT = struct.Struct("<cq")
_SIZE = struct.Struct("<Q")
HEADER_BYTES = _HEADER.size


def pack(kind: bytes, payload: bytes = b"") -> bytes:
    """Return a message."""
    return _HEADER.pack(kind, len(payload)) + payload


def pack_output(stream: bytes, at_us: int, block: bytes) -> bytes:
    """Return an `OUTPUT` message: stream, time (µs UTC), whole lines."""
    return b"".join((_HEADER.pack(OUTPUT, _OUTPUT.size + len(block)), _OUTPUT.pack(stream, at_us), block))


def unpack_output(payload: bytes) -> tuple[bytes, int, bytes]:
    """Return stream, time (µs UTC) and whole lines of an `OUTPUT` payload."""
    stream, at_us = _OUTPUT.unpack_from(payload)
    return stream, at_us, payload[_OUTPUT.size :]


def pack_result(size: int, text: bytes) -> bytes:
    """Return a `RESULT` message."""
    return pack(RESULT, _SIZE.pack(size) + text)


def unpack_result(payload: bytes) -> tuple[int, bytes]:
    """Return the size of the whole and the text (perhaps only its head) of a `RESULT` payload."""
    return _SIZE.unpack_from(payload)[0], payload[_SIZE.size :]


class Unpacker:
    """Finds the messages in a stream of bytes."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[tuple[bytes, bytes]]:
        """Return kind and payload of every message that ``data`` completes."""
        found = []
        buffer = self._rest + data if self._rest else data
        start = 0
        while len(buffer) - start >= _HEADER.size:
            kind, length = _HEADER.unpack_from(buffer, start)
            body = start + _HEADER.size
            if len(buffer) - body < length:
                break
            start = body + length
            found.append((kind, buffer[body:start]))
        self._rest = buffer[start:]
        return found
