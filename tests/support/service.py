"""``rota up`` as a user starts it, ready to be called."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from tests.support.processes import KeptProcess, RotaProcesses
from tests.support.waiting import wait_until

SECRET = "a-shared-secret-for-acceptance-tests-0123456789"
"""As a bearer it is an admin."""


def start_up(
    rota_process: RotaProcesses,
    database_url: str,
    port: int,
    env: Mapping[str, str] | None = None,
    *arguments: str,
    cwd: Path | None = None,
) -> KeptProcess:
    """Start ``rota up`` on that port; return when it is ready and all its roles live."""
    settings = {"ROTA_DATABASE_URL": database_url, "ROTA_PORT": str(port), "ROTA_AUTH_SECRET": SECRET}
    process = rota_process("up", *arguments, env={**settings, **(env or {})}, cwd=cwd)
    wait_until(lambda: process.exit_code is not None or is_ready(port), 60, lambda: f"{process} is ready")
    assert process.exit_code is None, str(process)
    for role in ("worker", "scheduler"):
        process.wait_for_output(f'"event":"{role}/started"')
    return process


def is_ready(port: int) -> bool:
    """Tell whether a service answers there."""
    # Not by httpx, which reads all certificates for each call: that took as long as the service to start.
    with contextlib.closing(HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
        try:
            connection.request("GET", "/ready")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
