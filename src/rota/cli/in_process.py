"""The service inside this process, on the database of the settings."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from rota import logs
from rota.api.access import trusted
from rota.api.local import create_local_app
from rota.api.service import Service
from rota.client import Client
from rota.errors import NotFound
from rota.settings import Settings, load_settings
from rota.store import migrate
from rota.store.database import Database
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


@contextmanager
def in_process(*, makes_database: bool) -> Iterator[Client]:
    """Yield a client of a service that lives as long as the context."""
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
