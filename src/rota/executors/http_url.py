"""Addresses as targets give them: one parser for what is checked and for what is called."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote

from yarl import URL

from rota.errors import Invalid
from rota.executors.http_address import Rules, is_host, literal, looks_numeric, refused_always

MAX_CHARS = 8192
SCHEMES = ("http", "https")
_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f-\x9f\ud800-\udfff\u2028\u2029]")


def parse_url(text: object, field: str) -> URL:
    """Return the absolute http or https address that ``text`` gives.

    Raises `Invalid` for ``field``: another scheme, credentials, control characters, a backslash, an odd spelling
    of an IP address, or an address that is never called.
    """
    url = _parse(_checked_text(text, field), field)
    if not url.scheme:
        raise Invalid(field, f"{str(text)[:80]!r} is no address", hint="write the whole of it: http://… or https://…")
    if url.scheme not in SCHEMES:
        raise Invalid(field, f"the scheme {url.scheme!r} is not called", hint="http://… or https://…")
    if url.raw_user is not None or url.raw_password is not None:
        raise Invalid(field, "credentials do not belong into an address", hint="use the target's auth")
    host = url.raw_host or ""
    if not is_host(host):
        hint = "write an IP address as 192.0.2.1 or [2001:db8::1]" if looks_numeric(host) or ":" in host else None
        raise Invalid(field, f"{host[:80]!r} is not a host" if host else "there is no host", hint=hint)
    if url.port is None or not 0 < url.port < 65536:
        raise Invalid(field, "the port is not between 1 and 65535")
    address = literal(host)
    reason = refused_always(address) if address is not None else None
    if reason is not None:
        raise Invalid(field, f"{host} is never called: {reason}")
    return url


def parse_path(path: object, field: str) -> str:
    """Return a path that can follow a service's address and cannot become another authority or climb above it."""
    text = _checked_text(path, field)
    if not text.startswith("/"):
        raise Invalid(field, f"{text[:80]!r} does not begin with /", hint="/api/crawl")
    plain = text.partition("?")[0]
    for _ in range(3):
        if plain.startswith("//") or "\\" in plain:
            raise Invalid(field, "a path is never an authority", hint="one / at its beginning, no backslash")
        if any(part in (".", "..") for part in plain.split("/")):
            raise Invalid(field, "a path has no . or .. in it")
        plain = unquote(plain)
    return text


def service_url(services: Mapping[str, str], name: str, path: str, field: str) -> URL:
    """Return the address of ``path`` at the service ``name``, as the settings know it.  Raises `Invalid`."""
    wanted = service_key(name)
    base = next((url for key, url in services.items() if service_key(key) == wanted), None)
    if base is None:
        known = ", ".join(sorted(services)) or "none"
        hint = f"known: {known}; set ROTA_SERVICE_{wanted.upper()}_URL"
        raise Invalid(f"{field}.service", f"the settings know no service {name!r}", hint=hint)
    root = parse_url(base, f"{field}.service")
    if root.query_string or root.fragment:
        raise Invalid(f"{field}.service", f"the address of {name!r} has a query or a fragment")
    return _parse(str(root).rstrip("/") + path, f"{field}.path") if path else root


def service_key(name: str) -> str:
    """Return the spelling by which a service's name and its setting are compared."""
    return name.strip().lower().replace("-", "_")


def check_callback(text: object, own: URL, hosts: Rules, field: str = "callbackUrl") -> URL:
    """Return the address that a job brings itself: on the host of its type's target, or on one of ``hosts``.

    Raises `Invalid` for ``field``.
    """
    url = parse_url(text, field)
    host = url.raw_host or ""
    address = literal(host)
    if host != own.raw_host and not hosts.names(host) and not (address and hosts.covers([address])):
        raise Invalid(field, f"{host} is not the host of the type's target", hint="name it in ROTA_CALLBACK_HOSTS")
    return url


def _parse(text: str, field: str) -> URL:
    try:
        return URL(text)
    except ValueError as error:
        raise Invalid(field, f"{text[:80]!r} is no address: {error}") from None


def _checked_text(text: object, field: str) -> str:
    if not isinstance(text, str) or not text:
        raise Invalid(field, "must be a text", hint="https://example.com/hook")
    if len(text) > MAX_CHARS:
        raise Invalid(field, f"longer than {MAX_CHARS} characters")
    if _UNPRINTABLE.search(text):
        raise Invalid(field, "has spaces or control characters", hint="percent-encode them: %20 for a space")
    if "\\" in text:
        raise Invalid(field, "has a backslash", hint="percent-encode it: %5C")
    return text
