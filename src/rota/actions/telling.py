"""What the service's log says of due instants."""

from __future__ import annotations

from rota import logs
from rota.model import Occurrence


def tell_of(occurrence: Occurrence, job_type: str | None) -> None:
    """Log what became of a due instant, or of a range of them."""
    name = "fired" if occurrence.job_id is not None else occurrence.disposition
    logs.event(
        f"schedule/{name}",
        f"{occurrence.schedule_id} {occurrence.disposition}",
        scheduleId=occurrence.schedule_id,
        jobId=occurrence.job_id,
        jobType=job_type,
        disposition=occurrence.disposition,
        reason=occurrence.reason,
        scheduledFor=occurrence.scheduled_for,
    )
