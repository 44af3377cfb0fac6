"""The API as a server: bind, greet, serve, stop in good order."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

import uvicorn

from rota import logs
from rota.api.app import create_app, network_access
from rota.api.hosts import is_loopback
from rota.api.listen import bind, check_listen
from rota.api.service import Service
from rota.api.wire import BoundedHttp
from rota.local_token import CODE_VALID_S, new_login_code
from rota.settings import Settings
from rota.store.database import Database

TICK_S = 1.0
TICKS = 10
"""What uvicorn does each tenth time, ten times a second, is done each time: nine wakes in vain are dear when idle."""
KEEP_ALIVE_S = 65
"""Longer than the usual 60 s of a proxy in front, so that it is never the service that hangs up first."""


def serve(db: Database, settings: Settings, *, demo: bool = False, insecure: bool = False, greet: bool = False) -> int:
    """Serve until SIGTERM or SIGINT; return the exit code.

    ``greet`` prints the address with a login link.  Raises SettingInvalid when the address cannot be had.
    """
    check_listen(settings, insecure=insecure)
    sockets = bind(settings)
    try:
        asyncio.run(_serve(db, settings, sockets, demo=demo, greet=greet))
    finally:
        for bound in sockets:
            bound.close()
    logs.event("server/stopped", "Server stopped")
    return 0


async def _serve(db: Database, settings: Settings, sockets: list[socket.socket], *, demo: bool, greet: bool) -> None:
    service = Service(db, settings)
    access = network_access(service)
    app = create_app(db, settings, access=access, demo=demo, service=service)
    service.refresh_watermark()  # known before the first answer
    server = Server(
        make_config(app, settings), service, lambda: _welcome(settings, sockets, access.local_token, greet=greet)
    )
    try:
        await server.serve(sockets=sockets)
    finally:
        await asyncio.to_thread(service.close)


def make_config(app: Any, settings: Settings) -> uvicorn.Config:
    """Return how uvicorn is to serve the application."""
    return uvicorn.Config(
        app,
        loop="none",
        http=BoundedHttp,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=max(1, settings.grace_us // 1_000_000),
    )


class Server(uvicorn.Server):
    """uvicorn, which tells when it listens, ends streams when it stops, and leaves the exit code to its caller."""

    def __init__(self, config: uvicorn.Config, service: Service, when_listening: Any) -> None:
        super().__init__(config)
        self._service = service
        self._when_listening = when_listening
        self._loop: asyncio.AbstractEventLoop | None = None
        self._exit = asyncio.Event()

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        counter = 0
        while not await self.on_tick(counter):
            counter += TICKS
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._exit.wait(), TICK_S)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._when_listening()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._service.begin_stop()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at the first signal, at once at the second; unlike uvicorn's own, do not die of it afterwards."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        numbers = [n for n in (signal.SIGTERM, signal.SIGINT) if signal.getsignal(n) is not signal.SIG_IGN]
        before = {number: signal.signal(number, self.handle_exit) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.force_exit = self.should_exit
        self.stop()

    def stop(self) -> None:
        """End soon; for signal handlers and other threads too."""
        self.should_exit = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # it has stopped, and its loop is closed
                self._loop.call_soon_threadsafe(self._exit.set)


def _welcome(settings: Settings, sockets: list[socket.socket], local_token: str | None, *, greet: bool) -> None:
    port = sockets[0].getsockname()[1]
    url = address_of(settings.host, port) + settings.root_path
    logs.event(
        "server/listening", f"Server listening on {settings.host}:{port}", host=settings.host, port=port, url=url
    )
    if not greet:
        return
    lines = [f"Rota is running at {url}"]
    if local_token is not None:
        minutes = CODE_VALID_S // 60
        lines.append(f"Log in with {url}/login?code={new_login_code(local_token)} (once, within {minutes} minutes)")
    lines.append("Stop it with Ctrl-C")
    print("\n".join(lines), flush=True)  # noqa: T201 - the person who started it reads this


def address_of(host: str, port: int) -> str:
    """Return the address by which this machine reaches a server that listens on ``host``."""
    if host in ("0.0.0.0", "::", "") or (is_loopback(host) and ":" not in host):  # noqa: S104 - compared, not bound
        host = "127.0.0.1" if host != "localhost" else host
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
