"""A supervisor with children that behave as they are told; run as ``python -m tests.support.supervised CHILD…``.

A child is ``name=behaviour``: ``serve`` drains quickly when it is told to end, ``slow`` takes a minute for it unless it
is told twice, ``deaf`` does not listen, ``crash`` dies at once with exit code 3, ``wrong`` has wrong settings, ``once``
has them from its second start on.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from rota import logs
from rota.engine.supervisor import WRONG_USAGE, Child, Supervisor, watch_life_pipe
from rota.settings import load_settings

PATIENCE_S = 3.0
MODULE = "tests.support.supervised"


def say(text: str) -> None:
    """Print at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def supervise(children: list[str]) -> int:
    """Run a supervisor."""
    logs.configure(load_settings({}, log_format="json"), "supervisor")
    pairs = [child.split("=") for child in children]
    found = [Child(name, [sys.executable, "-m", MODULE, "--child", name, behaviour]) for name, behaviour in pairs]
    return Supervisor(found, patience_s=PATIENCE_S).run()


def serve(name: str, behaviour: str) -> int:
    """Be a child."""
    supervised = watch_life_pipe()
    starts = Path(f"{name}.starts")
    with starts.open("a") as file:
        file.write(f"{os.getpid()}\n")
    again = starts.read_text().count("\n") > 1
    if behaviour == "crash":
        return 3
    if behaviour == "wrong" or (behaviour == "once" and again):
        return WRONG_USAGE
    told = 0

    def stop(*_: object) -> None:
        nonlocal told
        told += 1
        say(f"{name} told {told}")

    signal.signal(signal.SIGTERM, signal.SIG_IGN if behaviour == "deaf" else stop)
    say(f"{name} ready {supervised}")
    while not told:
        time.sleep(0.02)
    end = time.monotonic() + 60
    while behaviour == "slow" and told < 2 and time.monotonic() < end:
        time.sleep(0.02)
    say(f"{name} done")
    return 0


if __name__ == "__main__":
    if sys.argv[1] == "--child":
        sys.exit(serve(sys.argv[2], sys.argv[3]))
    sys.exit(supervise(sys.argv[1:]))
