"""``rota batches``: jobs that were enqueued together."""

from __future__ import annotations

import click
import msgspec

from rota.cli.command import ClientGroup, WholeNumber
from rota.cli.connection import connect
from rota.cli.options import given, json_option, parse_json
from rota.cli.output import ago, details, print_json, table
from rota.client import Json
from rota.errors import Invalid

COUNTS = ("pending", "scheduled", "running", "completed", "failed", "cancelled")


@click.group(cls=ClientGroup)
def batches() -> None:
    """Look at batches of jobs, enqueue one, cancel what waits of it."""


@batches.command("list")
@click.option("-n", "--limit", type=WholeNumber(1), default=20, show_default=True, metavar="N", help="Most to show.")
@json_option
@click.pass_context
def list_(ctx: click.Context, limit: int, as_json: bool) -> None:
    """List the batches, the latest first."""
    with connect(ctx) as client:
        found: list[Json] = list(client.batches(limit=limit))
    if as_json:
        print_json(found)
        return
    rows = [
        (one["id"], one["name"], f"{one['total']:,}", *(f"{one['counts'][name]:,}" for name in COUNTS[2:]),
         "done" if one["done"] else "open", ago(one["createdAt"]))
        for one in found
    ]  # fmt: skip
    headers = ("BATCH", "NAME", "JOBS", "RUNNING", "COMPLETED", "FAILED", "CANCELLED", "STATE", "CREATED")
    table(headers, rows, empty="No batches.  Enqueue one: rota batches add @batch.json", wide=("NAME",))


@batches.command(fields={"id": "ID"})
@click.argument("batch_id", metavar="ID")
@json_option
@click.pass_context
def show(ctx: click.Context, batch_id: str, as_json: bool) -> None:
    """Show how far a batch is; its jobs: rota jobs list --batch ID."""
    with connect(ctx) as client:
        one = client.batch(batch_id)
    if as_json:
        print_json(one)
        return
    details(
        (
            ("id", one["id"]),
            ("name", one["name"]),
            ("state", "done" if one["done"] else "open"),
            ("jobs", f"{one['total']:,}: {_counted(one)}"),
            ("callback", one["callbackId"]),
            ("created", f"{ago(one['createdAt'])} by {one['createdBy'] or 'nobody known'}"),
        )
    )


def _counted(one: Json) -> str:
    counts = one["counts"]
    return ", ".join(f"{counts[name]:,} {name}" for name in (*COUNTS, "deleted") if counts[name]) or "none"


@batches.command(fields={"jobs": "BATCH"})
@click.argument("document", metavar="BATCH")
@click.option("--name", metavar="TEXT", help="What it is.")
@json_option
@click.pass_context
def add(ctx: click.Context, document: str, name: str | None, as_json: bool) -> None:
    """Enqueue a batch: JSON as POST /api/batches takes it, @FILE and @- read it; prints its id.

    A list is the jobs alone.
    """
    said = parse_json(document, "BATCH")
    body = {"jobs": said} if bytes(said).lstrip().startswith(b"[") else dict(_object(bytes(said)))
    with connect(ctx) as client:
        made = client.enqueue_batch({**body, **given(name=name)})
    print_json(made) if as_json else click.echo(made["id"])


def _object(raw: bytes) -> dict[str, msgspec.Raw]:
    try:
        return msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    except msgspec.ValidationError:
        raise Invalid("BATCH", "is neither a list of jobs nor an object", hint='{"jobs": […]}') from None


@batches.command(fields={"id": "ID"})
@click.argument("batch_id", metavar="ID")
@click.option("--yes", "-y", is_flag=True, expose_value=False, help="Do not ask: nobody does, of a batch by its id.")
@json_option
@click.pass_context
def cancel(ctx: click.Context, batch_id: str, as_json: bool) -> None:
    """Cancel the jobs of a batch that have not been started; those that run go on."""
    with connect(ctx) as client:
        done = client.cancel_batch(batch_id)
    print_json(done) if as_json else click.echo(f"{done['changed']:,} jobs cancelled")
