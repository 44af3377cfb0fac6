"""Words for who waits for a job that does not start."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rota.client import Client

import click

SILENT_S = 3.0
"""So long nothing is said: as a rule a job starts at once."""
NO_WORKER = "no worker lives"
START_ONE = "start one with `rota up` or `rota worker`; the job waits for it"


class Waiting:
    """Says on stderr why a job does not start, each reason once."""

    def __init__(self, client: Client, job_id: str) -> None:
        self._client = client
        self._job_id = job_id
        self._look_at = time.monotonic() + SILENT_S
        self._said: set[str] = set()

    def note(self, status: str) -> None:
        """Take note of how the job stands."""
        now = time.monotonic()
        if status not in ("pending", "scheduled"):
            self._look_at = now + SILENT_S
            return
        if now < self._look_at:
            return
        self._look_at = now + SILENT_S
        text = self._client.why(self._job_id)["text"]
        if text not in self._said:
            self._said.add(text)
            fix = f" ({START_ONE})" if text == NO_WORKER else ""
            click.echo(f"rota: job {self._job_id} waits: {text}{fix}", err=True)
