"""``rota export``: write schedules, calendars and queues as a file that ``rota apply`` reads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rota.cli import definitions
from rota.cli.command import ClientCommand
from rota.cli.connection import connect
from rota.cli.output import notes, plural
from rota.errors import Invalid
from rota.executors.http_mask import MASK
from rota.jsontext import is_said
from rota.store.canary import QUEUE as CANARY
from rota.store.canary import SOURCE

if TYPE_CHECKING:
    from rota.client import Client, Json

SCHEDULE = (
    "jobType", "target", "args", "cron", "every", "at", "rules", "seconds", "dayMatch", "timezone", "startAt", "endAt",
    "onStart", "maxRuns", "afterRun", "jitter", "overlap", "catchup", "catchupWindow", "pauseAfter", "calendars",
    "queue", "priority", "maxAttempts", "retry", "timeout", "silence", "expiresIn", "concurrencyKey", "orderKey",
    "runOn", "tags", "onLost", "paused", "shadow", "note",
)  # fmt: skip
CALENDAR = ("dates", "ranges", "yearly", "weekdays", "country", "subdivision", "ics", "note")
QUEUE = (
    "concurrency", "workerConcurrency", "keyConcurrency", "rateLimits", "ageing", "defaults", "retention",
)  # fmt: skip
DEFAULTS = {"timezone": "UTC", "overlap": "skip", "catchup": "latest", "afterRun": "keep"}


@click.command(cls=ClientCommand)
@click.option("--source", metavar="NAME", help="Only the schedules that this source declared.")
@click.option(
    "--format", "form", type=click.Choice(definitions.FORMATS), help="TOML, or what the name of --output says."
)
@click.option("-o", "--output", metavar="FILE", help="Write to this file, which must not be there yet.")
@click.pass_context
def export(ctx: click.Context, source: str | None, form: str | None, output: str | None) -> None:
    """Write schedules, calendars and queues as a file that `rota apply` reads.

    Secrets in targets are written as `***`: a service that has them keeps them when the file is applied.
    """
    chosen = definitions.format_of(output, form) if output is not None else form or "toml"
    with connect(ctx) as client:
        document, others = _document(client, source)
    text = definitions.write(document, chosen)
    if output is None:
        click.echo(text, nl=False)
    else:
        _save(output, text)
        click.echo(f"{output}: {plural(len(document['schedules']), 'schedule')}")
    masked = [name for name, one in document["schedules"].items() if MASK in str(one.get("target"))]
    if masked:
        notes([f"secrets are written as {MASK} in {', '.join(masked[:5])}{' …' if len(masked) > 5 else ''}"])
    if others:
        notes([f"{plural(others, 'schedule')} of other owners: rota apply takes them with --take-over"])


def _document(client: Client, source: str | None) -> tuple[Json, int]:
    """Return what a file would say, and how many schedules in it were declared by nobody's file."""
    schedules, others, used = {}, 0, set()
    for one in client.schedules():
        if source is not None and (one["owner"], one["source"]) != ("file", source):
            continue
        if one["source"] == SOURCE:
            continue  # Rota's own, made by a setting
        others += one["owner"] != "file"
        used |= set(one["calendars"])
        schedules[one["id"]] = _said(one, SCHEDULE)
    names = [one["name"] for one in client.calendars() if source is None or one["name"] in used]
    document: dict[str, Any] = {} if source is None else {"source": source}
    document["calendars"] = {name: _said(client.calendar(name), CALENDAR) for name in names}
    queues = [] if source is not None else client.queues()
    mine = [one for one in queues if one["name"] != CANARY]
    document["queues"] = {one["name"]: said for one in mine if (said := _said(one, QUEUE))}
    document["schedules"] = schedules
    return document, others


def _said(shown: Json, names: tuple[str, ...]) -> Json:
    """Return what somebody has said of a thing: neither defaults nor what it has come to."""
    found = {}
    for name in names:
        value = shown.get(name)
        said = value != {} if name == "args" else is_said(value) and value != DEFAULTS.get(name)
        if said:
            found[name] = value
    return found


def _save(output: str, text: str) -> None:
    try:
        with Path(output).open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise Invalid("--output", f"{output} is there already", hint="name another file, or remove it") from None
    except OSError as error:
        raise Invalid("--output", f"{output} cannot be written: {error.strerror}") from error
