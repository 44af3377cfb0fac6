"""The state of the system as samples of the metrics."""

from __future__ import annotations

from collections.abc import Iterable

from rota.insight.metrics import Durations, Sample, text_of
from rota.store.database import Tx
from rota.store.measures import Depth, Measures, Where, measure
from rota.store.totals import OTHERS, Key, Pair, Total

MOST_QUEUES = 200
"""Queues with numbers of their own, the first by name: a label of a user's making must not flood who collects them."""
MOST_WORKERS = 200
"""Workers with numbers of their own, likewise."""
ENDS = ("completed", "failed", "cancelled")
TIMED = ("completed", "failed")
WAITED_AGAIN = ("retried", "lost", "interrupted", "snoozed")
HISTORY = (
    "jobs",
    "occurrences",
    "logs",
    "audit",
    "operations",
    "rollups",
    "idempotency",
    "pings",
    "workers",
    "batches",
)
DISPOSITIONS = ("fired", "skipped", "paused", "blackout", "coalesced", "missed", "caughtUp")


def system_text(tx: Tx) -> str:
    """Return what every replica tells alike, in the text format of Prometheus."""
    return text_of(samples_of(measure(tx)))


def samples_of(found: Measures) -> dict[str, Iterable[Sample]]:
    """Return what every replica tells alike."""
    return {**_of_system(found), **_of_jobs(found), **_of_ends(found.totals), **_of_others(found)}


def _of_system(found: Measures) -> dict[str, Iterable[Sample]]:
    samples: dict[str, Iterable[Sample]] = {
        "rota_schema_version": [((), found.schema)],
        "rota_schedules_due": [((), found.schedules_due)],
        # Known from the beginning, at 0: what appears with its first value has no increase.
        "rota_occurrences_total": [
            ((name,), found.decided.get(name, 0)) for name in sorted({*DISPOSITIONS, *found.decided})
        ],
        "rota_schedulers_alive": [((), found.processes.get("scheduler", 0))],
        "rota_workers_alive": [((), found.processes.get("worker", 0))],
        "rota_apis_alive": [((), found.processes.get("api", 0))],
        "rota_slots": [((kind,), slots.of) for kind, slots in sorted(found.slots.items())],
        "rota_slots_used": [((kind,), slots.taken) for kind, slots in sorted(found.slots.items())],
        "rota_worker_loop_lag_seconds": [((name,), lag) for name, lag in sorted(found.lags.items())[:MOST_WORKERS]],
    }
    if found.accounted_to is not None:
        samples["rota_accounted_to_timestamp_seconds"] = [((), found.accounted_to / 1e6)]
        samples["rota_accounted_to_lag_seconds"] = [((), max(0, found.now - found.accounted_to) / 1e6)]
    return samples


def _of_jobs(found: Measures) -> dict[str, Iterable[Sample]]:
    depths = _bounded(found.jobs)
    waiting = [(queue, depth) for (queue, status), depth in depths.items() if status in ("pending", "scheduled")]
    retrying: dict[str, int] = {}
    for queue, depth in waiting:
        retrying[queue] = retrying.get(queue, 0) + depth.retrying
    return {
        "rota_jobs": [((status, queue), depth.count) for (queue, status), depth in depths.items()],
        "rota_jobs_retrying": [((queue,), count) for queue, count in retrying.items()],
        "rota_jobs_oldest_age_seconds": [
            ((status, queue), 0.0 if depth.since is None else max(0, found.now - depth.since) / 1e6)
            for (queue, status), depth in depths.items()
            if status in ("pending", "running")
        ],
    }


def _bounded(jobs: dict[Where, Depth]) -> dict[Where, Depth]:
    """Return jobs by queue and status, with those of too many queues together."""
    shown = set(sorted({queue for queue, _ in jobs})[:MOST_QUEUES])
    depths: dict[Where, Depth] = {}
    for (queue, status), depth in sorted(jobs.items()):
        where = (queue if queue in shown else OTHERS, status)
        depths.setdefault(where, Depth()).add(depth.count, depth.retrying, depth.since)
    return depths


def _of_ends(totals: dict[Key, Total]) -> dict[str, Iterable[Sample]]:
    timed: dict[Pair, Total] = {}
    jobs: list[Sample] = []
    attempts: list[Sample] = []
    for key, one in sorted(totals.items()):
        if key[2] in TIMED:
            timed.setdefault(key[:2], Total()).add(one)
    for pair in sorted({key[:2] for key in totals}):
        for outcomes, counts in ((ENDS, jobs), (WAITED_AGAIN, attempts)):
            for key in ((*pair, outcome) for outcome in outcomes):
                counts.append((key, totals[key].ends if key in totals else 0))
    measured = [(pair, one) for pair, one in timed.items() if one.timed]
    return {
        "rota_jobs_ended_total": jobs,
        "rota_attempts_ended_total": attempts,
        "rota_job_waiting_seconds": [(pair, Durations(one.waiting, one.waiting_us / 1e6)) for pair, one in measured],
        "rota_job_running_seconds": [(pair, Durations(one.running, one.running_us / 1e6)) for pair, one in measured],
        "rota_job_total_seconds": [
            (pair, Durations(one.whole, (one.waiting_us + one.running_us) / 1e6)) for pair, one in measured
        ],
    }


def _of_others(found: Measures) -> dict[str, Iterable[Sample]]:
    channels = sorted(found.channels.items())
    samples: dict[str, Iterable[Sample]] = {
        "rota_alerts_open": [(key, count) for key, count in sorted(found.alerts.items())],
        "rota_channel_failing": [((name,), int(channel.failing)) for name, channel in channels],
        "rota_channel_waiting": [((name,), channel.waiting) for name, channel in channels],
        "rota_retention_deleted_rows_total": [
            ((kind,), found.deleted.get(kind, 0)) for kind in sorted({*HISTORY, *found.deleted})
        ],
    }
    for name, at in (
        ("rota_retention_last_run_timestamp_seconds", found.retention_ran),
        ("rota_retention_oldest_job_timestamp_seconds", found.oldest),
    ):
        if at is not None:
            samples[name] = [((), at / 1e6)]
    return samples
