"""Queues over REST: what is in them, their limits, pauses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from starlette.responses import Response

from rota import logs
from rota.actions import present
from rota.actions import queues as queue_actions
from rota.actions.specs import ActionIn, FilterIn, PauseIn, QueueIn
from rota.api.context import Context
from rota.api.job_actions import act
from rota.api.operations import Operations, Parameter
from rota.api.paging import WholeQuery, narrowed, part_of
from rota.api.queue_answers import Changed, QueueList, QueueOut
from rota.api.reply import JsonReply
from rota.errors import NotFound
from rota.model import Action, Queue
from rota.store import queues
from rota.store.database import Tx

operations = Operations("Queues", Parameter(name="name", description="Name of the queue.", example="mail"))


class QueueQuery(WholeQuery):
    """Which queues."""

    paused: Annotated[bool, msgspec.Meta(description="Whether it is paused.")] | None = None


@operations.add("GET", "/api/queues", "listQueues", query=QueueQuery, answer=QueueList)
async def list_queues(context: Context) -> Response:
    """List all queues by name, with what is in each by status and priority.

    Counts stop at 10,000.
    """
    query = context.query(QueueQuery)

    def look(tx: Tx) -> list[dict[str, Any]]:
        stats = queues.stats(tx)
        return [_shown(queue, stats) for queue in queues.listed(tx)]

    return JsonReply(part_of("queues", narrowed(await context.read(look), query, ("paused",)), query))


@operations.add("GET", "/api/queues/{name}", "getQueue", answer=QueueOut)
async def get_queue(context: Context) -> Response:
    """Look at one queue."""
    name = context.path("name")
    return JsonReply(await context.read(lambda tx: _shown(_known(tx, name), queues.stats(tx))))


@operations.add(
    "PATCH",
    "/api/queues/{name}",
    "changeQueue",
    role="operator",
    body=QueueIn,
    example={"concurrency": 5},
    answer=QueueOut,
)
async def change_queue(context: Context) -> Response:
    """Set limits of a queue, across all machines; null removes one, what is not named stays.

    The queue comes into being where it is not there.
    """
    name, spec, caller = context.path("name"), await context.body(QueueIn), context.caller
    settings = context.settings
    return await _done(
        context,
        lambda tx: queue_actions.change(tx, name, spec, settings, caller),
        lambda: logs.event("queue/changed", queue=name, by=caller.subject),
    )


@operations.add(
    "POST",
    "/api/queues/{name}/pause",
    "pauseQueue",
    role="operator",
    body=PauseIn,
    body_required=False,
    example={"note": "the mail host moves"},
    answer=QueueOut,
)
async def pause_queue(context: Context) -> Response:
    """Let no more jobs of a queue start, perhaps `until` some time; those that run go on."""
    name, spec, caller = context.path("name"), await context.optional_body(PauseIn), context.caller
    return await _done(
        context,
        lambda tx: queue_actions.pause(tx, name, spec, caller),
        lambda: logs.event("queue/paused", queue=name, by=caller.subject, reason=spec.note, until=spec.until),
    )


@operations.add("POST", "/api/queues/{name}/resume", "resumeQueue", role="operator", answer=QueueOut)
async def resume_queue(context: Context) -> Response:
    """Let jobs of a queue start again, also where a target had asked for a pause."""
    name, caller = context.path("name"), context.caller
    return await _done(
        context,
        lambda tx: queue_actions.resume(tx, name, caller),
        lambda: logs.event("queue/resumed", queue=name, by=caller.subject),
    )


async def _done(context: Context, action: Callable[[Tx], Queue], tell: Callable[[], None]) -> Response:
    """Commit what changes a queue, tell it, and answer with the queue."""

    def work(tx: Tx) -> dict[str, Any]:
        queue = action(tx)
        tx.after_commit(tell)
        return _shown(queue, queues.stats(tx))

    return JsonReply(await context.write(work))


@operations.add("POST", "/api/queues/{name}/retry-failed", "retryFailed", role="operator", answer=Changed)
async def retry_failed(context: Context) -> Response:
    """Make all failed jobs of a queue wait again.

    Where it takes longer than a second, `done` is false, and the service goes on: see `operation`.
    """
    return JsonReply(await _act_on_failed(context, "retry"))


@operations.add("POST", "/api/queues/{name}/delete-failed", "deleteFailed", role="operator", answer=Changed)
async def delete_failed(context: Context) -> Response:
    """Delete all failed jobs of a queue, with their history."""
    return JsonReply(await _act_on_failed(context, "delete"))


async def _act_on_failed(context: Context, action: Action) -> dict[str, Any]:
    name = context.path("name")
    await context.read(lambda tx: _known(tx, name))
    done = await act(context, ActionIn(action=action, filter=FilterIn(queue=name, status="failed")))
    return {part: done[part] for part in ("matched", "changed", "done", "operation")}


def _known(tx: Tx, name: str) -> Queue:
    queue = queues.get(tx, name)
    if queue is None:
        raise NotFound(f"there is no queue {name[:100]}")
    return queue


def _shown(queue: Queue, stats: list[dict[str, Any]]) -> dict[str, Any]:
    return present.queue(queue, [row for row in stats if row["queue"] == queue.name])
