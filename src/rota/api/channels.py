"""Channels and notices over REST: who is told of alerts, how that goes, and a test of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from starlette.responses import Response

from rota.actions import present
from rota.api.channel_answers import ChannelList, ChannelTest, NoticeList
from rota.api.context import Context
from rota.api.operations import Operations, Parameter
from rota.api.paging import Cursor, Limit, PageNumber, PageQuery, WholeQuery, answered, part_of
from rota.api.reply import JsonReply
from rota.errors import Conflict, NotFound
from rota.ids import new_id
from rota.jsontext import check_text
from rota.model import Notice, NoticeKind, Severity
from rota.store import audit, channels, deliveries, notices
from rota.store.channels import ChannelState
from rota.store.database import Tx
from rota.store.notices import Which
from rota.timetable import parse_instant

NAME = Parameter(name="name", description="Name of the channel.", example="slack #1")
operations = Operations("Channels", NAME)

TEST_WAIT_S = 45.0
"""How long a test waits for its messages: the process that sends may have to be started first."""
LOOK_S = 0.3
LONGEST = 200


@operations.add("GET", "/api/channels", "listChannels", query=WholeQuery, answer=ChannelList)
async def list_channels(context: Context) -> Response:
    """List the channels that processes have in `ROTA_NOTIFY_URLS`, and how they do.

    A channel is shown by its name, never by its address.
    """
    query = context.query(WholeQuery)

    def look(tx: Tx) -> list[dict[str, Any]]:
        waiting = channels.waiting(tx)
        return [_channel(one, waiting.get(one.name, 0)) for one in channels.listed(tx, tx.now())]

    return JsonReply(part_of("channels", await context.read(look), query))


@operations.add("POST", "/api/channels/test", "testChannels", role="operator", answer=ChannelTest, problems=(409,))
async def test_channels(context: Context) -> Response:
    """Send a test message through every channel, and wait up to 45 s for how it went.

    It goes the way of every notice: a process that has the address sends it.
    """
    return await _test(context, None)


@operations.add("POST", "/api/channels/{name}/test", "testChannel", role="operator", answer=ChannelTest)
async def test_channel(context: Context) -> Response:
    """Send a test message through one channel, and wait up to 45 s for how it went."""
    return await _test(context, context.path("name"))


class NoticeQuery(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, rename="camel"):
    """Which notices, and which part of their list."""

    kind: Annotated[NoticeKind, msgspec.Meta(description="Of what they tell.")] | None = None
    severity: Annotated[Severity, msgspec.Meta(description="`error` or `warning`.")] | None = None
    channel: Annotated[str, msgspec.Meta(description="Given to this channel.")] | None = None
    state: (
        Annotated[str, msgspec.Meta(description="`pending`, `sent`, `failed` or `dropped`, at a channel.")] | None
    ) = None
    since: Annotated[str, msgspec.Meta(description="At or after this time.")] | None = None
    until: Annotated[str, msgspec.Meta(description="Before this time.")] | None = None
    limit: Limit = 50
    page: PageNumber = 1
    cursor: Cursor | None = None


@operations.add("GET", "/api/notices", "listNotices", query=NoticeQuery, answer=NoticeList)
async def list_notices(context: Context) -> Response:
    """List what channels were told, the latest first, and how that went with each of them.

    Notices are kept for 90 days.
    """
    query, public_url = context.query(NoticeQuery), context.service.settings.public_url
    part = PageQuery(limit=query.limit, page=query.page, cursor=query.cursor)
    which = Which(
        kind=query.kind,
        severity=query.severity,
        channel=query.channel and check_text(query.channel, "channel", max_length=LONGEST),
        state=query.state and check_text(query.state, "state", max_length=LONGEST),
        since=parse_instant(query.since, "since") if query.since else None,
        until=parse_instant(query.until, "until") if query.until else None,
    )
    before, limit = part.before_id(), part.limit

    def look(tx: Tx) -> dict[str, Any]:
        found = notices.listed(tx, which, limit=limit + 1, before=before, offset=part.offset())
        more = found[limit - 1]["id"] if len(found) > limit else None
        items = [_notice(one, public_url) for one in found[:limit]]
        return answered("notices", items, part, total=notices.count(tx, which), next_cursor=more)

    return JsonReply(await context.read(look))


async def _test(context: Context, name: str | None) -> Response:
    caller, notice_id = context.caller, new_id()

    def begin(tx: Tx) -> None:
        now = tx.now()
        names = [one.name for one in channels.listed(tx, now)]
        if name is not None and name not in names:
            raise NotFound(f"there is no channel {name[:100]}", hint=f"known: {', '.join(names) or 'none'}")
        if not names:
            raise Conflict("there is no channel", hint="set ROTA_NOTIFY_URLS for a process that runs")
        notice = Notice(
            notice_id, "test", "warning", "Test of Rota's channels", f"Sent by {caller.subject or 'somebody'}.", "/"
        )
        notices.add(tx, notice, now)
        deliveries.add_test(tx, notice_id, names if name is None else [name], now)
        audit.record(tx, caller, "tested", "channel", name or "all")

    await context.write(begin)
    found = await _until_ended(context, notice_id)
    if any(one["state"] == "pending" for one in found):
        await context.write(lambda tx: deliveries.give_up_test(tx, notice_id))
        found = await context.read(lambda tx: notices.deliveries(tx, notice_id))
    ok = all(one["state"] == "sent" for one in found)
    return JsonReply({"id": notice_id, "ok": ok, "deliveries": [_delivery(one) for one in found]})


async def _until_ended(context: Context, notice_id: str) -> Sequence[dict[str, Any]]:
    """Return how it went with a test, as soon as that is known or the time is over."""
    loop = asyncio.get_running_loop()
    give_up = loop.time() + TEST_WAIT_S
    while True:
        found = await context.read(lambda tx: notices.deliveries(tx, notice_id))
        is_over = loop.time() >= give_up or context.service.stopping.is_set()
        if is_over or all(one["state"] != "pending" for one in found):
            return found
        await asyncio.sleep(LOOK_S)


def _channel(one: ChannelState, waiting: int) -> dict[str, Any]:
    state = "failing" if one.failing_since is not None else "working" if one.sent_at is not None else "unproven"
    return {
        "name": one.name,
        "kind": one.kind,
        "least": one.least,
        "state": state,
        "waiting": waiting,
        "sentAt": present.instant(one.sent_at),
        "failingSince": present.instant(one.failing_since),
        "failures": one.failures,
        "error": one.error,
        "seenAt": present.instant(one.seen_at),
    }


def _notice(row: dict[str, Any], public_url: str | None) -> dict[str, Any]:
    return {
        "id": row["id"],
        "kind": row["kind"],
        "severity": row["severity"],
        "title": row["title"],
        "text": row["text"],
        "path": row["path"],
        "link": f"{public_url.rstrip('/')}/{row['path'].lstrip('/')}" if public_url else None,
        "alertIds": present.raw(row["alert_ids"]),
        "createdAt": present.instant(row["created_at"]),
        "deliveries": [_delivery(one) for one in row["deliveries"]],
    }


def _delivery(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "channel": row["channel"],
        "state": row["state"],
        "inSummary": bool(row["folded"]),
        "attempts": row["attempts"],
        "error": row["error"],
        "sentAt": present.instant(row["sent_at"]),
    }
