"""Public keys as issuers publish them (RFC 7517): which of them are taken, and for which algorithm."""

from __future__ import annotations

from typing import Any, Literal

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from rota.api.claims import text_of
from rota.api.outside import NoAnswer

MOST_KEYS = 100
LEAST_RSA_BITS = 2048

SignedBy = Literal["RS256", "ES256"]
PublicKey = RSAPublicKey | EllipticCurvePublicKey
Keys = dict[tuple[str | None, SignedBy], PublicKey]


def keys_of(answer: dict[str, object]) -> Keys:
    """Return the keys of a JSON Web Key Set that are for signing and strong enough; raises NoAnswer without any."""
    listed = answer.get("keys")
    found: Keys = {}
    for one in listed[:MOST_KEYS] if isinstance(listed, list) else []:
        entry = _usable(one) if isinstance(one, dict) else None
        if entry is not None:
            algorithm, key = entry
            found.setdefault((text_of(one.get("kid")), algorithm), key)
    if not found:
        raise NoAnswer("it gives no key for RS256 or ES256")
    return found


def _usable(one: dict[str, Any]) -> tuple[SignedBy, PublicKey] | None:
    """Return a key that is for signing, strong enough, and for what its own kind decides: never a shared one."""
    kind: SignedBy | None = {"RSA": "RS256", "EC": "ES256"}.get(text_of(one.get("kty")) or "")  # type: ignore[assignment]
    if kind is None or one.get("alg", kind) != kind or one.get("use", "sig") != "sig":
        return None
    try:
        key = jwt.PyJWK(one, kind).key
    except (jwt.PyJWTError, UnsupportedAlgorithm, ValueError, TypeError, LookupError, AttributeError, OverflowError):
        return None
    if isinstance(key, RSAPublicKey):
        return (kind, key) if key.key_size >= LEAST_RSA_BITS else None
    is_p256 = isinstance(key, EllipticCurvePublicKey) and key.curve.name == "secp256r1"
    return (kind, key) if is_p256 else None
