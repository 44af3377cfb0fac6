"""Keeps secrets out of what is shown and stored of a request: addresses, errors, log lines, echoed answers."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

MASK = "***"
_LEAST = 6
_LEAST_DIGITS = 12
"""Shorter secrets are left: to hide every ``123456`` of a text would spoil the numbers in it."""

_NAME = re.compile(
    r"auth|cookie|credential|passw|pwd|secret|session|signature|token|(^|[_-])(sig|key)($|[_-])|api.?key",
    re.IGNORECASE,
)
_USERINFO = re.compile(r"(?<=//)[^/?#\s@]*@")
_QUERY = re.compile(r"([?&;])([^=&;#\s]+)=([^&;#\s]+)")


def is_secret_name(name: str) -> bool:
    """Tell whether a header or a query field called ``name`` is likely to carry a secret."""
    return _NAME.search(name) is not None


def mask_url(url: str) -> str:
    """Return ``url`` without its user information and without the values of query fields named like secrets."""
    if "@" in url:
        url = _USERINFO.sub(MASK + "@", url)
    return _QUERY.sub(_mask_field, url) if "?" in url else url


def is_masked(url: str) -> bool:
    """Tell whether ``url`` says what `mask_url` shows in place of a secret."""
    if f"//{MASK}@" in url:
        return True
    return MASK in url and any(match[3] == MASK and is_secret_name(match[2]) for match in _QUERY.finditer(url))


def _mask_field(match: re.Match[str]) -> str:
    return f"{match[1]}{match[2]}={MASK if is_secret_name(match[2]) else match[3]}"


class Mask:
    """Hides given secrets, plain or as JSON writes them, wherever they turn up in a text."""

    __slots__ = ("_secrets",)

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        found: set[str] = set()
        for secret in secrets:
            if len(secret) >= (_LEAST_DIGITS if secret.isdecimal() else _LEAST):
                found.add(secret)
                found.add(msgspec.json.encode(secret).decode()[1:-1])
        # The longest first: a secret may contain another.
        self._secrets = sorted(found, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, MASK)
        return text
