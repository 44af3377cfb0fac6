"""``rota selftest``: send test jobs through the running service, and verify each of them and its log."""

from __future__ import annotations

import secrets
import statistics
import sys
import time
from typing import TYPE_CHECKING

import click
import msgspec

from rota.cli.command import ClientCommand, WholeNumber
from rota.cli.connection import connect
from rota.cli.options import json_option
from rota.cli.output import mark, parse_time, plural, print_json
from rota.cli.progress import Show, progress
from rota.durations import parse_duration
from rota.errors import RotaError
from rota.model import FINAL

if TYPE_CHECKING:
    from rota.client import Client, Json

LOOK_S = 0.05
SHOWN = 10
MISSING = "did not end"
FIELDS = {"queue": "--queue", "target.url": "--callback-url"}


class Test(msgspec.Struct):
    """One test job: what it must print, and what became of it."""

    id: str
    nonce: str
    problem: str | None = MISSING
    start_ms: float | None = None
    total_ms: float | None = None


@click.command(cls=ClientCommand, fields=FIELDS)
@click.argument("count", metavar="[N]", type=WholeNumber(1, 10_000), default=30)
@click.option("--callback-url", metavar="URL", help="Send HTTP jobs to this address instead of commands.")
@click.option("--queue", metavar="Q", default="selftest", show_default=True, help="Queue to use.")
@click.option("--timeout", metavar="60s", default="60s", show_default=True, help="Give up after so long.")
@json_option
@click.pass_context
def selftest(ctx: click.Context, count: int, callback_url: str | None, queue: str, timeout: str, as_json: bool) -> None:
    """Prove a running service end to end: N test jobs (30), each verified with its log; exit 1 if one is missing."""
    patience_s = parse_duration(timeout, "--timeout") / 1e6
    with connect(ctx) as client:
        bodies = _bodies(count, callback_url, queue)
        found = client.enqueue_many(list(bodies.values()))
        tests = [Test(job["id"], nonce) for job, nonce in zip(found, bodies, strict=True)]
        hint = None
        try:
            with progress(count, "test jobs", quiet=as_json) as show:
                _collect(client, tests, time.monotonic() + patience_s, by_http=callback_url is not None, show=show)
        finally:
            missing = [test for test in tests if test.problem == MISSING]
            if missing:
                hint = _give_up(client, missing)
    failed = [test for test in tests if test.problem]
    report = _report(tests, failed, hint)
    print_json(report) if as_json else _print(report, failed)
    sys.exit(1 if failed else 0)


def _bodies(count: int, callback_url: str | None, queue: str) -> dict[str, Json]:
    """Return the jobs, each under the nonce that must come back."""
    bodies: dict[str, Json] = {}
    for nonce in (secrets.token_hex(8) for _ in range(count)):
        target: Json = {"kind": "command", "command": ["echo", f"rota selftest {nonce}"]}
        if callback_url:
            target = {"kind": "http", "url": callback_url, "method": "POST"}
        shared = {"queue": queue, "tags": ["selftest"], "maxAttempts": 1, "timeout": "30s"}
        bodies[nonce] = {"target": target, "args": {"nonce": nonce}, **shared}
    return bodies


def _collect(client: Client, tests: list[Test], give_up: float, *, by_http: bool, show: Show) -> None:
    waiting = {test.id: test for test in tests}
    while waiting and time.monotonic() < give_up:
        for test in list(waiting.values()):
            job = client.job(test.id)
            if job["status"] in FINAL:
                _verify(client, test, job, by_http=by_http)
                del waiting[test.id]
                show(1)
            elif job["status"] != "running":
                break  # those behind it wait too
        if waiting:
            time.sleep(LOOK_S)


def _verify(client: Client, test: Test, job: Json, *, by_http: bool) -> None:
    created = parse_time(job["createdAt"])
    if job["startedAt"] and job["completedAt"]:
        test.start_ms = (parse_time(job["startedAt"]) - created).total_seconds() * 1000
        test.total_ms = (parse_time(job["completedAt"]) - created).total_seconds() * 1000
    if job["status"] != "completed":
        test.problem = f"{job['status']}: {job['error'] or job['reason'] or 'no reason was given'}"
        return
    lines = [line["text"] for line in client.logs(test.id)]
    if job["args"] != {"nonce": test.nonce}:
        test.problem = "its arguments came back changed"
    elif not by_http and f"rota selftest {test.nonce}" not in lines:
        test.problem = "its output is not in its log"
    elif not lines:
        test.problem = "its log is empty"
    else:
        test.problem = None


def _give_up(client: Client, missing: list[Test]) -> str | None:
    """Return what the first of them waits for, and leave none behind."""
    try:
        hint: str = client.why(missing[0].id)["text"]
    except RotaError:
        return None
    for test in missing:
        try:
            client.cancel(test.id)
        except RotaError:
            continue
    return hint


def _report(tests: list[Test], failed: list[Test], hint: str | None) -> Json:
    return {
        "sent": len(tests),
        "verified": len(tests) - len(failed),
        "failed": [{"id": test.id, "problem": test.problem} for test in failed],
        "hint": hint,
        "latencyMs": {
            "start": _quantiles([test.start_ms for test in tests if test.start_ms is not None]),
            "total": _quantiles([test.total_ms for test in tests if test.total_ms is not None]),
        },
    }


def _quantiles(values: list[float]) -> Json | None:
    if not values:
        return None
    ordered = sorted(values)
    p95 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
    return {"p50": round(statistics.median(ordered), 1), "p95": round(p95, 1), "max": round(ordered[-1], 1)}


def _print(report: Json, failed: list[Test]) -> None:
    sent = plural(report["sent"], "test job")
    click.echo(f"{mark(not failed)} {report['verified']:,} of {sent} ran and were verified with their logs")
    for name, words in (("start", "until the start"), ("total", "until the end")):
        figures = report["latencyMs"][name]
        if figures:
            click.echo(f"  {words}: p50 {figures['p50']} ms, p95 {figures['p95']} ms, max {figures['max']} ms")
    for test in failed[:SHOWN]:
        click.echo(f"  {test.id}: {test.problem}", err=True)
    if len(failed) > SHOWN:
        click.echo(f"  … and {len(failed) - SHOWN} more", err=True)
    if report["hint"]:
        click.echo(f"rota: error: {report['hint']}", err=True)
