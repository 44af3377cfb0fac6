"""Where lines go: standard error or a file, in batches, without ever failing or delaying who logs."""

from __future__ import annotations

import contextlib
import os
import select
import stat
import sys
import threading
import time
from collections import deque
from types import ModuleType

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows, where an open file cannot be renamed
    fcntl = None

QUIET_S = 0.1
"""After such a pause a line is written at once; in a stream of lines none waits longer."""
MOST_LINES = 100_000
"""Lines kept while the reader does not read; further ones are counted and dropped."""
_BATCH = 128
_PIPE_CHUNK = 4096
"""Writes to a pipe up to this size are never mixed with those of other processes (POSIX's PIPE_BUF on Linux)."""
_FILE_LINES = 1000
_LOOK_AT_FILE_S = 1.0


class Sink:
    """A descriptor with lines that wait for it.  Every method is safe in any thread and in a signal handler."""

    def __init__(self, path: str | None = None, *, largest: int | None = None, kept: int = 0) -> None:
        """Open a file to add to, else standard error.  Raises `OSError` when the file cannot be opened.

        A file of more than ``largest`` bytes is set aside, and ``kept`` of these are kept.
        """
        self.path = path
        self._largest = largest
        self._kept = kept
        self.dropped = 0
        """How many lines were lost; whoever reports them sets it back."""
        self._lines: deque[str] = deque()
        self._carry = b""
        self._lock = threading.Lock()
        self._last_write = 0.0
        self._last_look = 0.0
        self._torn = False
        self._fd = _open(path) if path else _standard_error()
        self._identity: tuple[int, int] | None = None
        self._look()

    @property
    def is_terminal(self) -> bool:
        return self._fd >= 0 and os.isatty(self._fd)

    def put(self, line: str, urgent: bool) -> bool:
        """Take a line.  Returns whether something waits, lines or news of lost ones, for `drain` within `QUIET_S`."""
        lines = self._lines
        waiting = len(lines)
        if urgent or not waiting % _BATCH or waiting >= MOST_LINES:
            return self._put_and_write(line, urgent)
        lines.append(line)
        return True

    def _put_and_write(self, line: str, urgent: bool) -> bool:
        waiting = len(self._lines)
        if waiting >= MOST_LINES:
            self.dropped += 1
            return True
        self._lines.append(line)
        # Whoever logs much writes the batches himself: a thread that did it would wait 5 ms for the interpreter's
        # lock after each write, and fall behind.
        if urgent or waiting or time.monotonic() - self._last_write >= QUIET_S:
            return not self.drain(wait=False) or self.dropped > 0
        return True

    def drain(self, *, wait: bool) -> bool:
        """Write what waits and tell whether all is written; ``wait`` for a slow reader, else leave the rest."""
        if not self._lock.acquire(blocking=False):
            return False
        try:
            if self.path and time.monotonic() - self._last_look >= _LOOK_AT_FILE_S:
                self._reopen_if_moved()
                self._set_aside_if_large()
            while self._carry or self._lines:
                self._carry = self._carry or self._next_chunk()
                if not wait and not self._takes_more():
                    return False
                self._write(self._carry)
                self._carry = b""
            return True
        finally:
            self._last_write = time.monotonic()
            self._lock.release()

    def close(self) -> None:
        """Write what waits, for a second at most, and let go of the descriptor."""
        deadline = time.monotonic() + 1.0
        while not self.drain(wait=False) and time.monotonic() < deadline:
            time.sleep(0.01)
        fd, self._fd = self._fd, -1
        if fd >= 0:
            with contextlib.suppress(OSError):
                os.close(fd)

    def forget(self) -> None:
        """In a forked child: what waits is the parent's to write, and its lock is no one's."""
        self._lines.clear()
        self._carry = b""
        self._lock = threading.Lock()

    def _next_chunk(self) -> bytes:
        lines = self._lines
        if not self._is_slow:
            return "".join([lines.popleft() for _ in range(min(len(lines), _FILE_LINES))]).encode("utf-8", "replace")
        taken: list[str] = []
        room = _PIPE_CHUNK
        while lines:
            line = lines[0]
            room -= len(line) if line.isascii() else 4 * len(line)
            if room < 0 and taken:
                break
            taken.append(lines.popleft())
        return "".join(taken).encode("utf-8", "replace")

    def _takes_more(self) -> bool:
        """Tell whether a write would return at once."""
        if not self._is_slow or self._fd < 0:
            return True
        poll = select.poll()
        poll.register(self._fd, select.POLLOUT)
        return bool(poll.poll(0))

    def _write(self, chunk: bytes) -> None:
        if self._torn:
            chunk = b"\n" + chunk
        rest = memoryview(chunk)
        try:
            while rest:
                try:
                    rest = rest[os.write(self._fd, rest) :]
                except BlockingIOError:  # somebody made the descriptor non-blocking
                    select.select([], [self._fd], [], 1.0)
            self._torn = False
        except (OSError, ValueError):
            # Disk full, reader gone, descriptor closed: a log is no reason to fail.
            self._torn = self._torn or 0 < len(rest) < len(chunk)
            self.dropped += bytes(rest).count(b"\n")

    def _look(self) -> None:
        try:
            status = os.fstat(self._fd)
        except OSError:
            self._is_slow = False
            return
        self._identity = (status.st_dev, status.st_ino)
        self._is_slow = not stat.S_ISREG(status.st_mode) and hasattr(select, "poll")

    def _reopen_if_moved(self) -> None:
        """Follow a log file that was rotated away."""
        self._last_look = time.monotonic()
        assert self.path is not None
        try:
            status = os.stat(self.path)
            if (status.st_dev, status.st_ino) == self._identity:
                return
        except FileNotFoundError:
            pass
        except OSError:
            return
        with contextlib.suppress(OSError):
            fresh = _open(self.path)
            old, self._fd = self._fd, fresh
            os.close(old)
            self._look()

    def _set_aside_if_large(self) -> None:
        """Begin a new file where this one is large; of several processes one does it, the others follow."""
        if self._largest is None or self._is_slow or self.path is None or fcntl is None:
            return
        with contextlib.suppress(OSError):
            if os.fstat(self._fd).st_size <= self._largest:
                return
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            try:
                there = os.stat(self.path)
                if (there.st_dev, there.st_ino) == self._identity:
                    _set_aside(self.path, self._kept)
            finally:
                fcntl.flock(self._fd, fcntl.LOCK_UN)
            self._reopen_if_moved()


def _set_aside(path: str, kept: int) -> None:
    """Give a file and those that were set aside before the next number; the last is deleted."""
    if kept == 0:
        os.unlink(path)
        return
    for number in range(kept - 1, 0, -1):
        with contextlib.suppress(FileNotFoundError):
            os.replace(f"{path}.{number}", f"{path}.{number + 1}")
    os.replace(path, f"{path}.1")


def _open(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o640)


def _standard_error() -> int:
    """Return a descriptor of our own for standard error: number 2 may be closed later and become a socket."""
    try:
        return os.dup(sys.stderr.fileno())
    except (AttributeError, OSError, ValueError):
        with contextlib.suppress(OSError):
            return os.dup(2)
    return -1
