"""What every peer is asked to do: ``python -m benchmarks.peers.NAME prepare|fill|singles|work|wait|stamps``.

It runs in the environment of the peers, so that nothing but the standard library is imported here.  The address of the
database is in ``PEER_URL``; stamps go to the file ``PEER_STAMPS``: when a job began, and when it was sent.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Callable, Sequence
from typing import Protocol

URL = os.environ.get("PEER_URL", "")
LOOK_S = 0.003
PAUSE_S = (0.010, 0.025)
"""Between two stamps, so that the worker is idle again."""


class Peer(Protocol):
    """One queue."""

    def prepare(self) -> None:
        """Make the tables, or empty them."""

    def fill(self, count: int) -> None:
        """Send a stamp, then so many jobs that do nothing, in the quickest way that there is."""

    def singles(self, count: int) -> None:
        """Send so many jobs, one call each."""

    def send_stamps(self, sent: Sequence[float]) -> None:
        """Send a stamp for each of these pauses, after it."""

    def work(self) -> None:
        """Be a worker, until TERM."""

    def left(self) -> bool:
        """Tell whether a job waits or runs."""


def stamp(sent: float) -> None:
    """Write down that a job begins now."""
    line = f"{time.time():.6f} {sent:.6f}\n".encode()
    file = os.open(os.environ["PEER_STAMPS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, line)
    os.close(file)


def send_after(pauses: Sequence[float], send: Callable[[float], object]) -> None:
    """Send a stamp after each pause, by a call with the time."""
    for pause in pauses:
        time.sleep(pause)
        send(time.time())


def main(peer: Peer) -> None:
    """Do what the command line says; what is measured is printed."""
    command, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0
    if command == "prepare":
        peer.prepare()
    elif command in ("fill", "singles"):
        began = time.perf_counter()
        peer.fill(count) if command == "fill" else peer.singles(count)
        print(count / (time.perf_counter() - began))
    elif command == "work":
        peer.work()
    elif command == "wait":
        while peer.left():
            time.sleep(LOOK_S)
        print(time.time())
    else:
        peer.send_stamps([random.uniform(*PAUSE_S) for _ in range(count)])
