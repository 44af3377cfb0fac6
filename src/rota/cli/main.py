"""``rota``: finds the command, and turns errors into one line."""

from __future__ import annotations

import errno
import os
import sys
from importlib import import_module
from typing import Any, NamedTuple

import click

from rota.cli.command import CONTEXT, TOKEN_HELP, URL_HELP, Group, error_line
from rota.errors import Invalid, RotaError
from rota.version import __version__


class Place(NamedTuple):
    """Where a command lives and what the list of commands says of it."""

    module: str
    summary: str


GROUPS: dict[str, dict[str, Place]] = {
    "Run": {
        "up": Place("rota.cli.roles", "Run everything: api, scheduler and worker."),
        "api": Place("rota.cli.roles", "Serve the REST API."),
        "scheduler": Place("rota.cli.roles", "Fire schedules and look after leases."),
        "worker": Place("rota.cli.roles", "Execute jobs."),
        "start": Place("rota.cli.background", "Run everything in the background."),
        "stop": Place("rota.cli.background", "Stop what runs in the background."),
        "restart": Place("rota.cli.background", "Stop it, and start it again."),
        "status": Place("rota.cli.status", "See on one screen whether the service does its work."),
        "stats": Place("rota.cli.stats", "See what ended of late, and how long it waited and ran."),
    },
    "Work": {
        "enqueue": Place("rota.cli.enqueue", "Enqueue a job of a declared type."),
        "exec": Place("rota.cli.exec", "Run a command as a job now, and stream its output."),
        "jobs": Place("rota.cli.jobs", "Look at jobs, and change them."),
        "batches": Place("rota.cli.batches", "Jobs that are enqueued together, and how far they are."),
        "schedules": Place("rota.cli.schedules", "Look at schedules, add them, change them."),
        "queues": Place("rota.cli.queues", "Look at queues, set limits, pause them."),
        "calendars": Place("rota.cli.calendars", "Days off: times at which schedules do not fire."),
        "checks": Place("rota.cli.checks", "Watch jobs that Rota does not run: they ping."),
        "ping": Place("rota.cli.ping", "Tell a check that its job runs, around a command too."),
        "status-pages": Place("rota.cli.status_pages", "Show states to anybody: a page and a badge for a tag."),
        "monitors": Place("rota.cli.monitors", "See what watches over the service, and test who is told."),
        "types": Place("rota.cli.inventory", "Look at the declared job types."),
        "workers": Place("rota.cli.inventory", "Look at the processes of the service."),
    },
    "Move in": {
        "apply": Place("rota.cli.apply", "Make schedules, calendars and queues what a file says."),
        "export": Place("rota.cli.export", "Write them as a file that `apply` reads."),
        "import": Place("rota.cli.importing", "Take over what another scheduler keeps: crontab, Celery beat, …"),
        "next": Place("rota.cli.next", "Show what a cron expression means, and its next instants."),
    },
    "Look after": {
        "audit": Place("rota.cli.audit", "See who changed what, and write it as a file."),
        "db": Place("rota.cli.db", "Look after the database."),
        "secrets": Place("rota.cli.secrets", "Named secrets of targets: set, list, remove, rotate."),
        "token": Place("rota.cli.token", "Make, list and revoke API tokens."),
        "selftest": Place("rota.cli.selftest", "Prove a running service end to end."),
        "doctor": Place("rota.cli.doctor", "Check settings, database, clock, zone data, address and tokens."),
        "mcp": Place("rota.cli.mcp", "Serve an assistant by the Model Context Protocol."),
    },
}
ATTRIBUTES = {"exec": "exec_", "import": "import_", "next": "next_", "status-pages": "status_pages"}
INTERRUPTED = 130


class LazyGroup(Group):
    """A group whose commands are imported when they are used: ``rota --help`` must not load what they need."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for commands in GROUPS.values() for name in commands]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        for commands in GROUPS.values():
            if cmd_name in commands:
                command = getattr(import_module(commands[cmd_name].module), ATTRIBUTES.get(cmd_name, cmd_name))
                assert isinstance(command, click.Command)
                return command
        return None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, commands in GROUPS.items():
            with formatter.section(title):
                formatter.write_dl([(name, place.summary) for name, place in commands.items()])


@click.group(cls=LazyGroup, context_settings=CONTEXT)
@click.version_option(__version__, prog_name="rota", message="%(prog)s %(version)s")
@click.option("--url", metavar="URL", help=URL_HELP)
@click.option("--token", metavar="TOKEN", help=TOKEN_HELP)
def rota(url: str | None, token: str | None) -> None:
    """The scheduler that accounts for every run."""


def main() -> None:
    """Run the command line and end the process."""
    # A command line of its own that httpx loads where it can, with pygments and rich: an eighth of the start of ours.
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]  # None is how Python is told not to look
    _open_standard_streams()
    code = _run()
    try:
        sys.stdout.flush()
    except OSError as error:
        code = code or _cannot_write(error)
    sys.exit(code)


def _run() -> int:
    try:
        _check_arguments(sys.argv[1:])
        code = rota.main(standalone_mode=False, prog_name="rota", color=_colours())
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        return _say(error_line(error), error.exit_code)
    except (click.exceptions.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except RotaError as error:
        return _say(str(error), 2 if isinstance(error, Invalid) else 1)
    except OSError as error:
        return _cannot_write(error)
    except Exception as error:
        if os.environ.get("ROTA_LOG_LEVEL", "").strip().lower() == "debug":
            raise
        text = " ".join(f"{type(error).__name__}: {error}".split())[:500]
        return _say(f"this should not happen: {text} (ROTA_LOG_LEVEL=debug shows where; please report it)", 1)
    return code if isinstance(code, int) else 0


def _say(text: str, code: int) -> int:
    click.echo(f"rota: error: {' '.join(text.splitlines())}", err=True)
    return code


def _check_arguments(arguments: list[str]) -> None:
    """Refuse what no JSON can carry before it is half-way through somewhere."""
    for place, text in enumerate(arguments, 1):
        try:
            text.encode()
        except UnicodeEncodeError:
            raise click.UsageError(f"argument {place} is not UTF-8: {text!r}") from None


def _colours() -> bool | None:
    """Return False where colours are not wanted; None leaves it to what the output is connected to."""
    return False if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" else None


def _cannot_write(error: OSError) -> int:
    """End quietly when who reads has gone; say in one line what else went wrong."""
    # What is still buffered has nowhere to go, and Python would complain about it at the very end.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if error.errno == errno.EPIPE:
        return 1
    where = f": {error.filename}" if error.filename else ""
    return _say(f"{error.strerror or error}{where}", 1)


def _open_standard_streams() -> None:
    """Open what the caller has closed, so that no file or socket takes its number; write what can be written."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    streams: dict[str, Any] = {"stdin": (0, "r"), "stdout": (1, "w"), "stderr": (2, "w")}
    for name, (number, mode) in streams.items():
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a TextIO that is a TextIOWrapper
