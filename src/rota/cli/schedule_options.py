"""Options that describe a schedule, and the body of a request that they make."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rota.cli.command import WholeNumber
from rota.cli.options import given, parse_json, parse_priority
from rota.cli.presets import daily, hourly

if TYPE_CHECKING:
    from rota.client import Json

F = TypeVar("F", bound=Callable[..., Any])

RULE = (
    click.option("--cron", multiple=True, metavar="EXPR", help="Five fields, or @daily and the like; also several."),
    click.option("--every", multiple=True, metavar="10m", help="An interval."),
    click.option("--hourly-at", multiple=True, type=hourly, metavar="MM", help="Every hour at that minute."),
    click.option("--daily-at", multiple=True, type=daily, metavar="HH:MM", help="Every day at that time of --tz."),
    click.option("--at", multiple=True, metavar="TIME", help="One instant, with its zone: 2026-11-21T09:00:00Z."),
    click.option("--tz", metavar="ZONE", help="Time zone of the expression, for example Europe/Paris (UTC)."),
    click.option("--seconds", type=click.Choice(["first", "last"]), help="The expression has a seconds field there."),
    click.option("--day-match", type=click.Choice(["cron", "and"]), help="How the two day fields go together (cron)."),
    click.option("--start", metavar="TIME", help="Not before this time."),
    click.option("--end", metavar="TIME", help="Not after this time."),
    click.option("--on-start/--no-on-start", default=None, help="Also once at its start."),
)
WHAT = (
    click.option("--command", metavar="CMD", help="Run a shell command."),
    click.option("--http", nargs=2, metavar="METHOD URL", help="Call an address."),
    click.option("--type", "job_type", metavar="TYPE", help="Run a declared job type."),
    click.option("--target", metavar="JSON", help="Run a target as the REST API takes it; @FILE and @- read it."),
    click.option("--args", metavar="JSON", help="Arguments, for a function an object; @FILE and @- read them."),
)
POLICY = (
    click.option(
        "--overlap",
        type=click.Choice(["skip", "queueOne", "queueAll", "cancel", "kill", "allow"]),
        help="While the run before goes on (skip).",
    ),
    click.option("--catchup", type=click.Choice(["none", "latest", "all"]), help="After a standstill (latest)."),
    click.option("--catchup-window", metavar="6h", help="Catch up nothing older."),
    click.option("--max-runs", type=WholeNumber(1), metavar="N", help="Run so often, and never again."),
    click.option("--after-run", type=click.Choice(["keep", "delete"]), help="What becomes of it after that (keep)."),
    click.option("--pause-after", type=WholeNumber(1), metavar="N", help="Pause after so many failures in a row."),
    click.option("--calendar", "calendars", multiple=True, metavar="NAME", help="Not at the times of this calendar."),
    click.option("--jitter", metavar="30s", help="Spread the starts over so long."),
)
JOB = (
    click.option("--queue", metavar="Q", help="Queue; else that of the type, else `default`."),
    click.option("--priority", metavar="N", help="A number or a name (low, normal, high, live); higher runs first."),
    click.option("--timeout", metavar="5m", help="End an attempt after so long."),
    click.option("--silence", metavar="30s", help="End an attempt that gave no sign of life for so long."),
    click.option("--max-attempts", type=WholeNumber(1), metavar="N", help="Most attempts of each run."),
    click.option("--retry", metavar="JSON", help='When to try again: {"delays": ["10s", "1m"]}.'),
    click.option("--expires-in", metavar="1h", help="Cancel a run that waits longer."),
    click.option("--concurrency-key", metavar="K", help="Key of the queue's limits by key."),
    click.option("--order-key", metavar="K", help="One after the other with those of the same key; --overlap allow."),
    click.option("--run-on", multiple=True, metavar="LABEL", help="Label that the worker must have; also several."),
    click.option("--on-lost", type=click.Choice(["retry", "fail"]), help="When its worker is lost (retry)."),
    click.option("--tag", "tags", multiple=True, metavar="TAG", help="To find the jobs by; also several."),
    click.option("--note", metavar="TEXT", help="What it is for."),
)
FIELDS = {
    "timezone": "--tz",
    "startAt": "--start",
    "endAt": "--end",
    "jobType": "--type",
    "calendars": "--calendar",
    "tags": "--tag",
    "target.shell": "--command",
    "target.method": "--http",
    "target.url": "--http",
    **{f"rules.{place}.{kind}": f"--{kind}" for place in range(20) for kind in ("cron", "every", "at")},
    "id": "ID",
}
WHENS = ("--cron", "--every", "--hourly-at", "--daily-at", "--at")
WHATS = ("--command", "--http", "--type", "--target")
RULE_FIELDS = (
    "cron", "every", "at", "rules", "seconds", "dayMatch", "timezone", "startAt", "endAt", "onStart",
)  # fmt: skip
EDITABLE = (
    "jobType", "target", "args", *RULE_FIELDS, "maxRuns", "afterRun", "jitter", "overlap", "catchup", "catchupWindow",
    "pauseAfter", "calendars", "queue", "priority", "retry", "maxAttempts", "timeout", "silence", "expiresIn",
    "concurrencyKey", "orderKey", "runOn", "onLost", "tags", "note",
)  # fmt: skip


def add_options(*groups: tuple[Callable[[Any], Any], ...]) -> Callable[[F], F]:
    """Give a command the options of some groups."""

    def add(function: F) -> F:
        for option in reversed([option for group in groups for option in group]):
            function = option(function)
        return function

    return add


def body(options: dict[str, Any]) -> dict[str, Any]:
    """Return the schedule that the options describe; only what was said stands in it."""
    targets: list[Any] = []
    if options["command"] is not None:
        targets.append({"kind": "command", "shell": options["command"]})
    if options["http"]:
        targets.append({"kind": "http", "method": options["http"][0].upper(), "url": options["http"][1]})
    if options["target"] is not None:
        targets.append(parse_json(options["target"], "--target"))
    if len(targets) + (options["job_type"] is not None) > 1:
        raise click.UsageError(
            f"{', '.join(WHATS[:-1])} and {WHATS[-1]} exclude each other: give one to say what to run"
        )
    return rule(options) | given(
        jobType=options["job_type"],
        target=targets[0] if targets else None,
        args=_json(options, "args"),
        queue=options["queue"],
        priority=parse_priority(options["priority"]),
        timeout=options["timeout"],
        silence=options["silence"],
        maxAttempts=options["max_attempts"],
        retry=_json(options, "retry"),
        expiresIn=options["expires_in"],
        concurrencyKey=options["concurrency_key"],
        orderKey=options["order_key"],
        runOn=options["run_on"],
        onLost=options["on_lost"],
        tags=options["tags"],
        overlap=options["overlap"],
        catchup=options["catchup"],
        catchupWindow=options["catchup_window"],
        maxRuns=options["max_runs"],
        afterRun=options["after_run"],
        pauseAfter=options["pause_after"],
        calendars=options["calendars"],
        jitter=options["jitter"],
        note=options["note"],
    )


def _json(options: dict[str, Any], name: str) -> Any:
    return parse_json(options[name], f"--{name}") if options[name] is not None else None


def rule(options: dict[str, Any]) -> dict[str, Any]:
    """Return when it is due, as far as the options say: one of cron, every and at, or several as rules."""
    kinds = (("cron", "cron"), ("hourly_at", "cron"), ("daily_at", "cron"), ("every", "every"), ("at", "at"))
    said = [{kind: text} for option, kind in kinds for text in options[option]]
    when: dict[str, Any] = said[0] if len(said) == 1 else {"rules": said} if said else {}
    return when | given(
        seconds=options["seconds"],
        dayMatch=options["day_match"],
        timezone=options["tz"],
        startAt=options["start"],
        endAt=options["end"],
        onStart=options["on_start"],
    )


def require(said: Json, names: set[str], options: Sequence[str], what: str) -> None:
    """Raise a mistake in the use of the command where none of some fields was said."""
    if not said.keys() & names:
        raise click.UsageError(f"say {what}: {', '.join(options[:-1])} or {options[-1]}")


WHEN_FIELDS = {"cron", "every", "at", "rules"}


def preview_of(schedule: Json, schedule_id: str, count: int) -> dict[str, Any]:
    """Return the request for the next instants of a schedule."""
    rule = {name: schedule[name] for name in RULE_FIELDS if schedule.get(name) not in (None, False)}
    return {**rule, "id": schedule_id, "count": count}
