"""One action on many jobs: those that a filter wants."""

from __future__ import annotations

import time
from typing import Any

from starlette.responses import Response

from rota import logs
from rota.actions import jobs as job_actions
from rota.actions.jobs import Action
from rota.actions.specs import ActionIn
from rota.api.answers import ActionDone
from rota.api.context import Context
from rota.api.operations import Operations
from rota.api.reply import JsonReply
from rota.errors import Invalid
from rota.store import reads
from rota.store.reads import JobFilter

operations = Operations("Jobs")

TAKES_AT_MOST_S = 20.0
BATCH = {"retry": 100, "cancel": 100, "delete": 500}
_EVENTS = {"retry": "job/retried", "cancel": "job/cancelled", "delete": "job/deleted"}


@operations.add(
    "POST",
    "/api/jobs/actions",
    "actOnJobs",
    role="operator",
    body=ActionIn,
    example={"action": "retry", "filter": {"status": "failed", "queue": "mail"}, "dryRun": True},
    answer=ActionDone,
)
async def act_on_jobs(context: Context) -> Response:
    """Retry, cancel or delete all jobs that match.

    They are counted first; `dryRun` does no more than that. Where the time for one request is over before all are done,
    `done` is false, and the same request again goes on with the rest. An empty filter is refused.
    """
    spec = await context.body(ActionIn)
    if spec.force and spec.action != "cancel":
        raise Invalid("force", f"has no meaning for {spec.action}", hint="leave it out")
    wanted = job_actions.affected(job_actions.job_filter(spec.filter, "filter."), spec.action)
    if spec.dry_run:
        matched = await context.read(lambda tx: reads.count(tx, wanted))
        return JsonReply(_shown(spec.action, matched=matched, changed=0, done=True, dry_run=True))
    return JsonReply(await act(context, spec.action, wanted, force=spec.force))


async def act(context: Context, action: Action, wanted: JobFilter, *, force: bool = False) -> dict[str, Any]:
    """Do ``action`` to the jobs wanted, batch by batch; each batch is one transaction."""
    caller = context.caller
    give_up = time.monotonic() + TAKES_AT_MOST_S
    matched = await context.read(lambda tx: reads.count(tx, wanted))
    changed, done, after = 0, False, None
    while not done and time.monotonic() < give_up:
        last = after
        ids = await context.read(lambda tx: reads.ids(tx, wanted, limit=BATCH[action], after=last))  # noqa: B023
        if ids:
            changed += await context.write(
                lambda tx: job_actions.act(tx, action, ids, caller, force=force)  # noqa: B023
            )
            after = ids[-1]
        done = len(ids) < BATCH[action]
    if changed:
        logs.event(_EVENTS[action], f"{action} of {changed} jobs by filter", by=caller.subject, count=changed)
    return _shown(action, matched=matched, changed=changed, done=done)


def _shown(action: Action, *, matched: int, changed: int, done: bool, dry_run: bool = False) -> dict[str, Any]:
    return {"action": action, "dryRun": dry_run, "matched": matched, "changed": changed, "done": done}
