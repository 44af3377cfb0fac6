"""Tokens of an issuer: real keys, served over loopback, that come, go and cannot be had."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest

from rota.api.jwks import AGAIN_S, FRESH_S, STALE_S, Issuer, IssuerKeys, IssuerUnavailable
from rota.api.outside import MOST_BYTES, NoAnswer
from rota.errors import Unauthorized
from rota.local_token import token_path
from rota.settings import load_settings
from rota.store import migrate
from rota.store.database import Database
from tests.api.calls import SECRET, Api, good, problem, signed
from tests.store import builders
from tests.support.issuer import AUDIENCE, DISCOVERY_PATH, DOWN, KEYS_PATH, IssuerServer, SigningKey, running_issuer
from tests.support.target import Answer

LATER_S = 30 * 86_400
"""Counted from when the tests are collected, which is long before some of them run."""


class Hand:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is busy takes longer than an issuer may."""
    monkeypatch.setattr("rota.api.jwks.WITHIN_S", 60.0)
    monkeypatch.setattr("rota.api.jwks.STALE_WAIT_S", 60.0)


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
def known(issuer: IssuerServer, hand: Hand) -> Issuer:
    """What a service knows of the issuer."""
    return Issuer(IssuerKeys(issuer.keys_url, issuer.name, clock=hand), issuer.name)


@pytest.fixture(scope="module")
def standing() -> Iterator[IssuerServer]:
    """An issuer that stays as it is."""
    with running_issuer() as issuer:
        yield issuer


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory, standing: IssuerServer) -> Iterator[Api]:
    """A service that knows this issuer and no secret."""
    url = f"sqlite:///{tmp_path_factory.mktemp('issuer')}/rota.db"
    db = builders.opened(url)
    migrate.migrate(db)
    found = Api(db, load_settings({"ROTA_DATABASE_URL": url, **standing.settings()}))
    yield found
    found.close()
    db.close()


@pytest.fixture
def own(lite: Database, sqlite_url: str, issuer: IssuerServer) -> Iterator[Api]:
    """A service whose issuer a test may change."""
    found = Api(lite, load_settings({"ROTA_DATABASE_URL": sqlite_url, **issuer.settings()}))
    yield found
    found.close()


async def me(api: Api, token: str) -> dict[str, Any]:
    async with api.client(token) as client:
        found: dict[str, Any] = good(await client.get("/api/me"))
    return found


async def refused(api: Api, token: str, status: int = 401) -> dict[str, Any]:
    async with api.client(token) as client:
        return problem(await client.get("/api/me"), status)


# -- what is believed -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["rsa", "ec"])
@pytest.mark.parametrize("role", ["viewer", "operator", "admin"])
async def test_a_token_of_the_issuer_has_its_role(api: Api, standing: IssuerServer, kind: str, role: str) -> None:
    token = standing.token(role, key=getattr(standing, kind))
    found = await me(api, token)
    assert (found["subject"], found["role"], found["source"]) == ("user_2abc123", role, "issuer")


@pytest.mark.parametrize(
    ("claims", "role"),
    [
        ({"metadata": {"role": "admin"}}, "admin"),
        ({"public_metadata": {"role": "viewer"}, "metadata": {"role": "admin"}, "role": "admin"}, "viewer"),
        ({"metadata": {"role": "operator"}, "role": "admin"}, "operator"),
    ],
)
async def test_the_first_claim_counts(api: Api, standing: IssuerServer, claims: dict[str, Any], role: str) -> None:
    assert (await me(api, standing.token(**claims)))["role"] == role


async def test_the_claim_can_be_named(lite: Database, sqlite_url: str, issuer: IssuerServer) -> None:
    environ = issuer.settings(ROTA_DATABASE_URL=sqlite_url, ROTA_AUTH_ROLE_CLAIM="app.role")
    api = Api(lite, load_settings(environ))
    assert (await me(api, issuer.token("viewer", app={"role": "admin"})))["role"] == "admin"
    await refused(api, issuer.token("admin"), 403)
    api.close()


@pytest.mark.parametrize("role", [None, "king", "", "Admin", 1, ["admin"], {"admin": True}])
async def test_who_has_none_of_the_three_roles_may_nothing(api: Api, standing: IssuerServer, role: Any) -> None:
    assert (await refused(api, standing.token(role), 403))["detail"] == "Admin access required"


async def test_a_secret_and_an_issuer_at_once(lite: Database, sqlite_url: str, issuer: IssuerServer) -> None:
    environ = issuer.settings(ROTA_DATABASE_URL=sqlite_url, ROTA_AUTH_SECRET=SECRET)
    api = Api(lite, load_settings(environ))
    assert (await me(api, issuer.token("viewer")))["source"] == "issuer"
    assert (await me(api, SECRET))["source"] == "secret"
    assert (await me(api, signed("viewer", iss=issuer.name, aud=AUDIENCE)))["source"] == "signed"
    await refused(api, signed("viewer"))
    await refused(api, jwt.encode({"role": "admin", "exp": int(time.time()) + 60}, issuer.rsa.pem.hex(), "HS256"))
    api.close()


async def test_with_an_issuer_there_is_no_local_token(api: Api) -> None:
    assert not token_path(api.settings.database_url).exists()


async def test_the_issuer_says_where_its_keys_are(lite: Database, sqlite_url: str, issuer: IssuerServer) -> None:
    api = Api(lite, load_settings({"ROTA_DATABASE_URL": sqlite_url, "ROTA_AUTH_ISSUER": issuer.name}))
    assert (await me(api, issuer.token("viewer")))["role"] == "viewer"
    assert len(issuer.server.requests_to(DISCOVERY_PATH)) == 1
    api.close()


@pytest.mark.parametrize(
    "wrong", [{"issuer": "https://other"}, {"jwks_uri": None}, {"jwks_uri": "file:///etc/passwd"}, {"jwks_uri": 1}]
)
async def test_a_discovery_of_something_else_is_none(issuer: IssuerServer, wrong: dict[str, Any]) -> None:
    issuer.discovery |= wrong
    with pytest.raises(NoAnswer, match="discovery"):
        await IssuerKeys(None, issuer.name).read()


async def test_an_address_of_keys_that_is_none_is_said(issuer: IssuerServer) -> None:
    issuer.discovery["jwks_uri"] = "http://["
    with pytest.raises(NoAnswer):
        await IssuerKeys(None, issuer.name).read()


async def test_a_token_of_an_issuer_cannot_speak_for_others(api: Api, standing: IssuerServer) -> None:
    async with api.client(standing.token("admin")) as client:
        body = {"target": {"kind": "command", "command": ["true"]}, "startedBy": "bob"}
        made = good(await client.post("/api/jobs", json=body), 201)
        assert good(await client.get(f"/api/jobs/{made['id']}"))["startedBy"] == "user_2abc123"


# -- what is not ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claims", "hint"),
    [
        ({"exp": int(time.time()) - 60}, "expired"),
        ({"exp": None}, "no exp"),
        ({"exp": "soon"}, None),
        ({"nbf": int(time.time()) + LATER_S}, "not valid yet"),
        ({"iat": int(time.time()) + LATER_S}, "not valid yet"),
        ({"iss": "https://other"}, "another issuer"),
        ({"iss": None}, "no iss"),
        ({"aud": "other"}, "another audience"),
        ({"aud": None}, "no aud"),
        ({"aud": "rota-target"}, None),
        ({"aud": ["rota", "rota-target"]}, "for a target"),
        ({"sub": None}, "no sub"),
        ({"sub": ""}, "no sub"),
    ],
)
async def test_claims_that_do_not_hold(
    api: Api, standing: IssuerServer, claims: dict[str, Any], hint: str | None
) -> None:
    found = await refused(api, standing.token("admin", **claims))
    assert found["detail"] == "Invalid token"
    assert hint is None or hint in found["hint"]


async def test_clocks_may_differ_a_little(api: Api, standing: IssuerServer) -> None:
    now = int(time.time())
    await me(api, standing.token("viewer", exp=now - 20))
    await me(api, standing.token("viewer", nbf=now + 20, iat=now + 20))


def forged(header: dict[str, Any], token: str, signature: bytes | None = None) -> str:
    """The token with another header, and the signature that it had or another one."""
    _, body, old = token.split(".")
    shown = _encoded(json.dumps(header).encode())
    return f"{shown}.{body}.{old if signature is None else _encoded(signature)}"


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


async def test_the_public_key_is_no_shared_secret(api: Api, standing: IssuerServer) -> None:
    """Whoever reads the public key signs HS256 with it: PyJWT refuses to, so this is done by hand."""
    for material in (standing.rsa.pem, standing.rsa.pem.strip(), standing.rsa.public["n"].encode()):
        for kid in ("rsa-1", None):
            head = _encoded(json.dumps({"alg": "HS256", **({"kid": kid} if kid else {})}).encode())
            body = standing.token("admin").split(".")[1]
            signature = hmac.new(material, f"{head}.{body}".encode(), hashlib.sha256).digest()
            await refused(api, f"{head}.{body}.{_encoded(signature)}")


@pytest.mark.parametrize(
    "algorithm", ["none", "None", "", "HS256", "RS384", "PS256", "ES384", "EdDSA", None, 1, ["RS256"]]
)
async def test_the_algorithm_is_not_the_choice_of_the_token(api: Api, standing: IssuerServer, algorithm: Any) -> None:
    header = {"alg": algorithm, "kid": "rsa-1"}
    await refused(api, forged(header, standing.token("admin")))
    await refused(api, forged(header, standing.token("admin"), b""))


async def test_a_key_serves_its_own_algorithm_alone(api: Api, standing: IssuerServer) -> None:
    await refused(api, forged({"alg": "ES256", "kid": "rsa-1"}, standing.token("admin")))
    await refused(api, forged({"alg": "RS256", "kid": "ec-1"}, standing.token("admin", key=standing.ec)))
    with_384 = jwt.encode(
        {"iss": standing.name, "aud": AUDIENCE, "sub": "x", "role": "admin", "exp": int(time.time()) + 60},
        standing.rsa.private,
        "RS384",
        headers={"kid": "rsa-1"},
    )
    await refused(api, with_384)


@pytest.mark.parametrize(
    "kid", ["../../../../dev/null", "/etc/passwd", "http://127.0.0.1/keys", "' OR 1=1 --", "", "x" * 3000]
)
async def test_a_key_id_is_nothing_but_a_name(api: Api, standing: IssuerServer, kid: str) -> None:
    stranger = SigningKey.make(kid, number=7)
    await refused(api, standing.token("admin", key=stranger))
    assert {request.path for request in standing.server.requests} == {"/keys"}


@pytest.mark.parametrize("kid", [1, ["rsa-1"], {"x": 1}, True])
async def test_a_key_id_is_a_text(api: Api, standing: IssuerServer, kid: Any) -> None:
    await refused(api, forged({"alg": "RS256", "kid": kid}, standing.token("admin")))


async def test_keys_that_a_token_brings_along_are_not_looked_at(api: Api, standing: IssuerServer) -> None:
    stranger = SigningKey.make("rsa-1", number=7)
    elsewhere = standing.server.url("/elsewhere")
    for header in (
        {"jku": elsewhere},
        {"x5u": elsewhere},
        {"jwk": stranger.public},
        {"x5c": ["MIIB"]},
        {"jku": elsewhere, "jwk": stranger.public, "kid": "other"},
    ):
        await refused(api, standing.token("admin", key=stranger, header=header))
    assert standing.server.requests_to("/elsewhere") == []
    assert (await me(api, standing.token("viewer", header={"jku": elsewhere, "jwk": stranger.public})))[
        "role"
    ] == "viewer"
    await refused(api, standing.token("admin", header={"crit": ["x-y"], "x-y": 1}))


async def test_a_token_too_large_is_not_looked_at(api: Api, standing: IssuerServer) -> None:
    before = standing.asked
    found = await refused(api, standing.token("admin", more="x" * 8000))
    assert "8192 characters" in found["hint"]
    assert standing.asked == before
    await me(api, standing.token("admin", more="x" * 4000))


async def test_a_changed_token_is_none(api: Api, standing: IssuerServer) -> None:
    for key in (standing.rsa, standing.ec):
        head, body, signature = standing.token("viewer", key=key).split(".")
        other = standing.token("admin", key=key).split(".")
        for wrong in (
            f"{head}.{other[1]}.{signature}",
            f"{head}.{body}.{other[2]}",
            f"{head}.{body}.",
            f"{head}.{body}",
        ):
            await refused(api, wrong)


@pytest.mark.parametrize(
    "unfit",
    [
        {"use": "enc"},
        {"alg": "RS512"},
        {"kty": "oct", "k": "c2VjcmV0"},
        {"n": "AQAB"},
        {"n": None},
        {"n": 5},
        {"e": "!!!"},
        {"kty": ["RSA"]},
        {"kid": 5},
    ],
)
async def test_a_key_that_is_not_for_this_is_left_out(
    known: Issuer, issuer: IssuerServer, unfit: dict[str, Any]
) -> None:
    issuer.jwks = [{**issuer.rsa.public, **unfit}, "no key", None, 7, [], issuer.ec.public]
    await known.verify(issuer.token("admin", key=issuer.ec), [AUDIENCE])
    with pytest.raises(Unauthorized):
        await known.verify(issuer.token("admin"), [AUDIENCE])


async def test_without_an_id_the_only_key_is_meant(known: Issuer, issuer: IssuerServer, hand: Hand) -> None:
    nameless = SigningKey.make(None)
    await known.verify(issuer.token("admin", key=nameless), [AUDIENCE])
    issuer.jwks.append(SigningKey.make("rsa-2", number=1).public)
    hand.now_s += FRESH_S + 1
    with pytest.raises(Unauthorized):
        await known.verify(issuer.token("admin", key=nameless), [AUDIENCE])


async def test_the_audience_is_the_callers(known: Issuer, issuer: IssuerServer) -> None:
    """As for an id_token, which is for the client and not for the API."""
    token = issuer.token(aud="the-client", nonce="n")
    assert (await known.verify(token, ["the-client"]))["nonce"] == "n"
    assert (await known.verify(token, []))["aud"] == "the-client"
    with pytest.raises(Unauthorized):
        await known.verify(token, [AUDIENCE])
    with pytest.raises(Unauthorized):
        await known.verify(signed("admin", iss=issuer.name, aud=AUDIENCE), [AUDIENCE])


# -- keys come and go -------------------------------------------------------------------------------------------------


async def test_all_wait_for_one_answer(own: Api, issuer: IssuerServer) -> None:
    tokens = [issuer.token("viewer", sub=f"user_{number}") for number in range(30)]
    await asyncio.gather(*(me(own, token) for token in tokens))
    assert issuer.asked == 1
    await asyncio.gather(*(me(own, token) for token in tokens))
    assert issuer.asked == 1


async def test_a_new_key_is_found_and_the_old_one_forgotten(known: Issuer, issuer: IssuerServer, hand: Hand) -> None:
    old = issuer.token("admin")
    await known.verify(old, [AUDIENCE])
    new = issuer.token("admin", key=issuer.rotate("rsa-2"))
    with pytest.raises(Unauthorized):
        await known.verify(new, [AUDIENCE])
    hand.now_s += AGAIN_S + 0.1
    await known.verify(new, [AUDIENCE])
    with pytest.raises(Unauthorized):
        await known.verify(old, [AUDIENCE])
    assert issuer.asked == 2


async def test_a_key_taken_back_under_the_same_id_ends(known: Issuer, issuer: IssuerServer, hand: Hand) -> None:
    old = issuer.token("admin")
    await known.verify(old, [AUDIENCE])
    issuer.rotate("rsa-1", number=2)
    hand.now_s += FRESH_S + 1
    with pytest.raises(Unauthorized, match="signature"):
        await known.verify(old, [AUDIENCE])


async def test_made_up_ids_do_not_trouble_the_issuer(known: Issuer, issuer: IssuerServer, hand: Hand) -> None:
    async def one(number: int) -> None:
        with pytest.raises(Unauthorized):
            await known.verify(issuer.token("admin", key=SigningKey.make(f"made-up-{number}", number=7)), [AUDIENCE])

    await known.verify(issuer.token("admin"), [AUDIENCE])
    hand.now_s += AGAIN_S + 0.1
    await asyncio.gather(*(one(number) for number in range(50)))
    await asyncio.gather(*(one(number) for number in range(50)))
    assert issuer.asked == 2
    await known.verify(issuer.token("admin"), [AUDIENCE])


TROUBLES = {
    "down": DOWN,
    "500": Answer(500),
    "elsewhere": Answer(302, headers={"Location": "/keys2"}),
    "garbage": Answer(body="<html>"),
    "a list": Answer(body=[]),
    "no keys": Answer(body={"keys": []}),
    "keys of nothing": Answer(body={"keys": "x"}),
    "too much": Answer(body=b" " * (MOST_BYTES + 1)),
    "half": Answer(half=True, body={"keys": ["x" * 1000]}),
    "deep": Answer(body="[" * 100_000),
}


@pytest.mark.parametrize("name", TROUBLES)
async def test_an_outage_locks_nobody_out(known: Issuer, issuer: IssuerServer, hand: Hand, name: str) -> None:
    await known.verify(issuer.token("admin"), [AUDIENCE])
    issuer.trouble = TROUBLES[name]
    hand.now_s += FRESH_S + 1
    await known.verify(issuer.token("admin"), [AUDIENCE])
    assert issuer.asked == 2
    with pytest.raises(Unauthorized, match="cannot be asked now"):
        await known.verify(issuer.token("admin", key=SigningKey.make("rsa-2", number=1)), [AUDIENCE])
    hand.now_s += STALE_S - FRESH_S - 2
    await known.verify(issuer.token("admin"), [AUDIENCE])
    hand.now_s += 2
    with pytest.raises(IssuerUnavailable):
        await known.verify(issuer.token("admin"), [AUDIENCE])
    issuer.trouble = None
    hand.now_s += AGAIN_S + 0.1
    await known.verify(issuer.token("admin"), [AUDIENCE])


async def test_a_slow_issuer_holds_nobody_up_who_is_known(
    known: Issuer, issuer: IssuerServer, hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    await known.verify(issuer.token("admin"), [AUDIENCE])
    issuer.trouble = Answer(hang=True)
    hand.now_s += FRESH_S + 1
    monkeypatch.setattr("rota.api.jwks.STALE_WAIT_S", 0.01)
    await known.verify(issuer.token("admin"), [AUDIENCE])
    await known.verify(issuer.token("admin"), [AUDIENCE])
    await asyncio.to_thread(issuer.server.wait_for, 2, KEYS_PATH)
    assert issuer.asked == 2


async def test_an_outage_is_waited_for_once(
    known: Issuer, issuer: IssuerServer, hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    await known.verify(issuer.token("admin"), [AUDIENCE])
    issuer.trouble = DOWN
    hand.now_s += FRESH_S + 1
    await known.verify(issuer.token("admin"), [AUDIENCE])
    issuer.trouble = Answer(hang=True)
    hand.now_s += AGAIN_S + 0.1
    monkeypatch.setattr("rota.api.jwks.STALE_WAIT_S", 600)
    monkeypatch.setattr("rota.api.jwks.WITHIN_S", 600)
    async with asyncio.timeout(10):
        await known.verify(issuer.token("admin"), [AUDIENCE])
    await asyncio.to_thread(issuer.server.wait_for, 3, KEYS_PATH)


@pytest.mark.parametrize("name", ["down", "garbage", "no keys"])
async def test_without_any_key_nobody_knows(own: Api, issuer: IssuerServer, name: str) -> None:
    issuer.trouble = TROUBLES[name]
    found = await refused(own, issuer.token("admin"), 503)
    assert found["code"] == "issuer-unavailable"
    await asyncio.gather(*(refused(own, issuer.token("admin"), 503) for _ in range(10)))
    assert issuer.asked == 1
    async with own.client(issuer.token("admin")) as client:
        answer = await client.get("/api/me")
        assert answer.headers["retry-after"]
        good(await client.get("/live"))
        assert (await client.get("/api/me", headers={"Authorization": "Bearer x"})).status_code == 401


async def test_an_issuer_that_hangs_is_waited_for_no_longer_than_said(
    own: Api, issuer: IssuerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rota.api.jwks.WITHIN_S", 0.05)
    issuer.trouble = Answer(hang=True)
    assert (await refused(own, issuer.token("admin"), 503))["code"] == "issuer-unavailable"


async def test_the_session_of_an_issuers_token_is_the_same_in_every_process(
    db: Database, database_url: str, issuer: IssuerServer
) -> None:
    settings = load_settings({"ROTA_DATABASE_URL": database_url, **issuer.settings()})
    made = await asyncio.gather(*(asyncio.to_thread(Api, db, settings) for _ in range(8)))
    async with made[0].client(None) as client:
        assert (await client.post("/login", json={"token": issuer.token("viewer")})).status_code == 200
        for api in made:
            async with api.client(None) as other:
                other.cookies = client.cookies
                assert good(await other.get("/api/me"))["subject"] == "user_2abc123"
    for api in made:
        api.close()
