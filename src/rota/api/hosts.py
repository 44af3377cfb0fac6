"""The names under which the service is called: what a ``Host`` or an ``Origin`` may say."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import urlsplit

from rota.settings import Settings

LOOPBACK_NAMES = frozenset(("localhost", "localhost.localdomain", "ip6-localhost"))
_DEFAULT_PORTS = {"http": 80, "https": 443}


def listens_on_loopback(settings: Settings) -> bool:
    """Tell whether only this machine can connect."""
    return is_loopback(settings.host)


@lru_cache(maxsize=256)
def is_loopback(host: str) -> bool:
    """Tell whether a name or address means this machine itself."""
    bare = host.strip("[]").lower().rstrip(".")
    if bare in LOOPBACK_NAMES or bare.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(bare).is_loopback
    except ValueError:
        return False


@lru_cache(maxsize=256)  # callers name the service alike, request after request
def split_host(header: str) -> tuple[str, int | None] | None:
    """Return (name in lower case, port) of a ``Host`` header, or None when it is malformed."""
    if not header or any(character in header for character in "/@?#\\, \t"):
        return None
    try:
        parts = urlsplit(f"//{header}")
        name, port = parts.hostname, parts.port
    except ValueError:
        return None
    return (name.rstrip("."), port) if name else None


def is_allowed(header: str, allowed: Iterable[str]) -> bool:
    """Tell whether a ``Host`` header is one of ``ROTA_ALLOWED_HOSTS``, ``*.domain`` included."""
    found = split_host(header)
    if found is None:
        return False
    name, port = found
    return any(_matches(name, port, pattern.lower()) for pattern in allowed)


def _matches(name: str, port: int | None, pattern: str) -> bool:
    wanted = split_host(pattern.removeprefix("*.")) or (pattern, None)  # a bare IPv6 address has no host part
    if wanted[1] is not None and wanted[1] != port:
        return False
    if pattern.startswith("*."):
        return name.endswith(f".{wanted[0]}")
    return name == wanted[0] or name == pattern


def is_same_origin(origin: str, host: str, scheme: str) -> bool:
    """Tell whether a page of ``origin`` belongs to the service that was called as ``scheme://host``.

    Behind a proxy that ends TLS the service sees http where the browser sees https, so the scheme alone decides only
    where https is known.
    """
    try:
        parts = urlsplit(origin)
        port = parts.port
    except ValueError:
        return False
    called = split_host(host)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or called is None:
        return False
    if scheme == "https" and parts.scheme != "https":
        return False
    default = _DEFAULT_PORTS[parts.scheme]
    return (parts.hostname.rstrip("."), port or default) == (called[0], called[1] or default)
