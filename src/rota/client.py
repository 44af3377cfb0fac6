"""``Client``: everything the REST API can do, from Python.

The command line uses it too: against a service by its address, or inside the own process by a transport that hands
requests straight to the application.
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self
from urllib.parse import quote

import httpx
import msgspec

from rota.errors import (
    Conflict,
    DatabaseUnavailable,
    Forbidden,
    Invalid,
    NotFound,
    RotaError,
    ServiceUnavailable,
    TooLarge,
    Unauthorized,
)
from rota.model import FINAL

Json = dict[str, Any]

TRIES = 4
TIMEOUT = httpx.Timeout(30.0, connect=5.0)
LOOK_S = (0.05, 0.5)
"""First and longest pause between two looks at something that is waited for."""

_BY_STATUS: dict[int, type[RotaError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    503: DatabaseUnavailable,
}


class Client:
    """A client of one service.  Not thread-safe; cheap enough to have one for each thread."""

    def __init__(
        self, url: str, token: str | None = None, *, transport: httpx.BaseTransport | None = None, tries: int = TRIES
    ) -> None:
        headers = {"Accept": "application/json", "User-Agent": "rota-client"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        try:
            self._http = httpx.Client(
                base_url=url.rstrip("/"), headers=headers, timeout=TIMEOUT, transport=transport, trust_env=False
            )
        except (httpx.InvalidURL, ValueError) as error:
            raise Invalid("url", f"{url!r} is no address: {error}", hint="for example http://127.0.0.1:7005") from None
        self.url = url
        self._tries = tries

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    # -- requests -----------------------------------------------------------------------------------------------------

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        params: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
        timeout_s: float | None = None,
    ) -> Any:
        """Send a request and return the decoded answer; raises the error of ``rota.errors`` that a problem names.

        A lost connection and an unreachable database are tried again, where doing it twice does nothing twice: reads,
        puts, deletes, and whatever has an idempotency key.
        """
        repeatable = method in ("GET", "PUT", "DELETE", "HEAD") or idempotency_key is not None
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        content = None
        if body is not None:
            content = msgspec.json.encode(body)
            headers["Content-Type"] = "application/json"
        query = {name: value for name, value in (params or {}).items() if value is not None}
        timeout = TIMEOUT if timeout_s is None else httpx.Timeout(timeout_s, connect=5.0)
        for attempt in range(1, self._tries + 1):
            last = attempt == self._tries or not repeatable
            try:
                answer = self._http.request(
                    method, path, content=content, params=query, headers=headers, timeout=timeout
                )
            except httpx.TransportError as error:
                if last:
                    raise self._unreachable(error) from error
            except httpx.InvalidURL as error:
                raise Invalid("url", str(error)) from None
            else:
                if answer.status_code != 503 or last:
                    return _decode(answer)
            time.sleep(0.1 * 2**attempt * random.uniform(0.5, 1.0))  # jitter
        raise AssertionError("unreachable")

    def _unreachable(self, error: httpx.TransportError) -> ServiceUnavailable:
        reason = str(error) or type(error).__name__
        return ServiceUnavailable(f"{self.url} cannot be reached: {reason}", hint="is `rota up` running there?")

    def _list(self, path: str, items: str, params: Mapping[str, Any], limit: int | None) -> Iterator[Json]:
        """Walk through a list page by page."""
        left = limit
        cursor: str | None = None
        while left is None or left > 0:
            size = 200 if left is None else min(200, left)
            page = self.request("GET", path, params={**params, "limit": size, "cursor": cursor})
            yield from page[items]
            cursor = page.get("nextCursor")
            if cursor is None:
                return
            if left is not None:
                left -= len(page[items])

    # -- jobs ---------------------------------------------------------------------------------------------------------

    def enqueue(self, job: Mapping[str, Any], *, wait_s: float | None = None, key: str | None = None) -> Json:
        """Enqueue a job (the fields of the contract's job in); return it."""
        wait = None if wait_s is None else f"{int(wait_s * 1000)}ms"
        timeout = None if wait_s is None else wait_s + 30
        found: Json = self.request(
            "POST",
            "/api/jobs",
            job,
            params={"wait": wait},
            idempotency_key=key or str(uuid.uuid4()),
            timeout_s=timeout,
        )
        return found

    def enqueue_many(self, jobs: Sequence[Mapping[str, Any]], *, key: str | None = None) -> list[Json]:
        """Enqueue many jobs, all or none."""
        answer = self.request("POST", "/api/jobs/bulk", {"jobs": jobs}, idempotency_key=key or str(uuid.uuid4()))
        found: list[Json] = answer["jobs"]
        return found

    def trigger(self, job_type: str, args: Any = None, *, triggered_by: str | None = None) -> Json:
        """Run a job type now."""
        body = {"jobType": job_type, "args": args, "triggeredBy": triggered_by}
        body = {name: value for name, value in body.items() if value is not None}
        found: Json = self.request("POST", "/api/jobs/trigger", body, idempotency_key=str(uuid.uuid4()))
        return found

    def job(self, job_id: str) -> Json:
        """Return a job with its attempts."""
        found: Json = self.request("GET", _at("/api/jobs", job_id))
        return found

    def jobs(self, *, limit: int | None = None, **filters: Any) -> Iterator[Json]:
        """Walk through the jobs that match (``type, status, queue, schedule, tag, startedBy, since, until, q``)."""
        return self._list("/api/jobs", "jobs", filters, limit)

    def cancel(self, job_id: str) -> Json:
        """Cancel a job, or ask for the end of its run."""
        found: Json = self.request("POST", _at("/api/jobs", job_id, "cancel"), {})
        return found

    def retry(self, job_id: str) -> Json:
        """Make an ended job wait again, or a scheduled one due."""
        found: Json = self.request("POST", _at("/api/jobs", job_id, "retry"), {})
        return found

    def delete(self, job_id: str) -> None:
        """Delete a job that does not run."""
        self.request("DELETE", _at("/api/jobs", job_id))

    def act(self, action: str, filters: Mapping[str, Any], *, dry_run: bool = False) -> Json:
        """Retry, cancel or delete all jobs that match; ``dry_run`` only counts them."""
        body = {"action": action, "filter": dict(filters), "dryRun": dry_run}
        found: Json = self.request("POST", "/api/jobs/actions", body, timeout_s=600)
        return found

    def why(self, job_id: str) -> Json:
        """Return what a job waits for."""
        found: Json = self.request("GET", _at("/api/jobs", job_id, "why"))
        return found

    def logs(self, job_id: str, *, after: int = 0, limit: int = 1000) -> list[Json]:
        """Return log lines after a line number."""
        path = _at("/api/jobs", job_id, "logs")
        found: list[Json] = self.request("GET", path, params={"after": after, "limit": limit})["lines"]
        return found

    def follow_logs(self, job_id: str, *, after: int = 0) -> Iterator[Json]:
        """Yield log lines as they come, until the job has ended and all of them are read."""
        pause = LOOK_S[0]
        while True:
            ended = self.job(job_id)["status"] in FINAL  # asked before the lines: none can be missed
            lines = self.logs(job_id, after=after)
            yield from lines
            if lines:
                after, pause = lines[-1]["n"], LOOK_S[0]
            elif ended:
                return
            else:
                time.sleep(pause)
                pause = min(pause * 1.5, LOOK_S[1])

    def wait(self, job_id: str, *, timeout_s: float | None = None) -> Json:
        """Wait until a job has ended; raises TimeoutError."""
        end = None if timeout_s is None else time.monotonic() + timeout_s
        pause = LOOK_S[0]
        while (job := self.job(job_id))["status"] not in FINAL:
            if end is not None and time.monotonic() >= end:
                raise TimeoutError(f"job {job_id} is still {job['status']} after {timeout_s:g} s")
            time.sleep(pause)
            pause = min(pause * 1.5, LOOK_S[1])
        return job

    # -- schedules ----------------------------------------------------------------------------------------------------

    def schedules(self, **filters: Any) -> Iterator[Json]:
        """Walk through the schedules."""
        return self._list("/api/schedules", "schedules", filters, None)

    def schedule(self, schedule_id: str) -> Json:
        """Return a schedule."""
        found: Json = self.request("GET", _at("/api/schedules", schedule_id))
        return found

    def put_schedule(self, schedule_id: str, schedule: Mapping[str, Any]) -> Json:
        """Create a schedule, or make this its next version."""
        found: Json = self.request("PUT", _at("/api/schedules", schedule_id), dict(schedule))
        return found

    def delete_schedule(self, schedule_id: str) -> None:
        """Delete a schedule; its history stays."""
        self.request("DELETE", _at("/api/schedules", schedule_id))

    def pause_schedule(self, schedule_id: str, *, note: str | None = None, until: str | None = None) -> Json:
        """Pause a schedule."""
        body = {name: value for name, value in (("note", note), ("until", until)) if value is not None}
        found: Json = self.request("POST", _at("/api/schedules", schedule_id, "pause"), body)
        return found

    def resume_schedule(self, schedule_id: str) -> Json:
        """End a pause."""
        found: Json = self.request("POST", _at("/api/schedules", schedule_id, "resume"), {})
        return found

    def trigger_schedule(self, schedule_id: str) -> Json:
        """Run a schedule's job now, beside its timetable."""
        path = _at("/api/schedules", schedule_id, "trigger")
        found: Json = self.request("POST", path, {}, idempotency_key=str(uuid.uuid4()))
        return found

    def preview(self, rule: Mapping[str, Any]) -> Json:
        """Return what a rule means, and its next instants."""
        found: Json = self.request("POST", "/api/schedules/preview", dict(rule))
        return found

    def occurrences(self, schedule_id: str, *, limit: int | None = None) -> Iterator[Json]:
        """Walk through the occurrences of a schedule, the latest first."""
        return self._list(_at("/api/schedules", schedule_id, "occurrences"), "occurrences", {}, limit)

    # -- queues, types, workers, tokens -------------------------------------------------------------------------------

    def queues(self) -> list[Json]:
        """Return all queues with what is in them."""
        found: list[Json] = self.request("GET", "/api/queues")["queues"]
        return found

    def set_queue(self, name: str, limits: Mapping[str, Any]) -> Json:
        """Set limits of a queue."""
        found: Json = self.request("PATCH", _at("/api/queues", name), dict(limits))
        return found

    def queue_action(self, name: str, action: str, body: Mapping[str, Any] | None = None) -> Json:
        """``pause``, ``resume``, ``retry-failed`` or ``delete-failed``."""
        found: Json = self.request("POST", _at("/api/queues", name, action), dict(body or {}), timeout_s=600)
        return found

    def job_types(self) -> list[Json]:
        """Return the declared job types."""
        found: list[Json] = self.request("GET", "/api/job-types")["jobTypes"]
        return found

    def job_type(self, name: str) -> Json:
        """Return a job type."""
        found: Json = self.request("GET", _at("/api/job-types", name))
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
        self.request("DELETE", _at("/api/tokens", token_id))

    def health(self) -> Json:
        """Return the truth about the system, healthy or not."""
        try:
            answer = self._http.get("/health")
        except httpx.TransportError as error:
            raise self._unreachable(error) from error
        found: Json = msgspec.json.decode(answer.content)
        return found


def _at(*parts: str) -> str:
    return "/".join([parts[0], *(quote(part, safe="") for part in parts[1:])])


def _decode(answer: httpx.Response) -> Any:
    if answer.status_code == 204 or not answer.content:
        return None
    try:
        document = msgspec.json.decode(answer.content)
    except msgspec.DecodeError:
        raise ServiceUnavailable(
            f"HTTP {answer.status_code} without JSON from {answer.url}", hint="is this the address of a Rota?"
        ) from None
    if answer.is_success:
        return document
    raise _error(answer.status_code, document if isinstance(document, dict) else {})


def _error(status: int, problem: Json) -> RotaError:
    detail = str(problem.get("detail") or problem.get("error") or problem.get("title") or f"HTTP {status}")
    hint = problem.get("hint")
    field = problem.get("field")
    if field and status in (400, 413, 422):
        reason = detail.removeprefix(f"{field}: ")
        if hint:
            reason = reason.removesuffix(f" ({hint})")
        return (TooLarge if status == 413 else Invalid)(str(field), reason, hint=hint)
    if hint:
        detail = detail.removesuffix(f" ({hint})")
    error = _BY_STATUS.get(status, RotaError)(detail, hint=hint)
    error.status = status
    if isinstance(problem.get("code"), str):
        error.code = problem["code"]
    return error
