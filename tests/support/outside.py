"""The world outside as channels see it: a proxy that is any HTTPS host, and a mail server with TLS."""

from __future__ import annotations

import contextlib
import datetime
import http.server
import ipaddress
import json
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.waiting import free_port


@dataclass(frozen=True)
class Sent:
    """A request that went to a host outside."""

    host: str
    path: str
    body: Any


@dataclass
class Outside:
    """What arrived, and how it is answered."""

    proxy: str
    requests: list[Sent] = field(default_factory=list)
    status: int = 200


def certificate(folder: Path, *names: str) -> Path:
    """Write a certificate with its key for the names, which stands for itself; return its file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a test")])
    now = datetime.datetime.now(datetime.UTC)
    hosts: list[x509.GeneralName] = [x509.DNSName(one) for one in names]
    hosts += [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "certificate.pem"
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


def tls(file: Path) -> ssl.SSLContext:
    """How a server with this certificate speaks."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


@contextlib.contextmanager
def running_outside(file: Path) -> Iterator[Outside]:
    """A proxy for HTTPS that answers itself in place of every host of the certificate."""
    context = tls(file)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        host = ""

        def do_CONNECT(self) -> None:
            self.host = self.path
            self.send_response(200)
            self.end_headers()
            self.connection = context.wrap_socket(self.connection, server_side=True)
            self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb")
            self.close_connection = False

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            outside.requests.append(Sent(self.host, self.path, json.loads(body)))
            self.send_response(outside.status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")
            self.wfile.flush()

        def finish(self) -> None:
            with contextlib.suppress(OSError):
                super().finish()
            self.connection.close()

        def log_message(self, *_: Any) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    outside = Outside(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield outside
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Mailbox:
    """Takes mail; for who logs in with the password over TLS."""

    def __init__(self, password: str) -> None:
        self.mails: list[Message] = []
        self.password = password.encode()

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - named by the library
        self.mails.append(message_from_bytes(envelope.content))
        return "250 OK"

    def check(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        good = isinstance(data, LoginPassword) and data.password == self.password
        return AuthResult(success=good, handled=False) if not good else AuthResult(success=True)


@contextlib.contextmanager
def running_mail(file: Path, password: str) -> Iterator[tuple[Mailbox, int]]:
    """A mail server with STARTTLS and a login; its box and its port."""
    box, port = Mailbox(password), free_port()
    controller = Controller(
        box, hostname="127.0.0.1", port=port, tls_context=tls(file), require_starttls=True, auth_required=True,
        authenticator=box.check, ready_timeout=60,
    )  # fmt: skip
    controller.start()
    try:
        yield box, port
    finally:
        controller.stop()
