"""One runner as the worker sees it: a child process, the socket to it, its output, its end."""

from __future__ import annotations

import asyncio
import contextlib
import mmap
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from typing import IO

import msgspec

from rota import logs
from rota.executor import Call, Line, Outcome, Stop, Stream
from rota.executors import runner_frames as frames
from rota.executors.runner import Setup
from rota.executors.runner_frames import BEGUN, EXECUTING, MARKER_BYTES, Hello
from rota.executors.runner_owner import RunnerOwner
from rota.executors.runner_pipe import OutputPipe

_READ = 64 * 1024
PAUSE_S = 0.05
"""How long nothing is read of a runner whose calls say more than can be stored."""
_TAIL_BYTES = 8 * 1024
SECRETS = (
    "ROTA_AUTH_SECRET",
    "SCHEDULER_SHARED_AUTH_SECRET",
    "ROTA_SECRET_KEY",
    "ROTA_TOKEN",
    "ROTA_NOTIFY_URLS",
    "ROTA_CANARY_URL",
)
"""What the environment of functions lacks.  The database's address stays: functions enqueue."""


class Runner:
    """A runner process.

    Started on the thread of the event loop, which must outlive it: the kernel ends the child with that thread.
    """

    def __init__(self, owner: RunnerOwner, lane: str, setup: Setup) -> None:
        self.lane = lane
        self.calls: dict[int, Call] = {}
        self.stopping: dict[int, Stop] = {}
        self.hello: Hello | None = None
        self.taken = 0
        """How many calls it has been given."""
        self.draining = False
        self.killed = False
        """Whether the worker itself ended it: then what it ran is not to blame."""
        self.exit_code: int | None = None
        """As ``subprocess`` tells it, once it has ended."""
        self.was_asked = False
        """Whether it had been asked to go when it ended."""
        self.idle_since = time.monotonic()
        self.gone = asyncio.Event()
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._reader = frames.FrameReader()
        self._out = bytearray()
        self._next = 0
        self._tail = bytearray()
        self._heard_all = False
        self._talkers: set[int] = set()
        """Calls that had output since it was last looked whether that is too much."""
        self._marker_fd = _shared_memory()
        self._marker = mmap.mmap(self._marker_fd, MARKER_BYTES)
        self._socket, theirs = socket.socketpair()
        self._socket.setblocking(False)
        try:
            self._process = self._spawn(setup, lane, theirs)
        except BaseException:
            self._socket.close()
            os.close(self._marker_fd)
            raise
        finally:
            theirs.close()
        self._pidfd = os.pidfd_open(self.pid) if hasattr(os, "pidfd_open") else None
        self._takers: dict[int, Callable[[bytes], None]] = {
            frames.DONE: self._take_done,
            frames.ENDED: self._take_ended,
            frames.LINES: self._take_lines,
            frames.PROGRESS: self._take_progress,
            frames.CHECKPOINT: self._take_checkpoints,
            frames.EXTEND: self._take_extend,
            frames.MOVED: self._take_moved,
            frames.HELLO: self._take_hello,
        }
        self._listen()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def begin(self, calls: Sequence[Call]) -> None:
        """Give calls to the runner."""
        number = self._next
        works = []
        for call in calls:
            number += 1
            self.calls[number] = call
            works.append(frames.work_of(number, call))
        self._next = number
        self.taken += len(works)
        if self.lane == "sync":
            self._tail.clear()
        self._send(frames.WORK, works)

    def stop(self, number: int, why: Stop) -> None:
        """Ask a call to end."""
        self.stopping[number] = why
        self._send(frames.STOP, [number])

    def drain(self) -> None:
        """Let the runner finish what it runs, and exit."""
        if not self.draining:
            self.draining = True
            self._send(frames.DRAIN, None)

    def kill(self) -> None:
        """End the process and what it started, at once."""
        if self._process.returncode is None:
            self.killed = True
            self._signal()

    def begun(self) -> set[int]:
        """Return the numbers of the calls that the process had begun and not ended."""
        last = self._marked(BEGUN)
        return {number for number in self.calls if number <= last}

    def culprit(self) -> int | None:
        """Return the number of the call whose code was executing when the process ended, if it is known."""
        begun = self.begun()
        if len(begun) == 1:
            return begun.pop()
        number = self._marked(EXECUTING)
        return number if number in begun else None

    def last_words(self) -> str:
        """Return the crash report, or what else the process wrote at last to its own stderr."""
        text = self._tail.decode("utf-8", "replace")
        report = text.rfind("Fatal Python error")
        if report >= 0:
            return text[report:]
        return text if self.lane == "sync" or self.hello is None else ""

    def resident_bytes(self) -> int | None:
        """Return the resident memory, where the system tells it."""
        with contextlib.suppress(OSError, ValueError, IndexError), open(f"/proc/{self.pid}/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        return None

    def _marked(self, place: int) -> int:
        with memoryview(self._marker) as view, view.cast("Q") as numbers:
            return numbers[place]

    def _spawn(self, setup: Setup, lane: str, theirs: socket.socket) -> subprocess.Popen[bytes]:
        given = msgspec.structs.replace(
            setup, lane=lane, socket=theirs.fileno(), marker=self._marker_fd, worker_pid=os.getpid()
        )
        return subprocess.Popen(
            [sys.executable, "-m", "rota.executors.runner", msgspec.json.encode(given).decode()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={name: value for name, value in os.environ.items() if name not in SECRETS},
            pass_fds=(theirs.fileno(), self._marker_fd),
            process_group=0,  # a kill reaches what it starts; Ctrl-C on the terminal does not reach it
        )

    def _listen(self) -> None:
        self._loop.add_reader(self._socket, self._hear)
        streams: tuple[tuple[Stream, IO[bytes] | None], ...] = (
            ("stdout", self._process.stdout),
            ("stderr", self._process.stderr),
        )
        self._pipes = [
            OutputPipe(self._loop, pipe.fileno(), stream, self._printed, self._full)
            for stream, pipe in streams
            if pipe is not None
        ]
        if self._pidfd is not None:
            self._loop.add_reader(self._pidfd, self._died)
        else:
            threading.Thread(target=self._wait, name=f"rota-wait-{self.pid}", daemon=True).start()

    def _wait(self) -> None:
        # Only looks: the process is reaped after its group is killed, while its number cannot be another's yet.
        os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._died)

    def _send(self, kind: int, payload: object) -> None:
        blocked = bool(self._out)
        self._out += frames.pack(kind, payload)
        if not blocked and not self._write():
            self._loop.add_writer(self._socket, self._writable)

    def _writable(self) -> None:
        if self._write():
            self._loop.remove_writer(self._socket)

    def _write(self) -> bool:
        """Send what the socket takes; tell whether that was all."""
        try:
            del self._out[: self._socket.send(self._out)]
        except BlockingIOError:
            return False
        except OSError:  # it is ending; what it ran is settled when it has ended
            self._out.clear()
        return not self._out

    def _hear(self) -> None:
        if not self._full():
            self._talkers.clear()
            self._readable()
            return
        self._loop.remove_reader(self._socket)
        self._loop.call_later(PAUSE_S, self._listen_again)

    def _listen_again(self) -> None:
        if not self._heard_all and self._socket.fileno() >= 0:
            self._loop.add_reader(self._socket, self._hear)

    def _full(self) -> bool:
        return any(number in self.calls and self._owner.full(self.calls[number]) for number in self._talkers)

    def _readable(self) -> bool:
        """Take what has come; tell whether there may be more."""
        try:
            data = self._socket.recv(_READ)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self._heard_all = True
            self._loop.remove_reader(self._socket)
            return False
        try:
            for kind, payload in self._reader.feed(data):
                self._takers[kind](payload)
        except (frames.FrameError, msgspec.MsgspecError, KeyError):  # a function wrote to our socket
            self._heard_all = True
            self._loop.remove_reader(self._socket)
            self._signal()
            return False
        return True

    def _take_done(self, payload: bytes) -> None:
        self._read_output()
        pop, ended = self.calls.pop, self._owner.ended
        for number, result in zip(*frames.decode_done(payload), strict=True):
            ended(self, pop(number), Outcome("completed", result))
            self._forget(number)

    def _take_ended(self, payload: bytes) -> None:
        self._read_output()
        for number, outcome in frames.decode_ended(payload):
            self._owner.ended(self, self.calls.pop(number), outcome)
            self._forget(number)

    def _take_moved(self, payload: bytes) -> None:
        for number in frames.decode_numbers(payload):
            call = self.calls.pop(number)
            if number in self.stopping:
                self._owner.ended(self, call, Outcome("stopped", begun=False))
            else:
                self._owner.moved(self, call)
            self._forget(number)

    def _take_progress(self, payload: bytes) -> None:
        for number, value, message in frames.decode_progress(payload):
            if number in self.calls:
                self._owner.progress(self.calls[number], value, message)

    def _take_extend(self, payload: bytes) -> None:
        number, extra_us = frames.decode_extend(payload)
        if number in self.calls:
            self._owner.extend(self.calls[number], extra_us)

    def _take_checkpoints(self, payload: bytes) -> None:
        for number, value in frames.decode_checkpoint(payload):
            if number in self.calls:
                self._owner.checkpoint(self.calls[number], value)

    def _take_hello(self, payload: bytes) -> None:
        self.hello = frames.decode_hello(payload)
        self._owner.ready(self, self.hello)

    def _forget(self, number: int) -> None:
        if self.stopping:
            self.stopping.pop(number, None)

    def _take_lines(self, payload: bytes) -> None:
        batch: list[Line] = []
        last = 0
        for number, line in frames.decode_lines(payload):
            if number != last and batch:
                self._give_lines(last, batch)
                batch = []
            last = number
            batch.append(line)
        self._give_lines(last, batch)

    def _give_lines(self, number: int, lines: list[Line]) -> None:
        call = self.calls.get(number)
        if call is not None:
            self._talkers.add(number)
            self._owner.lines(call, lines)

    def _printed(self, stream: Stream, lines: list[str]) -> None:
        """Take what was written to the process's own stdout or stderr, past Python's streams."""
        if stream == "stderr":
            self._tail += "\n".join((*lines, "")).encode("utf-8", "replace")
            del self._tail[:-_TAIL_BYTES]
        call = next(iter(self.calls.values()), None) if self.lane == "sync" else None
        if call is not None and self.hello is not None:
            now = time.time_ns() // 1000
            self._talkers.update(self.calls)
            self._owner.lines(call, [Line(now, stream, line) for line in lines])
        else:
            with contextlib.suppress(OSError, ValueError):
                sys.stderr.write(logs.masked("\n".join((*lines, ""))))

    def _read_output(self) -> None:
        """Take what a call wrote before it ended."""
        if self.lane == "sync":
            for pipe in self._pipes:
                pipe.read_now(flush=True)

    def _signal(self) -> None:
        with contextlib.suppress(OSError):
            os.killpg(self.pid, signal.SIGKILL)

    def _died(self) -> None:
        self.was_asked = self.draining or self.killed
        self.draining = True  # what it still reports must not make it look free
        self._signal()  # what it started, while its number is still its own
        code = self.exit_code = self._process.wait()
        if self._pidfd is not None:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
        while self._readable():
            pass
        for pipe in self._pipes:
            pipe.close()
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._socket.close()
        self._owner.gone(self, _how(code))
        self._marker.close()
        os.close(self._marker_fd)
        self.gone.set()


def _how(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    with contextlib.suppress(ValueError):
        return f"signal {signal.Signals(-code).name}"
    return f"signal {-code}"


def _shared_memory() -> int:
    """Return a file descriptor of a few bytes of memory that both processes map."""
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("rota-marker")
    else:
        with tempfile.TemporaryFile() as file:
            fd = os.dup(file.fileno())
    os.ftruncate(fd, MARKER_BYTES)
    return fd
