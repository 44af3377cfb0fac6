"""Browser sessions: a signed cookie, so that only those that were ended before their time need to be remembered.

The key is made of the secrets that let people in: it is the same after a restart and in every process, and whoever
changes a secret ends the sessions that it opened.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Iterable

import msgspec

from rota.api.access import Identity, Source
from rota.model import Role

LASTS_S = 7 * 86_400
_MOST_BYTES = 4096


class _Session(msgspec.Struct, array_like=True, frozen=True):
    subject: str
    role: Role
    source: Source
    digest: str | None
    until: int
    id: str = ""


class Signer:
    """Signs what browsers keep."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def sign(self, body: bytes) -> bytes:
        """Return the signature of a text."""
        return hmac.new(self._key, body, hashlib.sha256).digest()

    def pack(self, body: bytes) -> str:
        """Return a text with its signature, as the value of a cookie."""
        return f"{_encode(body)}.{_encode(self.sign(body))}"

    def unpack(self, value: str) -> bytes | None:
        """Return the text that a cookie holds, or None when we have not signed it."""
        body_text, _, signature_text = value.partition(".")
        body, signature = _decode(body_text), _decode(signature_text)
        if body is None or signature is None or not hmac.compare_digest(signature, self.sign(body)):
            return None
        return body


class Sessions:
    """Makes and reads session cookies."""

    def __init__(self, kept_secrets: Iterable[str | None], *, root_path: str) -> None:
        known = [secret for secret in kept_secrets if secret]
        material = "\0".join(known) if known else secrets.token_hex(32)
        key = hmac.new(material.encode(), b"rota session", hashlib.sha256).digest()
        self._signer = Signer(key)
        self._path = root_path or "/"
        # Cookies do not tell ports apart: two services on one machine must not log each other out.
        self.cookie = f"rota_session_{hashlib.sha256(key).hexdigest()[:8]}"

    def begin(self, identity: Identity, *, secure: bool) -> str:
        """Return the ``Set-Cookie`` header of a session; it ends with the credential that opened it, if that ends."""
        until = int(time.time()) + LASTS_S
        if identity.until is not None:
            until = min(until, int(identity.until))
        if identity.role is None:
            raise ValueError("a session needs a role")
        session = _Session(
            identity.subject, identity.role, identity.source, identity.digest, until, secrets.token_urlsafe(9)
        )
        value = self._signer.pack(msgspec.json.encode(session))
        return self._header(value, max(0, until - int(time.time())), secure=secure)

    def end(self, *, secure: bool) -> str:
        """Return the ``Set-Cookie`` header that removes the session."""
        return self._header("", 0, secure=secure)

    def read(self, value: str) -> Identity | None:
        """Return whose session a cookie holds, or None when it is not ours or has ended."""
        body = self._signer.unpack(value)
        if body is None:
            return None
        session = msgspec.json.decode(body, type=_Session)
        if session.until <= time.time():
            return None
        return Identity(
            subject=session.subject,
            role=session.role,
            source=session.source,
            digest=session.digest,
            until=session.until,
            by_cookie=True,
            session=session.id or None,
        )

    def signer(self, purpose: str) -> Signer:
        """Return what signs for another purpose: nothing that it has signed is a session."""
        return Signer(self._signer.sign(f"rota {purpose}".encode()))

    def _header(self, value: str, age_s: int, *, secure: bool) -> str:
        flags = "; Secure" if secure else ""
        return f"{self.cookie}={value}; Path={self._path}; Max-Age={age_s}; HttpOnly; SameSite=Strict{flags}"


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(text: str) -> bytes | None:
    if not text or len(text) > _MOST_BYTES:
        return None
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return None
