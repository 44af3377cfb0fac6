"""Operations on many jobs over REST: begun by an action, looked at, gone on with, stopped."""

from __future__ import annotations

import time
from typing import Any

import msgspec
from starlette.responses import Response

from rota.actions import operations as actions
from rota.actions import present
from rota.api.context import Context
from rota.api.operation_answers import OperationList, OperationOut
from rota.api.operations import Operations, Parameter
from rota.api.paging import PageQuery, answered
from rota.api.reply import JsonReply
from rota.errors import DatabaseError
from rota.model import Operation
from rota.store import operations as store
from rota.store.counting import count_up_to
from rota.store.database import Tx

ID = Parameter(name="id", description="Id of the operation.", example="019a9d2c-7c1e-7aa0-8f5e-0c3b2a190000")
operations = Operations("Operations", ID)

WORKS_S = 1.0
"""So long a request works on an operation; what is left is the scheduler's."""


@operations.add("GET", "/api/operations", "listOperations", query=PageQuery, answer=OperationList)
async def list_operations(context: Context) -> Response:
    """List actions on many jobs, the latest first."""
    query = context.query(PageQuery)
    before, limit = query.before_id(), query.limit

    def look(tx: Tx) -> dict[str, Any]:
        found = store.listed(tx, limit=limit + 1, before=before, offset=query.offset())
        more = found[limit - 1].id if len(found) > limit else None
        total = count_up_to(tx, "rota_operations")
        return answered("operations", [shown(one) for one in found[:limit]], query, total=total, next_cursor=more)

    return JsonReply(await context.read(look))


@operations.add("GET", "/api/operations/{id}", "getOperation", answer=OperationOut)
async def get_operation(context: Context) -> Response:
    """Look at an action on many jobs: how far it has come."""
    operation_id = context.path("id")
    return JsonReply(shown(await context.read(lambda tx: actions.known(tx, operation_id))))


@operations.add("POST", "/api/operations/{id}/continue", "continueOperation", role="operator", answer=OperationOut)
async def continue_operation(context: Context) -> Response:
    """Go on with an operation for up to a second, where nobody else does; then answer how far it has come.

    A scheduler does so by itself. This is for who waits for the end, and for when no scheduler runs.
    """
    operation_id = context.path("id")

    def take(tx: Tx) -> Operation | None:
        actions.known(tx, operation_id)
        return store.claim(tx, operation_id)

    if (mine := await context.write(take)) is not None:
        return JsonReply(shown(await work(context, mine)))
    return JsonReply(shown(await context.read(lambda tx: actions.known(tx, operation_id))))


@operations.add(
    "POST", "/api/operations/{id}/cancel", "cancelOperation", role="operator", answer=OperationOut, problems=(409,)
)
async def cancel_operation(context: Context) -> Response:
    """End an operation before all is done; what it has changed stays so."""
    operation_id, caller = context.path("id"), context.caller
    return JsonReply(shown(await context.write(lambda tx: actions.stop(tx, operation_id, caller))))


async def work(context: Context, operation: Operation) -> Operation:
    """Work on an operation that is ours for up to a second; return how far it has come."""
    give_up, operation_id = time.monotonic() + WORKS_S, operation.id
    course = actions.course(operation)
    answer: object = None
    try:
        while True:
            part = course.send(answer)
            if isinstance(part, actions.Look):
                answer = await context.read(part.work)
                continue
            answer = operation = await context.write(part.work)
            if time.monotonic() >= give_up and operation.status == "running":
                await context.write(lambda tx: store.leave(tx, operation_id))
                break
    except StopIteration:
        pass
    except DatabaseError:  # it is begun, and will be done: the answer is how far it has come
        pass
    return operation


def shown(operation: Operation) -> dict[str, Any]:
    """Return an operation as it is answered."""
    params = msgspec.json.decode(operation.params, type=actions.Params)
    return {
        "id": operation.id,
        "action": operation.action,
        "status": operation.status,
        "done": operation.status != "running",
        "filter": present.raw(operation.filter),
        "queue": params.queue,
        "priority": -params.rank if params.rank is not None else None,
        "force": params.force,
        **counted(operation.total),
        "lookedAt": operation.looked_at,
        "changed": operation.changed,
        "skipped": operation.looked_at - operation.changed,
        "startedBy": operation.author,
        "error": operation.error,
        "createdAt": present.instant(operation.created_at),
        "updatedAt": present.instant(operation.updated_at),
        "completedAt": present.instant(operation.completed_at),
    }


def counted(total: int) -> dict[str, Any]:
    """Return how many jobs matched, honestly."""
    return {"matched": min(total, actions.MOST_COUNTED), "matchedIsEstimate": total > actions.MOST_COUNTED}
