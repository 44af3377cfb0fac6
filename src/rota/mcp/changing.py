"""Tools that change something; they are there only where that was allowed."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from rota.client import Client
from rota.mcp.bounds import short
from rota.mcp.reading import JobId, ScheduleId

Until = Annotated[str | None, Field(description="When it ends by itself, RFC 3339; else somebody must resume it.")]
Note = Annotated[str | None, Field(description="Why, for those who see it.")]
QueueName = Annotated[str, Field(description="Name of the queue.")]


class Changing:
    """What can be changed; each method is a tool."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def enqueue_job(
        self,
        job_type: Annotated[str, Field(description="A declared type, as list_job_types shows them.")],
        args: Annotated[dict[str, Any] | None, Field(description="Arguments by name.")] = None,
        queue: Annotated[str | None, Field(description="Another queue than that of the type.")] = None,
        delay: Annotated[str | None, Field(description="Not before so long: 30s, 5m, 2h.")] = None,
        unique_key: Annotated[str | None, Field(description="At most one job with this key waits or runs.")] = None,
    ) -> dict[str, Any]:
        """Enqueue a job of a declared type; it runs as soon as a worker is free."""
        made = self._client.enqueue(job_type, args, queue=queue, delay=delay, unique_key=unique_key)
        return {"id": made["id"], "existing": made["existing"]}

    def trigger_schedule(self, schedule_id: ScheduleId) -> dict[str, Any]:
        """Run what a schedule runs, now, beside its timetable."""
        found: dict[str, Any] = short(self._client.trigger_schedule(schedule_id))
        return found

    def retry_job(self, job_id: JobId) -> dict[str, Any]:
        """Make a job that has ended run again, or one that is scheduled run now."""
        return self._state(self._client.retry(job_id))

    def cancel_job(
        self,
        job_id: JobId,
        force: Annotated[bool, Field(description="Kill the run instead of asking it to end.")] = False,
    ) -> dict[str, Any]:
        """Cancel a job that waits, or ask one that runs to end."""
        return self._state(self._client.cancel(job_id, force=force))

    def pause_schedule(self, schedule_id: ScheduleId, note: Note = None, until: Until = None) -> dict[str, Any]:
        """Pause a schedule: what is due meanwhile does not run."""
        found = self._client.pause_schedule(schedule_id, note=note, until=until)
        return {"id": found["id"], "paused": found["paused"], "resumeAt": found["resumeAt"]}

    def resume_schedule(self, schedule_id: ScheduleId) -> dict[str, Any]:
        """End the pause of a schedule."""
        found = self._client.resume_schedule(schedule_id)
        return {"id": found["id"], "paused": found["paused"], "nextAt": found["nextAt"]}

    def pause_queue(self, name: QueueName, note: Note = None, until: Until = None) -> dict[str, Any]:
        """Pause a queue: its jobs wait; those that run go on."""
        said = {"note": note, "until": until}
        found = self._client.queue_action(name, "pause", {field: one for field, one in said.items() if one})
        return {"name": found["name"], "paused": found["paused"], "resumeAt": found["resumeAt"]}

    def resume_queue(self, name: QueueName) -> dict[str, Any]:
        """End the pause of a queue."""
        found = self._client.queue_action(name, "resume")
        return {"name": found["name"], "paused": found["paused"]}

    def _state(self, job: Any) -> dict[str, Any]:
        return {"id": job["id"], "status": job["status"], "cancelRequested": job["cancelRequestedAt"] is not None}
