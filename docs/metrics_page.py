"""The reference of all numbers that `/metrics` tells."""

from __future__ import annotations

from rota.insight.measured import MOST_QUEUES, MOST_WORKERS
from rota.insight.metrics import EDGES, METRICS, OF_PROCESSES, Metric
from rota.store.rollups import BOUNDS
from rota.store.totals import MOST_PAIRS

INTRODUCTION = f"""\
`GET /metrics` of the API, and of the [probe port](../how-to/watch-a-run.md) of schedulers and workers, answers in the
text format of Prometheus. [Metrics and dashboards](../how-to/metrics-and-dashboards.md) shows how to collect it.

- What is **of the system** comes from the database, as it was within the last second. Every process tells the same
  number: take it from one, or the `max` of all; never the `sum`.
- What is **of a process** is its own. Without the database these are told alone, with `rota_database_up 0`.
- **Counters never go back**, whatever retention deletes. They follow the end of a job by some 5 to 10 seconds, since
  they are summed up from its row, once, whoever ran it.
- **Labels are bounded**: the first {MOST_PAIRS} pairs of queue and type have counters of their own, the first
  {MOST_QUEUES} queues by name their depth, {MOST_WORKERS} workers their lag. Further ones are summed up as `(others)`;
  a pair of which nothing ended for 14 days makes room. `type` is empty for jobs without one.
- A counter or a histogram of a queue and a type appears with the first end there.
"""


def metrics_page() -> str:
    """Return the reference of all metrics."""
    of_system = [_row(name, one) for name, one in METRICS.items() if not name.startswith(OF_PROCESSES)]
    of_processes = [_row(name, one) for name, one in METRICS.items() if name.startswith(OF_PROCESSES)]
    head = ["| name | kind | labels | meaning |", "|---|---|---|---|"]
    bounds = ", ".join(f"{BOUNDS[edge] / 1e6:g}" for edge in EDGES)
    parts = ["# Metrics", INTRODUCTION.rstrip()]
    parts += ["## Of the system", "\n".join([*head, *of_system])]
    parts += ["## Of a process", "\n".join([*head, *of_processes])]
    parts += ["## Bounds of the histograms", f"In seconds: {bounds}."]
    return "\n\n".join(parts)


def _row(name: str, metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    return f"| `{name}` | {metric.kind} | {labels} | {metric.meaning} |"
