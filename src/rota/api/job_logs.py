"""Logs of jobs over REST: pages, a live stream, plain text."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
from starlette.responses import Response, StreamingResponse

from rota.api.context import Context
from rota.api.job_answers import LogPage
from rota.api.job_view import known_job
from rota.api.jobs import ID
from rota.api.log_stream import PAGE_LINES, LogStream, is_over, read_lines, shown_line
from rota.api.operations import Operations, Parameter
from rota.api.reply import JsonReply
from rota.errors import Invalid, NotFound
from rota.executor import Stream
from rota.model import FINAL
from rota.store import logs, watch
from rota.store.database import Tx
from rota.store.watch import Seen

operations = Operations("Logs", ID)

_LARGEST = 2**53
_LAST_EVENT_ID = Parameter(
    name="Last-Event-ID",
    place="header",
    description="Number of the last line that was received; browsers send it by themselves when they come back.",
    example="42",
    type=int,
)
_After = Annotated[int, msgspec.Meta(ge=0, le=_LARGEST, description="Only lines with a greater number.")]

_Attempt = Annotated[int, msgspec.Meta(ge=1, le=_LARGEST, description="Only lines of this attempt.")]


class LogQuery(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Which part of a log."""

    after: _After = 0
    limit: Annotated[int, msgspec.Meta(ge=1, le=PAGE_LINES, description="Most lines to answer with.")] = PAGE_LINES
    attempt: _Attempt | msgspec.UnsetType = msgspec.UNSET
    stream: Annotated[Stream, msgspec.Meta(description="Only lines of this stream.")] | msgspec.UnsetType = (
        msgspec.UNSET
    )
    q: (
        Annotated[
            str, msgspec.Meta(min_length=1, max_length=500, description="Only lines with this text, in any case.")
        ]
        | msgspec.UnsetType
    ) = msgspec.UNSET
    errors: Annotated[
        bool, msgspec.Meta(description="Only lines that speak of an error, exception, traceback, fatal or panic.")
    ] = False
    tail: (
        Annotated[int, msgspec.Meta(ge=1, le=PAGE_LINES, description="Only among the last lines, as many as these.")]
        | msgspec.UnsetType
    ) = msgspec.UNSET


class StreamQuery(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Where a stream begins."""

    after: _After = 0


class RawQuery(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Which part of a log, as text."""

    attempt: _Attempt | msgspec.UnsetType = msgspec.UNSET


@operations.add("GET", "/api/jobs/{id}/logs", "getJobLogs", query=LogQuery, answer=LogPage)
async def get_logs(context: Context) -> Response:
    """Read lines of a job's log, over all its attempts, or search in it.

    A page may have fewer lines than `limit`, or none, and not be the last: of a long log a part is looked at.
    `nextAfter` is null once a job has ended and all of its lines were read.
    """
    job_id, query = context.path("id"), context.query(LogQuery)

    def look(tx: Tx) -> dict[str, Any]:
        seen = _seen(tx, job_id)  # before the lines: what is written between is asked for next
        part = logs.read(
            tx,
            job_id,
            after=max(query.after, seen.last_line - query.tail) if query.tail else query.after,
            limit=query.limit,
            attempt=query.attempt or None,
            stream=query.stream or None,
            text=query.q or None,
            errors=query.errors,
        )
        more = part.through < seen.last_line or seen.status not in FINAL
        return {
            "lines": [shown_line(line) for line in part.lines],
            "status": seen.status,
            "lastLine": seen.last_line,
            "nextAfter": part.through if more else None,
        }

    return JsonReply(await context.read(look))


@operations.add(
    "GET",
    "/api/jobs/{id}/logs/stream",
    "streamJobLogs",
    query=StreamQuery,
    headers=(_LAST_EVENT_ID,),
    media_type="text/event-stream",
    also={204: "The job has ended, and every line was received before"},
)
async def stream_logs(context: Context) -> Response:
    """Follow a job's log as server-sent events.

    Each line is an event `line` whose id is its number; `end` with the status comes once the job has ended and all its
    lines were sent. A comment each 15 seconds keeps the connection open.
    """
    job_id, after = context.path("id"), _start(context)
    seen = await context.read(lambda tx: _seen(tx, job_id))
    if after > 0 and is_over(seen, after):
        return Response(status_code=204)  # tells a browser not to come back
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    events = LogStream(context.service, job_id, after).events(seen)
    return StreamingResponse(events, headers=headers, media_type="text/event-stream")


@operations.add("GET", "/api/jobs/{id}/logs/raw", "getRawJobLogs", query=RawQuery, media_type="text/plain")
async def raw_logs(context: Context) -> Response:
    """Read a job's whole log, or that of one attempt, as plain text.

    Codes for colours stay in it. It is sent in pieces: a long log takes no memory.
    """
    job_id, query = context.path("id"), context.query(RawQuery)
    job = await context.read(lambda tx: known_job(tx, job_id))
    attempt = query.attempt or None
    name = f"{job.id}-{attempt}.log" if attempt else f"{job.id}.log"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    texts = _texts(context, job_id, attempt)
    return StreamingResponse(texts, headers=headers, media_type="text/plain; charset=utf-8")


def _start(context: Context) -> int:
    after = context.query(StreamQuery).after
    given = context.header("last-event-id")
    if given is None or given == "":
        return after
    if not given.isascii() or not given.isdigit() or len(given) > 15:
        raise Invalid("Last-Event-ID", "is no number of a line", hint="send the id of the last event received")
    return int(given)


def _seen(tx: Tx, job_id: str) -> Seen:
    seen = watch.look(tx, [known_job(tx, job_id).id], frozenset((job_id,))).get(job_id)
    if seen is None:
        raise NotFound(f"there is no job {job_id}")
    return seen


async def _texts(context: Context, job_id: str, attempt: int | None) -> AsyncIterator[bytes]:
    after = before = 0
    while True:
        part = await read_lines(context.service, job_id, after, attempt)
        parts = []
        for line in part.lines:
            if before and line["n"] > before + 1:  # the middle of a log that was too long
                parts.append(f"… {line['n'] - before - 1} lines left out\n")
            parts.append(f"{line['text']}\n")
            before = line["n"]
        yield "".join(parts).encode("utf-8", "replace")
        if part.complete:
            return
        after = part.through
