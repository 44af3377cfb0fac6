"""The audit over REST: who changed what, page by page or as a file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any, Literal

import msgspec
from starlette.responses import Response, StreamingResponse

from rota.actions import audit_table, present
from rota.actions.audit_words import sentence
from rota.api.context import Context
from rota.api.operation_answers import AuditList
from rota.api.operations import Operations
from rota.api.paging import Cursor, Limit, PageNumber, PageQuery, answered
from rota.api.reply import JsonReply
from rota.jsontext import check_text
from rota.model import AuditEntry
from rota.store import audit
from rota.store.audit import FIELDS, AuditFilter
from rota.store.database import Tx
from rota.timetable import parse_instant

operations = Operations("Audit")

EXPORT_BATCH = 1000
MEDIA_TYPES = {"jsonl": "application/x-ndjson", "csv": "text/csv"}


class Which(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, rename="camel"):
    """Which entries."""

    noun: Annotated[str, msgspec.Meta(description="Of what kind of thing: `job`, `queue`, `schedule` …")] | None = None
    name: Annotated[str, msgspec.Meta(description="Of which one: its id or name.")] | None = None
    actor: Annotated[str, msgspec.Meta(description="Who did it.")] | None = None
    action: Annotated[str, msgspec.Meta(description="What was done: `edited`, `paused` …")] | None = None
    origin: Annotated[str, msgspec.Meta(description="By which way: `api`, `ui`, `cli` …")] | None = None
    client: Annotated[str, msgspec.Meta(description="From which address.")] | None = None
    since: Annotated[str, msgspec.Meta(description="At or after this time.")] | None = None
    until: Annotated[str, msgspec.Meta(description="Before this time.")] | None = None


class AuditQuery(Which):
    """Which entries, and which part of their list."""

    limit: Limit = 50
    page: PageNumber = 1
    cursor: Cursor | None = None


class ExportQuery(Which):
    """Which entries, and as what kind of file."""

    format: Annotated[Literal["jsonl", "csv"], msgspec.Meta(description="One JSON object a line, or a table.")] = (
        "jsonl"
    )


@operations.add("GET", "/api/audit", "listAudit", role="admin", query=AuditQuery, answer=AuditList)
async def list_audit(context: Context) -> Response:
    """List who changed what, the latest first."""
    query = context.query(AuditQuery)
    part = PageQuery(limit=query.limit, page=query.page, cursor=query.cursor)
    wanted, before, limit = _wanted(query), part.before_id(), part.limit

    def look(tx: Tx) -> dict[str, Any]:
        found = audit.listed(tx, wanted, limit=limit + 1, before=before, offset=part.offset())
        more = found[limit - 1].id if len(found) > limit else None
        items = [shown(one) for one in found[:limit]]
        return answered("entries", items, part, total=audit.count(tx, wanted), next_cursor=more)

    return JsonReply(await context.read(look))


@operations.add(
    "GET",
    "/api/audit/export",
    "exportAudit",
    role="admin",
    query=ExportQuery,
    media_type=MEDIA_TYPES["jsonl"],
    other_types=(MEDIA_TYPES["csv"],),
    answer_example='{"id":"019a9d2c-7c1e-7aa0-8f5e-0c3b2a190000","actor":"ann","action":"paused","noun":"queue"}\n',
)
async def export_audit(context: Context) -> Response:
    """Get the audit as a file, the latest entry first: a JSON object a line, or with `format=csv` a table.

    It has no limit; it is read and sent piece by piece.
    """
    query = context.query(ExportQuery)
    wanted = _wanted(query)
    first = await _piece(context, wanted, None)

    async def lines() -> AsyncIterator[bytes]:
        write = _rows if query.format == "csv" else _lines
        if query.format == "csv":
            yield audit_table.head().encode()
        piece = first
        while piece:
            yield write(piece)
            piece = await _piece(context, wanted, piece[-1].id) if len(piece) == EXPORT_BATCH else []

    headers = {"Content-Disposition": f'attachment; filename="audit.{query.format}"'}
    return StreamingResponse(lines(), media_type=MEDIA_TYPES[query.format], headers=headers)


async def _piece(context: Context, wanted: AuditFilter, before: str | None) -> list[AuditEntry]:
    return await context.read(lambda tx: audit.listed(tx, wanted, limit=EXPORT_BATCH, before=before))


def _wanted(query: Which) -> AuditFilter:
    texts = {
        field: check_text(value, field, max_length=500)
        for field in FIELDS
        if (value := getattr(query, field)) is not None
    }
    return AuditFilter(
        since=parse_instant(query.since, "since") if query.since else None,
        until=parse_instant(query.until, "until") if query.until else None,
        **texts,
    )


def shown(entry: AuditEntry) -> dict[str, Any]:
    """Return an entry as it is answered."""
    return {
        "id": entry.id,
        "at": present.instant(entry.at),
        "text": sentence(entry),
        "actor": entry.actor,
        "role": entry.role,
        "origin": entry.origin,
        "client": entry.client,
        "action": entry.action,
        "noun": entry.noun,
        "name": entry.name,
        "note": entry.note,
        "before": present.raw(entry.before),
        "after": present.raw(entry.after),
    }


def _lines(piece: Sequence[AuditEntry]) -> bytes:
    return b"".join(msgspec.json.encode(shown(one)) + b"\n" for one in piece)


def _rows(piece: Sequence[AuditEntry]) -> bytes:
    return audit_table.lines(shown(one) for one in piece).encode()
