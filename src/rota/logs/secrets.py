"""Secrets that must not appear in any line: known values are replaced by ``***``."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from rota.masking import MASK, SHORTEST, plain_forms


class Masker:
    """Knows the secrets of this process, also as they look inside of addresses and of JSON."""

    def __init__(self) -> None:
        self._texts: tuple[str, ...] = ()
        self.encoded: tuple[str, ...] = ()
        """The secrets as they look inside of JSON, to search a line for."""

    def add(self, secrets: Iterable[str]) -> None:
        """Mask these values from now on."""
        texts = set(self._texts)
        for secret in secrets:
            if len(secret) >= SHORTEST and secret not in texts:
                texts |= plain_forms(secret)
        # The longest first: one secret may be the beginning of another.
        self._texts = tuple(sorted(texts, key=len, reverse=True))
        self.encoded = tuple({_as_json(text) for text in texts})

    def mask(self, text: str) -> str:
        """Return the text without secrets."""
        for secret in self._texts:
            if secret in text:
                text = text.replace(secret, MASK)
        return text


def _as_json(text: str) -> str:
    return msgspec.json.encode(text.encode("utf-8", "replace").decode())[1:-1].decode()
