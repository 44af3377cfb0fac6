"""Rota: the scheduler that accounts for every run.

``from rota import Rota`` is all that an application needs; names are loaded when they are first used, so that the
command line and runner processes start quickly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rota.version import __version__

if TYPE_CHECKING:
    from rota.app import CeleryJob, CommandJob, HttpJob, Rota, RqJob
    from rota.batch import Batch
    from rota.context import Context
    from rota.handle import Job
    from rota.job import Fail, JobFunction, OnError, Retry, Retryable, Snooze

_HOMES = {
    "Rota": "rota.app",
    "HttpJob": "rota.app",
    "CommandJob": "rota.app",
    "RqJob": "rota.app",
    "CeleryJob": "rota.app",
    "Context": "rota.context",
    "Batch": "rota.batch",
    "Job": "rota.handle",
    "JobFunction": "rota.job",
    "OnError": "rota.job",
    "Retry": "rota.job",
    "Retryable": "rota.job",
    "Snooze": "rota.job",
    "Fail": "rota.job",
}

__all__ = [
    "Batch",
    "CeleryJob",
    "CommandJob",
    "Context",
    "Fail",
    "HttpJob",
    "Job",
    "JobFunction",
    "OnError",
    "Retry",
    "Retryable",
    "Rota",
    "RqJob",
    "Snooze",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'rota' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
