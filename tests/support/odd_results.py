"""Functions whose results are too odd or too large to be kept."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any


def an_object() -> Any:
    return {"deep": [object()]}


def itself() -> Any:
    found: list[Any] = []
    found.append(found)
    return found


def much(megabytes: int) -> str:
    return "x" * (megabytes << 20)


_kept: list[Any] = []


async def _note(path: str) -> None:
    await asyncio.sleep(0.05)
    Path(path).write_text("done")


def leaves_a_task(path: str) -> str:
    """Return before the task that it made has run, as jobs around rq-scheduler do."""
    loop = asyncio.get_event_loop()
    _kept.append(loop.create_task(_note(path)))
    return "left"


async def _fail() -> None:
    raise ValueError("in the task")


def leaves_a_failing_task() -> None:
    loop = asyncio.get_event_loop()
    _kept.append(loop.create_task(_fail()))
