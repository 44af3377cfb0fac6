"""One action on many schedules over REST: those that are named."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from rota.actions.many_schedules import Acted, ScheduleActionIn, act
from rota.api.context import Context
from rota.api.reply import JsonReply
from rota.api.schedule_answers import SchedulesActed
from rota.api.schedule_view import schedule_operations, shown, tell_saved
from rota.store.database import Tx

operations = schedule_operations()


@operations.add(
    "POST",
    "/api/schedules/actions",
    "actOnSchedules",
    role="operator",
    body=ScheduleActionIn,
    example={"action": "pause", "ids": ["digest"], "note": "the mail host moves"},
    answer=SchedulesActed,
)
async def act_on_schedules(context: Context) -> Response:
    """Pause schedules, resume them, or let them go live, in one transaction.

    `changed` has what they are now. Those that were so already stay as they are (`same`), with the note that they have;
    ids that are not there are told in `unknown`, and the others are changed all the same.
    """
    spec, caller, settings = await context.body(ScheduleActionIn), context.caller, context.settings

    def work(tx: Tx) -> Acted:
        done = act(tx, spec, caller, settings)
        for one in done.changed:
            tell_saved(tx, one, caller.subject)
        return done

    done = await context.write(work)
    answer: dict[str, Any] = {"changed": [shown(one) for one in done.changed]}
    return JsonReply({**answer, "action": spec.action, "same": done.same, "unknown": done.unknown})
