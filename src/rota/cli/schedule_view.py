"""Schedules as they are printed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from rota.cli.output import ago, compact_json, details, instants, local, notes, print_json, status, table, until
from rota.cli.schedule_options import preview_of
from rota.cli.terminal import safe_line

if TYPE_CHECKING:
    from rota.client import Client, Json

POLICIES = (
    ("overlap", "overlap"), ("catch-up", "catchup"), ("window", "catchupWindow"), ("most runs", "maxRuns"),
    ("pause after", "pauseAfter"), ("jitter", "jitter"), ("queue", "queue"), ("priority", "priority"),
    ("attempts", "maxAttempts"), ("time-out", "timeout"), ("silence", "silence"), ("expires", "expiresIn"),
    ("key", "concurrencyKey"), ("when lost", "onLost"),
)  # fmt: skip


def what_runs(schedule: Json) -> str:
    """Say in a word or a line what a schedule runs."""
    if schedule["jobType"]:
        return str(schedule["jobType"])
    target = schedule["target"] or {}
    if "shell" in target or "command" in target:
        return str(target.get("shell") or " ".join(target["command"]))
    if target.get("kind") in ("rq", "celery"):
        return f"{target['kind']} {target.get('function') or target.get('task')}"
    if "url" in target or "service" in target:
        address = target.get("url") or f"{target['service']}:{target.get('path', '')}"
        return f"{target.get('method', 'POST')} {address}"
    return str(target.get("function") or target.get("kind"))


def print_schedule(one: Json) -> None:
    """Print all of a schedule."""
    zone = one["timezone"]
    retry = {name: value for name, value in (one["retry"] or {}).items() if value is not None}
    details(
        [
            ("schedule", one["id"]),
            ("when", one["description"]),
            ("from", local(one["startAt"], zone) if one["startAt"] else None),
            ("to", local(one["endAt"], zone) if one["endAt"] else None),
            ("not in", ", ".join(one["calendars"]) or None),
            ("runs", what_runs(one)),
            ("arguments", compact_json(one["args"])),
            ("paused", _paused(one)),
            ("shadow", "it only observes: rota schedules go-live" if one.get("shadow") else None),
            ("next", f"{local(one['nextAt'], zone)} ({until(one['nextAt'])})" if one["nextAt"] else "never again"),
            ("last", f"{local(one['lastAt'], zone)} ({ago(one['lastAt'])})" if one["lastAt"] else None),
            *((label, _text(one[name])) for label, name in POLICIES),
            ("retry", compact_json(retry) if retry else None),
            ("tags", ", ".join(one["tags"]) or None),
            ("afterwards", "is deleted" if one["afterRun"] == "delete" else None),
            ("owner", owner(one) + f", version {one['version']}"),
            ("note", one["note"]),
        ]
    )


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def owner(schedule: Json) -> str:
    """Say whose it is."""
    return f"{schedule['owner']} ({schedule['source']})" if schedule["source"] else str(schedule["owner"])


def _paused(schedule: Json) -> str | None:
    if not schedule["paused"]:
        return None
    note = f": {schedule['pausedNote']}" if schedule["pausedNote"] else ""
    end = f", until {local(schedule['resumeAt'], schedule['timezone'])}" if schedule["resumeAt"] else ""
    return f"by {schedule['pausedBy'] or 'somebody'} {ago(schedule['pausedAt'])}{end}{note}"


def print_occurrences(found: Sequence[Json], zone: str | None) -> None:
    """Print a piece of a ledger."""
    rows = []
    for one in found:
        if "scheduledFor" in one:
            due = local(one["scheduledFor"], zone)
        else:
            due = f"{local(one['from'], zone)} … {local(one['to'], zone)} ({one['count'] or '?'})"
        rows.append((due, status(one["disposition"]), one["jobId"], one["reason"]))
    table(("DUE", "DISPOSITION", "JOB", "REASON"), rows, empty="Nothing was due yet.", wide=("REASON",))


def print_saved(client: Client, made: Json, *, as_json: bool) -> None:
    """Print a schedule that was saved: its rule in words and its next instants."""
    if as_json:
        print_json(made)
        return
    click.echo(f"{made['id']}: {safe_line(made['description'] or '')}")
    if made["nextAt"] is None:
        click.echo("  never")
        return
    found, warnings = _next_of(client, made, 3)
    instants(found, made["timezone"])
    notes(warnings)


def _next_of(client: Client, schedule: Json, count: int) -> tuple[list[str], list[str]]:
    """Return the next instants of a stored schedule, and warnings; an interval counts from its next instant."""
    first: str = schedule["nextAt"]
    several = [one["every"] for one in schedule["rules"] or () if one.get("every") is not None]
    asked = preview_of(schedule, schedule["id"], count)
    warnings: list[str] = client.preview(asked)["warnings"]
    if several or schedule["onStart"]:  # what they count from only the service knows
        return [first], warnings
    if schedule["every"] is not None:
        asked |= {"startAt": first, "count": count - 1}
        return [first, *client.preview(asked)["instants"]], warnings
    return client.preview(asked)["instants"], warnings
