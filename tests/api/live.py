"""A real server in a thread of this process."""

from __future__ import annotations

import asyncio
import threading
from types import TracebackType
from typing import Any, Self

import httpx

from rota.api.app import create_app, network_access
from rota.api.listen import bind
from rota.api.server import Server, make_config
from rota.api.service import Service
from rota.settings import Settings
from rota.store.database import Database
from tests.api.calls import SECRET, bearer


class Live:
    """Serves until the end of the ``with`` block."""

    def __init__(self, db: Database, settings: Settings, **options: Any) -> None:
        self.db = db
        self.settings = settings
        self._options = options
        self._sockets = bind(settings)
        self._listening = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._server: Server | None = None
        self.port: int = self._sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}{settings.root_path}"
        self.local_token: str | None = None

    def client(self, token: str | None = SECRET, **headers: str) -> httpx.Client:
        """A client with a token; the shared secret's is an admin."""
        return httpx.Client(
            base_url=self.url, headers={**(bearer(token) if token else {}), **headers}, timeout=10, trust_env=False
        )

    def begin_stop(self) -> None:
        """Do what SIGTERM does."""
        assert self._server is not None
        self._server.stop()

    async def _serve(self) -> None:
        service = Service(self.db, self.settings)
        access = network_access(service)
        self.local_token = access.local_token
        app = create_app(self.db, self.settings, access=access, service=service, **self._options)
        self._server = Server(make_config(app, self.settings), service, self._listening.set)
        await self._server.serve(sockets=self._sockets)
        service.close()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._listening.wait(60)
        return self

    def join(self, timeout_s: float) -> bool:
        """Wait for the end of the server; tell whether it came."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.begin_stop()
        assert self.join(15)
        for bound in self._sockets:
            bound.close()
