"""What the foreign workers of the tests run: functions for RQ, and a Celery application with the same as tasks."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from celery import Celery

app = Celery(
    "fleet", broker=os.environ.get("FLEET_REDIS", "redis://"), backend=os.environ.get("FLEET_REDIS", "redis://")
)
app.conf.update(task_track_started=True, worker_hijack_root_logger=False)


class Opaque:
    """What no other process could make sense of."""


def echo(*args: Any, **kwargs: Any) -> Any:
    return kwargs["value"] if "value" in kwargs else [list(args), kwargs]


def fail(text: str = "boom") -> None:
    raise ValueError(text)


def opaque() -> Opaque:
    return Opaque()


def unwritable() -> Any:
    return lambda: None


def count(path: str, gate: str | None = None) -> int:
    """Leave a mark of having run, wait for a file, and return how often it ran."""
    with Path(path).open("a") as file:
        file.write(f"{os.getpid()}\n")
    while gate is not None and not Path(gate).exists():
        time.sleep(0.01)
    return len(Path(path).read_text().splitlines())


def hang(path: str) -> None:
    Path(path).write_text(str(os.getpid()))
    time.sleep(600)


for function in (echo, fail, opaque, count, hang):
    app.task(function)
