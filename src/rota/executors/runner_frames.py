"""The messages between worker and runner: length, kind, msgpack.  Both sides speak of a call by its number."""

from __future__ import annotations

import struct
from typing import Any

import msgspec

from rota.executor import Call, Declared, Line, Outcome

WORK = 1
"""To the runner: `Work` to begin."""
STOP = 2
"""To the runner: numbers of calls that are to end."""
DRAIN = 3
"""To the runner: finish what runs, then exit."""
HELLO = 10
"""To the worker: `Hello`, once, when the application is loaded."""
DONE = 11
"""To the worker: numbers and results of completed calls, as two lists; results are JSON text."""
ENDED = 12
"""To the worker: (number, outcome) of calls that ended otherwise."""
MOVED = 13
"""To the worker: numbers of calls of sync functions that came to an async runner."""
LINES = 14
"""To the worker: (number, line) of the logs."""
PROGRESS = 15
"""To the worker: (number, share, message)."""
CHECKPOINT = 16
"""To the worker: (number, checkpoint as JSON text)."""
EXTEND = 17
"""To the worker: number of a call, and how much time from now it asks for (µs)."""

MAX_FRAME = 1 << 30

MARKER_BYTES = 16
"""Size of the memory that both processes map.  It tells of a runner that died what no frame can tell any more:"""
EXECUTING = 0
"""first, the number of the call whose code executes, 0 between two steps;"""
BEGUN = 1
"""second, the highest number that was begun: calls behind it were given to the runner, and never ran."""

_HEADER = struct.Struct("<IB")
_encoder = msgspec.msgpack.Encoder()


class Work(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A call, as the runner gets it."""

    number: int
    job_id: str
    attempt: int
    type: str | None
    target: str | None
    args: str
    queue: str
    created_at: int
    scheduled_for: int | None
    previous: str | None
    more: tuple[int, int, int, str | None, str | None, str | None]
    """priority, max_attempts, attempts_used, schedule_id, started_by, callback_url"""
    checkpoint: str | None = None
    secrets: dict[str, str] | None = None
    trace: str | None = None


class LoadError(msgspec.Struct, array_like=True, frozen=True):
    """Why an application could not be loaded: ``MODULE:ATTR``, one line, the whole trace."""

    app: str
    line: str
    trace: str


class Hello(msgspec.Struct, array_like=True, frozen=True):
    """What a runner has loaded.  Only a runner of the async lane names types and schedules."""

    errors: list[LoadError]
    types: list[Declared]
    schedules: list[str]


decode_work = msgspec.msgpack.Decoder(list[Work]).decode
decode_numbers = msgspec.msgpack.Decoder(list[int]).decode
decode_hello = msgspec.msgpack.Decoder(Hello).decode
decode_done = msgspec.msgpack.Decoder(tuple[list[int], list[str]]).decode
decode_ended = msgspec.msgpack.Decoder(list[tuple[int, Outcome]]).decode
decode_lines = msgspec.msgpack.Decoder(list[tuple[int, Line]]).decode
decode_extend = msgspec.msgpack.Decoder(tuple[int, int]).decode
decode_checkpoint = msgspec.msgpack.Decoder(list[tuple[int, str]]).decode
decode_progress = msgspec.msgpack.Decoder(list[tuple[int, float | None, str | None]]).decode


class FrameError(Exception):
    """What came is no frame: somebody else wrote to the socket."""


def work_of(number: int, call: Call) -> Work:
    """Return a call as the runner gets it."""
    return Work(
        number,
        call.job_id,
        call.attempt,
        call.type,
        call.target,
        call.args,
        call.queue,
        call.created_at,
        call.scheduled_for,
        call.previous,
        (
            call.priority,
            call.max_attempts,
            call.attempts_used,
            call.schedule_id,
            call.started_by,
            call.callback_url,
        ),
        call.checkpoint,
        call.secrets,
        call.trace,
    )


def pack(kind: int, payload: Any) -> bytearray:
    """Return a frame."""
    frame = bytearray(_HEADER.size)
    _encoder.encode_into(payload, frame, _HEADER.size)
    _HEADER.pack_into(frame, 0, len(frame) - _HEADER.size, kind)
    return frame


class FrameReader:
    """Finds the frames in a stream of bytes."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Return kind and payload of every frame that ``data`` completes; raises FrameError."""
        buffer: bytes | bytearray = data
        if self._rest:
            self._rest += data
            if len(self._rest) < _HEADER.size or len(self._rest) < self._wanted():
                return []
            buffer = self._rest
        frames = []
        start, end = 0, len(buffer)
        while end - start >= _HEADER.size:
            length, kind = _HEADER.unpack_from(buffer, start)
            if length > MAX_FRAME:
                raise FrameError(f"a frame of {length} bytes")
            body = start + _HEADER.size
            if end - body < length:
                break
            start = body + length
            frames.append((kind, bytes(buffer[body:start])))
        self._rest = bytearray(buffer[start:])
        return frames

    def _wanted(self) -> int:
        """Return the size of the frame that has begun: a large one is not looked at again for each piece of it."""
        return int(_HEADER.unpack_from(self._rest)[0]) + _HEADER.size
