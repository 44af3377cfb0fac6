"""``rota selftest``: send test jobs through the running service, and verify each of them and its log."""

from __future__ import annotations

import secrets
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
import msgspec

from rota.cli.connection import connect
from rota.cli.options import json_option
from rota.cli.output import parse_time, print_json
from rota.client import Client, Json
from rota.durations import parse_duration
from rota.model import FINAL

LOOK_S = 0.1


class Test(msgspec.Struct):
    """One test job: what it must print, and what became of it."""

    id: str
    nonce: str
    problem: str | None = "did not end"
    start_ms: float | None = None
    total_ms: float | None = None


@click.command()
@click.argument("count", metavar="[N]", type=click.IntRange(1, 10_000), default=30)
@click.option("--callback-url", metavar="URL", help="Send HTTP jobs to this address instead of commands.")
@click.option("--queue", default="selftest", show_default=True, help="Queue to use.")
@click.option("--timeout", metavar="60s", default="60s", show_default=True, help="Give up after so long.")
@json_option
@click.pass_context
def selftest(ctx: click.Context, count: int, callback_url: str | None, queue: str, timeout: str, as_json: bool) -> None:
    """Prove a running service end to end: N test jobs, each verified; exit 1 if one is missing."""
    give_up = time.monotonic() + parse_duration(timeout, "--timeout") / 1e6
    with connect(ctx) as client:
        tests = _send(client, count, callback_url, queue)
        with _progress(count, as_json) as show:
            _collect(client, tests, give_up, by_http=callback_url is not None, show=show)
        waiting = [test for test in tests if test.problem == "did not end"]
        hint = client.why(waiting[0].id)["text"] if waiting else None
    failed = [test for test in tests if test.problem]
    report = _report(tests, failed, hint)
    if as_json:
        print_json(report)
    else:
        _print(report, failed)
    sys.exit(1 if failed else 0)


def _send(client: Client, count: int, callback_url: str | None, queue: str) -> list[Test]:
    bodies: list[Json] = []
    nonces = [secrets.token_hex(8) for _ in range(count)]
    for nonce in nonces:
        target: Json
        if callback_url:
            target = {"kind": "http", "url": callback_url, "method": "POST"}
        else:
            target = {"kind": "command", "command": ["echo", f"rota selftest {nonce}"]}
        bodies.append(
            {
                "target": target,
                "args": {"nonce": nonce},
                "queue": queue,
                "tags": ["selftest"],
                "maxAttempts": 1,
                "timeout": "30s",
            }
        )
    found = client.enqueue_many(bodies)
    return [Test(job["id"], nonce) for job, nonce in zip(found, nonces, strict=True)]


def _collect(client: Client, tests: list[Test], give_up: float, *, by_http: bool, show: Any) -> None:
    open_tests = {test.id: test for test in tests}
    while open_tests and time.monotonic() < give_up:
        for test in list(open_tests.values()):
            job = client.job(test.id)
            if job["status"] in FINAL:
                _verify(client, test, job, by_http=by_http)
                del open_tests[test.id]
                show(1)
            elif job["status"] != "running":
                break  # those behind it wait too
        if open_tests:
            time.sleep(LOOK_S)


def _verify(client: Client, test: Test, job: Json, *, by_http: bool) -> None:
    created, started = parse_time(job["createdAt"]), job["startedAt"] and parse_time(job["startedAt"])
    if started:
        test.start_ms = (started - created).total_seconds() * 1000
        test.total_ms = (parse_time(job["completedAt"]) - created).total_seconds() * 1000
    if job["status"] != "completed":
        test.problem = f"{job['status']}: {job['error'] or job['reason']}"
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


@contextmanager
def _progress(count: int, as_json: bool) -> Iterator[Any]:
    if as_json or not sys.stderr.isatty():
        yield lambda _: None
        return
    with click.progressbar(length=count, label="test jobs", file=sys.stderr) as bar:
        yield bar.update


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
    mark = click.style("✗", fg="red") if failed else click.style("✓", fg="green")
    click.echo(f"{mark} {report['verified']} of {report['sent']} test jobs ran and were verified with their logs")
    for name, words in (("start", "until the start"), ("total", "until the end")):
        figures = report["latencyMs"][name]
        if figures:
            click.echo(f"  {words}: p50 {figures['p50']} ms, p95 {figures['p95']} ms, max {figures['max']} ms")
    for test in failed[:10]:
        click.echo(f"  {test.id}: {test.problem}", err=True)
    if len(failed) > 10:
        click.echo(f"  … and {len(failed) - 10} more", err=True)
    if report["hint"]:
        click.echo(f"  {report['hint']}", err=True)
