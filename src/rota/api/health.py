"""Whether this process, and whether the system, is well."""

from __future__ import annotations

import time

from starlette.responses import Response

from rota.actions import present
from rota.api.answers import Alive, Greeting, Health, Ready
from rota.api.context import Context
from rota.api.operations import Operations
from rota.api.reply import JsonReply
from rota.store import migrate
from rota.version import __version__

REACHED_S = 5.0
WATERMARK_WAIT_S = 0.5

operations = Operations("Health")


@operations.add("GET", "/live", "isLive", role=None, answer=Alive)
async def live(context: Context) -> Response:
    """Tell that this process answers.

    The database is not asked: this is the only right probe to restart a process by.
    """
    return JsonReply(_alive(context))


@operations.add("GET", "/ready", "isReady", role=None, answer=Ready)
async def ready(context: Context) -> Response:
    """Tell whether the schema is right and the database was reached in the last 5 seconds.

    `accountedTo` is the watermark; whether it stands still is for `/health` to say.
    """
    service = context.service
    if not service.schema_checked or time.monotonic() - service.db.last_contact > REACHED_S:
        await context.read(migrate.check)
        service.schema_checked = True
    return JsonReply({**_alive(context), "accountedTo": await service.watermark(WATERMARK_WAIT_S)})


@operations.add("GET", "/hello", "sayHello", role=None, answer=Greeting)
async def hello(context: Context) -> Response:
    """Say hello."""
    return JsonReply(_greeting(context))


@operations.add("GET", "/scheduler/hello", "sayHelloAsScheduler", role=None, answer=Greeting)
async def scheduler_hello(context: Context) -> Response:
    """Say hello at the address that the message queue service had."""
    return JsonReply(_greeting(context))


@operations.add("GET", "/health", "getHealth", role=None, answer=Health, also={503: "The system is not well"})
async def health(context: Context) -> Response:
    """Tell whether the system does its work.

    503 when the watermark stands still (`ROTA_STALL`, at least 10 s), no scheduler lives, no worker takes jobs that
    wait, or the database is away. Never restart a process by this: it speaks of the whole system. Who shows a token
    also gets the reasons.
    """
    found = await context.service.checkup.get()
    shown: dict[str, object] = {
        "status": "unhealthy" if found.problems else "healthy",
        "service": context.settings.service_name,
        "timestamp": _now(),
        "accountedTo": found.accounted_to,
        "lagMs": found.lag_ms,
        "schedulerSeenAt": found.scheduler_seen_at,
        "workerSeenAt": found.worker_seen_at,
    }
    identity = context.known_identity
    if identity is not None and identity.role is not None:
        shown["problems"] = found.problems
        users = context.service.users
        shown["warnings"] = [users.trouble] if users is not None and users.trouble is not None else []
    return JsonReply(shown, 503 if found.problems else 200)


def _alive(context: Context) -> dict[str, object]:
    return {"status": "ok", "service": context.settings.service_name, "timestamp": _now()}


def _greeting(context: Context) -> dict[str, object]:
    name = context.settings.service_name
    return {"message": f"Hello from {name}!", "service": name, "version": __version__}


def _now() -> str | None:
    return present.instant(time.time_ns() // 1000)
