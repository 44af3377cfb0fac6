"""Endpoints for the demo's own jobs to call: only in the demo, only from this machine."""

from __future__ import annotations

import hashlib
import random

from starlette.responses import Response

from rota.api.context import Context
from rota.api.hosts import is_loopback
from rota.api.operations import Operations
from rota.api.reply import JsonReply
from rota.errors import NotFound, ServiceUnavailable

FAILS_EVERY = 4

operations = Operations("Demo")


@operations.add("POST", "/demo/echo", "demoEcho", role=None, answer=dict)
async def echo(context: Context) -> Response:
    """Answer with how long the body was and its checksum."""
    _check_client(context)
    raw = await context.raw_body()
    result = {"success": True, "bytes": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}
    return JsonReply(result)


@operations.add("POST", "/demo/flaky", "demoFlaky", role=None, answer=dict)
async def flaky(context: Context) -> Response:
    """Fail one time in four, so that there are retries to look at."""
    _check_client(context)
    await context.raw_body()
    if random.randrange(FAILS_EVERY) == 0:
        raise ServiceUnavailable("the demo's flaky service is down for a moment", hint="this is what it is for")
    return JsonReply({"success": True, "itemsProcessed": random.randint(1, 100)})


def _check_client(context: Context) -> None:
    client = context.request.client
    if client is None or not is_loopback(client.host):
        raise NotFound("there is nothing here")
