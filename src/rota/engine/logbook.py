"""The log lines of running attempts: numbered, bounded (head and tail kept), handed out in chunks."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence

import msgspec

from rota.executor import Line
from rota.model import LogChunk

CHUNK_BYTES = 64 * 1024
LINE_MEMORY = 150
PER_FLUSH_BYTES = 1024 * 1024
"""The most that one attempt stores in one flush; what a flood writes beyond it is left out and said so."""


class Logbook:
    """The log of one attempt.  Not thread-safe: the worker's event loop writes, and hands chunks to the flusher."""

    def __init__(self, job_id: str, attempt: int, written: int, limit_bytes: int) -> None:
        self._job_id = job_id
        self._attempt = attempt
        self.lines = written
        """Number of the last line, over all attempts of the job."""
        self._head_left = limit_bytes // 2
        self._tail_limit = limit_bytes - limit_bytes // 2
        self._buffer: deque[Line] = deque()
        self._numbers: deque[int] = deque()
        """Of the lines in the buffer; beside it, since a pair for each would take more memory than most lines."""
        self._buffered = 0
        self._dropped = 0
        self._tail: deque[tuple[int, int]] = deque()
        self._tail_bytes = 0

    @property
    def held(self) -> int:
        """Bytes of memory that it takes, about: short lines take more than they are long."""
        return self._buffered + LINE_MEMORY * len(self._buffer)

    @property
    def empty(self) -> bool:
        """Tell whether everything was handed out."""
        return not self._buffer and not self._dropped

    def add(self, lines: Sequence[Line]) -> None:
        """Add lines; when more comes than a flush may store, the oldest of them make way once the head is kept."""
        for line in lines:
            self.lines += 1
            self._buffer.append(line)
            self._numbers.append(self.lines)
            self._buffered += _size(line)
        while self._buffered > PER_FLUSH_BYTES and self._head_left <= 0:
            self._drop()
        # Before the head is full the newest make way: the head is the beginning, whole.
        while self._buffered > self._head_left + PER_FLUSH_BYTES > PER_FLUSH_BYTES:
            self._drop_after_head()

    def _drop(self) -> int:
        """Drop the oldest line; return its size."""
        size = _size(self._buffer.popleft())
        self._numbers.popleft()
        self._buffered -= size
        self._dropped += 1
        return size

    def _drop_after_head(self) -> None:
        """Drop from the middle: what comes after the head's rest and before the newest megabyte."""
        kept: list[tuple[int, Line]] = []
        room = self._head_left
        while self._buffer and room >= _size(self._buffer[0]):
            room -= _size(self._buffer[0])
            kept.append((self._numbers.popleft(), self._buffer.popleft()))
        size = sum(map(_size, self._buffer))
        while size > PER_FLUSH_BYTES:
            size -= self._drop()
        self._buffer.extendleft(line for _, line in reversed(kept))
        self._numbers.extendleft(number for number, _ in reversed(kept))

    def take(self) -> tuple[list[LogChunk], list[tuple[str, int]]]:
        """Return (chunks to store, chunks to delete as (job, first line)); empties the buffer."""
        chunks: list[LogChunk] = []
        part: list[Line] = []
        first = size = 0
        previous: int | None = None
        while self._buffer:  # each line goes as soon as it is in a chunk: a flood fills memory once, not twice
            number, line = self._numbers.popleft(), self._buffer.popleft()
            length = _size(line)
            gap = previous is not None and number != previous + 1
            if part and (gap or size + length > CHUNK_BYTES):
                chunks.append(self._chunk(first, part))
                part, size = [], 0
            if not part:
                first = number
            part.append(line)
            size += length
            previous = number
        if part:
            chunks.append(self._chunk(first, part))
        self._buffered = 0
        self._dropped = 0
        return chunks, self._trim(chunks)

    def _chunk(self, first: int, part: list[Line]) -> LogChunk:
        body = msgspec.json.encode(part).decode()
        return LogChunk(self._job_id, self._attempt, first, len(part), time.time_ns() // 1000, body)

    def _trim(self, chunks: list[LogChunk]) -> list[tuple[str, int]]:
        """Keep the head for good and a rolling tail; return what rolled out."""
        gone: list[tuple[str, int]] = []
        for chunk in chunks:
            size = len(chunk.body)
            if self._head_left > 0:
                self._head_left -= size
                continue
            self._tail.append((chunk.first_line, size))
            self._tail_bytes += size
            while self._tail_bytes > self._tail_limit and len(self._tail) > 1:
                first, old = self._tail.popleft()
                self._tail_bytes -= old
                gone.append((self._job_id, first))
        return gone


def _size(line: Line) -> int:
    return len(line.text) + 40
