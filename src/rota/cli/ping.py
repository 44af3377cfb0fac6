"""``rota ping``: tell a check that its job begins, has ended or failed; around a command, all of that."""

from __future__ import annotations

import os
import sys
import uuid
from pathlib import Path

import click

from rota.cli.command import Command, WholeNumber
from rota.cli.sending import Sender, address_of
from rota.errors import Invalid

TAIL_BYTES = 9_000
"""So much of what a command wrote last goes with its end; the service keeps 10,000 bytes."""


class PingCommand(Command):
    """It asks a service, by a key instead of a token: ``rota --url URL ping KEY`` too."""

    takes_url = True


@click.command(cls=PingCommand, fields={"rid": "--rid", "what": "--exit-code"})
@click.option("--url", metavar="URL", help="Where Rota is (ROTA_URL), unless the whole address is given.")
@click.option("--start", "kind", flag_value="start", help="A run begins.")
@click.option("--fail", "kind", flag_value="fail", help="A run has failed.")
@click.option("--log", "kind", flag_value="log", help="Only something to remember; nothing ends.")
@click.option("--exit-code", type=WholeNumber(0, 255), metavar="N", help="A run ended with it; 0 is well.")
@click.option("--rid", metavar="ID", help="Names the run, the same at its start and its end.")
@click.option("--message", metavar="TEXT", help="What to keep with it; - reads standard input.")
@click.option("--no-output", is_flag=True, help="Send nothing of what the command writes.")
@click.argument("key", metavar="KEY")
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND…]")
def ping(
    url: str | None,
    kind: str | None,
    exit_code: int | None,
    rid: str | None,
    message: str | None,
    no_output: bool,
    key: str,
    command: tuple[str, ...],
) -> None:
    """Tell Rota of a job that it does not run, by the KEY of its check, or by the whole address; @FILE reads it.

    Without a command: it has run well, unless an option says otherwise. With one: tell that it begins, run it as if
    it were called itself, tell how it ended and what it wrote last, and exit with its exit code. Rota out of reach
    never hinders the command: standard error says so, and that is all.
    """
    root = click.get_current_context().find_root().params
    base = url or root.get("url") or os.environ.get("ROTA_URL") or None
    if command:
        if kind or exit_code is not None or message is not None:
            raise click.UsageError("with a command, its end says how it was: no --start, --fail, --log, --exit-code")
        sys.exit(_around(base, key, rid or str(uuid.uuid4()), list(command), no_output=no_output))
    if kind and exit_code is not None:
        raise click.UsageError("--exit-code says how a run ended: nothing else goes with it")
    what = kind or ("" if exit_code is None else str(exit_code))
    said = sys.stdin.buffer.read(1 << 20) if message == "-" else (message or "").encode()
    sender = Sender(address_of(_key(key), base))
    problem = sender.send(what, rid=rid, body=said)
    if problem is not None:
        click.echo(f"rota: error: {problem}", err=True)
        sys.exit(1)


def _around(base: str | None, key: str, rid: str, command: list[str], *, no_output: bool) -> int:
    """Run a command between two pings, and return its exit code."""
    from rota.cli.wrapping import run

    try:
        sender: Sender | None = Sender(address_of(_key(key), base))
    except Invalid as error:
        _note(f"nothing is told to Rota: {error}")
        sender = None
    begun = sender.later("start", rid=rid) if sender else None
    done = run(command, 0 if no_output or sender is None else TAIL_BYTES)
    if done.note:
        _note(done.note)
    if sender is not None and begun is not None:
        problems = [begun.wait(), sender.send(str(done.exit_code), rid=rid, body=done.tail, took_ms=done.took_ms)]
        for problem in dict.fromkeys(filter(None, problems)):
            _note(problem)
    return done.exit_code


def _key(text: str) -> str:
    if not text.startswith("@"):
        return text
    try:
        return Path(text[1:]).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise Invalid("KEY", f"{text[1:]} cannot be read: {reason}") from None


def _note(text: str) -> None:
    """Say something beside what the command says; nobody may be there to read it."""
    try:
        click.echo(f"rota: {text}", err=True)
    except OSError:
        return
