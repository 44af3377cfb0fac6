"""How a target knows that Rota calls: Standard Webhooks signatures and bearer tokens."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

AuthType = Literal["signature", "bearer", "basic", "hs256", "shared"]
AUTH_TYPES: tuple[AuthType, ...] = ("signature", "bearer", "basic", "hs256", "shared")
TOKEN_AUDIENCE = "rota-target"
TOKEN_SECONDS = 300
SECRET_PREFIX = "whsec_"
_TOKEN_HEAD = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').rstrip(b"=")


class NoSharedSecret(Exception):
    """The target wants the shared secret, and this worker has none."""


@dataclass(frozen=True, slots=True)
class Auth:
    """What a target's ``auth`` asks for.

    ``signature`` signs with ``secrets`` (all of them, so that they can be rotated), or with the shared secret when
    there are none; ``bearer`` sends a fixed token; ``basic`` a user name and password; ``hs256`` a token of five
    minutes signed with the shared secret; ``shared`` the shared secret itself as a bearer token.
    """

    type: AuthType
    secrets: tuple[str, ...] = ()
    """Signature: ``whsec_…``; bearer: the token; basic: user name and password."""

    def keys(self, shared: str | None) -> list[bytes]:
        """Return the keys of signatures.  The shared secret signs with its UTF-8 bytes."""
        if self.secrets:
            return [decode_secret(secret) for secret in self.secrets]
        return [_required(shared).encode()]

    def headers(self, *, job_id: str, now: int, body: bytes, shared: str | None) -> dict[str, str]:
        """Return the headers that prove who calls, at ``now`` (seconds UTC).  Raises `NoSharedSecret`."""
        match self.type:
            case "signature":
                return sign(job_id, now, body, self.keys(shared))
            case "bearer":
                return {"Authorization": f"Bearer {self.secrets[0]}"}
            case "basic":
                pair = base64.b64encode(":".join(self.secrets).encode()).decode()
                return {"Authorization": f"Basic {pair}"}
            case "hs256":
                return {"Authorization": f"Bearer {target_token(_required(shared), job_id, now)}"}
            case "shared":
                return {"Authorization": f"Bearer {_required(shared)}"}


def _required(shared: str | None) -> str:
    if not shared:
        raise NoSharedSecret
    return shared


def decode_secret(secret: str) -> bytes:
    """Return the key of a Standard Webhooks secret, ``whsec_`` and base64.  Raises ``ValueError``."""
    if not secret.startswith(SECRET_PREFIX):
        raise ValueError(f"the secret does not begin with {SECRET_PREFIX}")
    try:
        return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"what follows {SECRET_PREFIX} is not base64") from None


def sign(message_id: str, timestamp: int, body: bytes, keys: Sequence[bytes]) -> dict[str, str]:
    """Return the three headers of Standard Webhooks; one signature for each key, the newest key first."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    signatures = (base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode() for key in keys)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


def target_token(secret: str, job_id: str, now: int) -> str:
    """Return an HS256 token for a target: audience ``rota-target``, subject the job, valid for five minutes."""
    claims = {"iss": "rota", "aud": TOKEN_AUDIENCE, "sub": job_id, "iat": now, "exp": now + TOKEN_SECONDS}
    signed = _TOKEN_HEAD + b"." + _base64url(msgspec.json.encode(claims))
    return (signed + b"." + _base64url(hmac.digest(secret.encode(), signed, hashlib.sha256))).decode()


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
