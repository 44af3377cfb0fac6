"""``rota import``: take over what another scheduler keeps, after showing what that makes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import click
import msgspec

from rota.cli.apply import ask, counted, print_plan, refuse_others
from rota.cli.command import ClientGroup
from rota.cli.connection import asked_service, connect
from rota.cli.db_opened import opened
from rota.cli.importing_past import scheduled_jobs
from rota.cli.options import json_option, read_file, yes_option
from rota.cli.output import confirm, notes, plural, print_json
from rota.cli.terminal import safe_line
from rota.errors import Invalid, NotFound, SchemaMismatch
from rota.importers import celery, crontab, heroku, kubernetes, rq
from rota.importers.found import Entry, Found, Options
from rota.importers.kept import keep_ids
from rota.store.migrate import version

if TYPE_CHECKING:
    from rota.client import Json

MOST_BYTES = 1_500_000
"""Of one request: a service takes 2 MiB by default."""
MOST_SHOWN = 20
REFUSED = 1
"""Exit code where lines were refused."""
OVERLAPS = ("skip", "queueOne", "queueAll", "cancel", "kill", "allow")
CATCHUPS = ("none", "latest", "all")


@click.group("import", cls=ClientGroup)
def import_() -> None:
    """Take over what another scheduler keeps: its files are read, nothing in them is executed.

    Lines that cannot be taken over are told with the reason, and the exit code is 1; the others are imported. The same
    file again changes nothing. `-` reads standard input.
    """


def _options(command: Callable[..., None]) -> Callable[..., None]:
    """Add what all formats take."""
    for option in reversed(
        (
            click.argument("file", metavar="FILE"),
            click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing."),
            click.option("--shadow", is_flag=True, help="New schedules only observe, until `rota schedules go-live`."),
            click.option("--prune", is_flag=True, help="Delete what this source declared before and does no more."),
            click.option("--take-over", is_flag=True, help="Also change schedules of code, of people, of other files."),
            click.option("--source", metavar="NAME", help="Who declares it; the file's name when not said."),
            click.option("--prefix", default="", metavar="TEXT", help="Before each id, as in web1-."),
            click.option("--tz", metavar="ZONE", help="Zone of times for which the file says none (UTC)."),
            click.option("--overlap", type=click.Choice(OVERLAPS), help="Instead of what the old system did."),
            click.option("--catchup", type=click.Choice(CATCHUPS), help="Instead of what the old system did."),
            click.option("--queue", metavar="Q", help="Queue of the jobs."),
            yes_option,
            json_option,
        )
    ):
        command = option(command)
    return command


@import_.command("crontab", fields={"source": "--source"})
@click.option("--system/--user", "system", default=None, help="Whether users stand before commands; else guessed.")
@click.option("--no-user", is_flag=True, help="Run all as the user of the worker, whatever a system crontab says.")
@_options
@click.pass_context
def crontab_(ctx: click.Context, /, system: bool | None, no_user: bool, **said: Any) -> None:
    """Import a crontab (`crontab -l`, /etc/crontab, a file of /etc/cron.d)."""
    form: crontab.Form | None = None if system is None else "system" if system else "user"
    place = said["file"]

    def read(raw: bytes, how: Options) -> Found:
        return crontab.read(raw, how, form=form, place=place)

    _import(ctx, "crontab", read, said, keep_user=not no_user)


@import_.command("heroku", fields={"source": "--source"})
@_options
@click.pass_context
def heroku_(ctx: click.Context, /, **said: Any) -> None:
    """Import the jobs of Heroku Scheduler: its dashboard copied as text, or a list as JSON or CSV."""
    _import(ctx, "heroku", heroku.read, said)


@import_.command("kubernetes", fields={"source": "--source"})
@_options
@click.pass_context
def kubernetes_(ctx: click.Context, /, **said: Any) -> None:
    """Import CronJobs: manifests as YAML, or `kubectl get cronjobs -A -o json`."""
    _import(ctx, "kubernetes", kubernetes.read, said)


@import_.command("celery", fields={"source": "--source"})
@_options
@click.pass_context
def celery_(ctx: click.Context, /, **said: Any) -> None:
    """Import beat_schedule of a Python file, or the same as JSON; the tasks stay with Celery's workers."""
    _import(ctx, "celery", celery.read, said)


@import_.command("rq", fields={"source": "--source"})
@click.option("--module", metavar="NAME", help="Where the functions live that the file itself defines.")
@_options
@click.pass_context
def rq_(ctx: click.Context, /, module: str | None, **said: Any) -> None:
    """Import schedules of rq-scheduler and RQ from a Python file; the functions stay with RQ's workers."""
    _import(ctx, "rq", rq.read, said, module=module)


import_.add_command(scheduled_jobs)


def _import(
    ctx: click.Context, kind: str, read: Callable[[bytes, Options], Found], said: Mapping[str, Any], **more: Any
) -> None:
    """Read, plan, ask, apply."""
    named = ("prefix", "overlap", "catchup", "queue")
    how = Options(timezone=said["tz"], **{name: said[name] for name in named}, **more)
    file, as_json = said["file"], said["as_json"]
    found = read(read_file(file, "FILE"), how)
    source = said["source"] or (kind if file == "-" else PurePath(file).name)
    if as_json and not (said["yes"] or said["dry_run"]):
        _print_found(found, {})  # without --yes it is a look at the file, and needs no database
    else:
        told = _told(found) if not as_json else ()
        for line in told:
            click.echo(line, err=True)
        _apply(ctx, found, source, said)
    ctx.exit(REFUSED if found.errors else 0)


def _apply(ctx: click.Context, found: Found, source: str, said: Mapping[str, Any]) -> None:
    as_json, dry_run, file = said["as_json"], said["dry_run"], said["file"]
    changes: list[Json] = []
    try:
        with connect(ctx, makes_database=not dry_run) as client:
            known = list(client.schedules())
            found.entries = keep_ids(found.entries, [one for one in known if one["source"] == source])
            parts = _parts(_schedules({str(one["id"]) for one in known}, found.entries, shadow=said["shadow"]))
            if said["prune"] and (len(parts) > 1 or found.errors):
                raise Invalid("--prune", "needs a file without refused lines that fits into one request")
            asked = {"source": source, "prune": said["prune"], "takeOver": said["take_over"]}
            plans = [ask(client, {**asked, "schedules": part, "dryRun": True}, file) for part in parts]
            planned = [change for plan in plans for change in plan["changes"]]
            changes = [change for change in planned if change["action"] != "unchanged"]
            if not as_json:
                print_plan({"source": source, "changes": planned}, changes)
            if not dry_run and changes:
                refuse_others(changes, source)
                confirm(f"Import {plural(len(changes), 'change')}?", yes=said["yes"])
                done = [ask(client, {**asked, "schedules": part}, file) for part in parts]
                changes = [change for one in done for change in one["changes"] if change["action"] != "unchanged"]
    except Invalid as error:
        if not error.field.endswith(".target.user"):
            raise
        raise Invalid(error.field, error.reason, hint="--no-user runs all as the worker's user") from None
    except (NotFound, SchemaMismatch) as error:
        if not dry_run or (isinstance(error, SchemaMismatch) and not _is_empty(ctx)):
            raise
        if not as_json:  # nothing is there yet: all of it would be new
            print_plan(*_all_new(found, source))
    if as_json:
        _print_found(found, {"changes": changes})
    elif not dry_run and changes:
        click.echo(f"imported: {counted(changes)}")


def _is_empty(ctx: click.Context) -> bool:
    """Whether the database of the settings is asked, and no Rota has used it yet."""
    if asked_service(ctx)[0] is not None:
        return False
    with opened() as db, db.statement() as tx:
        return version(tx) == 0


def _all_new(found: Found, source: str) -> tuple[Json, list[Json]]:
    changes: list[Json] = [
        {
            "kind": "schedule",
            "id": one.id,
            "action": "create",
            "reason": None,
            "fields": [{"field": name, "from": None, "to": value} for name, value in one.definition.items()],
        }
        for one in found.entries
    ]
    return {"source": source, "changes": changes}, changes


def _schedules(known: set[str], entries: list[Entry], *, shadow: bool) -> dict[str, Json]:
    """Return the schedules; ``shadow`` is for new ones: those that are there stay live, or in it, as they are."""
    return {
        one.id: {**one.definition, "shadow": True} if shadow and one.id not in known else dict(one.definition)
        for one in entries
    }


def _parts(schedules: dict[str, Json]) -> list[dict[str, Json]]:
    """Divide schedules into requests that a service takes."""
    parts: list[dict[str, Json]] = [{}]
    size = 0
    for schedule_id, one in schedules.items():
        length = len(msgspec.json.encode(one)) + len(schedule_id)
        if size + length > MOST_BYTES and parts[-1]:
            parts.append({})
            size = 0
        parts[-1][schedule_id] = one
        size += length
    return parts


def _told(found: Found) -> Iterator[str]:
    """Yield what a person should know before the plan."""
    for one in found.errors[:MOST_SHOWN]:
        yield click.style(safe_line(f"line {one.line} is refused: {one.reason}"), fg="red")
    if len(found.errors) > MOST_SHOWN:
        yield click.style(f"… and {len(found.errors) - MOST_SHOWN} lines more (--json lists all)", fg="red")
    warned: dict[str, list[int]] = {}
    for entry in found.entries:
        for warning in entry.warnings:
            warned.setdefault(warning, []).append(entry.line)
    notes(found.notes)
    for warning, lines in list(warned.items())[:MOST_SHOWN]:
        more = f" and {len(lines) - 3} more" if len(lines) > 3 else ""
        yield click.style(safe_line(f"line {', '.join(map(str, lines[:3]))}{more}: {warning}"), fg="yellow")


def _print_found(found: Found, more: Mapping[str, Any]) -> None:
    print_json({**msgspec.to_builtins(found), **more})
