"""``rota status-pages``: what is shown to anybody of the schedules and checks with a tag."""

from __future__ import annotations

import click

from rota.cli.command import ClientGroup
from rota.cli.connection import connect
from rota.cli.options import given, json_option, yes_option
from rota.cli.output import confirm, print_json, table
from rota.errors import Invalid

FIELDS = {"tag": "TAG", "slug": "--slug", "title": "--title", "names": "--name"}


@click.group("status-pages", cls=ClientGroup)
def status_pages() -> None:
    """Show states to anybody: a page and a badge for a tag."""


@status_pages.command("list")
@json_option
@click.pass_context
def list_(ctx: click.Context, as_json: bool) -> None:
    """List what is shown, by tag."""
    with connect(ctx) as client:
        found = client.status_pages()
    if as_json:
        print_json(found)
        return
    rows = [(one["tag"], one["title"], one["pagePath"] or "off", one["badgePath"] or "off") for one in found]
    empty = "Nothing is shown to anybody.  Show a tag: rota status-pages set backup --page --badge"
    table(("TAG", "TITLE", "PAGE", "BADGE"), rows, empty=empty, wide=("TITLE",))


@status_pages.command("set", fields=FIELDS)
@click.argument("tag", metavar="TAG")
@click.option("--page/--no-page", default=None, help="Show the page, or no longer.")
@click.option("--badge/--no-badge", default=None, help="Show the badge, or no longer.")
@click.option("--slug", metavar="NAME", help="Last part of the address; else 32 random characters.")
@click.option("--title", metavar="TEXT", help="Heading; else the tag.")
@click.option(
    "--name", "names", multiple=True, metavar="check:ID=TEXT",
    help="What a check, or schedule:ID, is called there.  Several times; it says all of them.",
)  # fmt: skip
@json_option
@click.pass_context
def set_(
    ctx: click.Context,
    tag: str,
    page: bool | None,
    badge: bool | None,
    slug: str | None,
    title: str | None,
    names: tuple[str, ...],
    as_json: bool,
) -> None:
    """Say what anybody may see of a tag: names and states, nothing else.  What is left out stays as it is."""
    body = given(page=page, badge=badge, slug=slug, title=title, names=dict(map(_name, names)) if names else None)
    if not body:
        raise click.UsageError("say what is to be seen, for example --page")
    with connect(ctx, makes_database=True) as client:
        one = client.put_status_page(tag, body)
    if as_json:
        print_json(one)
        return
    for what, path in (("page", one["pagePath"]), ("badge", one["badgePath"])):
        click.echo(f"{what}  {path or 'off'}")


@status_pages.command(fields=FIELDS)
@click.argument("tag", metavar="TAG")
@yes_option
@click.pass_context
def remove(ctx: click.Context, tag: str, yes: bool) -> None:
    """Show nothing more of a tag; its address is forgotten."""
    confirm(f"Show nothing more of {tag}, and forget its address?", yes=yes)
    with connect(ctx) as client:
        client.delete_status_page(tag)
    click.echo(f"nothing is shown of {tag}")


def _name(text: str) -> tuple[str, str]:
    key, equals, name = text.partition("=")
    if not equals:
        raise Invalid("--name", f"{text[:80]!r} names nothing", hint="as in check:backup='Nightly backup'")
    return key, name
