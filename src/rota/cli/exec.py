"""``rota exec``: a command as a job, now, as if it ran here."""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import TYPE_CHECKING, Any, Self

import click

from rota.cli.command import ClientCommand
from rota.cli.connection import connect
from rota.cli.options import MOST_BYTES, given, parse_priority
from rota.cli.output import print_text
from rota.cli.waiting import Waiting
from rota.errors import Conflict, Invalid

if TYPE_CHECKING:
    from rota.client import Client, Json

TIMED_OUT = 124
"""As `timeout` of the core utilities says it."""
TEMPORARY = 75
"""A schedule's run that exits with it comes back later; who waits for this one wants to know now."""


@click.command(cls=ClientCommand, context_settings={"allow_interspersed_args": False}, fields={"tags": "--name"})
@click.option("--name", help="A tag to find the job by.")
@click.option("--timeout", metavar="5m", help="End the command after so long (1h); the exit code is then 124.")
@click.option("--silence", metavar="30s", help="End it when it gave no sign of life for so long.")
@click.option("--queue", metavar="Q", help="Queue (default).")
@click.option("--priority", metavar="N", help="A number or a name (low, normal, high, live); higher runs first.")
@click.option("--stdin", is_flag=True, help="Pass standard input on, all of it, as text.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="COMMAND…")
@click.pass_context
def exec_(
    ctx: click.Context,
    name: str | None,
    timeout: str | None,
    silence: str | None,
    queue: str | None,
    priority: str | None,
    stdin: bool,
    command: tuple[str, ...],
) -> None:
    """Run a command as a job now, stream its output, and exit with its exit code.

    It runs where a worker runs, with the worker's folder and environment. Ctrl-C cancels it. Exit codes are those of
    the command: 128 and the number of the signal that ended it, 127 if it was not found, 126 if it cannot be run,
    124 if its time was over, and 1 for whatever else went wrong.
    """
    target = given(
        kind="command",
        command=list(command),
        stdin=_standard_input() if stdin else None,
        exitCodes={str(TEMPORARY): "fail"},
    )
    body = given(
        target=target,
        timeout=timeout,
        silence=silence,
        queue=queue,
        priority=parse_priority(priority),
        tags=[name] if name else None,
        maxAttempts=1,
        origin="exec",
    )
    with connect(ctx, makes_database=True) as client, Signals() as signals:
        job_id = client.enqueue(body)["id"]
        try:
            _follow(client, job_id, signals)
        except BrokenPipeError:
            client.cancel(job_id)  # as the command itself would end when nobody reads what it writes
            raise
        code = _exit_code(client.job(job_id), signals)
    sys.exit(code)


def _standard_input() -> str:
    raw = sys.stdin.buffer.read(MOST_BYTES + 1)
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise Invalid("--stdin", f"is not UTF-8 (byte {error.start})", hint="a job takes text") from error


class Signals:
    """Notes the first signal that asks this process to end; the second ends it."""

    def __init__(self) -> None:
        self.number: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *exc: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.number is not None:
            raise KeyboardInterrupt
        self.number = number


def _follow(client: Client, job_id: str, signals: Signals) -> None:
    """Print what the command writes until it has ended; a signal is passed on as a request to cancel."""
    waiting = Waiting(client, job_id)
    printer = _Printer()
    cancelled = False
    for page in client.follow(job_id):
        for line in page["lines"]:
            printer.print(line)
        if signals.number is None:
            waiting.note(page["status"])
        elif not cancelled:
            cancelled = True
            _cancel(client, job_id)


class _Printer:
    """Prints lines where the command wrote them.

    The last word of a run, on exit code, time and memory, is not for here; what the system has to say before
    (output that was left out, processes that were left behind) goes to stderr.
    """

    def __init__(self) -> None:
        self._held: str | None = None

    def print(self, line: Json) -> None:
        """Print a line of the log."""
        if self._held is not None:
            print_text(f"rota: {self._held}", stream=sys.stderr, dim=True)
            self._held = None
        if line["stream"] == "system":
            self._held = line["text"]
        else:
            print_text(line["text"], stream=sys.stderr if line["stream"] == "stderr" else sys.stdout)


def _cancel(client: Client, job_id: str) -> None:
    click.echo(f"rota: cancelling job {job_id}; once more leaves it alone", err=True)
    try:
        client.cancel(job_id)
    except Conflict:
        return  # it has ended by itself


def _exit_code(job: Json, signals: Signals) -> int:
    """Return how this process ends for a job that has ended, with a word on stderr unless the command says it all."""
    if job["status"] == "completed":
        result = job["result"] if isinstance(job["result"], dict) else {}
        code = result.get("exitCode", 0)
        return code if isinstance(code, int) and 0 <= code < 256 else 0
    detail = job["errorDetail"] or {}
    code = str(detail.get("message", ""))
    if detail.get("code") == "exit-code" and code.isdecimal():
        return int(code) & 0xFF
    if job["status"] == "cancelled" and signals.number is not None:
        return 128 + signals.number
    click.echo(f"rota: job {job['id']} {job['status']}: {job['error'] or job['reason'] or ''}".rstrip(": "), err=True)
    if job["reason"] in ("timeout", "silent"):
        return TIMED_OUT
    return int(code) & 0xFF if code.isdecimal() and int(code) & 0xFF else 1
