"""The shepherd: a small process of its own session that begets the keepers of a worker's commands.

It holds none of the worker's memory and secrets, so that forking is cheap and safe.  It is the second net: of a
keeper that was killed it inherits the processes, and kills them.  When the worker is gone, its keepers end what
runs, and so does it.

Standard library only: it is started without site packages, and without what ``rota`` itself would load.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import socket
import sys
import time
import traceback
from typing import NoReturn

from rota.executors import frames, proctree
from rota.executors.keeper import Keeper

RETRY_S = 0.02
GIVE_UP_S = 3.0
SLOW_S = 1.0
"""How often to try again with processes that did not end when they were killed."""


class Shepherd:
    """The loop of the shepherd process."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._unpacker = frames.Unpacker()
        self._arrived: list[int] = []
        self._keepers: dict[int, tuple[int, socket.socket]] = {}
        """Process id → number and channel.  The channel stays open here, so that the worker sees the end of a
        keeper only when nothing is left of its command."""
        self._bereft: list[socket.socket] = []
        self._orphaned_at: float | None = None
        self._ending_at: float | None = None
        self._life, self._life_write = os.pipe()
        self._wake = _wake_on_child()
        self._poll = select.poll()
        self._poll.register(control, select.POLLIN)
        self._poll.register(self._wake, select.POLLIN)

    def serve(self) -> None:
        """Serve until the worker is gone and every keeper too."""
        self._control.sendall(frames.pack(frames.READY))
        while self._ending_at is None or self._keepers or self._bereft:
            for number, _ in self._poll.poll(self._timeout_ms()):
                if number == self._wake:
                    os.read(self._wake, 4096)
                else:
                    self._receive()
            self._reap()
            if self._ending_at is not None and time.monotonic() - self._ending_at > GIVE_UP_S:
                self._kill_keepers()

    def _receive(self) -> None:
        try:
            data, passed, _, _ = socket.recv_fds(self._control, 1 << 16, 16)
        except OSError:
            data, passed = b"", []
        self._arrived += passed
        if not data:
            self._poll.unregister(self._control)
            self._ending_at = time.monotonic()
            # The keepers have the other end: it tells them to end.
            os.close(self._life_write)
        for kind, payload in self._unpacker.feed(data):
            if kind == frames.KEEPER:
                self._beget(int(payload), socket.socket(fileno=self._arrived.pop(0)))
            elif kind == frames.KILL:
                self._kill_keepers(int(payload))

    def _beget(self, number: int, channel: socket.socket) -> None:
        try:
            pid = os.fork()
        except OSError as error:
            refusal = {"step": "keeper", "errno": error.errno, "text": error.strerror}
            channel.send(frames.pack(frames.REFUSED, json.dumps(refusal).encode()))
            channel.close()
            return
        if not pid:
            self._become_keeper(channel)
        self._keepers[pid] = (number, channel)

    def _become_keeper(self, channel: socket.socket) -> NoReturn:
        code = 1
        try:
            os.setpgid(0, 0)
            self._control.close()
            os.close(self._life_write)
            for _, other in self._keepers.values():
                other.close()
            for other in self._bereft:
                other.close()
            wake = _wake_on_child()
            proctree.become_subreaper()
            proctree.name_process("rota-keeper")
            Keeper(channel, self._life, wake).serve()
            code = 0
        finally:
            if code:
                traceback.print_exc()
            os._exit(code)

    def _kill_keepers(self, number: int | None = None) -> None:
        for pid, (each, _) in self._keepers.items():
            if number is None or each == number:
                os.kill(pid, signal.SIGKILL)

    def _reap(self) -> None:
        while True:
            try:
                pid = os.waitpid(-1, os.WNOHANG)[0]
            except ChildProcessError:
                break
            if not pid:
                break
            if pid in self._keepers:
                self._bereft.append(self._keepers.pop(pid)[1])
        orphans = [pid for pid in proctree.children(os.getpid()) if pid not in self._keepers]
        now = time.monotonic()
        if orphans and self._orphaned_at is None:
            self._orphaned_at = now
        for each in proctree.descendants(*orphans):
            proctree.send(each, signal.SIGKILL)
        for pid in orphans:
            # A child that nobody has waited for: its number is not another's.
            with contextlib.suppress(PermissionError):
                os.kill(pid, signal.SIGKILL)
        if not orphans:
            self._orphaned_at = None
        if self._orphaned_at is None or now - self._orphaned_at > GIVE_UP_S:
            for channel in self._bereft:
                channel.close()
            self._bereft.clear()

    def _timeout_ms(self) -> float | None:
        if self._orphaned_at is None and self._ending_at is None:
            return None
        late = self._orphaned_at is not None and time.monotonic() - self._orphaned_at > GIVE_UP_S
        return (SLOW_S if late else RETRY_S) * 1000


def _wake_on_child() -> int:
    """Return what becomes readable when a child ends."""
    read, write = os.pipe()
    for each in (read, write):
        os.set_blocking(each, False)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    return read


def _ignore(_number: int, _frame: object) -> None:
    """Take a signal without effect; unlike an ignored one, it is not ignored by what is started."""


def main() -> None:
    """Run the shepherd; the only argument is the number of the control socket."""
    for number in signal.valid_signals() - {signal.SIGPIPE, signal.SIGXFSZ}:
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, _ignore)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    proctree.make_undumpable()
    proctree.become_subreaper()
    proctree.name_process("rota-shepherd")
    control = socket.socket(fileno=int(sys.argv[-1]))
    control.set_inheritable(False)
    gc.freeze()
    Shepherd(control).serve()
