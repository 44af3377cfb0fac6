"""``rota up``, ``api``, ``scheduler``, ``worker``: the roles."""

from __future__ import annotations

import sys

import click

from rota import serve
from rota.settings import load_settings

host_option = click.option("--host", help="Address to listen on (127.0.0.1).")
port_option = click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on (7005).")
app_option = click.option("--app", metavar="MODULE:ATTR", help="The application whose jobs are run.")
demo_option = click.option("--demo", is_flag=True, help="Load the demo jobs and schedules.")
insecure_option = click.option("--insecure", is_flag=True, help="Listen beyond this machine without access control.")


@click.command()
@host_option
@port_option
@app_option
@demo_option
@insecure_option
def up(host: str | None, port: int | None, app: str | None, demo: bool, insecure: bool) -> None:
    """Run everything: api, scheduler and worker."""
    settings = load_settings(host=host, port=port, app=app)
    sys.exit(serve.run_up(settings, serve.Options(demo=demo, insecure=insecure)))


@click.command()
@host_option
@port_option
@demo_option
@insecure_option
def api(host: str | None, port: int | None, demo: bool, insecure: bool) -> None:
    """Serve the REST API."""
    settings = load_settings(host=host, port=port)
    sys.exit(serve.run_api(settings, serve.Options(demo=demo, insecure=insecure)))


@click.command()
def scheduler() -> None:
    """Fire schedules and look after leases."""
    sys.exit(serve.run_scheduler(load_settings()))


@click.command()
@app_option
@demo_option
@click.option("--queues", metavar="A,B", help="Only these queues, in this order of preference (all).")
@click.option("--concurrency", type=click.IntRange(1, 10_000), help="Commands and sync functions at once.")
@click.option("--labels", metavar="A,B", help="Labels of this worker.")
def worker(app: str | None, demo: bool, queues: str | None, concurrency: int | None, labels: str | None) -> None:
    """Execute jobs."""
    settings = load_settings(app=app, queues=queues, concurrency=concurrency, labels=labels)
    sys.exit(serve.run_worker(settings, serve.Options(demo=demo)))
