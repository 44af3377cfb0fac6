"""How the text of a setting, or a value of ``rota.toml``, becomes a typed value."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from rota.durations import format_duration, parse_duration
from rota.errors import Invalid
from rota.sealing import key_bytes

HIGHEST_PORT = 65535
LEAST_SECRET = 32
ROLES = ("viewer", "operator", "admin")
_REDIS_EXAMPLE = "redis://redis.internal:6379/0"
"""Characters that the shared secret must have: whoever sees a token signed with it may try secrets until one fits."""
MAKE_SECRET = "make one: openssl rand -hex 32"
Parser = Callable[[object], Any]


class Wrong(Exception):
    """A value is not what a setting takes: ``expected`` completes the sentence "expected …"."""

    def __init__(self, expected: str, hint: str | None = None) -> None:
        self.expected = expected
        self.hint = hint
        super().__init__(expected)


_FLAGS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
_SIZE = re.compile(r"([0-9]{1,15})\s*([kmg]i?b|[kmg]|b)?", re.IGNORECASE | re.ASCII)
_SIZE_UNITS = {"": 1, "b": 1, "kb": 1000, "mb": 1000**2, "gb": 1000**3}
_SIZE_UNITS |= {"kib": 1024, "mib": 1024**2, "gib": 1024**3, "k": 1024, "m": 1024**2, "g": 1024**3}
_LABEL = r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)"
_HOST_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?", re.ASCII)
_HOST_PORT = re.compile(r"(\[[^\]]+\]|[^:\[\]]+)(?::([0-9]{1,5}))?")
_DOTTED = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_MODULE = re.compile(_DOTTED)
_APP = re.compile(rf"{_DOTTED}:{_DOTTED}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,99}", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_ROOT_PATH = re.compile(r"(?:/[A-Za-z0-9._~-]+)*/?", re.ASCII)
_PRIORITY_LIMIT = 32767
_LONGEST_HOST = 253
_LONGEST_SHOWN = 80


def parse_text(value: object) -> str:
    """Parse a text on one line."""
    if not isinstance(value, str) or _CONTROL.search(value) or not value.strip():
        raise Wrong("a text on one line")
    return value


def parse_scopes(value: object) -> str:
    """Parse scopes of OpenID Connect, ``openid`` among them."""
    scopes = parse_text(value).split()
    if "openid" not in scopes or not all(re.fullmatch(r"[!#-\[\]-~]+", scope) for scope in scopes):
        raise Wrong("scopes divided by spaces, openid among them")
    return " ".join(scopes)


def parse_secret(value: object) -> str:
    """Parse a secret."""
    text = parse_text(value)
    if text != text.strip():
        raise Wrong("a secret without spaces around it")
    return text


def parse_shared_secret(value: object) -> str:
    """Parse a secret that is long enough to sign with."""
    text = parse_secret(value)
    if len(text) < LEAST_SECRET:
        raise Wrong(f"a secret of at least {LEAST_SECRET} characters", MAKE_SECRET)
    return text


def parse_secret_keys(value: object) -> tuple[str, ...]:
    """Parse keys that encrypt, the first of which is used for what is new."""
    texts = value if isinstance(value, list) else parse_text(value).split(",")
    keys = tuple(text.strip() for text in texts if isinstance(text, str))
    try:
        if len(keys) < len(texts) or not all(map(key_bytes, keys)):
            raise ValueError
    except ValueError:
        raise Wrong(
            "keys of 32 bytes as base64 or hex, divided by commas", "make one with `rota secrets key`"
        ) from None
    return keys


def parse_flag(value: object) -> bool:
    """Parse true or false."""
    if isinstance(value, bool):
        return value
    found = _FLAGS.get(value.strip().lower()) if isinstance(value, str) else None
    if found is None:
        raise Wrong("true or false")
    return found


def whole_number(least: int, most: int) -> Parser:
    """Return a parser of an integer from ``least`` to ``most``."""

    def parse(value: object) -> int:
        if isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]{1,18}", value.strip(), re.ASCII):
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise Wrong(f"a whole number from {least} to {most}")
        return value

    return parse


def one_of(*choices: str) -> Parser:
    """Return a parser of one of some words, in any case."""

    def parse(value: object) -> str:
        text = value.strip().lower() if isinstance(value, str) else ""
        if text not in choices:
            raise Wrong(f"{', '.join(choices[:-1])} or {choices[-1]}")
        return text

    return parse


def duration(least_us: int = 0) -> Parser:
    """Return a parser of a duration of at least ``least_us`` microseconds."""

    def parse(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            raise Wrong("a duration such as 500ms, 30s, 5m, 2h or 7d")
        try:
            return parse_duration(value, minimum_us=least_us)
        except Invalid as error:
            least = f" of at least {format_duration(least_us)}" if least_us else ""
            raise Wrong(f"a duration{least} such as 500ms, 30s, 5m, 2h or 7d", error.hint) from error

    return parse


def retention(value: object) -> int | None:
    """Parse a duration, or ``never`` (None)."""
    if isinstance(value, str) and value.strip().lower() == "never":
        return None
    try:
        kept: int = duration(1_000_000)(value)
    except Wrong as error:
        raise Wrong(error.expected + ", or never", error.hint) from error
    return kept


def parse_size(value: object) -> int:
    """Parse a number of bytes that fit into memory, perhaps with its unit."""
    size = _bytes(value)
    if size is None or not 1 <= size <= 1024**3:
        raise Wrong("a size from 1B to 1GiB such as 64KiB or 2MiB")
    return size


def parse_disk_size(value: object) -> int:
    """Parse a number of bytes on a disk, perhaps with its unit."""
    size = _bytes(value)
    if size is None or not 1000 <= size <= 1024**5:
        raise Wrong("a size from 1kB to 1048576GiB such as 100MiB or 20GB")
    return size


def _bytes(value: object) -> int | None:
    match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is not None:
        return int(match[1]) * _SIZE_UNITS[(match[2] or "").lower()]
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def parse_host(value: object) -> str:
    """Parse the name or the address of a host."""
    text = value.strip() if isinstance(value, str) else ""
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if not _is_address(bare) and not _is_host_name(bare):
        raise Wrong("a host name or an IP address", "0.0.0.0 listens on every IPv4 address, :: on every address")
    return bare


def parse_root_path(value: object) -> str:
    """Parse a path below which everything is found; ``/`` is none."""
    if not isinstance(value, str) or not _ROOT_PATH.fullmatch(value.strip()):
        raise Wrong("a path such as /scheduler")
    return value.strip().rstrip("/")


def parse_app(value: object) -> str:
    """Parse ``MODULE:ATTRIBUTE``."""
    if not isinstance(value, str) or not _APP.fullmatch(value.strip()):
        raise Wrong("MODULE:ATTRIBUTE, such as myapp.jobs:rota")
    return value.strip()


def parse_url(value: object) -> str:
    """Parse an http or https address."""
    text = value.strip() if isinstance(value, str) else ""
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good or re.search(r"[\s\\]", text) or _CONTROL.search(text) or "#" in text:
        raise Wrong("an http:// or https:// address")
    return text


def parse_redis_url(value: object) -> str:
    """Parse the address of a Redis."""
    text = value.strip() if isinstance(value, str) else ""
    if not is_redis_url(text):
        raise Wrong(f"the address of a Redis such as {_REDIS_EXAMPLE}")
    return text


def parse_redis_urls(value: object) -> dict[str, str]:
    """Parse names of Redis servers: ``billing=redis://…,mail=redis://…``."""
    try:
        found = parse_pairs(value)
    except Wrong:
        found = {"": ""}
    if not all(is_name(name) and is_redis_url(url) for name, url in found.items()):
        raise Wrong(f"pairs name=address such as billing={_REDIS_EXAMPLE}")
    return found


def list_of(check: Callable[[str], bool], expected: str) -> Parser:
    """Return a parser of a list: text divided by commas, or an array of ``rota.toml``."""

    def parse(value: object) -> tuple[str, ...]:
        found = _items(value)
        wrong = next((item for item in found if not check(item)), None)
        if wrong is not None:
            raise Wrong(f"{expected}, divided by commas; {show(wrong)} is none")
        return tuple(dict.fromkeys(found))

    return parse


def some_of(check: Callable[[str], bool], expected: str) -> Parser:
    """Return a parser of a list that is not empty: where none would mean all, nobody means it by an empty one."""
    parse_list = list_of(check, expected)

    def parse(value: object) -> tuple[str, ...]:
        found: tuple[str, ...] = parse_list(value)
        if not found:
            raise Wrong(f"{expected}, divided by commas", hint="leave it out for all")
        return found

    return parse


def parse_pairs(value: object) -> dict[str, str]:
    """Parse ``a=b,c=d``, or a table of ``rota.toml``."""
    expected = "pairs such as name=other,name2=other2"
    if isinstance(value, Mapping):
        pairs = [(str(key), str(text)) for key, text in value.items()]
    else:
        divided = [item.partition("=") for item in _items(value)]
        if not all(equals for _, equals, _ in divided):
            raise Wrong(expected)
        pairs = [(key.strip(), text.strip()) for key, _, text in divided]
    found = dict(pairs)
    if len(found) < len(pairs) or not all(key and text and not _CONTROL.search(key + text) for key, text in pairs):
        raise Wrong(expected)
    return found


def parse_rename(value: object) -> dict[str, str]:
    """Parse new names of log fields; no two may become the same."""
    found = parse_pairs(value)
    if len(set(found.values())) < len(found):
        raise Wrong("pairs field=newName, each new name once")
    return found


def parse_permissions(value: object) -> dict[str, str]:
    """Parse least roles of operations: ``cancelJob=admin,retryJob=viewer``."""
    try:
        found = {name: role.lower() for name, role in parse_pairs(value).items()}
    except Wrong:
        found = {"": ""}
    if not all(role in ROLES for role in found.values()):
        raise Wrong("pairs operation=role such as cancelJob=admin", f"a role is one of {', '.join(ROLES)}")
    return found


def parse_priorities(value: object) -> dict[str, int]:
    """Parse names of priorities, kept in lower case: ``live=20,high=10``."""
    number = whole_number(-_PRIORITY_LIMIT, _PRIORITY_LIMIT)
    try:
        pairs = [(name.lower(), number(text)) for name, text in parse_pairs(value).items()]
    except Wrong as error:
        raise Wrong("pairs name=number such as live=20,high=10") from error
    if len(dict(pairs)) < len(pairs):
        raise Wrong("each name of a priority once, in whatever case")
    return dict(pairs)


def is_host_pattern(text: str) -> bool:
    """A host, ``*.domain``, an address, or a network ``10.0.0.0/8``."""
    return _is_network(text) or _is_host_name(text.removeprefix("*."))


def is_host_with_port(text: str) -> bool:
    """A host or ``*.domain`` or address, perhaps with ``:port``."""
    if _is_address(text):
        return True
    match = _HOST_PORT.fullmatch(text)
    if match is None or (match[2] and not 1 <= int(match[2]) <= HIGHEST_PORT):
        return False
    host = match[1]
    return _is_address(host[1:-1]) if host.startswith("[") else is_host_pattern(host) and "/" not in host


def is_redis_url(text: str) -> bool:
    """Tell whether a text is the address of a Redis: ``redis://``, ``rediss://`` (TLS) or ``unix://``."""
    try:
        parts = urlsplit(text)
        place = parts.path if parts.scheme == "unix" else parts.hostname
        good = parts.scheme in ("redis", "rediss", "unix") and bool(place) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False
    return good and not re.search(r"[\s\\]", text) and not _CONTROL.search(text)


def is_network(text: str) -> bool:
    """An address or a network."""
    return _is_network(text)


def is_origin(text: str) -> bool:
    """``*``, or scheme, host and port of a page."""
    if text == "*":
        return True
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and text == f"{parts.scheme}://{parts.netloc}"
    except ValueError:
        return False


def is_module(text: str) -> bool:
    """A dotted name of Python."""
    return _MODULE.fullmatch(text) is not None


def is_name(text: str) -> bool:
    """Letters, digits and ``._:-``, at most 100."""
    return _NAME.fullmatch(text) is not None


def is_text(text: str) -> bool:
    """Any text on one line."""
    return _CONTROL.search(text) is None


def show(value: object) -> str:
    """Write a refused value for an error: short, and without what stands before the ``@`` of an address."""
    text = re.sub(r"(://).*@", r"\1***@", str(value), flags=re.DOTALL)
    text = re.sub(r"(password=)[^&\s]*", r"\1***", text, flags=re.IGNORECASE)
    return repr(text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…")


def _items(value: object) -> list[str]:
    if isinstance(value, str):
        return [item.strip() for item in value.split(",") if item.strip()]
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        return [item.strip() for item in value]
    raise Wrong("a list: texts divided by commas, or an array of texts")


def _is_host_name(text: str) -> bool:
    # An all-numeric last label can only be a mistyped address.
    return (
        len(text) <= _LONGEST_HOST
        and _HOST_NAME.fullmatch(text) is not None
        and not text.rstrip(".").rpartition(".")[2].isdigit()
    )


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return True
