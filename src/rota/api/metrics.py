"""Numbers for Prometheus, over REST."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from starlette.responses import Response

from rota.api.context import Context
from rota.api.operations import Operations
from rota.errors import DatabaseError, SchemaMismatch
from rota.insight.metrics import CONTENT_TYPE, Sample, of_process, text_of

operations = Operations("Health")


@operations.add("GET", "/metrics", "getMetrics", media_type="text/plain")
async def metrics(context: Context) -> Response:
    """Get the state of the system as numbers, as Prometheus collects them.

    They come from the database, as it was within the last second, so every replica gives the same; those that begin
    with `rota_process_` are of the process that answers. Counts of jobs stop at 10,000 for each status of a queue.
    Where the database does not answer, `rota_database_up` is 0 and the system's numbers are left out. Needs a token,
    unless `ROTA_METRICS_PUBLIC` is set.
    """
    service = context.service
    system = ""
    with suppress(DatabaseError, SchemaMismatch):  # it is told as a number
        system = await service.metrics.get()
    uses, seconds = service.db.usage()
    own = of_process(database_up=bool(system), uses=uses, seconds=seconds)
    lag: dict[str, Iterable[Sample]] = {"rota_process_event_loop_lag_seconds": [((), service.loop_lag.seconds())]}
    return Response(system + text_of({**own, **lag}), media_type=CONTENT_TYPE)
