"""Where a command is sent: to a service by its address, or to the database of the settings inside this process."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
import httpx

from rota import logs
from rota.api.access import trusted
from rota.api.app import create_app
from rota.client import Client
from rota.errors import Invalid
from rota.settings import load_settings
from rota.store import migrate
from rota.store.opening import open_database

LOCAL = "http://rota.local"


class InProcess(httpx.BaseTransport):
    """Hands requests to an ASGI application on an event loop in a thread of its own."""

    def __init__(self, app: Any) -> None:
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
        """Stop the loop."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()


@contextmanager
def connect(ctx: click.Context) -> Iterator[Client]:
    """Yield the client that the options, the environment or the settings name."""
    options = ctx.find_root().params
    url = options.get("url") or os.environ.get("ROTA_URL")
    token = options.get("token") or os.environ.get("ROTA_TOKEN")
    if url:
        with Client(url, token) as client:
            yield client
        return
    if token:
        raise Invalid("--token", "needs --url", hint="without an address the database of the settings is used directly")
    settings = load_settings()
    logs.mask(*settings.secrets)
    db = open_database(settings.database_url)
    migrate.migrate(db)
    transport = InProcess(create_app(db, settings, access=trusted()))
    try:
        with Client(LOCAL, transport=transport) as client:
            yield client
    finally:
        db.close()
