"""``Client``: everything the REST API can do, from Python.

The command line uses it too: against a service by its address, or inside the own process by a transport that hands
requests straight to the application.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import httpx

from rota.client.wire import Json, Wire, document_of, path_of
from rota.errors import ServiceUnavailable
from rota.model import FINAL

FOLLOWING_PATIENCE_S = 60.0
"""How long the service may be away from who waits for a job: it is restarted within that time."""
LOOK_S = (0.02, 0.25)
"""First and longest pause between two looks at something that is waited for."""


class Client(Wire):
    """A client of one service.  Not thread-safe; cheap enough to have one for each thread.

    ``patience_s``: how long a request that may be repeated is repeated while the connection, or the database behind
    the service, is lost.  A service that was never reached is not waited for.  Raises Invalid for ``url``, ``token``.
    """

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

    def enqueue_batch(self, batch: Mapping[str, Any], *, key: str | None = None) -> Json:
        """Enqueue jobs as a batch (``jobs, name, callback, ifFailed``); return ``{id, total, callbackId, jobs}``."""
        found: Json = self.request("POST", "/api/batches", dict(batch), idempotency_key=key or str(uuid.uuid4()))
        return found

    def batches(self, *, limit: int | None = None) -> Iterator[Json]:
        """Walk through the batches, the latest first."""
        return self._list("/api/batches", "batches", {}, limit)

    def batch(self, batch_id: str) -> Json:
        """Return a batch with how far it is."""
        found: Json = self.request("GET", path_of("/api/batches", batch_id))
        return found

    def cancel_batch(self, batch_id: str) -> Json:
        """Cancel the jobs of a batch that have not been started; return ``{id, changed}``."""
        found: Json = self.request("POST", path_of("/api/batches", batch_id, "cancel"), {})
        return found

    def trigger(self, job_type: str, args: Any = None, *, triggered_by: str | None = None) -> Json:
        """Run a job type now."""
        body = {"jobType": job_type, "args": args, "triggeredBy": triggered_by}
        body = {name: value for name, value in body.items() if value is not None}
        found: Json = self.request("POST", "/api/jobs/trigger", body, idempotency_key=str(uuid.uuid4()))
        return found

    def job(self, job_id: str) -> Json:
        """Return a job with its attempts."""
        found: Json = self.request("GET", path_of("/api/jobs", job_id))
        return found

    def jobs(self, *, limit: int | None = None, **filters: Any) -> Iterator[Json]:
        """Walk through the jobs that match.

        By ``type, status, queue, schedule, tag, startedBy, batch, concurrencyKey, label, since, until, q``.
        """
        return self._list("/api/jobs", "jobs", filters, limit)

    def cancel(self, job_id: str, *, force: bool = False) -> Json:
        """Cancel a job, or ask for the end of its run; ``force`` kills it."""
        found: Json = self.request("POST", path_of("/api/jobs", job_id, "cancel"), {"force": force})
        return found

    def retry(self, job_id: str) -> Json:
        """Make an ended job wait again, or a scheduled one due."""
        found: Json = self.request("POST", path_of("/api/jobs", job_id, "retry"), {})
        return found

    def delete(self, job_id: str) -> None:
        """Delete a job that does not run."""
        self.request("DELETE", path_of("/api/jobs", job_id))

    def edit(self, job_id: str, changes: Mapping[str, Any]) -> Json:
        """Change a job that does not run (``args, queue, priority, …``); ``retry`` true makes it wait again."""
        found: Json = self.request("PATCH", path_of("/api/jobs", job_id), dict(changes))
        return found

    def act(
        self, action: str, filters: Mapping[str, Any], *, dry_run: bool = False, force: bool = False, **how: Any
    ) -> Json:
        """Retry, cancel, delete, move (``queue``) or reprioritise (``priority``) all jobs that match.

        ``dry_run`` only counts them, ``force`` kills what runs.  Where ``done`` is false the service goes on: see
        ``operation``.
        """
        body = {"action": action, "filter": dict(filters), "dryRun": dry_run, "force": force, **how}
        found: Json = self.request("POST", "/api/jobs/actions", body, idempotency_key=str(uuid.uuid4()), timeout_s=60)
        return found

    def operations(self, *, limit: int | None = None) -> Iterator[Json]:
        """Walk through the actions on many jobs, the latest first."""
        return self._list("/api/operations", "operations", {}, limit)

    def operation(self, operation_id: str) -> Json:
        """Return how far an action on many jobs has come."""
        found: Json = self.request("GET", path_of("/api/operations", operation_id))
        return found

    def continue_operation(self, operation_id: str) -> Json:
        """Go on with an action on many jobs for a second, where nobody else does; return how far it has come."""
        path = path_of("/api/operations", operation_id, "continue")
        found: Json = self.request("POST", path, {}, idempotency_key=str(uuid.uuid4()), timeout_s=60)
        return found

    def cancel_operation(self, operation_id: str) -> Json:
        """End an action on many jobs before all is done."""
        found: Json = self.request("POST", path_of("/api/operations", operation_id, "cancel"), {})
        return found

    def audit(self, *, limit: int | None = None, **filters: Any) -> Iterator[Json]:
        """Walk through who changed what, the latest first (``noun, name, actor, action, since, until``)."""
        return self._list("/api/audit", "entries", filters, limit)

    def why(self, job_id: str) -> Json:
        """Return what a job waits for."""
        found: Json = self.request("GET", path_of("/api/jobs", job_id, "why"))
        return found

    def log_page(
        self,
        job_id: str,
        *,
        after: int = 0,
        limit: int = 1000,
        attempt: int | None = None,
        patience_s: float | None = None,
    ) -> Json:
        """Return ``{lines, status, lastLine, nextAfter}``: log lines after a line number, and how the job stands."""
        params = {"after": after, "limit": limit, "attempt": attempt}
        found: Json = self.request("GET", path_of("/api/jobs", job_id, "logs"), params=params, patience_s=patience_s)
        return found

    def logs(self, job_id: str, *, after: int = 0, attempt: int | None = None) -> Iterator[Json]:
        """Yield the log lines that there are, after a line number."""
        while lines := self.log_page(job_id, after=after, attempt=attempt)["lines"]:
            yield from lines
            after = lines[-1]["n"]

    def follow(self, job_id: str, *, after: int = 0, attempt: int | None = None) -> Iterator[Json]:
        """Yield pages of the log as they come, empty ones too, until the job has ended and all of it was read.

        The service may be away for a minute meanwhile.
        """
        pause = LOOK_S[0]
        while True:
            page = self.log_page(job_id, after=after, attempt=attempt, patience_s=FOLLOWING_PATIENCE_S)
            yield page
            if page["nextAfter"] is None:
                return
            if page["lines"]:
                after, pause = page["nextAfter"], LOOK_S[0]
            else:
                time.sleep(pause)
                pause = min(pause * 1.5, LOOK_S[1])

    def follow_logs(self, job_id: str, *, after: int = 0) -> Iterator[Json]:
        """Yield log lines as they come, until the job has ended and all of them were read."""
        for page in self.follow(job_id, after=after):
            yield from page["lines"]

    def looks(self, job_id: str) -> Iterator[Json]:
        """Yield the job again and again; the last time it has ended.  The service may be away for a minute."""
        pause = LOOK_S[0]
        while True:
            job: Json = self.request("GET", path_of("/api/jobs", job_id), patience_s=FOLLOWING_PATIENCE_S)
            yield job
            if job["status"] in FINAL:
                return
            time.sleep(pause)
            pause = min(pause * 1.5, LOOK_S[1])

    def wait(self, job_id: str, *, timeout_s: float | None = None) -> Json:
        """Wait until a job has ended, and return it; raises TimeoutError."""
        end = None if timeout_s is None else time.monotonic() + timeout_s
        for job in self.looks(job_id):
            if job["status"] in FINAL:
                return job
            if end is not None and time.monotonic() >= end:
                raise TimeoutError(f"job {job_id} is still {job['status']} after {timeout_s:g} s")
        raise AssertionError("looks() ends with a job that has ended")

    # -- schedules ----------------------------------------------------------------------------------------------------

    def schedules(self, **filters: Any) -> Iterator[Json]:
        """Walk through the schedules that match (``q, owner, tag, paused``)."""
        return self._list("/api/schedules", "schedules", filters, None)

    def schedule(self, schedule_id: str) -> Json:
        """Return a schedule."""
        found: Json = self.request("GET", path_of("/api/schedules", schedule_id))
        return found

    def put_schedule(self, schedule_id: str, schedule: Mapping[str, Any]) -> Json:
        """Create a schedule, or make this its next version."""
        found: Json = self.request("PUT", path_of("/api/schedules", schedule_id), dict(schedule))
        return found

    def put_schedules(self, schedules: Sequence[Mapping[str, Any]]) -> list[Json]:
        """Create or edit many schedules, each with its ``id``, all or none; return what became of each."""
        found: list[Json] = self.request("PUT", "/api/schedules", {"schedules": schedules}, timeout_s=600)["schedules"]
        return found

    def look_at_edit(self, schedule_id: str, schedule: Mapping[str, Any]) -> Json:
        """Return what ``put_schedule`` would change; nothing is stored."""
        path = path_of("/api/schedules", schedule_id)
        found: Json = self.request("PUT", path, dict(schedule), params={"dryRun": "true"})
        return found

    def delete_schedule(self, schedule_id: str) -> None:
        """Delete a schedule; its history stays."""
        self.request("DELETE", path_of("/api/schedules", schedule_id))

    def pause_schedule(self, schedule_id: str, *, note: str | None = None, until: str | None = None) -> Json:
        """Pause a schedule."""
        body = {name: value for name, value in (("note", note), ("until", until)) if value is not None}
        found: Json = self.request("POST", path_of("/api/schedules", schedule_id, "pause"), body)
        return found

    def resume_schedule(self, schedule_id: str) -> Json:
        """End a pause."""
        found: Json = self.request("POST", path_of("/api/schedules", schedule_id, "resume"), {})
        return found

    def trigger_schedule(self, schedule_id: str) -> Json:
        """Run a schedule's job now, beside its timetable."""
        path = path_of("/api/schedules", schedule_id, "trigger")
        found: Json = self.request("POST", path, {}, idempotency_key=str(uuid.uuid4()))
        return found

    def versions(self, schedule_id: str, *, limit: int | None = None) -> Iterator[Json]:
        """Walk through the versions of a schedule, the latest first."""
        return self._list(path_of("/api/schedules", schedule_id, "versions"), "versions", {}, limit)

    def version(self, schedule_id: str, version: int) -> Json:
        """Return what a schedule was in one version."""
        found: Json = self.request("GET", path_of("/api/schedules", schedule_id, "versions", str(version)))
        return found

    def roll_back(self, schedule_id: str, version: int, *, take_over: bool = False) -> Json:
        """Make a schedule again what it was in a version."""
        body = {"version": version, "takeOver": take_over}
        found: Json = self.request("POST", path_of("/api/schedules", schedule_id, "rollback"), body)
        return found

    def backfill(self, schedule_id: str, start: str, end: str, **options: Any) -> Json:
        """Run the instants from ``start`` to ``end`` that made no job (``overlap, limit, dryRun``)."""
        body = {"from": start, "to": end, **options}
        path = path_of("/api/schedules", schedule_id, "backfill")
        found: Json = self.request("POST", path, body, idempotency_key=str(uuid.uuid4()), timeout_s=120)
        return found

    def preview(self, rule: Mapping[str, Any]) -> Json:
        """Return what a rule means, and its next instants."""
        found: Json = self.request("POST", "/api/schedules/preview", dict(rule))
        return found

    def occurrences(self, schedule_id: str, *, limit: int | None = None) -> Iterator[Json]:
        """Walk through the occurrences of a schedule, the latest first."""
        return self._list(path_of("/api/schedules", schedule_id, "occurrences"), "occurrences", {}, limit)

    # -- queues, types, workers, tokens -------------------------------------------------------------------------------

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
        return self._list(path_of("/api/queues", queue, "keys"), "keys", {}, limit)

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

    def calendars(self) -> list[Json]:
        """Return all calendars, without what was said of each."""
        found: list[Json] = self.request("GET", "/api/calendars")["calendars"]
        return found

    def calendar(self, name: str) -> Json:
        """Return a calendar with all that was said of it."""
        found: Json = self.request("GET", path_of("/api/calendars", name))
        return found

    def put_calendar(self, name: str, calendar: Mapping[str, Any]) -> Json:
        """Make a calendar, or the next version of it."""
        found: Json = self.request("PUT", path_of("/api/calendars", name), dict(calendar))
        return found

    def delete_calendar(self, name: str) -> None:
        """Delete a calendar that no schedule names."""
        self.request("DELETE", path_of("/api/calendars", name))

    def calendar_dates(
        self, name: str, *, timezone: str | None = None, first: str | None = None, until: str | None = None
    ) -> Json:
        """Return ``{timezone, from, to, spans}``: what a calendar covers from now, or ``first``, for a year."""
        params = {"timezone": timezone, "from": first, "to": until}
        found: Json = self.request("GET", path_of("/api/calendars", name, "dates"), params=params)
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

    def forecast(self, **query: Any) -> Json:
        """Return what schedules will do (``hours | from, to``, ``schedule``, ``queue``)."""
        found: Json = self.request("GET", "/api/forecast", params=query)
        return found

    def why_schedule(self, schedule_id: str) -> Json:
        """Return why a schedule did or did not run last, and when it will."""
        found: Json = self.request("GET", path_of("/api/schedules", schedule_id, "why"))
        return found

    def stats(self) -> Json:
        """Return the state of the system in numbers."""
        found: Json = self.request("GET", "/api/stats")
        return found

    def me(self) -> Json:
        """Return who asks, as the service understands it: ``{subject, role, source}``."""
        found: Json = self.request("GET", "/api/me")
        return found
