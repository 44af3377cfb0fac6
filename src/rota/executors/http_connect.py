"""Connections to targets: pooled by host, made only to addresses that the policy allows.

The policy is asked inside the socket factory, with the very address that is connected next.  No name is looked up
a second time after its check, and it makes no difference how an address was spelt or which hop led to it.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from rota.executors.http_address import AddressPolicy, is_demo_path, literal
from rota.executors.http_trouble import Trouble

AddrInfo = tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, Any]
Lookup = Callable[[str, int], Sequence[AddrInfo]]
"""Finds the addresses of a host name and port, as ``socket.getaddrinfo`` does; may block."""

KEEP_ALIVE = 4.0
"""Seconds.  Servers commonly close idle connections after five; a request sent into the closing one would fail."""
DNS_CACHE = 10
_READ_AHEAD = 16 << 10
"""Bytes that a connection reads before somebody takes them; twice as many stop it."""


def system_lookup(host: str, port: int) -> Sequence[AddrInfo]:
    """Ask the system for the addresses of ``host``."""
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


@dataclass(slots=True)
class Hop:
    """One request on its way: what the socket factory knows of it, and what it found."""

    host: str
    demo: bool
    refused: str | None = None
    tried: bool = False
    """An allowed address was found, whether or not it could be connected."""

    def check(self) -> None:
        """Raise `Trouble` when every address was refused."""
        if self.refused is not None and not self.tried:
            raise Trouble("forbidden-address", f"{self.host}: {self.refused}", permanent=True)


_hop: ContextVar[Hop] = ContextVar("hop")


class Connections:
    """The sessions of one executor."""

    def __init__(self, policy: AddressPolicy, *, proxy: str | None, lookup: Lookup = system_lookup) -> None:
        """Open the pools; needs a running loop."""
        self.policy = policy
        self.proxy = proxy
        self._resolver = ThreadResolver(lookup)
        # A connection to our own listener that was opened for /demo/ must not be reused for another path.
        self._plain = self._session()
        self._demo = self._session()

    def _session(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=0,
            resolver=self._resolver,
            ttl_dns_cache=DNS_CACHE,
            keepalive_timeout=KEEP_ALIVE,
            socket_factory=self._trusted_socket if self.proxy else self._checked_socket,
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None),
            auto_decompress=False,
            read_bufsize=_READ_AHEAD,
            trust_env=False,
        )

    async def prepare(self, url: URL) -> tuple[aiohttp.ClientSession, Hop]:
        """Return the session for a request to ``url``, which the running task must send next."""
        host = url.raw_host or ""
        own = self.policy.own_listener
        demo = own is not None and url.port == own[1] and is_demo_path(url.raw_path)
        hop = Hop(host, demo)
        _hop.set(hop)
        if self.proxy:
            await self._check_behind_proxy(url, hop)
        return self._demo if demo else self._plain, hop

    async def _check_behind_proxy(self, url: URL, hop: Hop) -> None:
        """The proxy connects in our place: refuse what can be seen from here."""
        port = url.port or 0
        addresses = [hop.host]
        if literal(hop.host) is None:
            try:
                addresses = [found["host"] for found in await self._resolver.resolve(hop.host, port)]
            except OSError:
                # A name that only the proxy can resolve.
                return
        for address in addresses:
            self._judge(address, port, hop)
        hop.check()

    def _judge(self, address: str, port: int, hop: Hop) -> None:
        reason = self.policy.refusal(hop.host, address, port, demo=hop.demo)
        if reason is None:
            hop.tried = True
        else:
            hop.refused = reason

    def _checked_socket(self, info: AddrInfo) -> socket.socket:
        family, kind, protocol, _, address = info
        hop = _hop.get()
        reason = self.policy.refusal(hop.host, address[0], address[1], demo=hop.demo)
        if reason is not None:
            hop.refused = reason
            raise PermissionError(reason)
        hop.tried = True
        return socket.socket(family, kind, protocol)

    def _trusted_socket(self, info: AddrInfo) -> socket.socket:
        family, kind, protocol, _, _ = info
        return socket.socket(family, kind, protocol)

    async def close(self) -> None:
        """Close every connection."""
        await self._plain.close()
        await self._demo.close()


class ThreadResolver(AbstractResolver):
    """Looks names up in a thread each, so that names whose servers hang never delay another one.

    The threads are daemons: a process does not wait for a lookup that nobody wants any more.  The connector
    remembers answers and joins lookups of the same name, so there is at most one thread for a name.
    """

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        found: asyncio.Future[Sequence[AddrInfo]] = loop.create_future()

        def look() -> None:
            try:
                answer = self._lookup(host, port)
            except (OSError, ValueError) as error:
                _tell(loop, found, None, error if isinstance(error, OSError) else OSError(str(error)))
            else:
                _tell(loop, found, answer, None)

        threading.Thread(target=look, name="rota-dns", daemon=True).start()
        return [
            ResolveResult(
                hostname=host, host=info[4][0], port=port, family=info[0], proto=info[2], flags=socket.AI_NUMERICHOST
            )
            for info in await found
            if family in (socket.AF_UNSPEC, info[0])
        ]

    async def close(self) -> None:
        """Nothing to close: lookups end by themselves."""


def _tell(
    loop: asyncio.AbstractEventLoop,
    found: asyncio.Future[Sequence[AddrInfo]],
    answer: Sequence[AddrInfo] | None,
    error: Exception | None,
) -> None:
    def settle() -> None:
        if found.done():
            return
        if error is not None:
            found.set_exception(error)
        else:
            found.set_result(answer or ())

    try:
        loop.call_soon_threadsafe(settle)
    except RuntimeError:
        # The loop has closed meanwhile, and nobody waits.
        return
