"""``rota up``: starts the roles as children, restarts the dead, passes signals on, and takes them along when it ends.

The children stay in its process group.  Each inherits the read end of a pipe whose write end only the supervisor
has: when it is closed, by whatever death, the child ends at once.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Sequence

from rota import logs
from rota.engine.signals import Bell, Stops, on_stop

RESTART_S = (0.5, 30.0)
STEADY_S = 30.0
"""A child that lived this long starts again without delay."""
LOOK_S = 0.5
END_S = 2.0
"""How long children may take to end after a second stop."""
WRONG_USAGE = 2
"""Exit code of a child that was given a wrong setting."""
LIFE_VARIABLE = "_ROTA_LIFE_FD"
OF_TERMINALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGHUP") if hasattr(signal, name))
"""Ctrl-C and a closed terminal reach the whole process group; the supervisor passes them on as SIGTERM."""


class Child:
    """One role in a process of its own."""

    def __init__(self, name: str, argv: Sequence[str]) -> None:
        self.name = name
        self.argv = list(argv)
        self.process: subprocess.Popen[bytes] | None = None
        self.starts = 0
        self._started = 0.0
        self._failures = 0
        self._start_at = 0.0

    @property
    def due(self) -> bool:
        """Tell whether it is to be started now."""
        return self.process is None and time.monotonic() >= self._start_at

    @property
    def running(self) -> bool:
        """Tell whether the process lives."""
        return self.process is not None and self.process.poll() is None

    def start(self, life_fd: int) -> None:
        """Start the process; where the system has no room for one, that is tried again later."""
        environment = {**os.environ, LIFE_VARIABLE: str(life_fd)}
        self.starts += 1
        self._started = time.monotonic()
        # A child starts with these blocked, and ignores them as soon as it can: Ctrl-C must not break off its imports.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, OF_TERMINALS)
        try:
            self.process = subprocess.Popen(self.argv, env=environment, pass_fds=(life_fd,), stdin=subprocess.DEVNULL)
        except OSError as error:
            self._plan_start()
            logs.event(
                "supervisor/child-died", f"{self.name} cannot be started: {error}", level="error", child=self.name,
                error=str(error),
            )  # fmt: skip
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def ended(self) -> int | None:
        """Return the exit code when it has died since the last look; its next start is planned then."""
        if self.process is None or self.process.poll() is None:
            return None
        code = self.process.returncode
        self.process = None
        self._plan_start()
        return code

    def _plan_start(self) -> None:
        lived = time.monotonic() - self._started
        self._failures = 0 if lived > STEADY_S else self._failures + 1
        least, most = RESTART_S
        pause = 0.0 if self._failures == 0 else min(most, least * 2.0 ** min(self._failures - 1, 10))
        self._start_at = time.monotonic() + pause

    def signal(self, number: int) -> None:
        """Send a signal to it, where it lives."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)


class Supervisor:
    """Keeps children alive until it is told to end."""

    def __init__(self, children: Sequence[Child], *, patience_s: float) -> None:
        """``patience_s``: how long children may drain before they are killed."""
        self.children = list(children)
        self._patience_s = patience_s
        self._life_read, self._life_write = os.pipe()
        self._stops = Stops()
        self._bell = Bell()

    def run(self) -> int:
        """Supervise until SIGTERM or SIGINT; return the exit code."""
        on_stop(self._stop)
        signal.signal(signal.SIGCHLD, lambda *_: self._bell.ring())
        logs.event("supervisor/started", f"starting {', '.join(child.name for child in self.children)}")
        try:
            while not self._stops.count:
                hopeless = self._look_after()
                if hopeless is not None:
                    self._drain()
                    return hopeless
                self._bell.wait(LOOK_S)
            return self._drain()
        finally:
            self._kill()
            logs.event("supervisor/stopped", "stopped")

    def _stop(self) -> None:
        self._stops.note()
        self._bell.ring()

    def _look_after(self) -> int | None:
        """Start what is to be started; return an exit code where that is hopeless."""
        for child in self.children:
            code = child.ended()
            if code == WRONG_USAGE and child.starts == 1:
                return code  # it will not go away by itself; the child has said what is wrong
            if code is not None:
                logs.event(
                    "supervisor/child-died", f"{child.name} ended with {code}, starting it again", level="error",
                    child=child.name, exitCode=code,
                )  # fmt: skip
            if child.due and not self._stops.count:
                child.start(self._life_read)
        return None

    def _drain(self) -> int:
        for child in self.children:
            child.signal(signal.SIGTERM)
        self._wait(self._patience_s, stops=1)
        if self._stops.count > 1:
            for child in self.children:
                child.signal(signal.SIGTERM)  # a second one: end now, and give back what runs
            self._wait(END_S, stops=None)
        return 1 if self._any_running() else 0

    def _wait(self, seconds: float, *, stops: int | None) -> None:
        """Wait for the end of the children, or for more requests to stop than so many."""
        end = time.monotonic() + seconds
        while self._any_running() and time.monotonic() < end and (stops is None or self._stops.count <= stops):
            self._bell.wait(0.1)

    def _any_running(self) -> bool:
        return any(child.running for child in self.children)

    def _kill(self) -> None:
        for child in self.children:
            child.signal(signal.SIGKILL)
        for child in self.children:
            if child.process is not None:
                child.process.wait()
        os.close(self._life_write)
        os.close(self._life_read)


def watch_life_pipe() -> bool:
    """In a child: end at once when the supervisor is gone; tell whether there is one."""
    text = os.environ.pop(LIFE_VARIABLE, None)
    if text is None:
        return False
    descriptor = int(text)
    os.set_inheritable(descriptor, False)

    def watch() -> None:
        while os.read(descriptor, 1):
            pass
        os._exit(70)

    for number in OF_TERMINALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, OF_TERMINALS)
    threading.Thread(target=watch, name="rota-life", daemon=True).start()
    return True
