"""The keys of a queue over REST: what waits and runs of each, and their pauses."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from starlette.responses import Response

from rota import logs
from rota.actions import pauses as pause_actions
from rota.actions import present
from rota.actions.specs import PauseIn
from rota.api.context import Context
from rota.api.operations import Operations, Parameter
from rota.api.paging import decode_cursor, encode_cursor
from rota.api.queue_answers import KeyList, KeyPause
from rota.api.reply import JsonReply
from rota.errors import Invalid, NotFound
from rota.model import Pause
from rota.store import keys, pauses, queues
from rota.store.database import Tx

operations = Operations(
    "Queues",
    Parameter(name="name", description="Name of the queue.", example="mail"),
    Parameter(name="key", description="The concurrency key; it may hold `/`.", example="customer=42"),
)


class KeyQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Which part of the list."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=200, description="Most keys to answer with.")] = 50
    cursor: Annotated[str, msgspec.Meta(description="`nextCursor` of the page before.")] | None = None


CONCURRENCY, ORDER = "c", "o"


@operations.add("GET", "/api/queues/{name}/keys", "listKeys", query=KeyQuery, answer=KeyList)
async def list_keys(context: Context) -> Response:
    """List the concurrency keys of which something waits or runs, then the order keys whose turn is in this queue.

    Jobs of one key are counted up to 1,000. Of an order key one job is active; it is `blocked` while that one waits for
    its next attempt.
    """
    name, query = context.path("name"), context.query(KeyQuery)
    place = decode_cursor(query.cursor) if query.cursor is not None else CONCURRENCY
    if place[:1] not in (CONCURRENCY, ORDER):
        raise Invalid("cursor", "is no cursor", hint="send the nextCursor of the page before")
    found = await context.read(lambda tx: _look(tx, name, place[0], place[1:], query.limit))
    more = len(found) > query.limit
    shown = [item for _, item in found[: query.limit]]
    answer = {
        "keys": shown,
        "total": len(shown),
        "page": 1 if query.cursor is None else None,
        "limit": query.limit,
        "nextCursor": encode_cursor(found[query.limit - 1][0]) if more else None,
        "totalIsEstimate": more or query.cursor is not None,
    }
    return JsonReply(answer)


def _look(tx: Tx, name: str, kind: str, after: str, limit: int) -> list[tuple[str, dict[str, Any]]]:
    """Return (cursor, key) of one more than ``limit``, where there are so many."""
    if queues.get(tx, name) is None:
        raise NotFound(f"there is no queue {name[:100]}")
    found: list[tuple[str, dict[str, Any]]] = []
    if kind == CONCURRENCY:
        paused = {(one.queue, one.name): one for one in pauses.listed(tx, "key")}
        for state in keys.concurrency(tx, name, after, limit + 1):
            pause = paused.get((name, state.key), paused.get(("", state.key)))
            found.append((CONCURRENCY + state.key, _concurrency(state, pause)))
        after = ""
    if len(found) <= limit:
        ordered = keys.ordered(tx, name, after, limit + 1 - len(found))
        found += [(ORDER + state.key, _ordered(state)) for state in ordered]
    return found


def _concurrency(state: keys.KeyState, pause: Pause | None) -> dict[str, Any]:
    return {
        "key": state.key,
        "kind": "concurrency",
        "waiting": state.waiting,
        "running": state.running,
        "oldestAt": present.instant(state.oldest_at),
        **present.pause(pause),
        "activeJobId": None,
        "blocked": False,
    }


def _ordered(state: keys.OrderState) -> dict[str, Any]:
    return {
        "key": state.key,
        "kind": "order",
        "waiting": state.waiting,
        "running": int(state.status == "running"),
        "oldestAt": present.instant(state.run_at),
        **present.pause(None),
        "activeJobId": state.job_id,
        "blocked": state.blocked,
    }


PAUSE: dict[str, Any] = {
    "role": "operator", "body": PauseIn, "body_required": False, "example": {"note": "the customer asked"},
    "answer": KeyPause,
}  # fmt: skip
RESUME: dict[str, Any] = {"role": "operator", "answer": KeyPause}


@operations.add("POST", "/api/queues/{name}/keys/{key:path}/pause", "pauseKey", **PAUSE)
async def pause_key(context: Context) -> Response:
    """Let no more jobs of a queue with this concurrency key start; those that run go on."""
    return await _pause(context, context.path("name"))


@operations.add("POST", "/api/queues/{name}/keys/{key:path}/resume", "resumeKey", **RESUME)
async def resume_key(context: Context) -> Response:
    """Let jobs of a queue with this concurrency key start again; a pause of the key in all queues stays."""
    return await _resume(context, context.path("name"))


@operations.add("POST", "/api/keys/{key:path}/pause", "pauseKeyEverywhere", **PAUSE)
async def pause_key_everywhere(context: Context) -> Response:
    """Let no more jobs with this concurrency key start, in no queue; those that run go on."""
    return await _pause(context, "")


@operations.add("POST", "/api/keys/{key:path}/resume", "resumeKeyEverywhere", **RESUME)
async def resume_key_everywhere(context: Context) -> Response:
    """End the pause of a concurrency key in all queues; where one queue pauses it apart, that stays."""
    return await _resume(context, "")


async def _pause(context: Context, queue: str) -> Response:
    key, spec, caller = context.path("key"), await context.optional_body(PauseIn), context.caller

    def work(tx: Tx) -> dict[str, Any]:
        found = pause_actions.pause_key(tx, queue, key, spec, caller)
        tx.after_commit(
            lambda: logs.event(
                "queue/paused", queue=queue or None, key=key, by=caller.subject, reason=spec.note, until=spec.until
            )
        )
        return _shown(queue, key, found)

    return JsonReply(await context.write(work))


async def _resume(context: Context, queue: str) -> Response:
    key, caller = context.path("key"), context.caller

    def work(tx: Tx) -> dict[str, Any]:
        pause_actions.resume_key(tx, queue, key, caller)
        tx.after_commit(lambda: logs.event("queue/resumed", queue=queue or None, key=key, by=caller.subject))
        return _shown(queue, key, None)

    return JsonReply(await context.write(work))


def _shown(queue: str, key: str, pause: Pause | None) -> dict[str, Any]:
    return {"queue": queue or None, "key": key, **present.pause(pause)}
