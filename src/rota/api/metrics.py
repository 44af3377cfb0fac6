"""Numbers for Prometheus, in its text format.

All come from the database at the time of the question, so that every replica tells the same.  A client library would
keep counters of its own in each process, and a registry for them; these few lines need neither.
"""

from __future__ import annotations

from collections.abc import Iterable

from starlette.responses import Response

from rota.api.context import Context
from rota.api.operations import Operations
from rota.store.vitals import Gauges

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MOST_QUEUES = 200
"""Queues with numbers of their own, the first by name: a label of a user's making must not flood who collects them."""
OTHERS = "(others)"

operations = Operations("Health")


@operations.add("GET", "/metrics", "getMetrics", media_type="text/plain")
async def metrics(context: Context) -> Response:
    """Get the state of the system as numbers, as Prometheus collects them.

    They come from the database, so every replica gives the same. Counts of jobs stop at 10,000 for each status of a
    queue. Needs a token, unless `ROTA_METRICS_PUBLIC` is set.
    """
    return Response(text_of(await context.service.gauges.get()), media_type=CONTENT_TYPE)


def text_of(found: Gauges) -> str:
    """Return the numbers in the text format of Prometheus."""
    lines: list[str] = []
    if found.accounted_to is not None:
        lines += _gauge(
            "rota_accounted_to_timestamp_seconds",
            "Up to when every due instant is accounted for, seconds since 1970.",
            [("", found.accounted_to / 1e6)],
        )
        lines += _gauge(
            "rota_accounted_to_lag_seconds",
            "How long ago that is, by the clock of the database.",
            [("", max(0, found.now - found.accounted_to) / 1e6)],
        )
    for name, meaning, value in (
        ("rota_schedules_due", "Schedules that are due and not yet decided about.", found.schedules_due),
        ("rota_schedulers_alive", "Schedulers whose lease holds.", found.schedulers),
        ("rota_workers_alive", "Workers whose lease holds.", found.workers),
    ):
        lines += _gauge(name, meaning, [("", value)])
    lines += _gauge("rota_jobs", "Jobs by status and queue; at most 10,000 of each are counted.", _jobs(found))
    return "\n".join([*lines, ""])


def _jobs(found: Gauges) -> list[tuple[str, float]]:
    shown = set(sorted({queue for queue, _ in found.jobs})[:MOST_QUEUES])
    counts: dict[tuple[str, str], int] = {}
    for (queue, status), count in sorted(found.jobs.items()):
        where = (queue if queue in shown else OTHERS, status)
        counts[where] = counts.get(where, 0) + count
    return [(f'{{status="{status}",queue="{_label(queue)}"}}', count) for (queue, status), count in counts.items()]


def _gauge(name: str, meaning: str, samples: Iterable[tuple[str, float]]) -> list[str]:
    numbers = [f"{name}{labels} {value!r}" for labels, value in samples]
    return [f"# HELP {name} {meaning}", f"# TYPE {name} gauge", *numbers]


def _label(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
