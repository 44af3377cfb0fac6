"""Numbers for Prometheus, in its text format.

All come from the database at the time of the question, so that every replica tells the same.  A client library would
keep counters of its own in each process, and a registry for them; these few lines need neither.
"""

from __future__ import annotations

from collections.abc import Iterable

from rota.store.vitals import Gauges

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MOST_QUEUES = 200
"""Queues with numbers of their own, the first by name: a label of a user's making must not flood who collects them."""
OTHERS = "(others)"


def text_of(found: Gauges) -> str:
    """Return the numbers in the text format of Prometheus."""
    lines: list[str] = []
    if found.accounted_to is not None:
        lines += gauge(
            "rota_accounted_to_timestamp_seconds",
            "Up to when every due instant is accounted for, seconds since 1970.",
            [("", found.accounted_to / 1e6)],
        )
        lines += gauge(
            "rota_accounted_to_lag_seconds",
            "How long ago that is, by the clock of the database.",
            [("", max(0, found.now - found.accounted_to) / 1e6)],
        )
    for name, meaning, value in (
        ("rota_schedules_due", "Schedules that are due and not yet decided about.", found.schedules_due),
        ("rota_schedulers_alive", "Schedulers whose lease holds.", found.schedulers),
        ("rota_workers_alive", "Workers whose lease holds.", found.workers),
    ):
        lines += gauge(name, meaning, [("", value)])
    lines += gauge("rota_jobs", "Jobs by status and queue; at most 10,000 of each are counted.", _jobs(found))
    return "\n".join([*lines, ""])


def _jobs(found: Gauges) -> list[tuple[str, float]]:
    shown = set(sorted({queue for queue, _ in found.jobs})[:MOST_QUEUES])
    counts: dict[tuple[str, str], int] = {}
    for (queue, status), count in sorted(found.jobs.items()):
        where = (queue if queue in shown else OTHERS, status)
        counts[where] = counts.get(where, 0) + count
    return [(f'{{status="{status}",queue="{_label(queue)}"}}', count) for (queue, status), count in counts.items()]


def gauge(name: str, meaning: str, samples: Iterable[tuple[str, float]]) -> list[str]:
    """Return the lines of one number; each sample is its labels, in braces, and the value."""
    numbers = [f"{name}{labels} {value!r}" for labels, value in samples]
    return [f"# HELP {name} {meaning}", f"# TYPE {name} gauge", *numbers]


def _label(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
