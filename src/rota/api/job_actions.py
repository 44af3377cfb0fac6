"""One action on many jobs: those that a filter wants."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from rota.actions import operations as actions
from rota.actions.specs import ActionIn
from rota.api import bulk_operations
from rota.api.context import Context
from rota.api.idempotency import create_once
from rota.api.operation_answers import ActionDone
from rota.api.operations import IDEMPOTENCY_KEY, Operations
from rota.api.reply import JsonReply
from rota.ids import new_id
from rota.model import Action
from rota.store import operations as store
from rota.store.database import Tx

operations = Operations("Jobs")


@operations.add(
    "POST",
    "/api/jobs/actions",
    "actOnJobs",
    role="operator",
    body=ActionIn,
    example={"action": "retry", "filter": {"status": "failed", "queue": "mail"}, "dryRun": True},
    headers=(IDEMPOTENCY_KEY,),
    answer=ActionDone,
)
async def act_on_jobs(context: Context) -> Response:
    """Retry, cancel, delete, move or reprioritise all jobs that match.

    They are counted first; `dryRun` does no more than that. Where it takes longer than a second, `done` is false and
    the service goes on: `operation` says how far it has come. Jobs that are made later are not meant. An empty filter
    is refused.
    """
    spec = await context.body(ActionIn)
    found, wanted = actions.params(spec, context.settings), actions.wanted(spec)
    if spec.dry_run:
        total = await context.read(lambda tx: actions.count(tx, wanted))
        return JsonReply(_shown(spec.action, total=total, dry_run=True))
    answer, headers = await _act(context, spec, found)
    return JsonReply(answer, 200, headers)


async def act(context: Context, spec: ActionIn) -> dict[str, Any]:
    """Begin an action and work on it for up to a second; what is left goes on by itself."""
    return (await _act(context, spec, actions.params(spec, context.settings)))[0]


async def _act(context: Context, spec: ActionIn, found: actions.Params) -> tuple[dict[str, Any], dict[str, str]]:
    wanted, caller, operation_id = actions.wanted(spec), context.caller, new_id()
    total = await context.read(lambda tx: actions.count(tx, wanted))
    newest = await context.read(store.newest)

    def begin(tx: Tx) -> dict[str, str]:
        actions.begin(tx, operation_id, spec, found, total=total, newest=newest, caller=caller)
        return {"id": operation_id}

    made, headers = await create_once(context, begin)
    operation = await context.read(lambda tx: actions.known(tx, made["id"]))
    if operation.id == operation_id:
        operation = await bulk_operations.work(context, operation)
    return _shown(
        operation.action,
        total=operation.total,
        changed=operation.changed,
        done=operation.status != "running",
        operation=operation.id,
    ), headers


def _shown(
    action: Action,
    *,
    total: int,
    changed: int = 0,
    done: bool = True,
    operation: str | None = None,
    dry_run: bool = False,
) -> dict[str, Any]:
    return {
        "action": action,
        "dryRun": dry_run,
        **bulk_operations.counted(total),
        "changed": changed,
        "done": done,
        "operation": operation,
    }
