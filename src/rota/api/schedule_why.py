"""Why a schedule did or did not run, over REST."""

from __future__ import annotations

from starlette.responses import Response

from rota.actions import present, schedule_why
from rota.actions import schedules as schedule_actions
from rota.api.context import Context
from rota.api.job_answers import Why
from rota.api.reply import JsonReply
from rota.api.schedule_view import schedule_operations

operations = schedule_operations()


@operations.add("GET", "/api/schedules/{id}/why", "whySchedule", answer=Why)
async def why(context: Context) -> Response:
    """Say in one sentence why a schedule did or did not run last, and when it will.

    Who paused it and until when; which calendar is in the way; that it has ended; which job it waits for; what became
    of the last instant; and what keeps the next one from running: no live scheduler or worker, a paused queue.
    `causes` has the parts, the decisive one first.
    """
    schedule_id, settings = context.path("id"), context.settings
    facts = await context.read(lambda tx: schedule_why.look(tx, schedule_actions.known(tx, schedule_id), settings))
    found = schedule_why.explain(facts)
    return JsonReply(
        {
            "text": found.text,
            "until": present.instant(found.until),
            "causes": [{"code": cause.code, "text": cause.text, "until": None} for cause in found.causes],
        }
    )
