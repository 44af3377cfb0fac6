"""The audit over REST: who changed what."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from starlette.responses import Response

from rota.actions import present
from rota.api.context import Context
from rota.api.operation_answers import AuditList
from rota.api.operations import Operations
from rota.api.reply import JsonReply
from rota.errors import Invalid
from rota.ids import is_id
from rota.jsontext import check_text
from rota.model import AuditEntry
from rota.store import audit
from rota.store.audit import AuditFilter
from rota.timetable import parse_instant

operations = Operations("Audit")


class AuditQuery(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Which entries."""

    noun: Annotated[str, msgspec.Meta(description="Of what kind of thing: `job`, `queue`, `schedule` …")] | None = None
    name: Annotated[str, msgspec.Meta(description="Of which one: its id or name.")] | None = None
    actor: Annotated[str, msgspec.Meta(description="Who did it.")] | None = None
    action: Annotated[str, msgspec.Meta(description="What was done: `edited`, `paused` …")] | None = None
    since: Annotated[str, msgspec.Meta(description="At or after this time.")] | None = None
    until: Annotated[str, msgspec.Meta(description="Before this time.")] | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=200, description="Most items to answer with.")] = 50
    cursor: Annotated[str, msgspec.Meta(description="`nextCursor` of the page before.")] | None = None


@operations.add("GET", "/api/audit", "listAudit", role="admin", query=AuditQuery, answer=AuditList)
async def list_audit(context: Context) -> Response:
    """List who changed what, the latest first."""
    query = context.query(AuditQuery)
    if query.cursor is not None and not is_id(query.cursor):
        raise Invalid("cursor", "is no cursor", hint="send the nextCursor of the page before")
    texts = {
        field: check_text(value, field, max_length=500)
        for field in ("noun", "name", "actor", "action")
        if (value := getattr(query, field)) is not None
    }
    wanted = AuditFilter(
        since=parse_instant(query.since, "since") if query.since else None,
        until=parse_instant(query.until, "until") if query.until else None,
        **texts,
    )
    found = await context.read(lambda tx: audit.listed(tx, wanted, limit=query.limit + 1, before=query.cursor))
    page = found[: query.limit]
    more = page[-1].id if len(found) > query.limit else None
    return JsonReply({"entries": [_shown(one) for one in page], "limit": query.limit, "nextCursor": more})


def _shown(entry: AuditEntry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "at": present.instant(entry.at),
        "actor": entry.actor,
        "role": entry.role,
        "origin": entry.origin,
        "action": entry.action,
        "noun": entry.noun,
        "name": entry.name,
        "note": entry.note,
        "before": present.raw(entry.before),
        "after": present.raw(entry.after),
    }
