"""Sends messages by a process of its own, which is started when there is something to send and ends when it is idle."""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from importlib.util import find_spec

import msgspec

from rota.masking import Mask
from rota.notify.message import Done, Message, Task
from rota.settings import SETTINGS
from rota.settings.notify_url import Channel, pieces_of

TIMEOUT_S = 15.0
"""How long a channel may take for one message."""
START_S = 10.0
"""What the first message may take longer: Apprise is loaded with it."""
IDLE_S = 20.0
END_S = 2.0
MISSING = "channels need Apprise: pip install 'rota[notify]'"
_BOOT = (
    "from rota.executors.proctree import make_undumpable; make_undumpable();"
    "from rota.notify.process import main; main()"
)


def installed() -> bool:
    """Tell whether Apprise is there."""
    return find_spec("apprise") is not None


class Courier:
    """One such process at a time.  Belongs to one thread, but for ``end_within``."""

    def __init__(self, sender: str) -> None:
        """``sender`` is the name by which messages introduce themselves."""
        self._sender = sender
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._answers: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._killed = False
        self._used = 0.0

    def send(self, channel: Channel, message: Message | None, timeout_s: float = TIMEOUT_S) -> Done:
        """Send a message; without one, see whether Apprise understands the address.  Never raises, never lasts."""
        if not installed():
            return Done(ok=False, error=MISSING)
        task = msgspec.json.encode(Task(channel.address, self._sender, message)) + b"\n"
        fresh = self._process is None or self._process.poll() is not None
        try:
            process = self._start() if fresh else self._process
            if process is None or process.stdin is None:
                return Done(ok=False, error="it was to end")
            process.stdin.write(task)
            process.stdin.flush()
            answer = self._answers.get(timeout=timeout_s + (START_S if fresh else 0.0))
            done = msgspec.json.decode(answer, type=Done)
        except queue.Empty:
            self._end()
            return Done(ok=False, error=f"it did not answer within {timeout_s:g} s")
        except (OSError, ValueError, msgspec.MsgspecError) as error:
            self._end()
            return Done(ok=False, error=f"the process that sends has ended ({type(error).__name__})")
        self._used = time.monotonic()
        return done if done.error is None else Done(done.ok, Mask(pieces_of(channel.address))(done.error))

    def rest(self) -> None:
        """End the process where it has had nothing to do for a while."""
        if self._process is not None and time.monotonic() - self._used > IDLE_S:
            self._end()

    def end_within(self, seconds: float) -> None:
        """Send nothing more; what is being sent gets so long.  From any thread; does not wait."""
        with self._lock:
            self._killed = True
            process = self._process
        if process is not None:
            timer = threading.Timer(seconds, process.kill)
            timer.daemon = True
            timer.start()

    def close(self) -> None:
        """End the process."""
        self._killed = True
        self._end()

    def _start(self) -> subprocess.Popen[bytes] | None:
        self._end()
        with self._lock:
            if self._killed:
                return None
            # It inherits what proxies and certificates need, but none of Rota's own settings: they hold secrets.
            process = self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _BOOT],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=_environment(os.environ),
            )
        answers: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._answers = answers

        def read() -> None:
            assert process.stdout is not None
            with process.stdout as stream:
                for line in stream:
                    answers.put(line)
            answers.put(b"")  # it has ended

        threading.Thread(target=read, name="rota-courier", daemon=True).start()
        return process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        if process.stdin is not None:
            with contextlib.suppress(OSError):  # what was left in it is lost with the process
                process.stdin.close()
        process.wait(END_S)


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without the settings of Rota."""
    foreign = {name for setting in SETTINGS for name in (setting.name, *setting.aliases)}
    return {name: value for name, value in environ.items() if name not in foreign and not name.startswith("ROTA_")}
