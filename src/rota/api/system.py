"""The system over REST: its processes, its numbers, and who asks."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from starlette.responses import Response

from rota.actions import present
from rota.api.answers import Me, Stats, WorkerList
from rota.api.context import Context
from rota.api.numbers import numbers
from rota.api.operations import Operations
from rota.api.paging import WholeQuery, narrowed, part_of
from rota.api.reply import JsonReply
from rota.store import consumers, workers
from rota.store.database import Tx

operations = Operations("System")


class WorkerQuery(WholeQuery):
    """Which processes."""

    role: Annotated[str, msgspec.Meta(description="`worker`, `scheduler` or `api`.")] | None = None
    state: Annotated[str, msgspec.Meta(description="`running`, `draining`, `stopped` or `lost`.")] | None = None
    host: Annotated[str, msgspec.Meta(description="Name of its machine.")] | None = None


@operations.add("GET", "/api/workers", "listWorkers", query=WorkerQuery, answer=WorkerList)
async def list_workers(context: Context) -> Response:
    """List all processes that are known: workers, schedulers and apis, the living first.

    `consumers` says of each queue that a worker serves how many jobs it runs, and why it sleeps: `empty`, or which
    limit keeps it, and until when.
    """
    query = context.query(WorkerQuery)

    def look(tx: Tx) -> list[dict[str, Any]]:
        found = workers.listed(tx)
        queues_of = consumers.consumers(tx, found)
        return [present.worker(one, queues_of.get(one.id, ())) for one in found]

    found = narrowed(await context.read(look), query, ("role", "state", "host"))
    return JsonReply(part_of("workers", found, query, key="id", ordered=False))


@operations.add("GET", "/api/stats", "getStats", answer=Stats)
async def stats(context: Context) -> Response:
    """See the state of the system in numbers; those of jobs stop at 10,000 for each status."""
    return JsonReply(await context.read(numbers))


@operations.add("GET", "/api/me", "getMe", answer=Me)
async def me(context: Context) -> Response:
    """See who asks, as the service understands it, and which operations that takes."""
    identity = context.identity
    may = sorted(name for name, role in context.service.least_roles.items() if identity.may(role))
    return JsonReply(
        {"subject": identity.subject, "role": identity.role, "source": identity.source, "permissions": may}
    )
