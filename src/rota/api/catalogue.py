"""All that the API can do, whoever serves it."""

from __future__ import annotations

from rota.api import (
    apply,
    calendars,
    forecast,
    health,
    job_actions,
    job_logs,
    job_types,
    jobs,
    metrics,
    occurrences,
    queues,
    schedule_actions,
    schedule_why,
    schedules,
    system,
    tokens,
)

OPERATIONS = (
    jobs.operations,
    job_actions.operations,
    job_logs.operations,
    schedules.operations,
    schedule_actions.operations,
    occurrences.operations,
    schedule_why.operations,
    forecast.operations,
    queues.operations,
    calendars.operations,
    apply.operations,
    job_types.operations,
    system.operations,
    tokens.operations,
    health.operations,
    metrics.operations,
)
