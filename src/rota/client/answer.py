"""What the target of a job says of it later: with the headers of its request, and no other credential."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from typing import Any, Self

from rota.client.address import Json, path_of
from rota.client.wire import Wire
from rota.errors import Invalid

PATIENCE_S = 30.0
"""How long a call is repeated while the service is away: the work is done, and its result must not be lost."""


class Answer:
    """The answer of a target that has taken the work (``202`` with ``Rota-Async: true``).

    Every call says it twice where the connection is lost: the service accepts the same words again.  Any thread may
    call; those that begin with ``a`` are for programs with an event loop.  Raises `rota.errors.Conflict` when the
    attempt is over, and `rota.errors.Unauthorized` when the token is not that of the attempt.
    """

    def __init__(
        self, url: str, job_id: str, token: str, *, attempt: int | None = None, patience_s: float = PATIENCE_S
    ) -> None:
        """``url`` is the address of the service; ``patience_s`` how long a call is repeated while it is away."""
        self.job_id = job_id
        self.attempt = attempt
        self._url = url
        self._token = token
        self._patience_s = patience_s

    @classmethod
    def of(cls, headers: Mapping[str, str], url: str, *, patience_s: float = PATIENCE_S) -> Self:
        """Return the answer to a request with these headers; raises Invalid where one is missing."""
        found = {name.lower(): value for name, value in headers.items()}
        for name in ("Rota-Job-Id", "Rota-Attempt", "Rota-Answer-Token"):
            if name.lower() not in found:
                raise Invalid(name, "is missing", hint="pass the headers of the request on as they came")
        attempt = int(found["rota-attempt"])
        return cls(url, found["rota-job-id"], found["rota-answer-token"], attempt=attempt, patience_s=patience_s)

    def complete(self, result: Any = None) -> Json:
        """Tell that the work is done."""
        return self._post("complete", {"status": "completed", "result": result})

    def fail(self, error: str, *, permanent: bool = False, delay_ms: int | None = None) -> Json:
        """Tell that the attempt has failed; it is tried again unless ``permanent``, ``delay_ms`` from now if said."""
        body: Json = {"status": "failed", "error": error, "permanent": permanent}
        return self._post("complete", body if delay_ms is None else {**body, "delayMs": delay_ms})

    def snooze(self, delay: str | float) -> Json:
        """Have the target called again after ``delay`` (``"5m"``, or seconds); no attempt is used."""
        return self._post("snooze", {"delay": delay})

    def heartbeat(
        self,
        *,
        progress: float | None = None,
        message: str | None = None,
        extend: str | float | None = None,
        checkpoint: Any = None,
    ) -> Json:
        """Give a sign of life; ``cancelRequested`` of what is returned tells that the work is not wanted any more.

        ``checkpoint`` is sent with the next attempt, if there is one.
        """
        said = {"progress": progress, "message": message, "extend": extend, "checkpoint": checkpoint}
        return self._post("heartbeat", {name: value for name, value in said.items() if value is not None})

    async def acomplete(self, result: Any = None) -> Json:
        """As `complete`."""
        return await asyncio.to_thread(self.complete, result)

    async def afail(self, error: str, *, permanent: bool = False, delay_ms: int | None = None) -> Json:
        """As `fail`."""
        return await asyncio.to_thread(self.fail, error, permanent=permanent, delay_ms=delay_ms)

    async def asnooze(self, delay: str | float) -> Json:
        """As `snooze`."""
        return await asyncio.to_thread(self.snooze, delay)

    async def aheartbeat(
        self,
        *,
        progress: float | None = None,
        message: str | None = None,
        extend: str | float | None = None,
        checkpoint: Any = None,
    ) -> Json:
        """As `heartbeat`."""
        said = {"progress": progress, "message": message, "extend": extend, "checkpoint": checkpoint}
        return await asyncio.to_thread(lambda: self.heartbeat(**said))

    def _post(self, operation: str, body: Json) -> Json:
        with _Patient(self._url, patience_s=self._patience_s) as wire:
            wire.http.headers["Rota-Answer-Token"] = self._token
            if self.attempt is not None:
                wire.http.headers["Rota-Attempt"] = str(self.attempt)
            path = path_of("/api/jobs", self.job_id, operation)
            found: Json = wire.request("POST", path, body, idempotency_key=str(uuid.uuid4()))
        return found


class _Patient(Wire):
    """A connection to a service that has called us: it is there, or will be again."""

    def __init__(self, url: str, *, patience_s: float) -> None:
        super().__init__(url, patience_s=patience_s)
        self._was_reached = True
