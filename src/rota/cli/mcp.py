"""``rota mcp``: a server of the Model Context Protocol on standard input and output, for assistants."""

from __future__ import annotations

import click

from rota.cli.command import ClientCommand
from rota.cli.connection import connect
from rota.errors import RotaError

MISSING = "the SDK of the Model Context Protocol is not installed"


@click.command(cls=ClientCommand)
@click.option("--allow-changes", is_flag=True, help="Also enqueue, trigger, retry, cancel, pause and resume.")
@click.pass_context
def mcp(ctx: click.Context, allow_changes: bool) -> None:
    """Serve an assistant over standard input and output; it can look, and change nothing.

    Needs pip install 'rota[mcp]'.
    """
    try:
        from rota.mcp.server import make_server
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("mcp", "mcp_types"):
            raise
        raise RotaError(MISSING, hint="pip install 'rota[mcp]'") from None
    with connect(ctx) as client:
        client.me()  # a wrong address or token is told at once, not by each tool
        make_server(client, allow_changes=allow_changes).run("stdio")
