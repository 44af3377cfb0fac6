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

RESTART_S = (0.5, 30.0)
STEADY_S = 30.0
"""A child that lived this long starts again without delay."""
WRONG_USAGE = 2
"""Exit code of a child that was given a wrong setting."""
LIFE_VARIABLE = "_ROTA_LIFE_FD"


class Child:
    """One role in a process of its own."""

    def __init__(self, name: str, argv: Sequence[str]) -> None:
        self.name = name
        self.argv = list(argv)
        self.process: subprocess.Popen[bytes] | None = None
        self.started = 0.0
        self.failures = 0
        self.start_at = 0.0

    def start(self, life_fd: int) -> None:
        """Start the process."""
        environment = {**os.environ, LIFE_VARIABLE: str(life_fd)}
        self.process = subprocess.Popen(self.argv, env=environment, pass_fds=(life_fd,), stdin=subprocess.DEVNULL)
        self.started = time.monotonic()

    @property
    def running(self) -> bool:
        """Tell whether the process lives."""
        return self.process is not None and self.process.poll() is None

    def ended(self) -> int:
        """Note that it died; return for how many seconds its restart waits."""
        lived = time.monotonic() - self.started
        self.failures = 0 if lived > STEADY_S else self.failures + 1
        least, most = RESTART_S
        pause = 0.0 if self.failures == 0 else min(most, least * 2 ** (self.failures - 1))
        self.start_at = time.monotonic() + pause
        code = self.process.returncode if self.process else 0
        self.process = None
        return code

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
        self._stops = 0
        self._event = threading.Event()

    def run(self) -> int:
        """Supervise until SIGTERM or SIGINT; return the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_stop)
        signal.signal(signal.SIGCHLD, lambda *_: self._event.set())
        try:
            for child in self.children:
                child.start(self._life_read)
            while self._stops == 0:
                hopeless = self._look_after()
                if hopeless is not None:
                    self._drain()
                    return hopeless
                self._event.wait(0.5)
                self._event.clear()
            return self._drain()
        finally:
            self._kill()

    def _on_stop(self, number: int, frame: object) -> None:
        self._stops += 1
        self._event.set()

    def _look_after(self) -> int | None:
        """Restart the dead; return an exit code where that is hopeless."""
        for child in self.children:
            if child.process is not None and not child.running:
                code = child.ended()
                if code == WRONG_USAGE:  # it will not go away by itself; the child has said what is wrong
                    return code
                logs.event(
                    "supervisor/child-died", f"{child.name} ended with {code}, starting it again", level="error",
                    child=child.name, exitCode=code,
                )  # fmt: skip
            if child.process is None and time.monotonic() >= child.start_at and self._stops == 0:
                child.start(self._life_read)
        return None

    def _drain(self) -> int:
        for child in self.children:
            child.signal(signal.SIGTERM)
        end = time.monotonic() + self._patience_s
        while any(child.running for child in self.children) and time.monotonic() < end and self._stops < 2:
            self._event.wait(0.1)
            self._event.clear()
        if self._stops >= 2:
            for child in self.children:
                child.signal(signal.SIGTERM)  # a second one: end now, and give back what runs
            end = time.monotonic() + 2.0
            while any(child.running for child in self.children) and time.monotonic() < end:
                time.sleep(0.05)
        return 0 if not any(child.running for child in self.children) else 1

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

    threading.Thread(target=watch, name="rota-life", daemon=True).start()
    # Ctrl-C reaches the whole process group; the supervisor passes it on as SIGTERM, and two would be one too many.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return True
