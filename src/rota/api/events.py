"""What happens over REST, as server-sent events."""

from __future__ import annotations

from typing import Annotated

import msgspec
from starlette.responses import Response, StreamingResponse

from rota.api.context import Context
from rota.api.feed import KINDS
from rota.api.operations import Operations, Parameter
from rota.errors import Invalid

operations = Operations("System")

_LAST_EVENT_ID = Parameter(
    name="Last-Event-ID",
    place="header",
    description="Id of the last event received; browsers send it when they come back.",
    example="5f0c2a91-1042",
)


class EventQuery(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Which events."""

    kinds: (
        Annotated[str, msgspec.Meta(description=f"Only these, divided by commas: {', '.join(KINDS)}.", min_length=1)]
        | msgspec.UnsetType
    ) = msgspec.UNSET
    after: (
        Annotated[str, msgspec.Meta(description="Id of an event to go on from, where Last-Event-ID says none.")]
        | msgspec.UnsetType
    ) = msgspec.UNSET


@operations.add(
    "GET",
    "/api/events",
    "streamEvents",
    query=EventQuery,
    headers=(_LAST_EVENT_ID,),
    media_type="text/event-stream",
)
async def stream(context: Context) -> Response:
    """Follow what happens as server-sent events.

    `job` is a job that is new or has changed, as in the list of jobs, with `partial` where long arguments or results
    were left out; `gone` (`{kind, id}`) one that was deleted; `schedule` (`{id}`), `queue` (`{name}`), `worker`
    (`{id}`) and `monitor` (`{id}`, which was changed, or finds or tells something else) say what to ask for anew.
    `stats` are the numbers of `GET /api/stats` and `status`, as `/health` has it: where they changed, once a second at
    most, and each 5 seconds. `resync` says that events were missed, since the client was away or slow or too much
    happened at once: ask for everything anew. It comes whatever `kinds` says.

    Several changes of one thing within a fraction of a second are one event. Who comes back with `Last-Event-ID` gets
    what it missed. A comment each 15 seconds keeps the connection open; after an hour the stream ends, and the client
    comes back.
    """
    query = context.query(EventQuery)
    kinds = _kinds(query.kinds or None)
    feed = context.service.feed
    place = feed.place(context.header("last-event-id") or query.after or None, await feed.ready())
    headers = {"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no"}
    return StreamingResponse(feed.follow(kinds, place), headers=headers, media_type="text/event-stream")


def _kinds(text: str | None) -> frozenset[str]:
    if text is None:
        return frozenset(KINDS)
    given = frozenset(text.split(","))
    if unknown := given - frozenset(KINDS):
        raise Invalid("kinds", f"{min(unknown)[:50]!r} is none", hint=f"some of {', '.join(KINDS)}")
    return given
