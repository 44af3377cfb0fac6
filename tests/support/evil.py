"""Targets that answer as no server should: each has a port of its own and writes raw bytes."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import socket
import ssl
import struct
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


class Evil:
    """Serves behaviours from a thread."""

    def __init__(self) -> None:
        self.held = 0
        """How many connections are open."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="evil-targets")
        self._tasks: set[asyncio.Task[None]] = set()
        self._listeners: list[asyncio.Server] = []
        self._sockets: list[socket.socket] = []

    def open(self, behaviour: Behaviour, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> int:
        """Return the port at which it is shown to everybody who connects."""

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._tasks.add(task)
            self.held += 1
            try:
                await behaviour(reader, writer)
                await writer.drain()
            except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError):
                pass
            finally:
                self.held -= 1
                self._tasks.discard(task)
                writer.close()

        async def listen() -> int:
            server = await asyncio.start_server(connected, host, 0, ssl=tls, backlog=400)
            self._listeners.append(server)
            return int(server.sockets[0].getsockname()[1])

        return asyncio.run_coroutine_threadsafe(listen(), self._loop).result(10)

    def deaf(self) -> int:
        """Return a port at which connections are never accepted, and of which the queue is full."""
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = int(listener.getsockname()[1])
        self._sockets.append(listener)
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                filler.connect(("127.0.0.1", port))
            self._sockets.append(filler)
        return port

    def start(self) -> None:
        """Serve until ``close``."""
        self._thread.start()

    def let_go(self) -> None:
        """Close every connection."""
        self._loop.call_soon_threadsafe(lambda: [task.cancel() for task in self._tasks])

    def close(self) -> None:
        """End."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        for each in self._sockets:
            each.close()

    async def _close(self) -> None:
        for listener in self._listeners:
            listener.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@contextlib.contextmanager
def evil_targets() -> Iterator[Evil]:
    """Behaviours that are served until the end of the block."""
    evil = Evil()
    evil.start()
    try:
        yield evil
    finally:
        evil.close()


async def asked(reader: asyncio.StreamReader) -> None:
    """Read the head of a request."""
    await reader.readuntil(b"\r\n\r\n")


def says(*parts: bytes, hang: bool = False, reset: bool = False) -> Behaviour:
    """Read the head of the request, write these bytes, and close, hang, or reset."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asked(reader)
        for part in parts:
            writer.write(part)
            await writer.drain()
        if hang:
            await asyncio.Event().wait()
        if reset:
            _reset(writer)

    return behave


def answers(body: bytes, *headers: bytes, status: bytes = b"200 OK", kind: bytes = b"application/json") -> Behaviour:
    """A complete answer."""
    lines = [b"HTTP/1.1 " + status, b"Content-Type: " + kind, b"Content-Length: %d" % len(body), *headers]
    return says(b"\r\n".join(lines) + b"\r\n\r\n" + body)


def floods(first: bytes, again: bytes, pause: float = 0.0) -> Behaviour:
    """Write the first, and then the other for ever."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asked(reader)
        writer.write(first)
        while True:
            writer.write(again)
            await writer.drain()
            await asyncio.sleep(pause)

    return behave


def drips(text: bytes) -> Behaviour:
    """Write it byte by byte, slowly."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asked(reader)
        for byte in text:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.3)

    return behave


async def hangs(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read nothing and say nothing, until the other side goes."""
    await asyncio.Event().wait()


async def listens(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read all that comes, and say nothing, until the other side goes."""
    while await reader.read(1 << 16):
        pass


async def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Reset the connection at once."""
    _reset(writer)


async def speaks_first(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer before anything was asked."""
    writer.write(HEAD + b"Content-Length: 2\r\n\r\n{}")
    await writer.drain()
    await asked(reader)


def _reset(writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class Authority:
    """Signs certificates, good ones and others."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority for tests")])
        self.file = folder / "authority.pem"
        own = self._sign(self._name, self._key.public_key(), days=(-1, 1), ca=True)
        self.file.write_bytes(own.public_bytes(serialization.Encoding.PEM))

    def context(self, name: str, *, days: tuple[int, int] = (-1, 1), trusted: bool = True) -> ssl.SSLContext:
        """Return what a server for ``name`` (a host or an address) says, valid from and to so many days from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        own = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._sign(own, key.public_key(), days=days, host=name, issuer=None if trusted else (own, key))
        path = self._folder / f"{name}{days[1]}{trusted}.pem"
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + secret)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    def _sign(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePublicKey,
        *,
        days: tuple[int, int],
        ca: bool = False,
        host: str | None = None,
        issuer: tuple[x509.Name, ec.EllipticCurvePrivateKey] | None = None,
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        issuer_name, issuer_key = issuer or (self._name, self._key)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer_name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + datetime.timedelta(days=days[0]))
            .not_valid_after(now + datetime.timedelta(days=days[1]))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if host is not None:
            builder = builder.add_extension(x509.SubjectAlternativeName([_alternative(host)]), critical=False)
        return builder.sign(issuer_key, hashes.SHA256())


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
