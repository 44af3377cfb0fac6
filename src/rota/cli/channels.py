"""``rota monitors test``: send a test message through the channels, and see how that went."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from rota.cli.command import ClientCommand
from rota.cli.connection import connect
from rota.cli.options import json_option
from rota.cli.output import mark, print_json
from rota.cli.terminal import safe_line

if TYPE_CHECKING:
    from rota.client.answers import ChannelTest


@click.command(cls=ClientCommand, fields={"name": "--channel"})
@click.option("--channel", metavar="NAME", help="Only this channel, such as 'slack #1'.")
@json_option
@click.pass_context
def test(ctx: click.Context, channel: str | None, as_json: bool) -> None:
    """Send a test message through every channel of ROTA_NOTIFY_URLS; exit 1 when one fails.

    It goes the way of every alert: a running process that has the address sends it.
    """
    with connect(ctx) as client:
        found = client.test_channels(channel)
    print_json(found) if as_json else _print(found)
    sys.exit(0 if found["ok"] else 1)


def _print(found: ChannelTest) -> None:
    for one in found["deliveries"]:
        text = "told" if one["state"] == "sent" else one["error"] or one["state"]
        click.echo(f"{mark(one['state'] == 'sent')} {one['channel']}: {safe_line(text)}")
