"""``rota jobs retry | cancel | delete | move | reprioritise | edit``: change jobs, one or many."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from rota.cli.command import ClientCommand, WholeNumber
from rota.cli.connection import connect
from rota.cli.job_filters import FIELDS, chosen, filters
from rota.cli.options import given, json_option, parse_json, parse_priority, yes_option
from rota.cli.output import confirm, plural, print_json, status
from rota.cli.progress import Show, progress
from rota.cli.running import ended
from rota.durations import parse_duration
from rota.errors import Conflict, Invalid, RotaError, ServiceUnavailable

if TYPE_CHECKING:
    from rota.client import Client, Json

MANY = 200
"""Changing fewer jobs is over before a bar could be read."""
PAUSE_S = 0.3
"""Between two looks at an operation on which somebody else works."""
DONE = {"retry": "waiting again", "cancel": "cancelled", "delete": "deleted", "move": "moved"}
DONE |= {"reprioritise": "reprioritised"}
CHOOSE = "name jobs by their ids, or choose them by filters such as --status failed"

Act = Callable[["Client", str], "Json | None"]
Plan = Callable[..., tuple[Act, dict[str, Any]]]


def _change(
    action: str, *own: Callable[[Any], Any], fields: dict[str, str] | None = None
) -> Callable[[Plan], click.Command]:
    """Make a command that changes jobs by their ids, or all that match the filters.

    The decorated function says what is done to one, and what the action takes beside the filter.
    """

    def make(plan: Plan) -> click.Command:
        @click.pass_context
        def command(ctx: click.Context, /, ids: tuple[str, ...], yes: bool, **options: Any) -> None:
            wanted = chosen(options)
            if bool(ids) == bool(wanted):
                raise click.UsageError(CHOOSE)
            act, how = plan(**{name: value for name, value in options.items() if name in mine})
            if "args" in how and len(ids) != 1:
                raise click.UsageError("--args is for one job, named by its id")
            wait = how.pop("wait", False)
            with connect(ctx) as client:
                if ids:
                    _each(client, action, ids, act, wait=wait)
                else:
                    stopping = _running(client, wanted) if wait else []
                    change_matching(client, action, wanted, yes=yes, **how)
                    _until_stopped(client, stopping)

        command.__doc__ = plan.__doc__
        for option in own:
            command = option(command)
        mine = {parameter.name for parameter in getattr(command, "__click_params__", ())}
        command = click.argument("ids", nargs=-1, metavar="[ID…]")(filters(yes_option(command)))
        return click.command(action, cls=ClientCommand, fields=FIELDS | (fields or {}))(command)

    return make


def _each(client: Client, action: str, ids: tuple[str, ...], act: Act, *, wait: bool) -> None:
    failed = False
    stopping = []
    for job_id in ids:
        try:
            job = act(client, job_id)
        except (ServiceUnavailable, Invalid):  # the same for all of them
            raise
        except RotaError as error:
            click.echo(
                f"rota: error: {error}" if job_id in error.message else f"rota: error: {job_id}: {error}", err=True
            )
            failed = True
        else:
            if wait and job is not None and job["status"] == "running":
                stopping.append(job_id)
            else:
                click.echo(f"{job_id}  {_done(action, job)}")
    _until_stopped(client, stopping)
    if failed:
        sys.exit(1)


def _running(client: Client, wanted: dict[str, Any]) -> list[str]:
    """Return which of the jobs that match run."""
    given = wanted.get("status") or ["running"]
    statuses = given if isinstance(given, list) else str(given).split(",")
    return [job["id"] for job in client.jobs(**{**wanted, "status": "running"})] if "running" in statuses else []


def _until_stopped(client: Client, ids: list[str]) -> None:
    """Say of each job how it ended, once it has."""
    for job_id in ids:
        click.echo(f"{job_id}  {ended(client.wait(job_id))}")


def _done(action: str, job: Json | None) -> str:
    if job is not None and action == "cancel" and job["status"] == "running":
        return "told to end at once" if job.get("forced") else "asked to stop"
    if job is not None and action == "move":
        return f"moved to {job['queue']}"
    if job is not None and action == "reprioritise":
        return f"has priority {job['priority']}"
    return DONE[action]


def change_matching(client: Client, action: str, wanted: dict[str, Any], *, yes: bool, **how: Any) -> None:
    """Count the jobs that match, ask, and change them all, however long it takes.

    The service goes on by itself; to be interrupted here ends the operation.
    """
    seen = client.act(action, wanted, dry_run=True, **how)
    count, more = seen["matched"], "more than " if seen.get("matchedIsEstimate") else ""
    if not count:
        click.echo("No job matches.")
        return
    where = f" to {how['queue']}" if "queue" in how else ""
    confirm(f"{action.capitalize()} {more}{plural(count, 'job')}{where}?", yes=yes)
    begun = client.act(action, wanted, **how)
    operation: Json = client.operation(begun["operation"])
    with progress(count, action, quiet=count < MANY) as show:
        operation = _follow(client, operation, show)
    left = f", {operation['skipped']:,} left as they were" if operation["skipped"] else ""
    click.echo(f"{plural(operation['changed'], 'job')} {DONE[action]}{where}{left}")
    if operation["status"] != "completed":
        reason = operation["error"] or "somebody ended it before all was done"
        click.echo(f"rota: error: operation {operation['id']} {operation['status']}: {reason}", err=True)
        sys.exit(1)


def _follow(client: Client, operation: Json, show: Show) -> Json:
    looked_at = 0
    try:
        while True:
            step, looked_at = operation["lookedAt"] - looked_at, operation["lookedAt"]
            show(step)
            if operation["done"]:
                return operation
            if not step:
                time.sleep(PAUSE_S)
            operation = client.continue_operation(operation["id"])
    except KeyboardInterrupt:
        try:
            operation = client.cancel_operation(operation["id"])
        except Conflict:  # it has ended in this moment
            operation = client.operation(operation["id"])
        changed = f"{plural(operation['changed'], 'job')} {DONE[operation['action']]}"
        click.echo(f"\nrota: stopped; {changed}", err=True)
        raise


@_change(
    "retry",
    click.option("--args", metavar="JSON", help="With these arguments instead; @FILE and @- read them.  For one ID."),
    click.option("--fresh", is_flag=True, help="From the beginning, not from their last checkpoints."),
)
def retry(args: str | None, fresh: bool) -> tuple[Act, dict[str, Any]]:
    """Make ended jobs wait again, with all their attempts anew."""
    if args is not None and fresh:
        raise click.UsageError("leave out --fresh: with other --args a job begins without a checkpoint")
    if args is None:
        return (lambda client, job_id: client.retry(job_id, fresh=fresh)), {"fresh": True} if fresh else {}
    how = {"args": parse_json(args, "--args")}
    return (lambda client, job_id: client.edit(job_id, {**how, "retry": True})), how


@_change(
    "cancel",
    click.option("--force", is_flag=True, help="Kill those that run, without a chance to end in good order."),
    click.option("--wait", is_flag=True, help="Until those that run have stopped, and say how."),
)
def cancel(force: bool, wait: bool) -> tuple[Act, dict[str, Any]]:
    """Cancel waiting jobs, and end running ones."""
    how = {"force": force, "wait": wait}
    return (lambda client, job_id: {**client.cancel(job_id, force=force), "forced": force}), how


@_change("delete")
def delete() -> tuple[Act, dict[str, Any]]:
    """Delete jobs that do not run, with their history."""
    return (lambda client, job_id: client.delete(job_id)), {}


@_change("move", click.option("--to", metavar="Q", required=True, help="The new queue."), fields={"queue": "--to"})
def move(to: str) -> tuple[Act, dict[str, Any]]:
    """Put jobs into another queue, unless they run or have completed."""
    return (lambda client, job_id: client.edit(job_id, {"queue": to})), {"queue": to}


PRIORITY = "A number or a name (low, normal, high, live); higher runs first."


@_change("reprioritise", click.option("--priority", metavar="N", required=True, help=PRIORITY))
def reprioritise(priority: str) -> tuple[Act, dict[str, Any]]:
    """Give jobs another priority, unless they run or have completed."""
    how = {"priority": parse_priority(priority)}
    return (lambda client, job_id: client.edit(job_id, how)), how


EDIT_FIELDS = {"runAt": "--at", "delayMs": "--delay", "tags": "--tag"}


@click.command(cls=ClientCommand, fields=EDIT_FIELDS)
@click.argument("job_id", metavar="ID")
@click.option("--args", metavar="JSON", help="New arguments; @FILE and @- read them.")
@click.option("--queue", metavar="Q", help="Put it into another queue.")
@click.option("--priority", metavar="N", help=PRIORITY)
@click.option("--delay", metavar="5m", help="Start so much later than now.")
@click.option("--at", metavar="TIME", help="Start at a time, with its zone: 2026-11-21T09:00:00Z.")
@click.option("--timeout", metavar="5m", help="End an attempt after so long.")
@click.option("--silence", metavar="30s", help="End an attempt that gave no sign of life for so long.")
@click.option("--max-attempts", type=WholeNumber(1), metavar="N", help="Most attempts.")
@click.option("--tag", "tags", metavar="TAG", multiple=True, help="Its tags from now on; may be repeated.")
@click.option("--concurrency-key", metavar="KEY", help="May take parts from the arguments: customer={customer.id}.")
@click.option("--expires-in", metavar="1h", help="Cancel it when it waits longer than so long from now.")
@click.option("--retry", "retry_", metavar="JSON", help='When to try again: {"delays": ["10s", "1m"]}.')
@click.option("--unset", multiple=True, metavar="FIELD", help="Take a field away, such as expiresIn; also several.")
@click.option("--again", is_flag=True, help="Make it wait again, when it failed or was cancelled.")
@click.option("--note", metavar="TEXT", help="Why, for the audit.")
@json_option
@click.pass_context
def edit(
    ctx: click.Context, /, job_id: str, args: str | None, delay: str | None, retry_: str | None,
    unset: tuple[str, ...], again: bool, as_json: bool, **options: Any,
) -> None:  # fmt: skip
    """Change a job that waits, failed or was cancelled."""
    if again and retry_ is not None:
        raise click.UsageError("--again and --retry exclude each other: change the policy first")
    changes = given(
        args=parse_json(args, "--args") if args is not None else None,
        queue=options["queue"],
        priority=parse_priority(options["priority"]),
        delayMs=parse_duration(delay, "--delay") // 1000 if delay is not None else None,
        runAt=options["at"],
        timeout=options["timeout"],
        silence=options["silence"],
        maxAttempts=options["max_attempts"],
        tags=options["tags"],
        concurrencyKey=options["concurrency_key"],
        expiresIn=options["expires_in"],
        retry=True if again else parse_json(retry_, "--retry") if retry_ is not None else None,
        note=options["note"],
    )
    changes = {**dict.fromkeys(unset), **changes}
    if not changes.keys() - {"note"}:
        raise click.UsageError("say what to change, for example --priority 5")
    with connect(ctx) as client:
        job = client.edit(job_id, changes)
    print_json(job) if as_json else click.echo(f"{job_id}  {status(job['status'])}")
