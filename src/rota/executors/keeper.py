"""A keeper runs one command at a time and answers for every process that comes of it.

It is the subreaper of what it starts: whatever forks, changes its session or empties its environment remains its
descendant, and nobody else's.  A command has ended when its keeper has no child left, which the kernel itself says.
The keeper also reads the output, so that a flood costs the worker nothing.

Standard library only, as in everything that the shepherd loads.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import signal
import socket
import subprocess
import time
from typing import Any

from rota.executors import frames, lines, proctree
from rota.executors.spawn import Refused, spawn
from rota.executors.spillway import Block, Gap, Spillway

FLUSH_S = 0.05
FLUSH_BYTES = 1 << 16
READ_BYTES = 1 << 14
"""Also the size of what a worker takes at once, however many lines that is."""
MAX_UNSENT = 1 << 18
MAX_LEFT = 1 << 22
"""More than any pipe holds: who still writes after the end of the command is no longer listened to."""
MAX_EXTEND_BYTES = 100
RETRY_S = 0.02
GIVE_UP_S = 1.5
"""How long after KILL a process that does not end (another user's, or one stuck in the kernel) is waited for."""


class Run:
    """One command: its process, its output, its end."""

    def __init__(self, spec: dict[str, Any]) -> None:
        """Start it.  Raises `Refused`."""
        now = time.monotonic()
        self.process: subprocess.Popen[bytes]
        self.process, stdout, stderr = spawn(spec)
        self.pipes = {stdout: frames.STDOUT, stderr: frames.STDERR}
        self.spillway = Spillway(now)
        self.status: int | None = None
        self.cpu_s = 0.0
        self.rss_kib = 0
        self.killed: set[int] = set()
        self.kill_at: float | None = None
        self.give_up_at: float | None = None
        self.cut_off = False
        """Killed because worker or shepherd is gone: how it ended says nothing about it."""
        self._lines = {stream: lines.Lines(self._long_result) for stream in self.pipes.values()}
        self._progress: bytes | None = None
        self._checkpoint: bytes | None = None
        self._extend: bytes | None = None
        self._result: tuple[int, bytes] | None = None
        self._unflushed = 0
        self._flushed_at = now - FLUSH_S

    def read(self, pipe: int) -> bool:
        """Take what the pipe holds, once; False when it is at its end, or empty."""
        try:
            data = os.read(pipe, READ_BYTES)
        except BlockingIOError:
            return False
        stream = self.pipes[pipe]
        self._put(stream, self._lines[stream].feed(data) if data else self._lines[stream].rest())
        if not data:
            os.close(pipe)
            del self.pipes[pipe]
        return bool(data)

    def drain(self) -> None:
        """Take what is left in the pipes, whoever may still hold them open."""
        for pipe in [*self.pipes]:
            for _ in range(MAX_LEFT // READ_BYTES):
                if not self.read(pipe):
                    break
            if pipe in self.pipes:
                self._put(self.pipes[pipe], self._lines[self.pipes[pipe]].rest())
                os.close(pipe)
                del self.pipes[pipe]

    def flush_at(self) -> float | None:
        """Return when output is due to be sent (monotonic seconds), None while there is none."""
        marks = (self._progress, self._result, self._checkpoint, self._extend)
        if not len(self.spillway) and all(mark is None for mark in marks):
            return None
        return 0.0 if self._unflushed >= FLUSH_BYTES else self._flushed_at + FLUSH_S

    def flush(self, now: float, *, everything: bool = False) -> bytes:
        """Return messages with the output that may be sent now."""
        found: list[bytes] = []
        size = 0
        while everything or size < MAX_UNSENT:
            item = self.spillway.take(now, everything=everything)
            if item is None:
                break
            found.append(_message(item))
            size += len(found[-1])
        if self._progress is not None:
            found.append(frames.pack(frames.PROGRESS, self._progress))
        if self._result is not None:
            found.append(frames.pack_result(*self._result))
        if self._checkpoint is not None:
            found.append(frames.pack(frames.CHECKPOINT, self._checkpoint))
        if self._extend is not None:
            found.append(frames.pack(frames.EXTEND, self._extend))
        self._progress = self._result = self._checkpoint = self._extend = None
        self._unflushed, self._flushed_at = 0, now
        return b"".join(found)

    def reap(self) -> bool:
        """Collect the processes that ended; True when none is left."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return True
            if not pid:
                return False
            self.cpu_s += usage.ru_utime + usage.ru_stime
            self.rss_kib = max(self.rss_kib, usage.ru_maxrss if proctree.LINUX else usage.ru_maxrss >> 10)
            if pid == self.process.pid:
                self.status = self.process.returncode = os.waitstatus_to_exitcode(status)

    def terminate(self) -> None:
        """Ask all processes to end: TERM, and CONT for those that are stopped; each gets it once."""
        # Listed before anybody ends: between the end of its parent and its adoption a process is in no list.
        known = proctree.descendants(os.getpid())
        for number in (signal.SIGTERM, signal.SIGCONT):
            if self.status is None:
                proctree.send_group(self.process.pid, number)
            for each in known:
                if each.group != self.process.pid or self.status is not None:
                    proctree.send(each, number)

    def kill(self, now: float) -> None:
        """Kill all processes that are there now."""
        if self.give_up_at is None:
            self.give_up_at = now + GIVE_UP_S
        if self.status is None or not proctree.LINUX:
            proctree.send_group(self.process.pid, signal.SIGKILL)
        for each in proctree.descendants(os.getpid()):
            if proctree.send(each, signal.SIGKILL) and each.pid != self.process.pid and not each.ended:
                self.killed.add(each.pid)

    def report(self, *, gone: bool) -> dict[str, Any]:
        """Return how it ended, and who did not."""
        survivors = [] if gone else proctree.descendants(os.getpid())
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        own_kib = own if proctree.LINUX else own >> 10
        return {
            "status": self.status,
            "cpu_s": self.cpu_s,
            # A new process begins as a copy of this one: below that nothing is known of its own memory.
            "rss_kib": self.rss_kib if self.rss_kib > own_kib + 1024 else 0,
            "killed": len(self.killed),
            "survivors": [f"{each.pid} {each.name}" for each in survivors[:10]],
        }

    def _put(self, stream: bytes, block: bytes) -> None:
        block, directives = lines.split_directives(block)
        for line in directives:
            if line.startswith(lines.PROGRESS):
                self._progress = line[len(lines.PROGRESS) :][: lines.MAX_LINE_BYTES]
            elif line.startswith(lines.EXTEND):
                self._extend = line[len(lines.EXTEND) :][:MAX_EXTEND_BYTES]
            elif line.startswith(lines.CHECKPOINT):
                self._checkpoint = line[len(lines.CHECKPOINT) :]
            else:
                text = line[len(lines.RESULT) :]
                self._result = (len(text), text)
        if block:
            self.spillway.put(Block(stream, time.time_ns() // 1000, block), time.monotonic())
            self._unflushed += len(block)

    def _long_result(self, head: bytes, size: int) -> None:
        self._result = (size, head)


class Keeper:
    """The loop of a keeper process: one channel to the worker, one command at a time."""

    def __init__(self, channel: socket.socket, life: int, wake: int) -> None:
        """``channel`` leads to the worker, ``life`` ends with the shepherd, ``wake`` becomes readable on SIGCHLD."""
        self._channel = channel
        self._life = life
        self._wake = wake
        self._unpacker = frames.Unpacker()
        self._unsent = bytearray()
        self._run: Run | None = None
        self._ending = False
        self._poll = select.poll()
        for each in (channel.fileno(), life, wake):
            self._poll.register(each, select.POLLIN)

    def serve(self) -> None:
        """Run commands until worker or shepherd is gone and nothing of the last command is left."""
        self._channel.setblocking(False)
        while self._run is not None or not self._ending:
            for number, _ in self._poll.poll(self._timeout_ms()):
                self._handle(number)
            if self._run is not None:
                self._tend(self._run, time.monotonic())
            self._send(b"")
        self._channel.settimeout(1.0)
        with contextlib.suppress(OSError):
            self._channel.sendall(self._unsent)

    def _handle(self, number: int) -> None:
        if number == self._wake:
            os.read(self._wake, 4096)
            if self._run is not None:
                self._reap(self._run)
        elif number == self._channel.fileno():
            self._receive()
        elif number == self._life:
            self._end()
        elif self._run is not None and number in self._run.pipes:
            self._run.read(number)
            if number not in self._run.pipes:
                self._poll.unregister(number)

    def _receive(self) -> None:
        try:
            data = self._channel.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._end()
        for kind, payload in self._unpacker.feed(data):
            if kind == frames.RUN:
                self._start(json.loads(payload))
            elif kind == frames.STOP and self._run is not None:
                self._stop(self._run, float(payload))

    def _start(self, spec: dict[str, Any]) -> None:
        try:
            self._run = Run(spec)
        except Refused as error:
            refusal = {"step": error.step, "errno": error.errno, "text": error.text}
            self._send(frames.pack(frames.REFUSED, json.dumps(refusal).encode()))
            return
        self._send(frames.pack(frames.BEGUN))
        for pipe in self._run.pipes:
            self._poll.register(pipe, select.POLLIN)

    def _stop(self, run: Run, grace_s: float) -> None:
        kill_at = time.monotonic() + grace_s
        if run.kill_at is None and grace_s > 0:
            run.terminate()
        run.kill_at = kill_at if run.kill_at is None else min(run.kill_at, kill_at)

    def _end(self) -> None:
        """Worker or shepherd is gone: kill what runs, then leave."""
        if not self._ending:
            self._ending = True
            self._poll.unregister(self._channel.fileno())
            self._poll.unregister(self._life)
        if self._run is not None:
            self._run.kill_at = 0.0
            self._run.cut_off = self._run.status is None

    def _reap(self, run: Run) -> None:
        gone = run.reap()
        if not gone and run.status is not None and run.kill_at is None:
            run.kill_at = 0.0
        if gone:
            self._finish(run, gone=True)
        elif run.kill_at is not None and run.kill_at <= time.monotonic():
            run.kill(time.monotonic())

    def _tend(self, run: Run, now: float) -> None:
        """Do what is due: output, KILL, giving up."""
        flush_at = run.flush_at()
        if flush_at is not None and flush_at <= now and len(self._unsent) < MAX_UNSENT:
            self._send(run.flush(now))
        if run.kill_at is not None and run.kill_at <= now:
            run.kill(now)
            gone = run.reap()
            if gone or (run.give_up_at is not None and run.give_up_at <= now):
                self._finish(run, gone=gone)

    def _finish(self, run: Run, *, gone: bool) -> None:
        for pipe in run.pipes:
            self._poll.unregister(pipe)
        run.drain()
        self._send(run.flush(time.monotonic(), everything=True))
        if not run.cut_off:
            self._send(frames.pack(frames.EXIT, json.dumps(run.report(gone=gone)).encode()))
        self._run = None

    def _timeout_ms(self) -> float | None:
        run = self._run
        if run is None:
            return None
        due = [] if len(self._unsent) >= MAX_UNSENT else [run.flush_at()]
        if run.kill_at is not None:
            now = time.monotonic()
            due.append(run.kill_at if run.kill_at > now else now + RETRY_S)
        times = [each for each in due if each is not None]
        return max(0.0, min(times) - time.monotonic()) * 1000 + 1 if times else None

    def _send(self, data: bytes) -> None:
        """Send without waiting; what does not go now goes when the worker has read."""
        had = bool(self._unsent)
        self._unsent += data
        if not self._unsent:
            return
        try:
            del self._unsent[: self._channel.send(self._unsent)]
        except BlockingIOError:
            pass
        except OSError:
            self._unsent.clear()
        if not self._ending and had != bool(self._unsent):
            self._poll.modify(self._channel.fileno(), select.POLLIN | (select.POLLOUT if self._unsent else 0))


def _message(item: Block | Gap) -> bytes:
    if isinstance(item, Block):
        return frames.pack_output(item.stream, item.at_us, item.body)
    return frames.pack(frames.LEFT_OUT, json.dumps(item._asdict()).encode())
