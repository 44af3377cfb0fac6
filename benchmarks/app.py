"""The application that the benchmarks run."""

from __future__ import annotations

from rota import Rota

rota = Rota()


@rota.job(queue="bench")
async def noop() -> None:
    """Do nothing, as quickly as can be."""


@rota.job(queue="bench")
async def note(user: int, text: str) -> None:
    """Do nothing, with arguments."""


@rota.job(queue="bench")
def noop_sync() -> None:
    """Do nothing, in a process of its own."""
