"""What every way to log in looks at: who tries, under which name of the service, and where it leads."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from starlette.responses import Response

from rota.api.access import Identity
from rota.api.context import Context
from rota.errors import Forbidden

if TYPE_CHECKING:  # it brings the checks of signed tokens along, which commands on their own database have no use for
    from rota.api.network import NetworkAccess

_LONGEST_NEXT = 1000
_CLIENT_BITS = 64


def client_of(context: Context) -> str:
    """Return the address of who tries; behind a trusted proxy, of whom that names.

    Of IPv6 it is the network of 64 bits: that is the least that anybody is given, and has addresses without end.
    """
    return network_of((context.request.client or ("", 0))[0])


def network_of(client: str) -> str:
    """Return an address, or the network that stands for it."""
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return client
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((int(address), _CLIENT_BITS), strict=False))


def check_host(access: NetworkAccess, context: Context) -> None:
    """Raise Forbidden unless browsers may have a session under this Host."""
    if not access.is_host_known(context.request.headers):
        raise Forbidden("Host not allowed", hint="add the name of this service to ROTA_ALLOWED_HOSTS")


def local_path(text: str) -> str:
    """Return a path of this service, or nothing: a login must not lead elsewhere."""
    safe = text.isascii() and text.isprintable() and "\\" not in text and len(text) <= _LONGEST_NEXT
    return text if safe and text.startswith("/") and not text.startswith("//") else ""


def is_secure(context: Context) -> bool:
    """Tell whether the browser speaks TLS."""
    return context.request.url.scheme == "https"


def with_session(access: NetworkAccess, context: Context, identity: Identity, answer: Response) -> Response:
    """Begin a session with an answer."""
    answer.headers.append("set-cookie", access.sessions.begin(identity, secure=is_secure(context)))
    return answer
