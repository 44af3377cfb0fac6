"""Sealed boxes: AES-256-GCM with a key of the settings.

The name of a secret is bound into its box, so that nobody who can write to the database gives one secret the value of
another.  The library is imported when the first box is made or opened: it takes 50 ms, and most processes need none.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
from collections.abc import Sequence
from typing import NamedTuple

KEY_BYTES = 32
_NONCE_BYTES = 12
_FORM = "v1."
_HEX = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)
_BASE64 = re.compile(r"[A-Za-z0-9_-]{43}=?", re.ASCII)


class CannotOpen(Exception):
    """No key at hand opens the box."""


class Box(NamedTuple):
    """A sealed value, and by which key."""

    text: str
    key_id: str


def new_key() -> str:
    """Return a new random key."""
    return base64.urlsafe_b64encode(os.urandom(KEY_BYTES)).decode()


def key_bytes(text: str) -> bytes:
    """Return the 32 bytes of a key that is written as base64 or hex.  Raises ``ValueError``, without the key."""
    if _HEX.fullmatch(text):
        return bytes.fromhex(text)
    plain = text.replace("+", "-").replace("/", "_")
    if not _BASE64.fullmatch(plain):
        raise ValueError("not 32 bytes as base64")
    try:
        return base64.urlsafe_b64decode(plain.rstrip("=") + "=")
    except binascii.Error:
        raise ValueError("not 32 bytes as base64") from None


class Keys:
    """The keys of the settings: the first one seals, all of them open."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._keys = {_id_of(key): key for key in map(key_bytes, texts)}
        self.first_id = next(iter(self._keys), None)
        """Which key seals; None where there is no key."""

    def __repr__(self) -> str:
        return f"Keys({', '.join(self._keys)})"

    def __contains__(self, key_id: str) -> bool:
        return key_id in self._keys

    def seal(self, name: str, value: str) -> Box:
        """Return the value of the secret ``name`` in a box.  There must be a key."""
        assert self.first_id is not None, "no key, no box"
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = os.urandom(_NONCE_BYTES)
        sealed = AESGCM(self._keys[self.first_id]).encrypt(nonce, value.encode(), _bound(name))
        return Box(_FORM + base64.urlsafe_b64encode(nonce + sealed).decode(), self.first_id)

    def open(self, name: str, box: Box) -> str:
        """Return what a box holds.  Raises `CannotOpen`."""
        key = self._keys.get(box.key_id)
        if key is None or not box.text.startswith(_FORM):
            raise CannotOpen
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        try:
            raw = base64.urlsafe_b64decode(box.text.removeprefix(_FORM))
            return AESGCM(key).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], _bound(name)).decode()
        except (InvalidTag, ValueError):
            raise CannotOpen from None


def _id_of(key: bytes) -> str:
    return hashlib.sha256(b"rota secret key\0" + key).hexdigest()[:8]


def _bound(name: str) -> bytes:
    return b"rota secret\0" + name.encode()
