"""``rota db``: the schema."""

from __future__ import annotations

import os

import click

from rota.cli.command import Command, Group, WholeNumber
from rota.cli.db_archived import archived
from rota.cli.db_look import check, stats
from rota.cli.db_opened import opened
from rota.cli.options import json_option
from rota.cli.output import mark, plural, print_json
from rota.cli.progress import Steps
from rota.errors import DatabaseUnavailable, Invalid, SettingInvalid
from rota.settings import load_settings
from rota.store import migrate as migrations


@click.group(cls=Group)
def db() -> None:
    """Look after the database."""


db.add_command(archived)
db.add_command(check)
db.add_command(stats)


@db.command(cls=Command)
@click.option("--sql", is_flag=True, help="Only print the SQL, for those who run it themselves.")
@click.option("--from", "after", type=WholeNumber(0, 9999), metavar="N", help="The schema that there is (0: none).")
def migrate(sql: bool, after: int | None) -> None:
    """Bring the schema up to date; every role does it at its start, too."""
    if after is not None and not sql:
        raise click.UsageError("--from goes with --sql")
    if sql:
        click.echo(migrations.script(load_settings().database_url.scheme, after or 0))
        return
    with opened() as database:
        applied = migrations.migrate(database)
        for name in applied:
            click.echo(f"applied {name}")
        if not applied:
            click.echo(f"{database.url} is up to date (schema {migrations.newest()})")


@db.command(cls=Command)
@click.option("--to", "target", metavar="URL", required=True, help="An empty database, or where a move stopped.")
@click.option("--live", is_flag=True, help="Though processes use it: what they change meanwhile may be missing.")
@click.option("--anew", is_flag=True, help="Delete what a move that stopped has stored there, and begin again.")
@json_option
def move(target: str, live: bool, anew: bool, as_json: bool) -> None:
    """Copy everything to another database, such as from SQLite to PostgreSQL, and compare every row.

    The database of the settings is only read.  When it stops half-way, the same command goes on.
    """
    from rota.actions import moving

    settings = load_settings()
    try:
        to = load_settings(database_url=target).database_url
    except SettingInvalid as error:
        raise Invalid("--to", error.reason, hint=error.hint) from None
    if settings.database_url.path and not os.path.exists(settings.database_url.path):
        raise DatabaseUnavailable(f"there is no database {settings.database_url.path}")
    with opened() as source, opened(to) as there, Steps(quiet=as_json) as steps:
        moved = moving.move(source, there, steps.show, live=live, anew=anew)
    if as_json:
        print_json(moved)
        return
    for name, rows in moved.rows.items():
        if rows:
            click.echo(f"{rows:>12,}  {name}")
    click.echo(
        f"{mark(ok=True)} {plural(sum(moved.rows.values()), 'row')} are in {to}, each compared with {source.url}\n"
        "Now set ROTA_DATABASE_URL to it everywhere, and start nothing on the old one, which is as it was."
    )
