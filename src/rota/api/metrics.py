"""Numbers for Prometheus, over REST."""

from __future__ import annotations

from starlette.responses import Response

from rota.api.context import Context
from rota.api.operations import Operations
from rota.insight.metrics import CONTENT_TYPE, text_of

operations = Operations("Health")


@operations.add("GET", "/metrics", "getMetrics", media_type="text/plain")
async def metrics(context: Context) -> Response:
    """Get the state of the system as numbers, as Prometheus collects them.

    They come from the database, so every replica gives the same. Counts of jobs stop at 10,000 for each status of a
    queue. Needs a token, unless `ROTA_METRICS_PUBLIC` is set.
    """
    return Response(text_of(await context.service.gauges.get()), media_type=CONTENT_TYPE)
