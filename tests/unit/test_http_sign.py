"""Signatures and tokens, against values that were computed by other means."""

from __future__ import annotations

import jwt
import pytest
from jwt.types import Options

from rota.executors.http_sign import Auth, NoSharedSecret, decode_secret, sign, target_token

# By openssl: printf 'ID.TIMESTAMP.BODY' | openssl dgst -sha256 -mac HMAC -macopt hexkey:… -binary | base64
NEW = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OLD = "whsec_b2xkIHNlY3JldCBvZiB0d2VudHktZm91ciBi"
ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
TIMESTAMP = 1_614_265_330
BODY = b'{"test": 2432232314}'
BY_NEW = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
BY_OLD = "v1,3jj5OEo0XovcpsBwwkgO/d9BFgS4+H4ZWqUNguO7R8s="


def test_the_signature_is_that_of_the_standard() -> None:
    headers = sign(ID, TIMESTAMP, BODY, [decode_secret(NEW)])
    assert headers == {"webhook-id": ID, "webhook-timestamp": str(TIMESTAMP), "webhook-signature": BY_NEW}


def test_while_keys_are_rotated_each_of_them_signs() -> None:
    auth = Auth("signature", (NEW, OLD))
    headers = auth.headers(job_id=ID, now=TIMESTAMP, body=BODY, shared=None)
    assert headers["webhook-signature"] == f"{BY_NEW} {BY_OLD}"


def test_without_secrets_the_shared_one_signs() -> None:
    shared = "old secret of twenty-four b"
    assert Auth("signature").headers(job_id=ID, now=TIMESTAMP, body=BODY, shared=shared)["webhook-signature"] == BY_OLD


@pytest.mark.parametrize("secret", ["MfKQ9r8G", "whsec_ä", "whsec_MfK*", "whsec_abc"])
def test_secrets_that_are_none(secret: str) -> None:
    with pytest.raises(ValueError, match="whsec_"):
        decode_secret(secret)


def test_the_token_is_refused_by_anybody_but_targets_and_after_five_minutes() -> None:
    secret = "a shared secret of enough bytes for HS256"
    token = target_token(secret, ID, TIMESTAMP)
    options: Options = {"verify_exp": False, "verify_iat": False}
    claims = jwt.decode(token, secret, ["HS256"], options=options, audience="rota-target")
    assert claims == {"iss": "rota", "aud": "rota-target", "sub": ID, "iat": TIMESTAMP, "exp": TIMESTAMP + 300}
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT"}
    with pytest.raises(jwt.InvalidAudienceError):
        jwt.decode(token, secret, ["HS256"], options=options, audience="rota")
    with pytest.raises(jwt.ExpiredSignatureError):
        jwt.decode(token, secret, ["HS256"], audience="rota-target")
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(token, "another shared secret of enough bytes", ["HS256"], options=options, audience="rota-target")


@pytest.mark.parametrize("kind", ["hs256", "shared", "signature"])
@pytest.mark.parametrize("shared", [None, ""])
def test_nothing_is_signed_with_an_empty_secret(kind: str, shared: str | None) -> None:
    auths = {"hs256": Auth("hs256"), "shared": Auth("shared"), "signature": Auth("signature")}
    with pytest.raises(NoSharedSecret):
        auths[kind].headers(job_id=ID, now=TIMESTAMP, body=BODY, shared=shared)
