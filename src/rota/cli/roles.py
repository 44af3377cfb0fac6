"""``rota up``, ``api``, ``scheduler``, ``worker``: the roles."""

from __future__ import annotations

import sys

import click

from rota import serve
from rota.cli.command import Command, WholeNumber
from rota.settings import load_settings

host_option = click.option("--host", metavar="HOST", help="Address to listen on (ROTA_HOST, 127.0.0.1).")
port_option = click.option("--port", type=WholeNumber(0, 65535), metavar="N", help="Port (ROTA_PORT, 7005).")
app_option = click.option("--app", metavar="MODULE:ATTR", help="The application whose jobs are run (ROTA_APP).")
demo_option = click.option("--demo", is_flag=True, help="Load the demo jobs and schedules.")
insecure_option = click.option("--insecure", is_flag=True, help="Listen beyond this machine without access control.")
reload_option = click.option("--reload", is_flag=True, help="Load functions anew when files of the application change.")


@click.command(cls=Command)
@host_option
@port_option
@app_option
@demo_option
@insecure_option
@reload_option
def up(host: str | None, port: int | None, app: str | None, demo: bool, insecure: bool, reload: bool) -> None:
    """Run everything: api, scheduler and worker, until Ctrl-C or SIGTERM."""
    settings = load_settings(host=host, port=port, app=app)
    sys.exit(serve.run_up(settings, serve.Options(demo=demo, insecure=insecure, reload=reload)))


@click.command(cls=Command)
@host_option
@port_option
@demo_option
@insecure_option
def api(host: str | None, port: int | None, demo: bool, insecure: bool) -> None:
    """Serve the REST API."""
    settings = load_settings(host=host, port=port)
    sys.exit(serve.run_api(settings, serve.Options(demo=demo, insecure=insecure)))


@click.command(cls=Command)
def scheduler() -> None:
    """Fire schedules and look after leases."""
    sys.exit(serve.run_scheduler(load_settings()))


@click.command(cls=Command)
@app_option
@demo_option
@click.option("--queues", metavar="A,B", help="Only these queues, in this order of preference (all).")
@click.option("--concurrency", type=WholeNumber(1, 10_000), metavar="N", help="Commands and sync functions at once.")
@click.option("--labels", metavar="A,B", help="Labels of this worker.")
@reload_option
def worker(
    app: str | None, demo: bool, queues: str | None, concurrency: int | None, labels: str | None, reload: bool
) -> None:
    """Execute jobs."""
    settings = load_settings(app=app, queues=queues, concurrency=concurrency, labels=labels)
    sys.exit(serve.run_worker(settings, serve.Options(demo=demo, reload=reload)))
