"""A command run as if it were called itself: in a session of its own, its streams and signals passed through."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from types import FrameType
from typing import IO, Any, NamedTuple

NOT_FOUND = 127
NOT_EXECUTABLE = 126
FORWARDED = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")
LINGER_S = 1.0
"""What a command left behind may hold its output open: so long what it still writes is waited for."""
_PIECE = 65_536


class Done(NamedTuple):
    """How a command ended."""

    exit_code: int
    """128 and the number of the signal that ended it, as a shell says it."""
    tail: bytes
    """What it wrote last, to both streams."""
    took_ms: int
    note: str | None = None
    """Why it did not begin."""


def run(command: list[str], tail_bytes: int) -> Done:
    """Run a command to its end; with ``tail_bytes`` 0 its output is not looked at."""
    tail, start = Tail(tail_bytes), time.monotonic()
    with Forwarding() as forwarding:
        pipe = subprocess.PIPE if tail_bytes else None
        try:
            process = subprocess.Popen(command, stdout=pipe, stderr=pipe, start_new_session=True)
        except OSError as error:
            code = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
            text = f"{command[0]}: {error.strerror or error}"
            return Done(code, text.encode("utf-8", "replace"), 0, text)
        except ValueError as error:  # NUL in an argument
            return Done(NOT_EXECUTABLE, str(error).encode(), 0, str(error))
        forwarding.to(process)
        readers = [
            _reading(stream, target, tail)
            for stream, target in ((process.stdout, 1), (process.stderr, 2))
            if stream is not None
        ]
        code = process.wait()
        took_ms = round((time.monotonic() - start) * 1000)
        until = time.monotonic() + LINGER_S
        for reader in readers:
            reader.join(max(0.0, until - time.monotonic()))
    return Done(code if code >= 0 else 128 - code, tail.text(), took_ms)


class Tail:
    """The last bytes of what is written."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._kept = bytearray()
        self._cut = False

    def add(self, piece: bytes) -> None:
        """Note what was written."""
        with self._lock:
            self._kept += piece
            if len(self._kept) > self._most:
                del self._kept[: -self._most]
                self._cut = True

    def text(self) -> bytes:
        """Return it, from the beginning of a line or a character on."""
        with self._lock:
            kept = bytes(self._kept)
        if not self._cut:
            return kept
        line = kept.find(b"\n", 0, len(kept) // 2)
        begin = line + 1 if line >= 0 else next((n for n in range(4) if kept[n : n + 1] and kept[n] & 0xC0 != 0x80), 0)
        return "… [what came before is left out]\n".encode() + kept[begin:]


class Forwarding:
    """Hands signals on to a command; those that come before it has begun, once it has."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._early: list[int] = []
        self._before: dict[int, Any] = {}

    def to(self, process: subprocess.Popen[bytes]) -> None:
        """Name who gets them."""
        self._process = process
        for number in self._early:
            self._send(number)

    def __enter__(self) -> Forwarding:
        for name in FORWARDED:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *exc: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._process is None:
            self._early.append(number)
        else:
            self._send(number)

    def _send(self, number: int) -> None:
        assert self._process is not None
        if self._process.returncode is None:  # else its number may be another's by now
            try:
                os.killpg(self._process.pid, number)
            except OSError:
                return


def _reading(source: IO[bytes], target: int, tail: Tail) -> threading.Thread:
    thread = threading.Thread(target=_pump, args=(source, target, tail), name="rota-output", daemon=True)
    thread.start()
    return thread


def _pump(source: IO[bytes], target: int, tail: Tail) -> None:
    """Pass on what a command writes; when nobody reads it any more, the command hears of it as it always would."""
    try:
        while piece := os.read(source.fileno(), _PIECE):
            tail.add(piece)
            left = memoryview(piece)
            while left:
                left = left[os.write(target, left) :]
    except OSError:
        pass
    finally:
        source.close()
