"""Where a command is sent: to a service by its address, or to the database of the settings inside this process.

What it takes to ask is loaded only then: a mistake on the command line is told at once.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from rota.errors import Invalid, RotaError, Unauthorized
from rota.local_token import read_local_token
from rota.settings import load_settings
from rota.traces import checked, running

if TYPE_CHECKING:
    from rota.client import Client


def asked_service(ctx: click.Context) -> tuple[str | None, str | None]:
    """Return the address and the token that the options or the environment name."""
    options = ctx.find_root().params
    url = options.get("url") or os.environ.get("ROTA_URL") or None
    if not url and options.get("token"):
        raise Invalid("--token", "needs --url", hint="without an address the database of the settings is used directly")
    token = options.get("token") or os.environ.get("ROTA_TOKEN") or None
    if url and not token:
        token = _local_token(url)
    return url, token


def _local_token(url: str) -> str | None:
    """Return the token that ``rota up`` keeps beside its database, where the address is that of the settings."""
    try:
        settings = load_settings()
        parts = urlsplit(url)
        is_ours = parts.port == settings.port and _is_loopback(parts.hostname or "")
        return read_local_token(settings.database_url) if is_ours else None
    except (RotaError, ValueError):
        return None


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@contextmanager
def connect(ctx: click.Context, *, makes_database: bool = False) -> Iterator[Client]:
    """Yield the client that the options, the environment or the settings name.

    ``makes_database``: whether a command that finds no database yet makes it.  One that only looks does not: most
    likely it was called in the wrong folder.
    """
    url, token = asked_service(ctx)
    running.set(checked(os.environ.get("TRACEPARENT")))  # what a job starts carries its trace on
    if url is None:
        from rota.cli.in_process import in_process

        with in_process(makes_database=makes_database) as client:
            yield client
        return
    from rota.client import Client

    try:
        with Client(url, token) as client:
            yield client
    except Unauthorized as error:
        hint = "look at --token or ROTA_TOKEN" if token else "give --token, or set ROTA_TOKEN"
        raise Unauthorized(error.message, hint=hint) from error
    except Invalid as error:
        if error.field not in ("url", "token"):
            raise
        source = f"--{error.field}" if ctx.find_root().params.get(error.field) else f"ROTA_{error.field.upper()}"
        raise Invalid(source, error.reason, hint=error.hint) from error
