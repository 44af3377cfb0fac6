"""Job types over REST."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from starlette.responses import Response

from rota import logs
from rota.actions import pauses as pause_actions
from rota.actions import present
from rota.actions import types as type_actions
from rota.actions.specs import PauseIn, TypeIn
from rota.api.context import Context
from rota.api.job_answers import JobTypeList, JobTypeOut
from rota.api.operations import Operations, Parameter
from rota.api.paging import WholeQuery, narrowed, part_of
from rota.api.reply import JsonReply
from rota.errors import NotFound
from rota.model import JobType
from rota.store import pauses, types
from rota.store.database import Tx

NAME = Parameter(name="name", description="Name of the job type; it may hold `/`.", example="crawl_pending")
operations = Operations("Job types", NAME)


class TypeQuery(WholeQuery):
    """Which job types."""

    kind: Annotated[str, msgspec.Meta(description="Kind of target: `function`, `http`, `command` …")] | None = None
    owner: Annotated[str, msgspec.Meta(description="Who declared it: `code`, `file`, `api`.")] | None = None
    paused: Annotated[bool, msgspec.Meta(description="Whether it is paused.")] | None = None


@operations.add("GET", "/api/job-types", "listJobTypes", query=TypeQuery, answer=JobTypeList)
async def list_job_types(context: Context) -> Response:
    """List all job types by name."""
    query = context.query(TypeQuery)

    def look(tx: Tx) -> list[dict[str, Any]]:
        paused = {one.name: one for one in pauses.listed(tx, "type")}
        return [present.job_type(one, paused.get(one.name)) for one in types.listed(tx)]

    return JsonReply(part_of("jobTypes", narrowed(await context.read(look), query, ("kind", "owner", "paused")), query))


@operations.add("GET", "/api/job-types/{name:path}", "getJobType", answer=JobTypeOut)
async def get_job_type(context: Context) -> Response:
    """Look at one job type."""
    name = context.path("name")

    def look(tx: Tx) -> dict[str, Any]:
        found = types.get(tx, name)
        if found is None:
            raise NotFound(f"there is no job type {name[:100]}")
        return _shown(tx, found)

    return JsonReply(await context.read(look))


@operations.add(
    "PUT",
    "/api/job-types/{name:path}",
    "putJobType",
    role="admin",
    body=TypeIn,
    example={
        "target": {"kind": "http", "service": "crawler", "path": "/api/crawl/batch"},
        "defaults": {"queue": "crawl", "maxAttempts": 3},
    },
    answer=JobTypeOut,
    problems=(409,),
)
async def put_job_type(context: Context) -> Response:
    """Declare a job type with a target, or change it.

    What code declares is changed there.
    """
    name, spec, settings, caller = context.path("name"), await context.body(TypeIn), context.settings, context.caller
    return await _done(
        context,
        lambda tx: type_actions.put(tx, name, spec, settings, caller),
        lambda: logs.event("type/declared", jobType=name, by=caller.subject),
    )


@operations.add(
    "POST",
    "/api/job-types/{name:path}/pause",
    "pauseJobType",
    role="operator",
    body=PauseIn,
    body_required=False,
    example={"note": "the crawler is ill"},
    answer=JobTypeOut,
)
async def pause_job_type(context: Context) -> Response:
    """Let no more jobs of a type start, in whatever queue, perhaps `until` some time; those that run go on."""
    name, spec, caller = context.path("name"), await context.optional_body(PauseIn), context.caller
    return await _done(
        context,
        lambda tx: pause_actions.pause_type(tx, name, spec, caller),
        lambda: logs.event("type/paused", jobType=name, by=caller.subject, reason=spec.note, until=spec.until),
    )


@operations.add("POST", "/api/job-types/{name:path}/resume", "resumeJobType", role="operator", answer=JobTypeOut)
async def resume_job_type(context: Context) -> Response:
    """Let jobs of a type start again."""
    name, caller = context.path("name"), context.caller
    return await _done(
        context,
        lambda tx: pause_actions.resume_type(tx, name, caller),
        lambda: logs.event("type/resumed", jobType=name, by=caller.subject),
    )


async def _done(context: Context, action: Callable[[Tx], JobType], tell: Callable[[], None]) -> Response:
    """Commit what changes a type, tell it, and answer with the type."""

    def work(tx: Tx) -> dict[str, Any]:
        found = action(tx)
        tx.after_commit(tell)
        return _shown(tx, found)

    return JsonReply(await context.write(work))


def _shown(tx: Tx, found: JobType) -> dict[str, Any]:
    return present.job_type(found, pauses.get(tx, "type", found.name))


@operations.add("DELETE", "/api/job-types/{name:path}", "deleteJobType", role="admin", status=204)
async def delete_job_type(context: Context) -> Response:
    """Delete a job type; jobs that wait keep their target."""
    name, caller = context.path("name"), context.caller

    def work(tx: Tx) -> None:
        type_actions.delete(tx, name, caller)
        tx.after_commit(lambda: logs.event("type/removed", jobType=name, by=caller.subject))

    await context.write(work)
    return Response(status_code=204)
