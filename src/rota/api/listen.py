"""Where a server listens: what is refused, and the sockets.  Light: it can be asked before all else is loaded."""

from __future__ import annotations

import errno
import socket
import sys
from typing import Any

from rota.api.hosts import listens_on_loopback
from rota.errors import SettingInvalid
from rota.settings import LEAST_SECRET, MAKE_SECRET, Settings

BACKLOG = 2048


def check_listen(settings: Settings, *, insecure: bool) -> None:
    """Raise SettingInvalid where others could connect and nothing but the local token, or too little, was set up."""
    if settings.oidc_client_id is not None and not settings.has_issuer_address:
        raise SettingInvalid(
            "ROTA_OIDC_CLIENT_ID",
            "nobody can log in at an issuer without an address",
            hint="set ROTA_AUTH_ISSUER, such as https://login.example.org",
        )
    if insecure or listens_on_loopback(settings):
        return
    secret = settings.auth_secret
    if secret is not None and len(secret) < LEAST_SECRET:
        raise SettingInvalid(
            "SCHEDULER_SHARED_AUTH_SECRET",
            f"listening on {settings.host} with a secret of less than {LEAST_SECRET} characters is refused",
            hint=MAKE_SECRET,
        )
    if secret is None and not settings.takes_issuer_tokens:
        raise SettingInvalid(
            "ROTA_HOST",
            f"listening on {settings.host} without access control is refused",
            hint="set ROTA_AUTH_SECRET or ROTA_AUTH_JWKS_URL, or listen on 127.0.0.1; --insecure serves with the local "
            "token alone",
        )


def bind(settings: Settings) -> list[socket.socket]:
    """Return listening sockets for every address of the host; raises SettingInvalid with what is in the way."""
    host, port = settings.host, settings.port
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise SettingInvalid("ROTA_HOST", f"{host!r} is no address of this machine: {error}") from error
    bound: list[socket.socket] = []
    trouble: OSError | None = None
    for family, _, _, _, address in dict.fromkeys(found):
        chosen = bound[0].getsockname()[1] if bound else port
        try:
            bound.append(_bind(family, (address[0], chosen, *address[2:]), alone=len(found) == 1))
        except OSError as error:
            trouble = error
            if error.errno != errno.EADDRNOTAVAIL and error.errno != errno.EAFNOSUPPORT:
                break
    if trouble is not None and (not bound or trouble.errno == errno.EADDRINUSE):
        for one in bound:
            one.close()
        raise _cannot_bind(trouble, host, port) from trouble
    return bound


def _bind(family: int, address: tuple[Any, ...], *, alone: bool) -> socket.socket:
    # The protocol said outright: only then does asyncio switch Nagle's delay (40 ms an answer) off.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if sys.platform != "win32":
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # ``::`` alone serves IPv4 too; beside an IPv4 socket of the same name it must not.
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if alone else 1)
        bound.bind(address)
        bound.listen(BACKLOG)
        bound.setblocking(False)
    except OSError:
        bound.close()
        raise
    return bound


def _cannot_bind(error: OSError, host: str, port: int) -> SettingInvalid:
    if error.errno == errno.EADDRINUSE:
        return SettingInvalid("ROTA_PORT", f"port {port} of {host} is in use", hint="stop what uses it, or set --port")
    if error.errno == errno.EACCES:
        return SettingInvalid("ROTA_PORT", f"port {port} may not be used by this user", hint="take one above 1023")
    return SettingInvalid("ROTA_HOST", f"{host}:{port} cannot be listened on: {error.strerror}")
