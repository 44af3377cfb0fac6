"""``rota enqueue``: a job of a declared type."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from rota.cli.command import ClientCommand, WholeNumber
from rota.cli.connection import connect
from rota.cli.options import given, json_option, parse_json, parse_priority
from rota.cli.output import print_json, status
from rota.cli.waiting import Waiting
from rota.durations import parse_duration

if TYPE_CHECKING:
    from rota.client import Client, Json

FIELDS = {"jobType": "TYPE", "runAt": "--at", "delayMs": "--delay", "tags": "--tag", "dependsOn": "--after"}


@click.command(cls=ClientCommand, fields=FIELDS)
@click.argument("job_type", metavar="TYPE")
@click.option("--args", metavar="JSON", help="Arguments, for a function an object; @FILE and @- read them.")
@click.option("--queue", metavar="Q", help="Queue; else that of the type, else `default`.")
@click.option("--priority", metavar="N", help="A number or a name (low, normal, high, live); higher runs first.")
@click.option("--delay", metavar="5m", help="Start so much later.")
@click.option("--at", metavar="TIME", help="Start at a time, with its zone: 2026-11-21T09:00:00Z.")
@click.option("--unique-key", metavar="K", help="While a job with this key waits or runs, that one is meant.")
@click.option("--unique-scope", metavar="SCOPE", help="Hold the key while `waiting`, `active`, or for `window:10m`.")
@click.option("--if-exists", type=click.Choice(["keep", "replace", "debounce"]), help="What becomes of a waiting one.")
@click.option("--after", "depends_on", metavar="ID", multiple=True, help="Wait for this job; may be repeated.")
@click.option(
    "--if-parent-failed", type=click.Choice(["cancel", "run", "wait"]), help="When such a job does not complete."
)
@click.option("--expires-in", metavar="1h", help="Cancel it when it has waited longer.")
@click.option("--concurrency-key", metavar="K", help="Key of the queue's limits by key: `customer={customer.id}`.")
@click.option("--order-key", metavar="K", help="One after the other with those that have the same key.")
@click.option("--run-on", metavar="LABEL", multiple=True, help="Label that the worker must have; may be repeated.")
@click.option("--max-attempts", type=WholeNumber(1), metavar="N", help="Most attempts.")
@click.option("--timeout", metavar="5m", help="End an attempt after so long.")
@click.option("--silence", metavar="30s", help="End an attempt that gave no sign of life for so long.")
@click.option("--tag", "tags", metavar="TAG", multiple=True, help="Tag to find it by; may be repeated.")
@click.option("--wait", is_flag=True, help="Wait for the end; exit 1 unless it completes.")
@json_option
@click.pass_context
def enqueue(ctx: click.Context, /, job_type: str, wait: bool, as_json: bool, **options: Any) -> None:
    """Enqueue a job of a declared type; prints its id."""
    delay, args = options.pop("delay"), options.pop("args")
    body = given(
        jobType=job_type,
        args=parse_json(args, "--args") if args is not None else None,
        delayMs=parse_duration(delay, "--delay") // 1000 if delay is not None else None,
        runAt=options["at"],
        queue=options["queue"],
        priority=parse_priority(options["priority"]),
        uniqueKey=options["unique_key"],
        uniqueScope=options["unique_scope"],
        ifExists=options["if_exists"],
        dependsOn=options["depends_on"],
        ifParentFailed=options["if_parent_failed"],
        expiresIn=options["expires_in"],
        concurrencyKey=options["concurrency_key"],
        orderKey=options["order_key"],
        runOn=options["run_on"],
        maxAttempts=options["max_attempts"],
        timeout=options["timeout"],
        silence=options["silence"],
        tags=options["tags"],
    )
    with connect(ctx) as client:
        enqueued = client.enqueue(body)
        if enqueued["existing"]:
            what = "became what this one says" if enqueued["replaced"] else "has this unique key already"
            click.echo(f"existing job {enqueued['id']} {what}", err=True)
        job: Json = _wait(client, enqueued["id"]) if wait else enqueued
    if as_json:
        print_json(job)
    elif wait:
        error = f"  {job['error']}" if job["error"] else ""
        click.echo(f"{job['id']}  {status(job['status'])}{error}")
    else:
        click.echo(job["id"])
    if wait and job["status"] != "completed":
        sys.exit(1)


def _wait(client: Client, job_id: str) -> Json:
    waiting = Waiting(client, job_id)
    job: Json = {}
    try:
        for job in client.looks(job_id):
            waiting.note(job["status"])
    except KeyboardInterrupt:
        click.echo(f"\nrota: job {job_id} goes on without you; rota jobs show {job_id}", err=True)
        raise
    return job
