"""``Client``: everything the REST API can do, from Python.

The command line uses it too: against a service by its address, or inside the own process by a transport that hands
requests straight to the application.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

import httpx

from rota.client.job_calls import JobCalls
from rota.client.schedule_calls import ScheduleCalls
from rota.client.wire import Json, document_of, path_of
from rota.errors import ServiceUnavailable


class Client(JobCalls, ScheduleCalls):
    """A client of one service.  Not thread-safe; cheap enough to have one for each thread.

    ``patience_s``: how long a request that may be repeated is repeated while the connection, or the database behind
    the service, is lost.  A service that was never reached is not waited for.  Raises Invalid for ``url``, ``token``.
    """

    def queues(self) -> list[Json]:
        """Return all queues with what is in them."""
        found: list[Json] = self.request("GET", "/api/queues")["queues"]
        return found

    def queue(self, name: str) -> Json:
        """Return a queue."""
        found: Json = self.request("GET", path_of("/api/queues", name))
        return found

    def set_queue(self, name: str, limits: Mapping[str, Any]) -> Json:
        """Set limits of a queue."""
        found: Json = self.request("PATCH", path_of("/api/queues", name), dict(limits))
        return found

    def queue_action(self, name: str, action: str, body: Mapping[str, Any] | None = None) -> Json:
        """``pause``, ``resume``, ``retry-failed`` or ``delete-failed``."""
        found: Json = self.request("POST", path_of("/api/queues", name, action), dict(body or {}), timeout_s=600)
        return found

    def keys(self, queue: str, *, limit: int | None = None) -> Iterator[Json]:
        """Walk through the keys of a queue of which something waits or runs."""
        return self.pages(path_of("/api/queues", queue, "keys"), "keys", {}, limit)

    def key_action(
        self, key: str, action: str, body: Mapping[str, Any] | None = None, *, queue: str | None = None
    ) -> Json:
        """``pause`` or ``resume`` a concurrency key in a queue, or in all of them."""
        path = "/api/keys" if queue is None else path_of("/api/queues", queue, "keys")
        found: Json = self.request("POST", f"{path}/{quote(key, safe='')}/{action}", dict(body or {}))
        return found

    def type_action(self, name: str, action: str, body: Mapping[str, Any] | None = None) -> Json:
        """``pause`` or ``resume`` a job type."""
        found: Json = self.request("POST", path_of("/api/job-types", name, action), dict(body or {}))
        return found

    def job_types(self) -> list[Json]:
        """Return the declared job types."""
        found: list[Json] = self.request("GET", "/api/job-types")["jobTypes"]
        return found

    def job_type(self, name: str) -> Json:
        """Return a job type."""
        found: Json = self.request("GET", path_of("/api/job-types", name))
        return found

    def workers(self) -> list[Json]:
        """Return the processes of the service."""
        found: list[Json] = self.request("GET", "/api/workers")["workers"]
        return found

    def create_token(self, role: str, name: str = "", expires_in: str | None = None) -> Json:
        """Make an API token; its text is in this answer and nowhere else."""
        body: Json = {"role": role, "name": name}
        if expires_in is not None:
            body["expiresIn"] = expires_in
        found: Json = self.request("POST", "/api/tokens", body)
        return found

    def tokens(self) -> list[Json]:
        """Return the API tokens without their text."""
        found: list[Json] = self.request("GET", "/api/tokens")["tokens"]
        return found

    def revoke_token(self, token_id: str) -> None:
        """End an API token."""
        self.request("DELETE", path_of("/api/tokens", token_id))

    def secrets(self) -> list[Json]:
        """Return the named secrets without their values."""
        found: list[Json] = self.request("GET", "/api/secrets")["secrets"]
        return found

    def put_secret(self, name: str, value: str | None = None, note: str | None = None) -> Json:
        """Make a named secret, or give it its next value, or (without a value) another note."""
        body = {field: said for field, said in (("value", value), ("note", note)) if said is not None}
        found: Json = self.request("PUT", path_of("/api/secrets", name), body)
        return found

    def delete_secret(self, name: str) -> None:
        """Delete a secret to which no schedule and no job type refers."""
        self.request("DELETE", path_of("/api/secrets", name))

    def rotate_secrets(self) -> Json:
        """Encrypt secrets anew with the first key; return ``{rotated, left, unreadable}``, to be asked until 0 left."""
        found: Json = self.request("POST", "/api/secrets/rotate", {})
        return found

    def health(self, *, timeout_s: float = 10.0) -> Json:
        """Return the truth about the system, healthy or not."""
        try:
            answer = self.http.get("/health", timeout=timeout_s)
        except httpx.HTTPError as error:
            raise self.unreachable(error) from error
        found = document_of(answer)
        if not isinstance(found, dict) or "status" not in found:
            raise ServiceUnavailable(f"{self.url} answers, but not as a Rota", hint="is this its address?")
        return found

    def apply(self, document: Mapping[str, Any]) -> Json:
        """Make schedules, calendars and queues what a file says; return ``{source, applied, changes}``."""
        found: Json = self.request("POST", "/api/apply", dict(document), timeout_s=120)
        return found

    def stats(self) -> Json:
        """Return the state of the system in numbers."""
        found: Json = self.request("GET", "/api/stats")
        return found

    def me(self) -> Json:
        """Return who asks, as the service understands it: ``{subject, role, source}``."""
        found: Json = self.request("GET", "/api/me")
        return found
