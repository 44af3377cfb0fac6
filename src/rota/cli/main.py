"""``rota``: finds the command, and turns errors into one line."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import NamedTuple

import click

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
    },
    "Work": {
        "enqueue": Place("rota.cli.work", "Enqueue a job of a declared type."),
        "exec": Place("rota.cli.work", "Run a command as a job now, and stream its output."),
        "jobs": Place("rota.cli.jobs", "Look at jobs, and change them."),
        "schedules": Place("rota.cli.schedules", "Look at schedules, add them, change them."),
        "queues": Place("rota.cli.queues", "Look at queues, set limits, pause them."),
        "types": Place("rota.cli.inventory", "Look at the declared job types."),
        "workers": Place("rota.cli.inventory", "Look at the processes of the service."),
    },
    "Move in": {
        "next": Place("rota.cli.next", "Show what a cron expression means, and its next instants."),
    },
    "Look after": {
        "db": Place("rota.cli.db", "Look after the database."),
        "token": Place("rota.cli.inventory", "Make, list and revoke API tokens."),
        "selftest": Place("rota.cli.selftest", "Prove a running service end to end."),
        "doctor": Place("rota.cli.doctor", "Check settings, database, clock and zone data."),
    },
}
ATTRIBUTES = {"exec": "exec_", "next": "next_"}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are used: ``rota --help`` must not load FastAPI."""

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


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="rota")
@click.option(
    "--url", metavar="URL", help="Talk to the service there (ROTA_URL); else to the database of the settings."
)
@click.option("--token", metavar="TOKEN", help="Token for that service (ROTA_TOKEN).")
def rota(url: str | None, token: str | None) -> None:
    """The scheduler that accounts for every run."""


def main() -> None:
    """Run the command line."""
    try:
        code = rota.main(standalone_mode=False)
    except click.exceptions.Abort:
        code = 130
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except RotaError as error:
        click.echo(f"rota: error: {error}", err=True)
        code = 2 if isinstance(error, Invalid) else 1
    sys.exit(code if isinstance(code, int) else 0)
