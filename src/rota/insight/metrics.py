"""Numbers for Prometheus: which there are, and their text format.

Those of the system come from the database at the time of the question, so that every replica tells the same; a client
library would keep counters of its own in each process.  Those of a process begin with ``rota_process_``.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from rota.store.measures import FAILED_CAP
from rota.store.rollups import BOUNDS
from rota.store.totals import Histogram
from rota.store.vitals import MOST_COUNTED
from rota.version import __version__

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
EDGES = (2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 36, 40, 44, 48)
"""Which of the bounds of rollups are those of histograms: powers of two from 2 ms to 66 s, of four up to 4.7 h."""

Kind = Literal["gauge", "counter", "histogram"]


class Durations(msgspec.Struct, frozen=True):
    """What a histogram shows: how many durations are between which of the bounds of rollups, and all together (s)."""

    places: Histogram
    seconds: float


Sample = tuple[Sequence[str], float | Durations]
"""The values of the labels, and the number."""
Samples = Mapping[str, Iterable[Sample]]
"""By the name of the metric."""


class Metric(msgspec.Struct, frozen=True):
    """What a number is."""

    kind: Kind
    meaning: str
    labels: tuple[str, ...] = ()


OF_JOBS = ("queue", "type")
CAPPED = f"at most {MOST_COUNTED:,} of each queue are counted, fewer where there are more than 20 queues"
METRICS: Mapping[str, Metric] = {
    "rota_schema_version": Metric("gauge", "Version of the database's schema."),
    "rota_accounted_to_timestamp_seconds": Metric(
        "gauge", "Up to when every due instant is accounted for, seconds since 1970."
    ),
    "rota_accounted_to_lag_seconds": Metric("gauge", "How long ago that is, by the clock of the database."),
    "rota_schedules_due": Metric(
        "gauge", f"Schedules that are due and not yet decided about; at most {MOST_COUNTED:,} are counted."
    ),
    "rota_occurrences_total": Metric(
        "counter",
        "Decisions about due instants, by what became of them; instants that were decided alike in one go count once.",
        ("disposition",),
    ),
    "rota_schedulers_alive": Metric("gauge", "Schedulers whose lease holds."),
    "rota_workers_alive": Metric("gauge", "Workers whose lease holds."),
    "rota_apis_alive": Metric("gauge", "Processes that serve the API whose lease holds."),
    "rota_slots": Metric("gauge", "Jobs that the living workers run at once, at most.", ("kind",)),
    "rota_slots_used": Metric("gauge", "Jobs that they run, as they said last.", ("kind",)),
    "rota_worker_loop_lag_seconds": Metric(
        "gauge", "How late the event loop of a worker was when it last renewed its lease.", ("worker",)
    ),
    "rota_jobs": Metric(
        "gauge",
        f"Jobs that wait, run or have failed; {CAPPED}, of all that failed the latest {FAILED_CAP:,}.",
        ("status", "queue"),
    ),
    "rota_jobs_retrying": Metric(
        "gauge", f"Jobs that wait for another attempt after one that did not succeed; {CAPPED}.", ("queue",)
    ),
    "rota_jobs_oldest_age_seconds": Metric(
        "gauge",
        "How long the job that is ready since longest waits, and the longest running one runs.",
        ("status", "queue"),
    ),
    "rota_jobs_ended_total": Metric("counter", "Jobs that ended: completed, failed, cancelled.", (*OF_JOBS, "outcome")),
    "rota_attempts_ended_total": Metric(
        "counter",
        "Attempts after which the job waited again: retried, lost, interrupted, snoozed.",
        (*OF_JOBS, "outcome"),
    ),
    "rota_job_waiting_seconds": Metric(
        "histogram",
        "How long jobs that completed or failed had waited for their last start since they were due.",
        OF_JOBS,
    ),
    "rota_job_running_seconds": Metric("histogram", "How long the last attempt of these jobs ran.", OF_JOBS),
    "rota_job_total_seconds": Metric("histogram", "Both together: from due to ended.", OF_JOBS),
    "rota_alerts_open": Metric("gauge", "Alerts that are open.", ("kind", "severity")),
    "rota_channel_failing": Metric("gauge", "Whether the last message to a channel failed.", ("channel",)),
    "rota_channel_waiting": Metric("gauge", "Messages that wait to be sent to a channel.", ("channel",)),
    "rota_retention_deleted_rows_total": Metric("counter", "Rows of history that retention deleted.", ("kind",)),
    "rota_retention_last_run_timestamp_seconds": Metric(
        "gauge", "When retention last looked at all that is old, seconds since 1970."
    ),
    "rota_retention_oldest_job_timestamp_seconds": Metric(
        "gauge", "When the oldest job ended that is still kept, seconds since 1970."
    ),
    "rota_build_info": Metric("gauge", "1; what this process is.", ("version", "python")),
    "rota_database_up": Metric("gauge", "Whether the database answered this process just now."),
    "rota_process_database_uses_total": Metric(
        "counter", "How often this process used a connection: a transaction, or statements outside of one."
    ),
    "rota_process_database_seconds_total": Metric("counter", "How long it used them, in all."),
    "rota_process_event_loop_lag_seconds": Metric(
        "gauge", "How late the event loop of this process is: of a worker now, of an API at most in the last 15 s."
    ),
    "rota_process_slots": Metric("gauge", "Jobs that this worker runs at once, at most.", ("kind",)),
    "rota_process_slots_used": Metric("gauge", "Jobs that it runs.", ("kind",)),
    "rota_process_log_waiting_bytes": Metric("gauge", "Bytes of logs of jobs that wait to be stored.", ()),
}
"""In the order in which they are told."""

OF_PROCESSES = ("rota_build_info", "rota_database_up", "rota_process_")
"""How the names begin of numbers that each process has its own of."""


def text_of(samples: Samples) -> str:
    """Return numbers in the text format of Prometheus."""
    lines: list[str] = []
    for name in METRICS:
        if name in samples:
            lines += _lines(name, METRICS[name], samples[name])
    return "\n".join([*lines, ""])


def of_process(*, database_up: bool, uses: int, seconds: float) -> dict[str, Sequence[Sample]]:
    """Return the numbers of this process: whether its database answers, how often and how long it used that."""
    return {
        "rota_build_info": [((__version__, platform.python_version()), 1)],
        "rota_database_up": [((), int(database_up))],
        "rota_process_database_uses_total": [((), uses)],
        "rota_process_database_seconds_total": [((), round(seconds, 6))],
    }


def _lines(name: str, metric: Metric, samples: Iterable[Sample]) -> Iterator[str]:
    yield f"# HELP {name} {metric.meaning}"
    yield f"# TYPE {name} {metric.kind}"
    for values, value in samples:
        labels = ",".join(f'{label}="{_escaped(text)}"' for label, text in zip(metric.labels, values, strict=True))
        if isinstance(value, Durations):
            yield from _buckets(name, labels, value)
        else:
            yield f"{name}{{{labels}}} {value!r}" if labels else f"{name} {value!r}"


def _buckets(name: str, labels: str, found: Durations) -> Iterator[str]:
    """Yield a histogram.  A duration that is just a bound is in the next bucket: one in a million is."""
    count, places = 0, iter(sorted(found.places.items()))
    place, number = next(places, (len(BOUNDS) + 1, 0))
    for edge in EDGES:
        while place <= edge:
            count += number
            place, number = next(places, (len(BOUNDS) + 1, 0))
        yield f'{name}_bucket{{{labels},le="{BOUNDS[edge] / 1e6!r}"}} {count}'
    total = sum(found.places.values())
    yield f'{name}_bucket{{{labels},le="+Inf"}} {total}'
    yield f"{name}_sum{{{labels}}} {found.seconds!r}"
    yield f"{name}_count{{{labels}}} {total}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
