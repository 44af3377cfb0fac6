"""What a client asks about jobs: of one, of many, of a batch."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from rota.client.address import Address, Json, path_of
from rota.client.answers import Batch, BatchCancelled, BatchMade, Enqueued, Job, JobDetail, Triggered, Why
from rota.client.documents import job_document
from rota.client.script import Feed, Script, call, feed


class JobCalls(Address):
    """The calls about jobs."""

    @call
    def enqueue(
        self,
        /,
        job: Mapping[str, Any] | str,
        args: Mapping[str, Any] | None = None,
        *,
        wait_s: float | None = None,
        key: str | None = None,
        **options: Any,
    ) -> Script[Enqueued]:
        """Enqueue a job: a type by its name, with arguments and the options that `Rota.enqueue` has, or a document.

        ``wait_s``: most seconds for the answer to wait for the end of the job; all of the job is in it then.  ``key``
        makes it the same job when it is asked for again, also by another process; without one that holds for this call.
        """
        wait = None if wait_s is None else f"{int(wait_s * 1000)}ms"
        return self.ask(
            "POST",
            "/api/jobs",
            job_document(job, args, options),
            params={"wait": wait},
            idempotency_key=key or str(uuid.uuid4()),
            timeout_s=None if wait_s is None else wait_s + 30,
        )

    @call
    def enqueue_many(
        self, jobs: Sequence[Mapping[str, Any] | Sequence[Any]], *, key: str | None = None
    ) -> Script[list[Enqueued]]:
        """Enqueue many jobs, all or none: documents, or (name, arguments, options)."""
        documents = [job_document(one) if isinstance(one, (str, Mapping)) else job_document(*one) for one in jobs]
        body = {"jobs": documents}
        found: list[Enqueued] = (
            yield from self.ask("POST", "/api/jobs/bulk", body, idempotency_key=key or str(uuid.uuid4()))
        )["jobs"]
        return found

    @call
    def store_past_jobs(self, jobs: Sequence[Mapping[str, Any]]) -> Script[Json]:
        """Store jobs that ended in another system; return ``{given, stored}``."""
        return self.ask("POST", "/api/jobs/past", {"jobs": list(jobs)}, timeout_s=120)

    @call
    def enqueue_batch(self, batch: Mapping[str, Any], *, key: str | None = None) -> Script[BatchMade]:
        """Enqueue jobs as a batch (``jobs, name, callback, ifFailed``); return ``{id, total, callbackId, jobs}``."""
        return self.ask("POST", "/api/batches", dict(batch), idempotency_key=key or str(uuid.uuid4()))

    @feed
    def batches(self, *, limit: int | None = None) -> Feed[Batch]:
        """Walk through the batches, the latest first."""
        return self.pages("/api/batches", "batches", {}, limit)

    @call
    def batch(self, batch_id: str) -> Script[Batch]:
        """Return a batch with how far it is."""
        return self.ask("GET", path_of("/api/batches", batch_id))

    @call
    def cancel_batch(self, batch_id: str) -> Script[BatchCancelled]:
        """Cancel the jobs of a batch that have not been started; return ``{id, changed}``."""
        return self.ask("POST", path_of("/api/batches", batch_id, "cancel"), {})

    @call
    def trigger(
        self, job_type: str, args: Any = None, *, triggered_by: str | None = None, key: str | None = None
    ) -> Script[Triggered]:
        """Run a job type now; for ``key`` see `enqueue`."""
        body = {"jobType": job_type, "args": args, "triggeredBy": triggered_by}
        body = {name: value for name, value in body.items() if value is not None}
        return self.ask("POST", "/api/jobs/trigger", body, idempotency_key=key or str(uuid.uuid4()))

    @call
    def job(self, job_id: str) -> Script[JobDetail]:
        """Return a job with its attempts."""
        return self.ask("GET", path_of("/api/jobs", job_id))

    @feed
    def jobs(self, /, *, limit: int | None = None, **filters: Any) -> Feed[Job]:
        """Walk through the jobs that match.

        By ``type, status, queue, schedule, tag, startedBy, batch, concurrencyKey, label, frequent, since, until, q``.
        """
        return self.pages("/api/jobs", "jobs", filters, limit)

    @call
    def cancel(self, job_id: str, *, force: bool = False) -> Script[JobDetail]:
        """Cancel a job, or ask for the end of its run; ``force`` kills it."""
        return self.ask("POST", path_of("/api/jobs", job_id, "cancel"), {"force": force})

    @call
    def complete(self, job_id: str, answer: Mapping[str, Any] | None = None) -> Script[Json]:
        """Tell, in place of its target, how a run ended that is answered later (``status, result, error, …``)."""
        return self.ask("POST", path_of("/api/jobs", job_id, "complete"), dict(answer or {}))

    @call
    def heartbeat(self, /, job_id: str, **said: Any) -> Script[Json]:
        """Give a sign of life of a run (``progress, message, extend, attempt``)."""
        return self.ask("POST", path_of("/api/jobs", job_id, "heartbeat"), said)

    @call
    def snooze(self, job_id: str, delay: str | float, *, attempt: int | None = None) -> Script[Json]:
        """Put a job off that waits, or whose target has taken it; no attempt is used."""
        body = {"delay": delay} if attempt is None else {"delay": delay, "attempt": attempt}
        return self.ask("POST", path_of("/api/jobs", job_id, "snooze"), body)

    @call
    def retry(self, job_id: str, *, fresh: bool = False) -> Script[JobDetail]:
        """Make an ended job wait again, or a scheduled one due; ``fresh`` does not go on from its checkpoint."""
        body = {"fresh": True} if fresh else {}
        return self.ask("POST", path_of("/api/jobs", job_id, "retry"), body)

    @call
    def delete(self, job_id: str) -> Script[None]:
        """Delete a job that does not run."""
        return self.ask("DELETE", path_of("/api/jobs", job_id))

    @call
    def edit(self, job_id: str, changes: Mapping[str, Any]) -> Script[JobDetail]:
        """Change a job that does not run (``args, queue, priority, …``); ``retry`` true makes it wait again."""
        return self.ask("PATCH", path_of("/api/jobs", job_id), dict(changes))

    @call
    def act(
        self, /, action: str, filters: Mapping[str, Any], *, dry_run: bool = False, force: bool = False, **how: Any
    ) -> Script[Json]:
        """Retry, cancel, delete, move (``queue``) or reprioritise (``priority``) all jobs that match.

        ``dry_run`` only counts them, ``force`` kills what runs, ``fresh=True`` retries without checkpoints.  Where
        ``done`` is false the service goes on: see ``operation``.
        """
        body = {"action": action, "filter": dict(filters), "dryRun": dry_run, "force": force, **how}
        return self.ask("POST", "/api/jobs/actions", body, idempotency_key=str(uuid.uuid4()), timeout_s=60)

    @feed
    def operations(self, *, limit: int | None = None) -> Feed[Json]:
        """Walk through the actions on many jobs, the latest first."""
        return self.pages("/api/operations", "operations", {}, limit)

    @call
    def operation(self, operation_id: str) -> Script[Json]:
        """Return how far an action on many jobs has come."""
        return self.ask("GET", path_of("/api/operations", operation_id))

    @call
    def continue_operation(self, operation_id: str) -> Script[Json]:
        """Go on with an action on many jobs for a second, where nobody else does; return how far it has come."""
        path = path_of("/api/operations", operation_id, "continue")
        return self.ask("POST", path, {}, idempotency_key=str(uuid.uuid4()), timeout_s=60)

    @call
    def cancel_operation(self, operation_id: str) -> Script[Json]:
        """End an action on many jobs before all is done."""
        return self.ask("POST", path_of("/api/operations", operation_id, "cancel"), {})

    @feed
    def audit(self, /, *, limit: int | None = None, **filters: Any) -> Feed[Json]:
        """Walk through who changed what, the latest first (``noun, name, actor, action, since, until``)."""
        return self.pages("/api/audit", "entries", filters, limit)

    @call
    def why(self, job_id: str) -> Script[Why]:
        """Return what a job waits for."""
        return self.ask("GET", path_of("/api/jobs", job_id, "why"))
