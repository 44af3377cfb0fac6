"""The probe port: a scheduler or a worker tells whether it lives, whether it can work, and how things are in numbers.

A few lines of HTTP in a thread with an event loop of its own: it answers whatever stands still elsewhere, and brings
no web framework into these processes.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec

from rota import logs
from rota.actions import present
from rota.errors import RotaError, SettingInvalid
from rota.insight.measured import system_text
from rota.insight.metrics import CONTENT_TYPE, Samples, of_process, text_of
from rota.settings import Settings
from rota.store import meta, migrate
from rota.store.database import Database
from rota.store.readers import Readers

STANDSTILL_S = 30.0
"""A loop that has not turned for so long stands still."""
REACHED_S = 5.0
BELIEVED_FOR_S = 1.0
"""So long what was measured is told to all who ask."""
ANSWER_WITHIN_S = 4.0
REQUEST_S = 5.0
LONGEST_REQUEST = 8192
MOST_CONNECTIONS = 64
JSON_TYPE = "application/json"
REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
           405: "Method Not Allowed", 503: "Service Unavailable"}  # fmt: skip

Reply = tuple[int, str, bytes]


class Process:
    """What a process tells about itself; the names of loops that stand still, why it takes no work, numbers."""

    def __init__(
        self,
        role: str,
        *,
        standing: Callable[[float], list[str]],
        unable: Callable[[], str | None] = lambda: None,
        numbers: Callable[[], Samples] = dict,
    ) -> None:
        self.role = role
        self.standing = standing
        self.unable = unable
        self.numbers = numbers


class Probe:
    """Answers `/live`, `/ready` and `/metrics` on a port of its own until the process ends."""

    def __init__(self, db: Database, settings: Settings, process: Process, listener: socket.socket) -> None:
        self._db = db
        self._settings = settings
        self._process = process
        self._listener = listener
        self._is_loopback = ipaddress.ip_address(listener.getsockname()[0]).is_loopback
        self._readers = Readers(1)
        self._open = 0
        self._seen: asyncio.Future[str] | None = None
        self._seen_until = 0.0

    def start(self) -> None:
        """Answer from now on, in a thread that ends with the process."""
        threading.Thread(target=lambda: asyncio.run(self._run()), name="rota-probe", daemon=True).start()
        host, port = self._listener.getsockname()[:2]
        where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        logs.event(
            "server/listening", f"Probes answered on {where}", host=host, port=port, url=f"http://{where}"
        )  # fmt: skip

    async def _run(self) -> None:
        server = await asyncio.start_server(self._serve, sock=self._listener, limit=LONGEST_REQUEST)
        await server.serve_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            if self._open <= MOST_CONNECTIONS:
                async with asyncio.timeout(REQUEST_S):
                    request = await reader.readuntil(b"\r\n\r\n")
                writer.write(_message(*await self._answer(request), only_head=request.startswith(b"HEAD ")))
                async with asyncio.timeout(REQUEST_S):
                    await writer.drain()
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            pass  # whoever asks like that gets no answer
        finally:
            self._open -= 1
            writer.close()

    async def _answer(self, request: bytes) -> Reply:
        first, *lines = request.decode("latin-1").split("\r\n")
        method, _, rest = first.partition(" ")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        path = rest.partition(" ")[0].partition("?")[0]
        if method not in ("GET", "HEAD"):
            return _json(405, {"title": f"only GET and HEAD, not {method[:20]}"})
        if path == "/live":
            return self._live()
        if path == "/ready":
            return await self._ready()
        if path == "/metrics":
            return await self._metrics(headers)
        return _json(404, {"title": "only /live, /ready and /metrics are answered here"})

    def _live(self) -> Reply:
        """Tell by its loops whether the process lives; the database is not asked."""
        standing = self._process.standing(STANDSTILL_S)
        if standing:
            return _json(503, {**self._known("stalled"), "problem": f"stands still: {', '.join(standing)}"})
        return _json(200, self._known("ok"))

    async def _ready(self) -> Reply:
        """Tell whether the process takes work: it has reached its database, whose schema it knows."""
        try:
            if time.monotonic() - self._db.last_contact > REACHED_S:
                await self._read(migrate.check)
            accounted_to = await self._read(meta.accounted_to)
        except (RotaError, TimeoutError) as error:
            return _json(503, {**self._known("unready"), "problem": str(error) or "the database does not answer"})
        if problem := self._process.unable():
            return _json(503, {**self._known("unready"), "problem": problem})
        return _json(200, {**self._known("ok"), "accountedTo": present.instant(accounted_to)})

    async def _metrics(self, headers: dict[str, str]) -> Reply:
        """Give the numbers of this process, and those of the system where the database answers."""
        if not self._may_see_numbers(headers):
            hint = "set ROTA_METRICS_PUBLIC, or send ROTA_AUTH_SECRET as a bearer token"
            return _json(401, {"title": "these numbers need a token", "hint": hint})
        if self._seen is None or time.monotonic() >= self._seen_until:
            self._seen = asyncio.ensure_future(self._read(system_text))
            self._seen_until = time.monotonic() + BELIEVED_FOR_S
        system = ""
        with suppress(RotaError, TimeoutError):  # it is told as a number
            system = await asyncio.shield(self._seen)
        uses, seconds = self._db.usage()
        own = of_process(database_up=bool(system), uses=uses, seconds=seconds)
        return 200, CONTENT_TYPE, (system + text_of({**own, **self._process.numbers()})).encode()

    def _may_see_numbers(self, headers: dict[str, str]) -> bool:
        if self._settings.metrics_public:
            return True
        secret, given = self._settings.auth_secret, headers.get("authorization", "")
        if secret is not None and hmac.compare_digest(given.encode(), f"Bearer {secret}".encode()):
            return True
        # Only programs of this machine can ask; a page in a browser that was led here by a name of its own may not.
        return self._is_loopback and _is_local(headers.get("host", ""))

    def _known(self, status: str) -> dict[str, Any]:
        now = present.instant(time.time_ns() // 1000)
        return {
            "status": status, "service": self._settings.service_name, "role": self._process.role, "timestamp": now,
        }  # fmt: skip

    async def _read(self, work: Callable[..., Any]) -> Any:
        future = asyncio.wrap_future(self._readers.submit(lambda: self._db.read(work)))
        return await asyncio.wait_for(future, ANSWER_WITHIN_S)


def listen(settings: Settings) -> socket.socket | None:
    """Return what listens on the probe port, None without one; raises SettingInvalid where it cannot be had."""
    if settings.probe_port is None:
        return None
    host, port = settings.host or "127.0.0.1", settings.probe_port
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address, family=family, backlog=MOST_CONNECTIONS)
    except OSError as error:
        reason = f"port {port} of {host} cannot be listened on: {error.strerror or error}"
        hint = "each process needs a port of its own; 0 takes a free one"
        raise SettingInvalid("ROTA_PROBE_PORT", reason, hint=hint) from error


def _is_local(host: str) -> bool:
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    if name.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def _json(status: int, document: dict[str, Any]) -> Reply:
    return status, JSON_TYPE, msgspec.json.encode(document)


def _message(status: int, kind: str, body: bytes, *, only_head: bool) -> bytes:
    head = (
        f"HTTP/1.1 {status} {REASONS[status]}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + (b"" if only_head else body)
