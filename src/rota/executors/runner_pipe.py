"""What a runner process writes past Python's own streams: programs that it starts, C libraries, crash reports."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable

from rota.executor import Stream

_READ = 64 * 1024
_LINE_BYTES = 64 * 1024
_BURST = 8 << 20
_PAUSE_S = 0.02

Take = Callable[[Stream, list[str]], None]


class OutputPipe:
    """Reads one pipe, line by line, and gives the lines to ``take``.

    After a burst it reads at a bounded rate: whoever floods it waits, and the worker goes on with its work.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        fd: int,
        stream: Stream,
        take: Take,
        full: Callable[[], bool] = lambda: False,
    ) -> None:
        """While ``full`` says so, nothing is read."""
        self._loop = loop
        self._fd = fd
        self._stream = stream
        self._take = take
        self._full = full
        self._begun = bytearray()
        self._cut = 0
        self._credit = _BURST
        self._pause: asyncio.TimerHandle | None = None
        os.set_blocking(fd, False)
        loop.add_reader(fd, self._readable)

    def read_now(self, *, flush: bool = False) -> None:
        """Take what the pipe holds now, at most what it can hold; with ``flush`` an unfinished line too."""
        for _ in range(16):
            if not self._read():
                break
        if flush:
            self._credit = _BURST
            if self._begun:
                self._take(self._stream, [self._line(b"")])

    def close(self) -> None:
        """Take the rest and stop."""
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._fd)
        self.read_now(flush=True)

    def _readable(self) -> None:
        if self._full():
            self._wait()
            return
        size = self._read()
        if size is None:
            self._loop.remove_reader(self._fd)
            return
        self._credit -= size
        if self._credit <= 0:
            self._credit = _READ
            self._wait()

    def _wait(self) -> None:
        self._loop.remove_reader(self._fd)
        self._pause = self._loop.call_later(_PAUSE_S, self._resume)

    def _resume(self) -> None:
        self._pause = None
        self._loop.add_reader(self._fd, self._readable)

    def _read(self) -> int | None:
        """Take one piece; return its size, 0 when there is none yet, None at the end."""
        data = b""
        with contextlib.suppress(OSError):
            try:
                data = os.read(self._fd, _READ)
            except BlockingIOError:
                return 0
        if not data:
            return None
        *whole, rest = data.split(b"\n")
        if whole:
            lines = [self._line(whole[0]), *(_text(each) for each in whole[1:])]
            self._take(self._stream, lines)
        self._begin(rest)
        return len(data)

    def _begin(self, part: bytes) -> None:
        room = _LINE_BYTES - len(self._begun)
        self._begun += part[:room]
        self._cut += max(0, len(part) - room)

    def _line(self, end: bytes) -> str:
        self._begin(end)
        mark = f"… [{self._cut} bytes left out]" if self._cut else ""
        text = _text(self._begun) + mark
        self._begun, self._cut = bytearray(), 0
        return text


def _text(line: bytes | bytearray) -> str:
    return line.decode("utf-8", "replace").replace("\0", "�").removesuffix("\r")
