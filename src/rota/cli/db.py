"""``rota db``: the schema."""

from __future__ import annotations

import click

from rota.settings import load_settings
from rota.store import migrate as migrations
from rota.store.opening import open_database


@click.group()
def db() -> None:
    """Look after the database."""


@db.command()
@click.option("--sql", is_flag=True, help="Only print the SQL that an empty database needs.")
def migrate(sql: bool) -> None:
    """Bring the schema up to date."""
    settings = load_settings()
    if sql:
        click.echo(migrations.script(settings.database_url.scheme))
        return
    database = open_database(settings.database_url)
    applied = migrations.migrate(database)
    for name in applied:
        click.echo(f"applied {name}")
    if not applied:
        click.echo(f"{settings.database_url} is up to date (schema {migrations.newest()})")
    database.close()


@db.command()
def check() -> None:
    """Say whether the database is there and has the right schema; exit 1 when not."""
    settings = load_settings()
    database = open_database(settings.database_url)
    with database.statement() as tx:
        migrations.check(tx)
        click.echo(f"{settings.database_url} is reached and has schema {migrations.newest()}")
    database.close()
