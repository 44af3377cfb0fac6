"""``rota doctor``: look whether everything is as it must be here."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import time
from collections.abc import Callable

import click
import msgspec

from rota.cli.options import json_option
from rota.cli.output import print_json
from rota.errors import RotaError
from rota.local_token import read_local_token
from rota.settings import Settings, load_settings
from rota.store import meta, migrate, workers
from rota.store.database import Database
from rota.store.opening import open_database
from rota.timetable import tzdata_release
from rota.version import __version__

CLOCK_MS = 500
STANDSTILL_S = 60


class Finding(msgspec.Struct):
    """One thing looked at."""

    name: str
    ok: bool
    text: str
    fix: str | None = None


@click.command()
@json_option
def doctor(as_json: bool) -> None:
    """Check settings, database, clock, zone data, schema, address and tokens; exit 1 on a problem."""
    findings = [Finding("version", True, f"Rota {__version__}, Python {sys.version.split()[0]} on {sys.platform}")]
    settings = _settings(findings)
    if settings is not None:
        _look(findings, "zone data", lambda: Finding("zone data", True, f"release {tzdata_release()}"))
        _database(findings, settings)
        _look(findings, "address", lambda: _address(settings))
        _look(findings, "access", lambda: _access(settings))
        _look(findings, "commands", _commands)
    if as_json:
        print_json(findings)
    else:
        for finding in findings:
            mark = click.style("✓", fg="green") if finding.ok else click.style("✗", fg="red")
            click.echo(f"{mark} {finding.name}: {finding.text}")
            if finding.fix and not finding.ok:
                click.echo(f"    → {finding.fix}")
    sys.exit(0 if all(finding.ok for finding in findings) else 1)


def _look(findings: list[Finding], name: str, look: Callable[[], Finding]) -> None:
    try:
        findings.append(look())
    except RotaError as error:
        findings.append(Finding(name, False, error.message, error.hint))
    except OSError as error:
        findings.append(Finding(name, False, str(error)))


def _settings(findings: list[Finding]) -> Settings | None:
    try:
        settings = load_settings()
    except RotaError as error:
        findings.append(Finding("settings", False, error.message, error.hint))
        return None
    findings.append(Finding("settings", True, f"read; the database is {settings.database_url}"))
    return settings


def _database(findings: list[Finding], settings: Settings) -> None:
    db: Database | None = None
    try:
        db = open_database(settings.database_url)
        with db.statement() as tx:
            ahead_ms = (time.time_ns() // 1000 - tx.now()) / 1000 if _can_ask(db) else 0.0
            version = migrate.version(tx)
    except RotaError as error:
        findings.append(
            Finding("database", False, error.message, error.hint or "is it running, and the address right?")
        )
        return
    findings.append(Finding("database", True, f"reached ({db.dialect})"))
    if version == migrate.newest():
        findings.append(Finding("schema", True, f"version {version}"))
        clock_ok = abs(ahead_ms) < CLOCK_MS
        text = f"this machine is {ahead_ms:+.1f} ms from the database"
        findings.append(Finding("clock", clock_ok, text, "synchronise the clocks (chrony, systemd-timesyncd)"))
        _look(findings, "service", lambda: _service(db))
    else:
        fix = "rota db migrate (or start any role)" if version < migrate.newest() else "install the newer Rota"
        findings.append(Finding("schema", False, f"version {version}, this Rota needs {migrate.newest()}", fix))
    db.close()


def _can_ask(db: Database) -> bool:
    """The clock function comes with the schema."""
    with db.statement() as tx:
        return db.dialect == "sqlite" or migrate.version(tx) > 0


def _service(db: Database) -> Finding:
    with db.statement() as tx:
        accounted, now = meta.accounted_to(tx), tx.now()
        roles = [worker.role for worker in workers.living(tx)]
    counted = ", ".join(f"{roles.count(role)} {role}" for role in sorted(set(roles))) or "nothing runs"
    if "scheduler" not in roles or "worker" not in roles:
        return Finding("service", False, counted, "start it: rota up")
    behind = STANDSTILL_S + 1 if accounted is None else (now - accounted) / 1e6
    if behind > STANDSTILL_S:
        return Finding(
            "service", False, f"{counted}; accounted for up to {behind:.0f} s ago", "look at the scheduler's log"
        )
    return Finding("service", True, f"{counted}; every due instant is accounted for up to {behind:.0f} s ago")


def _address(settings: Settings) -> Finding:
    with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as probe:
        probe.settimeout(1)
        if probe.connect_ex((settings.host, settings.port)) == 0:
            return Finding("address", True, f"something listens on {settings.host}:{settings.port}")
    return Finding("address", True, f"{settings.host}:{settings.port} is free")


def _access(settings: Settings) -> Finding:
    if settings.auth_secret:
        return Finding("access", True, "the shared secret is set")
    if settings.auth_jwks_url:
        return Finding("access", True, f"tokens of {settings.auth_jwks_url}")
    if read_local_token(settings.database_url):
        return Finding("access", True, "the local admin token, in a file that only you can read")
    return Finding("access", True, "none set up yet; `rota up` makes a local admin token")


def _commands() -> Finding:
    shell = shutil.which("sh")
    if sys.platform == "linux":
        text = "whole process trees end with their run (child subreaper)"
    else:
        text = "a run ends with its process group; what leaves it (setsid) is not found on this system"
    return Finding("commands", shell is not None, f"{text}; uid {os.getuid()}", "install a POSIX shell as `sh`")
