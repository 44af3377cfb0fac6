"""The runner's end of the socket: what it tells the worker is gathered and sent together, from any thread."""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections.abc import Callable

import msgspec

from rota.executor import Line, Outcome
from rota.executors import runner_frames as frames
from rota.executors.runner_life import end_group

_FLUSH_S = 0.05
_FLUSH_CHARS = 64 * 1024
_MAX_WAITING = 4 << 20
_READ = 256 * 1024


class Link:
    """The connection to the worker.

    ``done``, ``ended`` and ``moved`` belong to the main thread, which calls ``flush`` after them; lines and progress
    may come from any thread and leave by themselves within ``_FLUSH_S``.
    """

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.silent = False
        """Whether this is a forked process, which must not speak for its parent."""
        connection.setblocking(False)
        self._on_data: Callable[[bytes], None] | None = None
        self._lock = threading.RLock()
        self._done: tuple[list[int], list[str]] = ([], [])
        self._ended: list[tuple[int, Outcome]] = []
        self._moved: list[int] = []
        self._lines: list[tuple[int, Line]] = []
        self._chars = 0
        self._progress: dict[int, tuple[int, float | None, str | None]] = {}
        self._checkpoints: dict[int, str] = {}
        self._out = bytearray()
        self._flushed = 0.0
        self._wake, self._alarm = os.pipe()
        self._talk_awaited = self._write_awaited = False
        os.register_at_fork(after_in_child=self._fall_silent)

    def watch(self, on_data: Callable[[bytes], None] | None = None) -> None:
        """Begin to watch, in a thread, for the end of the worker and for what waits to be sent.

        ``on_data`` gets what the worker sends, in that thread; without it somebody else reads the socket.
        """
        self._on_data = on_data
        threading.Thread(target=self._watch, name="rota-link", daemon=True).start()

    def send(self, kind: int, payload: object) -> None:
        """Send a frame at once."""
        with self._lock:
            self._out += frames.pack(kind, payload)
            self._write()

    def done(self, number: int, result: str) -> None:
        """Tell that a call completed, with its result as JSON text."""
        self._done[0].append(number)
        self._done[1].append(result)

    def ended(self, number: int, outcome: Outcome) -> None:
        """Tell how a call ended."""
        self._ended.append((number, outcome))

    def moved(self, number: int) -> None:
        """Tell that a call belongs on a sync runner."""
        self._moved.append(number)

    def line(self, number: int, line: Line) -> None:
        """Add a line to the log of a call."""
        if self.silent:
            return
        with self._lock:
            self._lines.append((number, line))
            self._chars += len(line.text)
            self._gathered(self._chars > _FLUSH_CHARS)

    def progress(self, number: int, value: float | None, message: str | None) -> None:
        """Tell the progress of a call; of several within a moment the last one counts."""
        if self.silent:
            return
        with self._lock:
            self._progress[number] = (number, value, message)
            self._gathered(False)

    def extend(self, number: int, extra_us: int) -> None:
        """Ask for more time for a call, at once: it may be short."""
        if not self.silent:
            self.send(frames.EXTEND, (number, extra_us))

    def checkpoint(self, number: int, value: str) -> None:
        """Tell what the next attempt of a call is to begin with; of several within a moment the last one counts."""
        if self.silent:
            return
        with self._lock:
            self._checkpoints[number] = value
            self._gathered(False)

    def flush(self) -> None:
        """Send all that was told: what a call said comes before its end."""
        with self._lock:
            self._flush_talk()
            if self._done[0]:
                self._out += frames.pack(frames.DONE, self._done)
                self._done = ([], [])
            if self._ended:
                self._out += frames.pack(frames.ENDED, self._ended)
                self._ended = []
            if self._moved:
                self._out += frames.pack(frames.MOVED, self._moved)
                self._moved = []
            self._write()

    def _gathered(self, much: bool) -> None:
        if much or time.monotonic() - self._flushed > _FLUSH_S:
            self._flush_talk()
            self._write()
        elif not self._talk_awaited:
            self._talk_awaited = True
            os.write(self._alarm, b"!")

    def _flush_talk(self) -> None:
        if self._lines:
            self._out += frames.pack(frames.LINES, self._lines)
            self._lines, self._chars = [], 0
        if self._progress:
            self._out += frames.pack(frames.PROGRESS, [*self._progress.values()])
            self._progress = {}
        if self._checkpoints:
            self._out += frames.pack(frames.CHECKPOINT, [*self._checkpoints.items()])
            self._checkpoints = {}
        self._flushed = time.monotonic()

    def _write(self) -> None:
        """Send what the socket takes; the watching thread sends the rest.  Whoever floods the worker waits for it."""
        while self._out:
            try:
                sent = self.socket.send(self._out)
            except BlockingIOError:
                if len(self._out) < _MAX_WAITING:
                    if not self._write_awaited:
                        self._write_awaited = True
                        os.write(self._alarm, b"!")
                    return
                select.select([], [self.socket], [])
                continue
            except OSError:  # the worker is gone, or a function closed the socket; a fork that got here has no say
                end_group()
            del self._out[:sent]

    def _watch(self) -> None:
        try:
            self._keep_watch()
        except (OSError, ValueError):  # a function closed what this thread watches
            end_group()

    def _keep_watch(self) -> None:
        listening = select.POLLIN if self._on_data else 0
        poller = select.poll()
        poller.register(self._wake, select.POLLIN)
        due: float | None = None
        while True:
            poller.register(self.socket, listening | (select.POLLOUT if self._write_awaited else 0))
            events = dict(poller.poll(None if due is None else max(0.0, due - time.monotonic()) * 1000))
            if self._wake in events:
                os.read(self._wake, 64)
            found = events.get(self.socket.fileno(), 0)
            if found & (select.POLLHUP | select.POLLERR | select.POLLNVAL):
                end_group()
            if found & select.POLLIN:
                self._receive()
            if found & select.POLLOUT:
                with self._lock:
                    self._write_awaited = False
                    self._write()
            if self._talk_awaited and due is None:
                due = time.monotonic() + _FLUSH_S
            if due is not None and time.monotonic() >= due:
                due = None
                self._flush_late()

    def _flush_late(self) -> None:
        with self._lock:
            self._talk_awaited = False
            self._flush_talk()
            self._write()

    def _fall_silent(self) -> None:
        """In a process that a function forked: the socket and its half-sent frames belong to the parent."""
        self._lock = threading.RLock()
        self._lines, self._progress, self._checkpoints, self._out = [], {}, {}, bytearray()
        self.socket.close()
        self.silent = True

    def _receive(self) -> None:
        try:
            data = self.socket.recv(_READ)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            end_group()
        if self._on_data:
            try:
                self._on_data(data)
            except (frames.FrameError, msgspec.MsgspecError):  # somebody else wrote to the socket
                end_group()
