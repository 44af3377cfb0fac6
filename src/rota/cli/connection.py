"""Where a command is sent: to a service by its address, or to the database of the settings inside this process."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import click
import httpx
from starlette.types import ASGIApp

from rota import logs
from rota.api.access import trusted
from rota.api.local import create_local_app
from rota.api.service import Service
from rota.client import Client
from rota.errors import Invalid, NotFound, RotaError, Unauthorized
from rota.local_token import read_local_token
from rota.settings import Settings, load_settings
from rota.store import migrate
from rota.store.database import Database
from rota.store.opening import open_database

LOCAL = "http://rota.local"


class InProcess(httpx.BaseTransport):
    """Hands requests to an ASGI application on an event loop in a thread of its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._transport = httpx.ASGITransport(app=app, raise_app_exceptions=True)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="rota-in-process", daemon=True)
        self._thread.start()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Run one request to its end."""
        return asyncio.run_coroutine_threadsafe(self._handle(request), self._loop).result()

    async def _handle(self, request: httpx.Request) -> httpx.Response:
        content = request.read()
        inner = httpx.Request(request.method, request.url, headers=request.headers, content=content)
        answer = await self._transport.handle_async_request(inner)
        body = await answer.aread()
        return httpx.Response(answer.status_code, headers=answer.headers, content=body)

    def close(self) -> None:
        """End what still runs, and stop the loop."""
        asyncio.run_coroutine_threadsafe(_end_tasks(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()


async def _end_tasks() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


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
    if url is None:
        with _in_process(makes_database=makes_database) as client:
            yield client
        return
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


@contextmanager
def _in_process(*, makes_database: bool) -> Iterator[Client]:
    settings = load_settings()
    logs.mask(*settings.secrets)
    db = _open(settings, makes_database=makes_database)
    service = Service(db, settings)
    transport = InProcess(create_local_app(service, trusted()))
    try:
        with Client(LOCAL, transport=transport) as client:
            yield client
    finally:
        service.close()
        db.close()


def _open(settings: Settings, *, makes_database: bool) -> Database:
    url = settings.database_url
    if url.path is not None and not makes_database and not Path(url.path).exists():
        raise NotFound(f"there is no database {url.path}", hint="start Rota: rota up; or set ROTA_DATABASE_URL")
    db = open_database(url)
    try:
        with db.statement() as tx:
            is_new = migrate.version(tx) == 0
        if is_new and makes_database:
            migrate.migrate(db)
        with db.statement() as tx:
            migrate.check(tx)
    except BaseException:
        db.close()
        raise
    return db
