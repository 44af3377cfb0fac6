"""Channels: the Apprise addresses of ``ROTA_NOTIFY_URLS``, with Rota's own words in them taken out.

An address is a secret as a whole.  What is shown of a channel is its name and its kind.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal
from urllib.parse import unquote, unquote_plus, urlsplit

import msgspec

from rota.settings.values import Wrong

Least = Literal["warning", "error"]
LEASTS: tuple[Least, ...] = ("warning", "error")
EXPECTED = "Apprise addresses such as slack://… or mailto://…, divided by spaces"

_BREAK = re.compile(r"[\s,]+(?=[A-Za-z][A-Za-z0-9+.-]*://)")
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,39}")
_KINDS = {
    "mailto": "mail", "mailtos": "mail", "json": "webhook", "jsons": "webhook", "xml": "webhook", "xmls": "webhook",
    "form": "webhook", "forms": "webhook", "tgram": "telegram", "workflow": "teams", "workflows": "teams",
    "msteams": "teams",
}  # fmt: skip
_NATIVE = {"hooks.slack.com": "slack", "discord.com": "discord", "discordapp.com": "discord"}
"""Hosts whose plain addresses people paste, and Apprise understands."""
_LEAST_TOKEN = 16
_LEAST_PATH = 12
_LEAST_PART = 4


class Channel(msgspec.Struct, frozen=True):
    """Where notices go."""

    name: str
    """As it is shown: given by ``rota_name=``, else its kind and number, such as ``slack #1``."""
    kind: str
    least: Least
    """The severity from which on it is told."""
    address: str
    """For Apprise; a secret."""

    def __repr__(self) -> str:
        return f"Channel({self.name!r}, …)"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return [("name", self.name)]


class _Parts(msgspec.Struct, frozen=True):
    """Of an address; the parser of the standard library refuses some that Apprise takes."""

    netloc: str
    path: str
    query: str


def parse_notify_urls(value: object) -> tuple[str, ...]:
    """Parse Apprise addresses, divided by spaces, line ends or commas; raises `Wrong`."""
    if isinstance(value, str):
        parts: Sequence[object] = _BREAK.split(value.strip())
    elif isinstance(value, (list, tuple)):
        parts = value
    else:
        raise Wrong(EXPECTED)
    found = tuple(part for part in parts if isinstance(part, str) and _ADDRESS.fullmatch(part))
    if len(found) != len(parts):
        raise Wrong(EXPECTED)
    channels_of(found)
    return found


def channels_of(urls: Iterable[str]) -> list[Channel]:
    """Return the channels of addresses, in their order; raises `Wrong`, which quotes none of them."""
    numbers: Counter[str] = Counter()
    found: list[Channel] = []
    for url in urls:
        address, said = _without_own(url)
        kind = _kind(address)
        numbers[kind] += 1
        name = said.get("rota_name", f"{kind} #{numbers[kind]}")
        least = next((one for one in LEASTS if one == said.get("rota_min", "warning")), None)
        if "rota_name" in said and not _NAME.fullmatch(name):
            raise Wrong("rota_name= with 1 to 40 letters, digits, spaces, dots, dashes or underscores")
        if least is None:
            raise Wrong("rota_min=warning or rota_min=error")
        found.append(Channel(name, kind, least, address))
    names = [channel.name for channel in found]
    if len(set(names)) < len(names):
        raise Wrong("a name of its own for each channel", hint="two have the same rota_name")
    return found


def secrets_of(address: str) -> list[str]:
    """Return what must be hidden of an address wherever it turns up: itself, its password, path and tokens."""
    parts = _split(address)
    userinfo, at, _ = parts.netloc.rpartition("@")
    found = [address, *([userinfo, userinfo.partition(":")[2]] if at else [])]
    if len(parts.path) >= _LEAST_PATH:
        found.append(parts.path)
    queries = (pair.partition("=")[2] for pair in parts.query.split("&"))
    pieces = [*parts.path.split("/"), *queries, *userinfo.split(":"), parts.netloc.rpartition("@")[2]]
    found += [piece for piece in pieces if len(piece) >= _LEAST_TOKEN and not _is_host(piece)]
    return list(dict.fromkeys(one for each in found for one in (each, unquote(each)) if len(one) >= _LEAST_PART))


def pieces_of(address: str) -> list[str]:
    """Return every part of an address that may be a secret, also short ones: to hide in what is said of it alone."""
    parts = _split(address)
    userinfo = parts.netloc.rpartition("@")[0]
    found = [*userinfo.split(":"), *parts.path.split("/"), *(pair.partition("=")[2] for pair in parts.query.split("&"))]
    if not _is_host(parts.netloc.rpartition("@")[2]):
        found.append(parts.netloc.rpartition("@")[2])
    return [*secrets_of(address), *(piece for piece in found if len(piece) >= _LEAST_PART and piece != "services")]


def _split(address: str) -> _Parts:
    _, _, rest = address.partition("://")
    rest, _, query = rest.partition("?")
    netloc, slash, path = rest.partition("/")
    return _Parts(netloc, slash + path, query)


def _is_host(text: str) -> bool:
    """Tell whether a text is the name of a machine, which is no secret; tokens have no dots."""
    return "." in text or text.partition(":")[0] == "localhost" or text.startswith("[")


def _without_own(url: str) -> tuple[str, dict[str, str]]:
    """Return an address without Rota's own fields, and those."""
    head, mark, query = url.partition("?")
    kept: list[str] = []
    own: dict[str, str] = {}
    for pair in query.split("&") if mark else ():
        name, _, value = pair.partition("=")
        if name in ("rota_name", "rota_min"):
            own[name] = unquote_plus(value)
        elif name.startswith("rota_"):
            raise Wrong("rota_name= and rota_min= as the only fields rota_…")
        else:
            kept.append(pair)
    return head + (mark + "&".join(kept) if kept else ""), own


def _kind(address: str) -> str:
    scheme = address.partition("://")[0].lower()
    if scheme in ("http", "https"):
        try:
            host = urlsplit(address).hostname or ""
        except ValueError:
            host = ""
        return _NATIVE.get(host, "webhook")
    return _KINDS.get(scheme, scheme)
