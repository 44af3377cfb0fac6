"""Keeps secrets out of what is shown and stored of a request: addresses, errors, log lines, echoed answers."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from rota.masking import MASK
from rota.masking import Mask as EveryForm

__all__ = ["MASK", "Mask", "is_masked", "is_secret_name", "mask_url"]

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


class Mask(EveryForm):
    """Hides given secrets, plain or as JSON writes them, and ``named`` ones in every form, wherever they turn up."""

    __slots__ = ()

    def __init__(self, secrets: Iterable[str] = (), named: Iterable[str] = ()) -> None:
        # One of digits alone may be a number in JSON, which is masked where its structure is known.
        super().__init__(secret for secret in named if _is_long(secret) and not secret.isdecimal())
        found: set[str] = set()
        for secret in filter(_is_long, secrets):
            found.add(secret)
            found.add(msgspec.json.encode(secret).decode()[1:-1])
        self._add(found)


def _is_long(secret: str) -> bool:
    return len(secret) >= (_LEAST_DIGITS if secret.isdecimal() else _LEAST)
