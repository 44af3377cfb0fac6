"""``rota db``: the schema."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from rota.cli.command import Group
from rota.settings import load_settings
from rota.store import migrate as migrations
from rota.store.database import Database
from rota.store.opening import open_database


@click.group(cls=Group)
def db() -> None:
    """Look after the database."""


@db.command()
@click.option("--sql", is_flag=True, help="Only print the SQL that an empty database needs.")
def migrate(sql: bool) -> None:
    """Bring the schema up to date; every role does it at its start, too."""
    if sql:
        click.echo(migrations.script(load_settings().database_url.scheme))
        return
    with _opened() as database:
        applied = migrations.migrate(database)
        for name in applied:
            click.echo(f"applied {name}")
        if not applied:
            click.echo(f"{database.url} is up to date (schema {migrations.newest()})")


@db.command()
def check() -> None:
    """Say whether the database is there and has the right schema; exit 1 when not."""
    with _opened() as database:
        with database.statement() as tx:
            migrations.check(tx)
        click.echo(f"{database.url} is reached and has schema {migrations.newest()}")


@contextmanager
def _opened() -> Iterator[Database]:
    database = open_database(load_settings().database_url)
    try:
        yield database
    finally:
        database.close()
