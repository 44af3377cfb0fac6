"""Secrets that must not be seen: wherever one turns up in a text, in whatever form, it becomes ``***``."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any
from urllib.parse import quote, quote_plus

import msgspec

MASK = "***"
SHORTEST = 4
"""Shorter values are no secrets worth the name, and masking them would make every text unreadable."""
_SHORTEST_LINE = 8
"""Of a secret of several lines (a private key), each line so long is one by itself: a log has one line at a time."""
_MOST_LINES = 200
_SHORTEST_STEM = 8
_JSON_IN_JSON = 4
_CUT_FROM = 199
"""Nothing shorter has been cut by whoever reported it."""
_LEFT_OUT = re.compile(r"(\s*… \[[^\[\]\n]{1,60}\]\s*|…$)")
_PERCENT = re.compile(r"%[0-9A-F]{2}")


def plain_forms(secret: str) -> set[str]:
    """Return a secret as it is, and as it looks inside of an address."""
    return {secret, quote(secret, safe="", errors="replace"), quote_plus(secret, errors="replace")}


@lru_cache(maxsize=256)
def forms(secret: str) -> frozenset[str]:
    """Return the texts as which a secret turns up: plain, in JSON, in an address, in Python, in base64."""
    found: set[str] = set()
    lines = [line.strip() for line in secret.splitlines()]
    long = [line for line in lines if len(line) >= _SHORTEST_LINE]
    for text in (secret, " ".join(secret.split()), *long[:_MOST_LINES]):
        percent = {*plain_forms(text), quote(text, errors="replace")}
        found |= {_PERCENT.sub(lambda match: match[0].lower(), each) for each in percent if "%" in each}
        found |= percent | {repr(text)[1:-1]} | _json(text)
    return frozenset(form for form in (*found, *_base64(secret)) if len(form) >= SHORTEST)


def _json(text: str) -> set[str]:
    """Return a text as JSON writes it, and JSON inside of JSON: an answer that echoes a request does that."""
    found: set[str] = set()
    for write in (json.dumps, lambda value: msgspec.json.encode(value).decode()):
        each = text.encode("utf-8", "replace").decode()
        for _ in range(_JSON_IN_JSON):
            each = write(each)[1:-1]
            found.add(each)
    return found


def _base64(secret: str) -> set[str]:
    """Return the base64 of a secret: alone, and what is always the same of it inside of something longer."""
    raw = secret.encode("utf-8", "replace")
    found = {base64.b64encode(raw).rstrip(b"=")}
    for before in range(3):
        begin = -before % 3
        middle = raw[begin : begin + (len(raw) - begin) // 3 * 3]
        found.add(base64.b64encode(middle) if len(middle) * 4 // 3 >= _SHORTEST_STEM else b"")
    texts = {text.decode() for text in found}
    return texts | {text.replace("+", "-").replace("/", "_") for text in texts}


class Mask:
    """Hides given secrets.  One of less than four characters is left: it would hide half of every text."""

    __slots__ = ("_forms",)

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._forms: list[str] = []
        self._add(form for secret in secrets if len(secret) >= SHORTEST for form in forms(secret))

    def _add(self, found: Iterable[str]) -> None:
        # The longest first: a secret may contain another.
        self._forms = sorted({*self._forms, *found}, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """Return ``text`` without the secrets."""
        for form in self._forms:
            if form in text:
                text = text.replace(form, MASK)
        return text

    def line(self, text: str) -> str:
        """Return a line without the secrets; of one that was cut, also without the part of a secret that is left."""
        text = self(text)
        return self._at_cuts(text) if text.endswith(("]", "…")) and "…" in text else text

    def cut(self, text: str) -> str:
        """Return a text that may have been cut anywhere, without the secrets and without what a cut left of one."""
        text = self(text)
        if "…" in text:
            text = self._at_cuts(text)
        return text if len(text) < _CUT_FROM else self._without_head(self._without_tail(text))

    def json(self, text: str, *, cut: bool = False) -> str:
        """Return a JSON text without the secrets, still JSON; one without any is returned as it is.

        ``cut`` says that texts in it may have been cut.
        """
        try:
            value = msgspec.json.decode(text)
        except (msgspec.MsgspecError, RecursionError, UnicodeError):
            return self.cut(text)
        masked = self._value(value, self.cut if cut else self)
        return text if masked == value else msgspec.json.encode(masked).decode()

    def _value(self, value: Any, hide: Callable[[str], str]) -> Any:
        """Return a value of JSON without the secrets; a number that is one becomes a text."""
        if isinstance(value, str):
            return hide(value)
        if isinstance(value, dict):
            return {self(key): self._value(item, hide) for key, item in value.items()}
        if isinstance(value, list):
            return [self._value(item, hide) for item in value]
        if isinstance(value, (int, float)) and not isinstance(value, bool) and self(str(value)) != str(value):
            return MASK
        return value

    def _at_cuts(self, text: str) -> str:
        parts = _LEFT_OUT.split(text)  # text, mark, text, mark …
        for place in range(1, len(parts), 2):
            parts[place - 1] = self._without_tail(parts[place - 1])
            parts[place + 1] = self._without_head(parts[place + 1])
        return "".join(parts)

    def _without_tail(self, text: str) -> str:
        """Return a text without the beginning of a secret at its end."""
        for form in self._forms:
            place = text.find(form[:SHORTEST], max(0, len(text) - len(form) + 1))
            while place >= 0:
                if form.startswith(text[place:]):
                    return text[:place] + MASK
                place = text.find(form[:SHORTEST], place + 1)
        return text

    def _without_head(self, text: str) -> str:
        """Return a text without the end of a secret at its beginning."""
        for form in self._forms:
            place = text.rfind(form[-SHORTEST:], 0, len(form) - 1)
            while place >= 0:
                end = place + SHORTEST
                if form.endswith(text[:end]):
                    return MASK + text[end:]
                place = text.rfind(form[-SHORTEST:], 0, end - 1)
        return text
