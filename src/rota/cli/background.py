"""``rota start``, ``stop`` and ``restart``: the whole service in the background, detached from who started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import BinaryIO, NoReturn

import click

from rota.cli.command import Command
from rota.cli.pidfile import Pidfile, find, pidfile_option
from rota.cli.roles import app_option, demo_option, host_option, insecure_option, port_option
from rota.errors import Conflict, RotaError
from rota.settings import Settings, load_settings

START_S = 90.0
"""How long a start may take: a database that is not there yet is waited for."""
MORE_S = 15.0
"""How much longer than the grace of jobs a stop may take."""
LOOK_S = 0.05
READY = "Stop it with Ctrl-C"


@click.command(cls=Command)
@pidfile_option
@host_option
@port_option
@app_option
@demo_option
@insecure_option
def start(
    pidfile: Path | None, host: str | None, port: int | None, app: str | None, demo: bool, insecure: bool
) -> None:
    """Run everything in the background: api, scheduler and worker; return when it listens.

    Its log goes to ROTA_LOG_FILE, or beside the pidfile.
    """
    given = {"--host": host, "--port": port, "--app": app}
    options = [part for name, value in given.items() if value is not None for part in (name, str(value))]
    options += ["--demo"] * demo + ["--insecure"] * insecure
    _start(load_settings(host=host, port=port, app=app), find(pidfile), options)


@click.command(cls=Command)
@pidfile_option
@click.option("--now", is_flag=True, help="Do not wait for running jobs; they are given back.")
def stop(pidfile: Path | None, now: bool) -> None:
    """Stop what `rota start` started: running jobs may end first, within ROTA_GRACE."""
    if not _stop(load_settings(), find(pidfile), now=now):
        click.echo("nothing runs")


@click.command(cls=Command)
@pidfile_option
def restart(pidfile: Path | None) -> None:
    """Stop and start again, with the options of the last start, and the settings as they are now."""
    settings, file = load_settings(), find(pidfile)
    options = file.options()
    _stop(settings, file, now=False)
    _start(settings, file, options)


def _start(settings: Settings, file: Pidfile, options: list[str]) -> None:
    log = Path(settings.log_file or file.path.with_suffix(".log")).absolute()
    file.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = file.take()
    output = file.path.with_suffix(".out")
    try:
        environment = {**os.environ, "ROTA_LOG_FILE": str(log)}
        # It holds the lock of the pidfile by this descriptor, until it ends by whatever death.
        with _fresh(output) as said:
            process = subprocess.Popen(
                [sys.executable, "-m", "rota", "up", *options], env=environment, stdin=subprocess.DEVNULL, stdout=said,
                stderr=said, pass_fds=(descriptor,), start_new_session=True,
            )  # fmt: skip
        file.note(descriptor, process.pid, options)
    finally:
        os.close(descriptor)
    _wait_until_it_listens(process, output, log)
    click.echo(f"pid {process.pid}, log {log}")


def _fresh(path: Path) -> BinaryIO:
    """Return an empty file for its user alone: what is said at the start has a link to log in."""
    path.unlink(missing_ok=True)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _wait_until_it_listens(process: subprocess.Popen[bytes], output: Path, log: Path) -> None:
    end = time.monotonic() + START_S
    while READY not in (said := output.read_text(errors="replace")):
        code = process.poll()
        if code is not None:
            _tell_failure(output.read_text(errors="replace"), code, log)
        if time.monotonic() > end:
            raise RotaError(f"it does not listen yet after {START_S:.0f} s", hint=f"look at {log}; rota stop ends it")
        time.sleep(LOOK_S)
    click.echo(said.partition(READY)[0].rstrip())


def _tell_failure(said: str, code: int, log: Path) -> NoReturn:
    last = said.strip().splitlines()[-1:] or [f"it ended with {code}; look at {log}"]
    click.echo(last[0], err=True)
    sys.exit(code if code > 0 else 1)


def _stop(settings: Settings, file: Pidfile, *, now: bool) -> bool:
    """Stop what runs; tell whether anything did."""
    pid = file.holder()
    if pid is None:
        return False
    patience = settings.grace_us / 1e6 + MORE_S
    os.kill(pid, signal.SIGTERM)
    if now:
        time.sleep(LOOK_S)
        if file.holder() == pid:
            os.kill(pid, signal.SIGTERM)
    end = time.monotonic() + patience
    while file.holder() == pid:
        if time.monotonic() > end:
            raise Conflict(
                f"process {pid} has not ended after {patience:.0f} s", hint="rota stop --now gives its jobs back"
            )
        time.sleep(LOOK_S)
    file.remove()
    click.echo(f"stopped (pid {pid})")
    return True
