"""``Client`` and ``AsyncClient``: everything the REST API can do, from Python.

The command line uses it too: against a service by its address, or inside the own process by a transport that hands
requests straight to the application.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import quote

import httpx

from rota.client.address import Json, document_of, path_of
from rota.client.answers import Health, JobType, Key, Me, Queue, Stats, Token, TokenMade, Worker
from rota.client.channel_calls import ChannelCalls
from rota.client.check_calls import CheckCalls
from rota.client.following import Following
from rota.client.job_calls import JobCalls
from rota.client.monitor_calls import MonitorCalls
from rota.client.schedule_calls import ScheduleCalls
from rota.client.script import Feed, Script, Send, call, feed
from rota.client.wire import AsyncWire, Wire
from rota.errors import ServiceUnavailable


class Calls(JobCalls, ScheduleCalls, ChannelCalls, CheckCalls, MonitorCalls, Following):
    """Everything that a service can be asked."""

    @call
    def queues(self) -> Script[list[Queue]]:
        """Return all queues with what is in them."""
        found: list[Queue] = (yield from self.ask("GET", "/api/queues"))["queues"]
        return found

    @call
    def queue(self, name: str) -> Script[Queue]:
        """Return a queue."""
        return self.ask("GET", path_of("/api/queues", name))

    @call
    def set_queue(self, name: str, limits: Mapping[str, Any]) -> Script[Queue]:
        """Set limits of a queue."""
        return self.ask("PATCH", path_of("/api/queues", name), dict(limits))

    @call
    def queue_action(self, name: str, action: str, body: Mapping[str, Any] | None = None) -> Script[Json]:
        """``pause``, ``resume``, ``retry-failed`` or ``delete-failed``."""
        return self.ask("POST", path_of("/api/queues", name, action), dict(body or {}), timeout_s=600)

    @feed
    def keys(self, queue: str, *, limit: int | None = None) -> Feed[Key]:
        """Walk through the keys of a queue of which something waits or runs."""
        return self.pages(path_of("/api/queues", queue, "keys"), "keys", {}, limit)

    @call
    def key_action(
        self, key: str, action: str, body: Mapping[str, Any] | None = None, *, queue: str | None = None
    ) -> Script[Json]:
        """``pause`` or ``resume`` a concurrency key in a queue, or in all of them."""
        path = "/api/keys" if queue is None else path_of("/api/queues", queue, "keys")
        return self.ask("POST", f"{path}/{quote(key, safe='')}/{action}", dict(body or {}))

    @call
    def type_action(self, name: str, action: str, body: Mapping[str, Any] | None = None) -> Script[Json]:
        """``pause`` or ``resume`` a job type."""
        return self.ask("POST", path_of("/api/job-types", name, action), dict(body or {}))

    @call
    def job_types(self) -> Script[list[JobType]]:
        """Return the declared job types."""
        found: list[JobType] = (yield from self.ask("GET", "/api/job-types"))["jobTypes"]
        return found

    @call
    def job_type(self, name: str) -> Script[JobType]:
        """Return a job type."""
        return self.ask("GET", path_of("/api/job-types", name))

    @call
    def workers(self) -> Script[list[Worker]]:
        """Return the processes of the service."""
        found: list[Worker] = (yield from self.ask("GET", "/api/workers"))["workers"]
        return found

    @call
    def create_token(self, role: str, name: str = "", expires_in: str | None = None) -> Script[TokenMade]:
        """Make an API token; its text is in this answer and nowhere else."""
        body: Json = {"role": role, "name": name}
        if expires_in is not None:
            body["expiresIn"] = expires_in
        return self.ask("POST", "/api/tokens", body)

    @call
    def tokens(self) -> Script[list[Token]]:
        """Return the API tokens without their text."""
        found: list[Token] = (yield from self.ask("GET", "/api/tokens"))["tokens"]
        return found

    @call
    def revoke_token(self, token_id: str) -> Script[None]:
        """End an API token."""
        return self.ask("DELETE", path_of("/api/tokens", token_id))

    @call
    def secrets(self) -> Script[list[Json]]:
        """Return the named secrets without their values."""
        found: list[Json] = (yield from self.ask("GET", "/api/secrets"))["secrets"]
        return found

    @call
    def put_secret(self, name: str, value: str | None = None, note: str | None = None) -> Script[Json]:
        """Make a named secret, or give it its next value, or (without a value) another note."""
        body = {field: said for field, said in (("value", value), ("note", note)) if said is not None}
        return self.ask("PUT", path_of("/api/secrets", name), body)

    @call
    def delete_secret(self, name: str) -> Script[None]:
        """Delete a secret to which no schedule and no job type refers."""
        return self.ask("DELETE", path_of("/api/secrets", name))

    @call
    def rotate_secrets(self) -> Script[Json]:
        """Encrypt secrets anew with the first key; return ``{rotated, left, unreadable}``, to be asked until 0 left."""
        return self.ask("POST", "/api/secrets/rotate", {})

    @call
    def health(self, *, timeout_s: float = 10.0) -> Script[Health]:
        """Return the truth about the system, healthy or not."""
        request = self.build("GET", "/health", timeout_s=timeout_s)
        try:
            answer = yield Send(request)
        except httpx.HTTPError as error:
            raise self.unreachable(error) from error
        found: Any = document_of(answer)
        if not isinstance(found, dict) or "status" not in found:
            raise ServiceUnavailable(f"{self.url} answers, but not as a Rota", hint="is this its address?")
        return cast(Health, found)

    @call
    def apply(self, document: Mapping[str, Any]) -> Script[Json]:
        """Make schedules, calendars and queues what a file says; return ``{source, applied, changes}``."""
        return self.ask("POST", "/api/apply", dict(document), timeout_s=120)

    @call
    def stats(self) -> Script[Stats]:
        """Return the state of the system in numbers."""
        return self.ask("GET", "/api/stats")

    @call
    def stats_series(
        self, window: str = "24h", *, by: str | None = None, queue: str | None = None, type: str | None = None
    ) -> Script[Json]:
        """Return what ended in a window of time (``1h 6h 24h 7d 30d``), by ``queue`` or ``type`` if wished."""
        wanted = {"window": window, "by": by, "queue": queue, "type": type}
        return self.ask("GET", "/api/stats/series", params=wanted)

    @call
    def problems(self) -> Script[list[Json]]:
        """Return what somebody should look at now, the worst first."""
        found: list[Json] = (yield from self.ask("GET", "/api/problems"))["problems"]
        return found

    @feed
    def errors(self, /, *, limit: int | None = None, **filters: Any) -> Feed[Json]:
        """Walk through why jobs failed of late, errors alike together."""
        return self.pages("/api/errors", "errors", filters, limit)

    @feed
    def audit(self, /, *, limit: int | None = None, **filters: Any) -> Feed[Json]:
        """Walk through who changed what, the latest first.

        By ``noun, name, actor, action, origin, client, since, until``.
        """
        return self.pages("/api/audit", "entries", filters, limit)

    @call
    def me(self) -> Script[Me]:
        """Return who asks, as the service understands it: ``{subject, role, source}``."""
        return self.ask("GET", "/api/me")


class Client(Calls, Wire):
    """A client of one service.  Not thread-safe; cheap enough to have one for each thread.

    ``timeout_s``: how long a request may go without an answer.  ``patience_s``: how long a request that may be repeated
    is repeated while the connection, or the database behind the service, is lost, or the service is busy.  A service
    that was never reached is not waited for.  Raises Invalid for ``url``, ``token``.
    """


class AsyncClient(Calls, AsyncWire):
    """The same where an event loop runs: every call is awaited, every list is an ``async for``.

    Many tasks may share one.  See `Client` for the arguments.
    """
