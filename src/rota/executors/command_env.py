"""The environment of commands: the worker's own without a secret of Rota's, and what the job adds."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from rota.executor import Call
from rota.executors.trace import traceparent

SECRETS = frozenset(("SCHEDULER_SHARED_AUTH_SECRET", "CLERK_SECRET_KEY"))
"""Secrets of Rota's that do not begin with ``ROTA_``.  ``DATABASE_URL`` is the application's and stays."""


def base_env(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what of the worker's environment every command gets."""
    return {name: value for name, value in environ.items() if not name.startswith("ROTA_") and name not in SECRETS}


def job_env(call: Call, given: Mapping[str, str]) -> dict[str, str]:
    """Return what the job adds: the target's variables, and those that tell which attempt this is.

    ``ROTA_SCHEDULED_FOR`` is empty when no schedule started the job, and ``ROTA_CHECKPOINT`` when no attempt before
    has stored one: a script under ``set -u`` may read them.
    """
    return {
        **given,
        "ROTA_JOB_ID": call.job_id,
        "ROTA_ATTEMPT": str(call.attempt),
        "ROTA_SCHEDULED_FOR": "" if call.scheduled_for is None else _instant(call.scheduled_for),
        "ROTA_ARGS": call.args,
        "ROTA_CHECKPOINT": call.checkpoint or "",
        "TRACEPARENT": traceparent(call),
    }


def marks(call: Call) -> tuple[str, str]:
    """Return the variables by which the processes of an attempt are recognised when all else is lost."""
    return f"ROTA_JOB_ID={call.job_id}", f"ROTA_ATTEMPT={call.attempt}"


def _instant(us: int) -> str:
    return datetime.fromtimestamp(us / 1_000_000, UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
