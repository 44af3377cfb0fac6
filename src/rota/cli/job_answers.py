"""``rota jobs complete | snooze``: answer in place of a target that answers later."""

from __future__ import annotations

import click

from rota.cli.command import ClientCommand, WholeNumber
from rota.cli.connection import connect
from rota.cli.options import given, json_option, parse_json
from rota.cli.output import print_json, status

FIELDS = {"delayMs": "--delay"}


@click.command(cls=ClientCommand, fields=FIELDS)
@click.argument("job_id", metavar="ID")
@click.option("--result", metavar="JSON", help="What it returned; @FILE and @- read it.")
@click.option("--error", metavar="TEXT", help="The attempt has failed: why; it is tried again while attempts are left.")
@click.option("--permanent", is_flag=True, help="With --error: it has failed for good.")
@click.option("--attempt", type=WholeNumber(1), metavar="N", help="Only if this attempt runs.")
@json_option
@click.pass_context
def complete(
    ctx: click.Context,
    job_id: str,
    result: str | None,
    error: str | None,
    permanent: bool,
    attempt: int | None,
    as_json: bool,
) -> None:
    """Tell how a run ended whose target answers later."""
    if permanent and error is None:
        raise click.UsageError("--permanent goes with --error")
    if result is not None and error is not None:
        raise click.UsageError("--result and --error exclude each other")
    answer = given(
        attempt=attempt,
        status="completed" if error is None else "failed",
        result=parse_json(result, "--result") if result is not None else None,
        error=error,
        permanent=permanent if error is not None else None,
    )
    with connect(ctx) as client:
        run = client.complete(job_id, answer)
    print_json(run) if as_json else click.echo(f"{job_id}  {status(run['status'])}")


@click.command(cls=ClientCommand)
@click.argument("job_id", metavar="ID")
@click.argument("delay", metavar="DELAY")
@click.option("--attempt", type=WholeNumber(1), metavar="N", help="Only if this attempt runs.")
@json_option
@click.pass_context
def snooze(ctx: click.Context, job_id: str, delay: str, attempt: int | None, as_json: bool) -> None:
    """Put a job off by 10m or so: one that waits, or whose target answers later; no attempt is used."""
    with connect(ctx) as client:
        run = client.snooze(job_id, delay, attempt=attempt)
    print_json(run) if as_json else click.echo(f"{job_id}  {status(run['status'])}")
