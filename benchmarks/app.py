"""The application that the benchmarks run."""

from __future__ import annotations

import time

from rota import Rota

rota = Rota()
LINES_A_SECOND = 10_000


@rota.job(queue="bench")
async def noop() -> None:
    """Do nothing, as quickly as can be."""


@rota.job(queue="bench")
async def note(user: int, text: str) -> None:
    """Do nothing, with arguments."""


@rota.job(queue="bench")
def noop_sync() -> None:
    """Do nothing, in a process of its own."""


@rota.job(queue="bench")
def chatter(count: int = 100_000) -> None:
    """Write so many lines, at a steady pace."""
    began, written = time.monotonic(), 0
    while written < count:
        due = min(count, int((time.monotonic() - began) * LINES_A_SECOND))
        for number in range(written, due):
            print(f"line {number:08d} of a job that has much to tell")
        written = due
        time.sleep(0.01)
