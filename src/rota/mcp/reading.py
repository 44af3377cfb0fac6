"""Tools that only look."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from rota.client import Client
from rota.mcp.bounds import ITEMS, first, short

Limit = Annotated[int, Field(ge=1, le=ITEMS, description="Most items to answer with.")]
JobId = Annotated[str, Field(description="Id of the job, a UUID.")]
ScheduleId = Annotated[str, Field(description="Id of the schedule, as list_schedules shows it.")]

JOB = ("id", "jobType", "status", "queue", "priority", "createdAt", "runAt", "startedAt", "completedAt", "durationMs",
       "attempt", "maxAttempts", "scheduleId", "startedBy", "tags", "error")  # fmt: skip
SCHEDULE = ("id", "description", "timezone", "jobType", "nextAt", "lastAt", "paused", "pausedNote", "owner", "tags")
QUEUE = ("name", "paused", "pausedNote", "concurrency", "rateLimits", "counts", "oldestPendingAt", "slowedUntil")
WORKER = ("id", "role", "state", "host", "version", "queues", "labels", "running", "lastHeartbeat", "lastClaim")
TYPE = ("name", "kind", "argsSchema", "paused", "pausedNote")


class Reading:
    """What can be asked of a service; each method is a tool, and its docstring is what an assistant knows of it."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def list_jobs(
        self,
        status: Annotated[
            str | None,
            Field(description="scheduled, pending, running, completed, failed or cancelled; several with commas."),
        ] = None,
        job_type: Annotated[str | None, Field(description="Only jobs of this type.")] = None,
        queue: Annotated[str | None, Field(description="Only jobs of this queue.")] = None,
        schedule: Annotated[str | None, Field(description="Only runs of the schedule with this id.")] = None,
        tag: Annotated[str | None, Field(description="Only jobs with this tag.")] = None,
        since: Annotated[str | None, Field(description="Only jobs made since: RFC 3339, 2026-11-21T09:00:00Z.")] = None,
        text: Annotated[str | None, Field(description="Only jobs with this text in their id, type or error.")] = None,
        limit: Limit = 20,
    ) -> dict[str, Any]:
        """List jobs (runs), the latest first, with status, times and the one-line error of those that failed.

        Use show_job for one of them, job_logs for what it printed and why_job for what it waits for.
        """
        filters = {"status": status, "type": job_type, "queue": queue, "schedule": schedule, "tag": tag}
        return first(self._client.jobs(limit=limit + 1, **filters, since=since, q=text), limit, *JOB)

    def show_job(self, job_id: JobId) -> dict[str, Any]:
        """Show all that is known of one job: arguments, result, attempts with their errors, progress, why it waits."""
        found: dict[str, Any] = short(self._client.job(job_id))
        return found

    def why_job(self, job_id: JobId) -> dict[str, Any]:
        """Say in a sentence what a job waits for, with every cause, or how it ended."""
        found: dict[str, Any] = short(self._client.why(job_id))
        return found

    def job_logs(
        self,
        job_id: JobId,
        after: Annotated[int | None, Field(ge=0, description="Lines after this number; else the last lines.")] = None,
        attempt: Annotated[int | None, Field(ge=1, description="Only lines of this attempt.")] = None,
        text: Annotated[str | None, Field(description="Only lines with this text, in any case.")] = None,
        limit: Annotated[int, Field(ge=1, le=200, description="Most lines.")] = 50,
    ) -> dict[str, Any]:
        """Read lines of what a job printed: by default the last ones; `lastLine` is the number of the last of all."""
        last = self._client.log_page(job_id, limit=1)["lastLine"]
        start = max(0, last - limit) if after is None and text is None and attempt is None else after or 0
        page = self._client.log_page(job_id, after=start, limit=limit, attempt=attempt, q=text)
        lines = [f"{line['n']} {line['at']} {line['stream']}: {short(line['text'])}" for line in page["lines"]]
        return {"status": page["status"], "lastLine": page["lastLine"], "lines": lines, "nextAfter": page["nextAfter"]}

    def list_schedules(
        self,
        text: Annotated[str | None, Field(description="Only schedules with this text in id, type or note.")] = None,
        tag: Annotated[str | None, Field(description="Only schedules with this tag.")] = None,
        paused: Annotated[bool | None, Field(description="Only paused ones, or only those that are not.")] = None,
        limit: Limit = 20,
    ) -> dict[str, Any]:
        """List schedules with their rule in words, their next and last instant, and who paused them."""
        wanted = None if paused is None else str(paused).lower()
        return first(self._client.schedules(q=text, tag=tag, paused=wanted), limit, *SCHEDULE)

    def show_schedule(self, schedule_id: ScheduleId) -> dict[str, Any]:
        """Show one schedule: rule, target, policies, and the latest instants with what became of each."""
        latest = first(self._client.occurrences(schedule_id, limit=11), 10)
        return {**short(self._client.schedule(schedule_id)), "occurrences": latest["items"]}

    def why_schedule(self, schedule_id: ScheduleId) -> dict[str, Any]:
        """Say why a schedule did or did not run last, and when it will."""
        found: dict[str, Any] = short(self._client.why_schedule(schedule_id))
        return found

    def next_runs(
        self,
        hours: Annotated[int, Field(ge=1, le=168, description="How many hours to look ahead.")] = 24,
        schedule_id: Annotated[str | None, Field(description="Only this schedule.")] = None,
        limit: Limit = 20,
    ) -> dict[str, Any]:
        """List which schedules run next: for each its first instants and how often it is due in these hours."""
        found = self._client.forecast(hours=hours, schedule=schedule_id)["schedules"]
        return first(found, limit, "id", "jobType", "queue", "count", "next", "paused", "resumeAt", "blackouts")

    def forecast(
        self,
        hours: Annotated[int, Field(ge=1, le=168, description="How many hours to look ahead.")] = 24,
        queue: Annotated[str | None, Field(description="Only schedules of this queue.")] = None,
    ) -> dict[str, Any]:
        """Foresee the load: starts in each hour, how full each queue gets, and where schedules clash."""
        found = self._client.forecast(hours=hours, queue=queue)
        kept = ("begin", "end", "starts", "queues", "hours", "clashes", "complete")
        return {name: short(found.get(name)) for name in kept}

    def list_queues(self, limit: Limit = 50) -> dict[str, Any]:
        """List queues with how much waits and runs in them, their limits, and whether they are paused."""
        return first(self._client.queues(), limit, *QUEUE)

    def list_workers(self, limit: Limit = 50) -> dict[str, Any]:
        """List the processes of the service (workers, schedulers, APIs), the living first, with what they do."""
        return first(self._client.workers(), limit, *WORKER)

    def list_job_types(self, limit: Limit = 50) -> dict[str, Any]:
        """List the declared job types and the JSON Schema of their arguments."""
        return first(self._client.job_types(), limit, *TYPE)

    def stats(self) -> dict[str, Any]:
        """Return the state of the system: its health, and jobs by status, queues, schedules and workers in numbers."""
        return {"health": short(self._client.health()), "numbers": short(self._client.stats())}

    def problems(self, limit: Limit = 20) -> dict[str, Any]:
        """List what somebody should look at now, the worst first: late schedules, backlogs, lost workers and so on."""
        return first(self._client.request("GET", "/api/problems")["problems"], limit)
