"""What a client asks about jobs: of one, of many, of a batch."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rota.client.wire import Json, Wire, path_of
from rota.model import FINAL

FOLLOWING_PATIENCE_S = 60.0
"""How long the service may be away from who waits for a job: it is restarted within that time."""
LOOK_S = (0.02, 0.25)
"""First and longest pause between two looks at something that is waited for."""


class JobCalls(Wire):
    """The calls about jobs."""

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
        return self.pages("/api/batches", "batches", {}, limit)

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
        return self.pages("/api/jobs", "jobs", filters, limit)

    def cancel(self, job_id: str, *, force: bool = False) -> Json:
        """Cancel a job, or ask for the end of its run; ``force`` kills it."""
        found: Json = self.request("POST", path_of("/api/jobs", job_id, "cancel"), {"force": force})
        return found

    def complete(self, job_id: str, answer: Mapping[str, Any] | None = None) -> Json:
        """Tell, in place of its target, how a run ended that is answered later (``status, result, error, …``)."""
        found: Json = self.request("POST", path_of("/api/jobs", job_id, "complete"), dict(answer or {}))
        return found

    def heartbeat(self, job_id: str, **said: Any) -> Json:
        """Give a sign of life of a run (``progress, message, extend, attempt``)."""
        found: Json = self.request("POST", path_of("/api/jobs", job_id, "heartbeat"), said)
        return found

    def snooze(self, job_id: str, delay: str | float, *, attempt: int | None = None) -> Json:
        """Put a job off that waits, or whose target has taken it; no attempt is used."""
        body = {"delay": delay} if attempt is None else {"delay": delay, "attempt": attempt}
        found: Json = self.request("POST", path_of("/api/jobs", job_id, "snooze"), body)
        return found

    def retry(self, job_id: str, *, fresh: bool = False) -> Json:
        """Make an ended job wait again, or a scheduled one due; ``fresh`` does not go on from its checkpoint."""
        body = {"fresh": True} if fresh else {}
        found: Json = self.request("POST", path_of("/api/jobs", job_id, "retry"), body)
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

        ``dry_run`` only counts them, ``force`` kills what runs, ``fresh=True`` retries without checkpoints.  Where
        ``done`` is false the service goes on: see ``operation``.
        """
        body = {"action": action, "filter": dict(filters), "dryRun": dry_run, "force": force, **how}
        found: Json = self.request("POST", "/api/jobs/actions", body, idempotency_key=str(uuid.uuid4()), timeout_s=60)
        return found

    def operations(self, *, limit: int | None = None) -> Iterator[Json]:
        """Walk through the actions on many jobs, the latest first."""
        return self.pages("/api/operations", "operations", {}, limit)

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
        return self.pages("/api/audit", "entries", filters, limit)

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
        stream: str | None = None,
        q: str | None = None,
        patience_s: float | None = None,
    ) -> Json:
        """Return ``{lines, status, lastLine, nextAfter}``: log lines after a line number, and how the job stands.

        Of one ``attempt`` or ``stream``, or with the text ``q``, where that is asked.
        """
        params = {"after": after, "limit": limit, "attempt": attempt, "stream": stream, "q": q}
        found: Json = self.request("GET", path_of("/api/jobs", job_id, "logs"), params=params, patience_s=patience_s)
        return found

    def logs(self, job_id: str, *, after: int = 0, **which: Any) -> Iterator[Json]:
        """Yield the log lines that there are, after a line number (``attempt, stream, q``)."""
        following: int | None = after
        while following is not None:
            page = self.log_page(job_id, after=following, **which)
            yield from page["lines"]
            following = page["nextAfter"]
            if following is not None and not page["lines"] and following >= page["lastLine"]:
                return

    def follow(self, job_id: str, *, after: int = 0, **which: Any) -> Iterator[Json]:
        """Yield pages of the log as they come, empty ones too, until the job has ended and all of it was read.

        Of one ``attempt`` or ``stream``, or with the text ``q``.  The service may be away for a minute meanwhile.
        """
        pause = LOOK_S[0]
        while True:
            page = self.log_page(job_id, after=after, patience_s=FOLLOWING_PATIENCE_S, **which)
            yield page
            if page["nextAfter"] is None:
                return
            if page["nextAfter"] > after:
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
