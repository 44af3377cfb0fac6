"""``rota doctor``: look whether everything is as it must be, here or at a service."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from rota.cli.command import ClientCommand
from rota.cli.doctor_telling import look_at_remote_channels, look_at_telling
from rota.cli.options import json_option
from rota.cli.output import mark, parse_time, plural, print_json
from rota.cli.terminal import safe_line
from rota.errors import RotaError, Unauthorized
from rota.local_token import read_local_token
from rota.model import Secret
from rota.sealing import Box, CannotOpen, Keys
from rota.settings import Settings, load_settings
from rota.store import meta, migrate, secrets, tokens, workers
from rota.store.database import Database
from rota.store.opening import open_database
from rota.timetable import tzdata_release
from rota.version import __version__

if TYPE_CHECKING:
    from rota.client import Client

CLOCK_MS = 500
LEAST_STANDSTILL_S = 10.0
ANSWER_WITHIN_S = 5.0
"""A service answers within 4 s even when its database does not."""


class Finding(msgspec.Struct):
    """One thing looked at."""

    name: str
    ok: bool
    text: str
    fix: str | None = None


class Findings:
    """All that was found."""

    def __init__(self) -> None:
        self.all: list[Finding] = []

    def add(self, name: str, ok: bool, text: str, fix: str | None = None) -> None:
        """Note a finding; the fix is for when it is not as it must be."""
        self.all.append(Finding(name, ok, text, None if ok else fix))

    @contextmanager
    def looking_at(self, name: str, fix: str | None = None) -> Iterator[None]:
        """Note an error inside as a finding of this name."""
        try:
            yield
        except RotaError as error:
            self.add(name, False, error.message, error.hint or fix)
        except OSError as error:
            self.add(name, False, error.strerror or str(error), fix)


@click.command(cls=ClientCommand)
@json_option
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    """Check settings, database, clock, address, tokens, monitors and channels; exit 1 on a problem.

    With --url it checks the service there: whether it is reached, is healthy, and takes the token.
    """
    found = Findings()
    found.add("version", True, f"Rota {__version__}, Python {sys.version.split()[0]} on {sys.platform}")
    if ctx.find_root().params.get("url") or os.environ.get("ROTA_URL"):
        _look_at_service(ctx, found)
    else:
        _look_here(found)
    if as_json:
        print_json(found.all)
    else:
        for finding in found.all:
            click.echo(f"{mark(finding.ok)} {finding.name}: {safe_line(finding.text)}")
            if finding.fix:
                click.echo(f"    → {finding.fix}")
    sys.exit(0 if all(finding.ok for finding in found.all) else 1)


def _look_here(found: Findings) -> None:
    with found.looking_at("settings"):
        settings = load_settings()
        found.add("settings", True, f"read; the database is {settings.database_url}")
        with found.looking_at("zone data"):
            found.add("zone data", True, f"release {tzdata_release()}")
        looks: dict[str, Callable[[Settings, Findings], None]] = {
            "database": _database,
            "address": _address,
            "access": _access,
        }
        for name, look in looks.items():
            with found.looking_at(name):
                look(settings, found)
        _commands(found)


def _database(settings: Settings, found: Findings) -> None:
    url = settings.database_url
    if url.path is not None and not Path(url.path).exists():
        found.add("database", False, f"there is none yet: {url.path}", "rota up makes it; or set ROTA_DATABASE_URL")
        return
    with found.looking_at("database", "is it running, and is ROTA_DATABASE_URL right?"):
        db = open_database(url)
        try:
            with db.statement() as tx:
                version = migrate.version(tx)
            found.add("database", True, f"reached ({db.dialect})")
            _schema(version, found)
            if version == migrate.newest():
                _clock(db, found)
                _service(db, settings, found)
                _tokens(db, found)
                _secrets(db, settings, found)
                look_at_telling(db, settings, found)
        finally:
            db.close()


def _schema(version: int, found: Findings) -> None:
    newest = migrate.newest()
    if version == newest:
        found.add("schema", True, f"version {version}")
    elif version < newest:
        found.add("schema", False, f"version {version}, this Rota needs {newest}", "rota db migrate, or start any role")
    else:
        found.add("schema", False, f"version {version}, this Rota knows up to {newest}", "install the newer Rota")


def _clock(db: Database, found: Findings) -> None:
    with db.statement() as tx:
        tx.now()  # so that the connection is there
        before = time.time_ns()
        there = tx.now()
        here = (before + time.time_ns()) // 2000
    ahead_ms = (here - there) / 1000
    text = f"this machine is {abs(ahead_ms):.1f} ms {'behind' if ahead_ms < 0 else 'ahead of'} the database"
    found.add("clock", abs(ahead_ms) < CLOCK_MS, text, "synchronise the clocks (chrony, systemd-timesyncd)")


def _service(db: Database, settings: Settings, found: Findings) -> None:
    with db.statement() as tx:
        accounted, now = meta.accounted_to(tx), tx.now()
        living = [worker.role for worker in workers.living(tx)]
    counted = ", ".join(_counted(living.count(role), role) for role in sorted(set(living))) or "nothing runs"
    missing = [role for role in ("scheduler", "worker") if role not in living]
    if missing:
        what = counted if not living else f"{counted}, but no {' and no '.join(missing)}"
        found.add("service", False, what, "start it: rota up" if not living else f"start it: rota {missing[0]}")
        return
    if accounted is None:
        found.add("service", False, f"{counted}; no due instant was ever accounted for", "look at the scheduler's log")
        return
    behind_s = max(0.0, (now - accounted) / 1e6)
    text = f"{counted}; every due instant up to {behind_s:.0f} s ago is accounted for"
    ok = behind_s <= max(LEAST_STANDSTILL_S, settings.stall_us / 1e6)
    found.add("service", ok, text, "the scheduler stands still: look at its log")


def _counted(number: int, role: str) -> str:
    return f"{number} {role}" if number == 1 or role == "api" else f"{number} {role}s"


def _tokens(db: Database, found: Findings) -> None:
    with db.statement() as tx:
        now = tx.now()
        valid = [
            one for one in tokens.listed(tx)
            if one["revoked_at"] is None and (one["expires_at"] is None or one["expires_at"] > now)
        ]  # fmt: skip
    found.add("tokens", True, f"{plural(len(valid), 'API token')} valid")


def _secrets(db: Database, settings: Settings, found: Findings) -> None:
    with db.statement() as tx:
        known = secrets.listed(tx)
    keys = Keys(settings.secret_keys)
    closed = [one for one in known if not _opens(one, keys)]
    if closed:
        names = ", ".join(f"{one.name} (key {one.key_id})" for one in closed[:5])
        more = f" and {len(closed) - 5} more" if len(closed) > 5 else ""
        fix = "add the key that encrypted them to ROTA_SECRET_KEY, or set them again: rota secrets set NAME"
        found.add("secrets", False, f"ROTA_SECRET_KEY is not set or does not open {names}{more}", fix)
        return
    old = sum(one.key_id != keys.first_id for one in known)
    text = f"{plural(len(known), 'secret')}, all can be opened" if known else "none"
    found.add("secrets", True, f"{text}; {old} with an older key: rota secrets rotate" if old else text)


def _opens(secret: Secret, keys: Keys) -> bool:
    try:
        keys.open(secret.name, Box(secret.box, secret.key_id))
    except CannotOpen:
        return False
    return True


def _address(settings: Settings, found: Findings) -> None:
    host, port = settings.host, settings.port
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    shown = f"{settings.host}:{port}"
    try:
        socket.create_connection((host, port), timeout=1).close()
    except ConnectionRefusedError:
        found.add("address", True, f"nothing listens on {shown}")
        return
    from rota.client import Client

    bracketed = f"[{host}]" if ":" in host else host
    try:
        with Client(f"http://{bracketed}:{port}{settings.root_path}") as client:
            health = client.health(timeout_s=ANSWER_WITHIN_S)
    except RotaError:
        fix = "set another ROTA_PORT, or stop what listens there"
        found.add("address", False, f"something that is no Rota listens on {shown}", fix)
        return
    ok = health["status"] == "healthy"
    text = f"a Rota listens on {shown} and is {health['status']}"
    found.add("address", ok, text, f"see http://{bracketed}:{port}{settings.root_path}/health, and the service's log")


def _access(settings: Settings, found: Findings) -> None:
    if settings.takes_issuer_tokens:
        _issuer(settings, found)
    if settings.auth_secret:
        found.add("access", True, "by the shared secret and tokens signed with it")
    elif settings.takes_issuer_tokens:
        found.add("access", True, "by tokens of the issuer")
    elif read_local_token(settings.database_url):
        found.add("access", True, "by the local admin token, in a file that only you can read")
    else:
        found.add("access", True, "nothing is set up yet; `rota up` makes a local admin token")


def _issuer(settings: Settings, found: Findings) -> None:
    import asyncio

    from rota.api.jwks import IssuerKeys
    from rota.api.outside import NoAnswer

    asked = "ROTA_AUTH_JWKS_URL" if settings.auth_jwks_url else "ROTA_AUTH_ISSUER"
    try:
        keys = asyncio.run(IssuerKeys(settings.auth_jwks_url, settings.auth_issuer).read())
    except NoAnswer as error:
        found.add("issuer", False, f"no keys: {error}", f"is {asked} right, and can this machine reach it?")
        return
    kinds = ", ".join(sorted({algorithm for _, algorithm in keys}))
    unchecked = "" if settings.auth_issuer else "; ROTA_AUTH_ISSUER is not set: no `iss` is looked at"
    found.add("issuer", True, f"it gives {_counted(len(keys), 'key')} ({kinds}){unchecked}")


def _commands(found: Findings) -> None:
    if sys.platform == "linux":
        text = "whole process trees end with their run"
    else:
        text = "a run ends with its process group; what leaves it (setsid) is not found on this system"
    user = f", as uid {os.getuid()}" if hasattr(os, "getuid") else ""
    found.add("commands", shutil.which("sh") is not None, text + user, "install a POSIX shell as `sh`")


def _look_at_service(ctx: click.Context, found: Findings) -> None:
    from rota.cli.connection import asked_service
    from rota.client import Client

    with found.looking_at("service"):
        url, token = asked_service(ctx)
        with Client(url or "", token) as client:
            before = datetime.now(UTC)
            health = client.health()
            here = before + (datetime.now(UTC) - before) / 2
            found.add("service", True, f"{client.url} is reached: {health['service']}")
            ahead_ms = (here - parse_time(health["timestamp"])).total_seconds() * 1000
            text = f"this machine is {abs(ahead_ms):.0f} ms {'behind' if ahead_ms < 0 else 'ahead of'} the service"
            found.add("clock", abs(ahead_ms) < CLOCK_MS, text, "synchronise the clocks (chrony, systemd-timesyncd)")
            why = "; ".join(health.get("problems") or ()) or "look at its log"
            found.add("health", health["status"] == "healthy", health["status"], why)
            for warning in health.get("warnings") or ():
                found.add("warning", False, warning, "look at the service's log")
            with found.looking_at("token"):
                found.add("token", *_token(client, token))
            if found.all[-1].ok:
                with found.looking_at("channels"):
                    look_at_remote_channels(client, found)


def _token(client: Client, token: str | None) -> tuple[bool, str, str | None]:
    if token is None:
        return False, "none was given", "give --token, or set ROTA_TOKEN"
    try:
        me = client.me()
    except Unauthorized as error:
        return False, error.message, "make another: rota token create"
    return True, f"taken as {me['role']} ({me['subject']})", None
