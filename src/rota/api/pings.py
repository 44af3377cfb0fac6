"""Pings: jobs that Rota does not run say that they begin, end or failed.  The key in the address is all they need."""

from __future__ import annotations

import asyncio
import re
from typing import Annotated

import msgspec
from starlette.responses import Response

from rota.actions.pings import Told
from rota.api.bodies import read_head
from rota.api.context import Context
from rota.api.entering import client_of
from rota.api.operations import Operations, Parameter
from rota.api.pinging import TooManyPings
from rota.api.reply import problem_of, refusal, refusal_of
from rota.errors import DatabaseError, DatabaseUnavailable, Invalid, RotaError
from rota.store.pings import Kind

operations = Operations(
    "Pings",
    Parameter(name="key", description="Key of the check.", example="3f0c9a51be5d4b6d9c1f6a2e8d7b4c10"),
    Parameter(name="what", description="`start`, `fail`, `log`, or the exit code, 0 to 255.", example="start"),
)

KEPT_BYTES = 10_000
"""So much of a body is kept."""
READ_WITHIN_S = 5.0
AWAY = "the database cannot be reached"
_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}", re.ASCII)
_CODE = re.compile(r"0|[1-9][0-9]{0,2}", re.ASCII)
_MILLISECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)
_KINDS: dict[str, Kind] = {"": "success", "start": "start", "fail": "fail", "log": "log"}
_SAID = {"media_type": "text/plain", "answer_example": "OK", "role": None, "has_payloads": False}


class PingQuery(msgspec.Struct):
    """Which run."""

    rid: Annotated[str, msgspec.Meta(description="Of the run, the same at its start and its end.")] | None = None
    ms: Annotated[int, msgspec.Meta(description="How long the run took, where its end is told.", ge=0)] | None = None


_DETAILS = {**_SAID, "query": PingQuery, "problems": (404, 422, 429)}


@operations.add("GET", "/ping/{key}", "ping", **_DETAILS)
async def ping(context: Context) -> Response:
    """Tell that a job has run well. Also by HEAD and POST; what is posted is kept, its first 10,000 bytes."""
    return await _taken(context, "")


@operations.add("POST", "/ping/{key}", "postPing", **_DETAILS)
async def post_ping(context: Context) -> Response:
    """Tell that a job has run well, and what it said."""
    return await _taken(context, "")


@operations.add("GET", "/ping/{key}/{what}", "pingWith", **_DETAILS)
async def ping_with(context: Context) -> Response:
    """Tell that a job begins (`start`), has failed (`fail`), ended with an exit code, or says something (`log`)."""
    return await _taken(context, context.path("what"))


@operations.add("POST", "/ping/{key}/{what}", "postPingWith", **_DETAILS)
async def post_ping_with(context: Context) -> Response:
    """Tell that a job begins, has failed, ended with an exit code, or says something, and what it said."""
    return await _taken(context, context.path("what"))


async def _taken(context: Context, what: str) -> Response:
    """Store a ping; the answer tells nobody more than whether it was."""
    body = await _body(context)
    try:
        kind, exit_code = _meant(what)
        told = Told(
            key=context.request.path_params["key"],
            kind=kind,
            exit_code=exit_code,
            run_id=_run(context),
            took_us=_took_us(context),
            source=_source(context),
            body=body,
        )
        await context.service.pinging.take(told, client_of(context))
    except TooManyPings as error:
        return refusal(problem_of(error), {"Retry-After": str(error.retry_after_s)})
    except DatabaseError:
        return refusal_of(DatabaseUnavailable(AWAY))  # where the database is concerns nobody who has but a key
    except RotaError as error:
        return refusal_of(error)
    return Response("OK\n", 200, media_type="text/plain")


def _meant(what: str) -> tuple[Kind, int | None]:
    if what in _KINDS:
        return _KINDS[what], None
    if _CODE.fullmatch(what) and (code := int(what)) <= 255:
        return "success" if code == 0 else "fail", code
    hint = "as in /ping/KEY/start or /ping/KEY/0"
    raise Invalid("what", "is none of start, fail, log and an exit code from 0 to 255", hint=hint)


def _run(context: Context) -> str | None:
    """Return the `rid` of a ping; what else the address says does not matter."""
    given = context.request.query_params.getlist("rid")
    if not given:
        return None
    if len(given) > 1 or _RUN.fullmatch(given[0]) is None:
        raise Invalid("rid", "is no name of a run", hint="up to 64 letters, digits and . _ : -, for example a UUID")
    return given[0]


def _took_us(context: Context) -> int | None:
    given = context.request.query_params.getlist("ms")
    if not given:
        return None
    if len(given) > 1 or _MILLISECONDS.fullmatch(given[0]) is None:
        raise Invalid("ms", "is no whole number of milliseconds", hint="as in ms=81200; leave it out, and Rota counts")
    return int(given[0]) * 1000


def _source(context: Context) -> str | None:
    client = context.request.client
    return None if client is None else client.host[:100]


async def _body(context: Context) -> str | None:
    if context.request.scope["method"] != "POST":
        return None
    try:
        async with asyncio.timeout(READ_WITHIN_S):
            raw, cut = await read_head(context.request.receive, KEPT_BYTES)
    except TimeoutError:
        return None  # that the job tells of itself matters more than what it says
    text = raw.decode("utf-8", "replace")
    return (f"{text}\n… [the rest is left out]" if cut else text) or None
