"""Writes the Grafana dashboard, `deploy/grafana/rota.json`; ``--check`` only compares it."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PATH = Path(__file__).parents[1] / "deploy" / "grafana" / "rota.json"
PROMETHEUS = {"type": "prometheus", "uid": "${DS_PROMETHEUS}"}
POSTGRESQL = {"type": "grafana-postgresql-datasource", "uid": "${DS_POSTGRESQL}"}
OF_JOBS = 'queue=~"$queue",type=~"$type"'
OF_QUEUES = 'queue=~"$queue"'
ERRORS = """\
SELECT completed_at AS "time", job_type, error, started_by, id
FROM scheduled_jobs
WHERE status = 'failed' AND $__timeFilter(completed_at)
ORDER BY completed_at DESC LIMIT 100"""

Query = tuple[str, str]
"""A query in PromQL, and what its lines are called."""
Panel = dict[str, Any]


def rate(outcome_of: str = "jobs", *, by: str = "outcome", where: str = "") -> str:
    """Return ends a second.  ``max`` first: every replica tells the same number."""
    chosen = f"{OF_JOBS},{where}" if where else OF_JOBS
    counter = f"rota_{outcome_of}_ended_total{{{chosen}}}"
    return f"sum by ({by}) (max by (queue, type, outcome) (rate({counter}[$__rate_interval])))"


def last_day(outcome: str) -> str:
    """Return how many jobs ended so in the last 24 hours."""
    counter = f'rota_jobs_ended_total{{{OF_JOBS},outcome="{outcome}"}}'
    return f"sum by (queue) (max by (queue, type) (increase({counter}[24h])))"


def now(status: str, metric: str = "rota_jobs") -> str:
    """Return jobs in a status, by queue."""
    return f'max by (queue) ({metric}{{{OF_QUEUES},status="{status}"}})'


def quantiles(metric: str) -> list[Query]:
    """Return how long half, nine of ten and all but one of a hundred take at most."""
    buckets = f"max by (le, queue, type) (rate({metric}_bucket{{{OF_JOBS}}}[$__rate_interval]))"
    found = [
        (f"histogram_quantile({share}, sum by (le) ({buckets}))", f"p{share * 100:g}") for share in (0.5, 0.9, 0.99)
    ]
    sums, counts = (
        f"sum(max by (queue, type) (rate({metric}_{part}{{{OF_JOBS}}}[$__rate_interval])))" for part in ("sum", "count")
    )
    return [*found, (f"{sums} / {counts}", "mean")]


def graph(title: str, queries: Sequence[Query], meaning: str, *, unit: str = "short", stacked: bool = False) -> Panel:
    """Return a panel of lines."""
    custom = {"fillOpacity": 30 if stacked else 10, "stacking": {"mode": "normal" if stacked else "none"}}
    return {
        "type": "timeseries", "title": title, "description": meaning, "datasource": PROMETHEUS,
        "targets": _targets(queries),
        "fieldConfig": {"defaults": {"unit": unit, "min": 0, "custom": custom}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
    }  # fmt: skip


def stat(
    title: str, query: str, meaning: str, *, unit: str = "short", steps: Sequence[tuple[str, float | None]]
) -> Panel:
    """Return a panel of one number, whose colour has steps."""
    thresholds = {"mode": "absolute", "steps": [{"color": color, "value": value} for color, value in steps]}
    return {
        "type": "stat", "title": title, "description": meaning, "datasource": PROMETHEUS,
        "targets": _targets([(query, "")]),
        "fieldConfig": {"defaults": {"unit": unit, "thresholds": thresholds}, "overrides": []},
        "options": {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}, "colorMode": "value"},
    }  # fmt: skip


def errors() -> Panel:
    """Return the table of recent errors, by the PostgreSQL data source."""
    target = {"refId": "A", "datasource": POSTGRESQL, "format": "table", "rawQuery": True, "editorMode": "code"}
    return {
        "type": "table", "title": "Recent errors", "datasource": POSTGRESQL,
        "description": "The last 100 jobs that failed in the range of time, from the view scheduled_jobs.",
        "targets": [{**target, "rawSql": ERRORS}],
        "fieldConfig": {"defaults": {"custom": {"filterable": True}}, "overrides": []},
        "options": {"showHeader": True, "sortBy": [{"displayName": "time", "desc": True}]},
    }  # fmt: skip


def _targets(queries: Sequence[Query]) -> list[dict[str, Any]]:
    return [
        {"refId": chr(ord("A") + place), "datasource": PROMETHEUS, "expr": expr, "legendFormat": legend or "__auto"}
        for place, (expr, legend) in enumerate(queries)
    ]


THROUGHPUT = [
    graph("Jobs ended a second", [(rate(), "{{outcome}}")],
          "Ends a second. Low traffic gives a low throughput; it rises with traffic up to what the workers can do.",
          unit="ops", stacked=True),
    graph("By queue", [(rate(by="queue"), "{{queue}}")], "Ends a second, by queue.", unit="ops", stacked=True),
    graph("By type", [(f"topk(10, {rate(by='type')})", "{{type}}")], "Ends a second, of the ten busiest types.",
          unit="ops", stacked=True),
]  # fmt: skip
LATENCY = [
    graph("Latency to start processing", quantiles("rota_job_waiting_seconds"),
          "From due to the last start. When it goes up, jobs come faster than the workers start them.", unit="s"),
    graph("Latency to process a single message", quantiles("rota_job_running_seconds"),
          "How long the last attempt ran. When it changes, what it calls has become slower or fails.", unit="s"),
    graph("Both together", quantiles("rota_job_total_seconds"), "From due to ended.", unit="s"),
]  # fmt: skip
STATUS = [
    graph("PENDING", [(now("pending"), "{{queue}} ready"), (now("scheduled"), "{{queue}} later")],
          "Jobs that wait to be started: ready now, or due later. At most 10,000 of each queue are counted.",
          stacked=True),
    graph("PROCESSING", [(now("running"), "{{queue}} running"),
                         (f"max by (queue) (rota_jobs_retrying{{{OF_QUEUES}}})", "{{queue}} waiting for a retry"),
                         (f"60 * {rate('attempts')}", "{{outcome}} a minute")],
          "Jobs that run, those that wait for another attempt, and how many attempts a minute ended in one."),
    graph("COMPLETED", [(last_day("completed"), "{{queue}}")],
          "Jobs that completed in the last 24 hours, from the rollups: retention does not change it.", stacked=True),
    graph("FAILED", [(last_day("failed"), "{{queue}} in 24 h"), (now("failed"), "{{queue}} kept")],
          "Jobs that failed in the last 24 hours, and failed ones that are kept: to be retried or deleted by hand."),
    graph("Oldest waiting job", [(now("pending", "rota_jobs_oldest_age_seconds"), "{{queue}}")],
          "How long the job that is ready since longest has waited.", unit="s"),
]  # fmt: skip
GOOD, FAIR, BAD = "green", "orange", "red"
SYSTEM = [
    stat("Accounted-to lag", "max(rota_accounted_to_lag_seconds)",
         "Every due instant up to so long ago has been decided about.", unit="s",
         steps=[(GOOD, None), (FAIR, 15), (BAD, 60)]),
    stat("Open alerts", "sum(max by (kind, severity) (rota_alerts_open)) or vector(0)",
         "Alerts of Rota's own monitors.", steps=[(GOOD, None), (BAD, 1)]),
    stat("Schedulers", "max(rota_schedulers_alive)", "Schedulers that live.", steps=[(BAD, None), (GOOD, 1)]),
    stat("Workers", "max(rota_workers_alive)", "Workers that live.", steps=[(BAD, None), (GOOD, 1)]),
    stat("Failing channels", "sum(max by (channel) (rota_channel_failing)) or vector(0)",
         "Channels to which the last message could not be sent.", steps=[(GOOD, None), (BAD, 1)]),
    graph("Slots", [("max by (kind) (rota_slots_used)", "{{kind}} used"), ("max by (kind) (rota_slots)", "{{kind}}")],
          "Places for jobs of each kind, of all workers."),
    graph("Event loop lag", [("max by (worker) (rota_worker_loop_lag_seconds)", "{{worker}}"),
                             ("rota_process_event_loop_lag_seconds", "{{instance}}")],
          "How late the event loops are. Above 1 s a process has too much to do, or its machine has.", unit="s"),
    graph("Due instants", [(
        "60 * max by (disposition) (rate(rota_occurrences_total[$__rate_interval]))", "{{disposition}}")],
          "What became of due instants, a minute."),
    graph("Database", [("rate(rota_process_database_uses_total[$__rate_interval])", "{{instance}} uses a second"),
                       ("rate(rota_process_database_seconds_total[$__rate_interval])", "{{instance}} in use")],
          "How often, and for how much of its time, each process that is collected used its database."),
    graph("Retention", [(
        "3600 * max by (kind) (rate(rota_retention_deleted_rows_total[$__rate_interval]))", "{{kind}}")],
          "Rows of history deleted, an hour."),
    stat("Oldest job kept", "time() - min(rota_retention_oldest_job_timestamp_seconds)",
         "How long ago the oldest job ended that is kept.", unit="s", steps=[(GOOD, None)]),
]  # fmt: skip
ROWS: Sequence[tuple[str, Sequence[Panel]]] = (
    ("Throughput", THROUGHPUT),
    ("Latency", LATENCY),
    ("Status", STATUS),
    ("Errors", [errors()]),
    ("Rota", SYSTEM),
)
WIDTH, HEIGHTS = 24, {"stat": 4, "table": 9, "timeseries": 8}
WIDTHS = {"stat": 4, "table": 24, "timeseries": 8}


def _variable(label: str) -> dict[str, Any]:
    query = f"label_values(rota_jobs_ended_total, {label})"
    if label == "type":
        query = 'label_values(rota_jobs_ended_total{queue=~"$queue"}, type)'
    return {
        "name": label, "label": label.capitalize(), "type": "query", "datasource": PROMETHEUS, "definition": query,
        "query": {"query": query, "refId": label}, "includeAll": True, "allValue": ".*", "multi": True, "refresh": 2,
        "sort": 1, "current": {"text": ["All"], "value": ["$__all"]},
    }  # fmt: skip


def _input(name: str, label: str, plugin: str) -> dict[str, str]:
    return {
        "name": name,
        "label": label,
        "type": "datasource",
        "pluginId": plugin,
        "pluginName": label,
        "description": "",
    }


def _placed() -> list[Panel]:
    found: list[Panel] = []
    y = 0
    for title, panels in ROWS:
        found.append({"type": "row", "title": title, "collapsed": False, "panels": [],
                      "gridPos": {"x": 0, "y": y, "w": WIDTH, "h": 1}})  # fmt: skip
        y, x, height = y + 1, 0, 0
        for panel in panels:
            width = WIDTHS[panel["type"]]
            if x + width > WIDTH or (height and height != HEIGHTS[panel["type"]]):
                x, y = 0, y + height
            height = HEIGHTS[panel["type"]]
            found.append({**panel, "gridPos": {"x": x, "y": y, "w": width, "h": height}})
            x += width
        y += height
    return [{"id": place, **panel} for place, panel in enumerate(found, 1)]


def dashboard() -> dict[str, Any]:
    """Return the dashboard as Grafana imports it."""
    return {
        "__inputs": [
            _input("DS_PROMETHEUS", "Prometheus", "prometheus"),
            _input("DS_POSTGRESQL", "PostgreSQL", "grafana-postgresql-datasource"),
        ],
        "__requires": [{"type": "grafana", "id": "grafana", "name": "Grafana", "version": "10.0.0"}],
        "title": "Rota", "uid": "rota", "tags": ["rota"], "schemaVersion": 38, "version": 1, "editable": True,
        "timezone": "", "refresh": "30s", "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [_variable("queue"), _variable("type")]},
        "annotations": {"list": []}, "links": [], "panels": _placed(),
    }  # fmt: skip


def main(arguments: list[str]) -> int:
    """Write the dashboard, or with ``--check`` tell whether it is as it is made."""
    text = json.dumps(dashboard(), indent=1, ensure_ascii=False) + "\n"
    if PATH.exists() and PATH.read_text(encoding="utf-8") == text:
        return 0
    if "--check" in arguments:
        sys.stderr.write("stale: deploy/grafana/rota.json; run python -m tools.dashboard\n")
        return 1
    PATH.parent.mkdir(parents=True, exist_ok=True)
    PATH.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
