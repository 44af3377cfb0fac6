"""Which bearer tokens are believed, and as whom."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest

from rota.api.hosts import listens_on_loopback
from rota.local_token import ensure_local_token, token_path
from rota.settings import load_settings
from rota.store.database import Database
from tests.api.calls import SECRET, Api, bearer, good, problem, settings_of, signed

pytestmark = pytest.mark.chaos("AUTH")


async def me(api: Api, token: str) -> dict[str, Any]:
    async with api.client(token) as client:
        found: dict[str, Any] = good(await client.get("/api/me"))
    assert found.pop("permissions")
    return found


async def refused(api: Api, token: str, status: int = 401) -> dict[str, Any]:
    async with api.client(token) as client:
        return problem(await client.get("/api/me"), status)


def with_settings(lite: Database, sqlite_url: str, **environ: str) -> Api:
    return Api(lite, settings_of(sqlite_url, **environ))


async def test_the_shared_secret_itself_is_an_admin(small: Api) -> None:
    assert await me(small, SECRET) == {"subject": "secret", "role": "admin", "source": "secret"}
    await refused(small, SECRET[:-1])
    await refused(small, SECRET + "x")


async def test_the_shared_secret_is_capped(lite: Database, sqlite_url: str) -> None:
    api = with_settings(lite, sqlite_url, ROTA_AUTH_SECRET_MAX_ROLE="operator")
    assert (await me(api, SECRET))["role"] == "operator"
    assert (await me(api, signed("admin")))["role"] == "operator"
    assert (await me(api, signed("viewer")))["role"] == "viewer"
    api.close()


async def test_system_1_finds_its_own_name_of_the_secret(lite: Database, sqlite_url: str) -> None:
    settings = load_settings({"ROTA_DATABASE_URL": sqlite_url, "SCHEDULER_SHARED_AUTH_SECRET": "whateveryouwant"})
    api = Api(lite, settings)
    assert (await me(api, "whateveryouwant"))["role"] == "admin"
    assert (await me(api, signed("viewer", key="whateveryouwant")))["role"] == "viewer"
    api.close()


async def test_with_nothing_configured_the_local_token_is_the_way_in(lite: Database, sqlite_url: str) -> None:
    settings = load_settings({"ROTA_DATABASE_URL": sqlite_url})
    assert listens_on_loopback(settings)
    api = Api(lite, settings)
    token = ensure_local_token(settings.database_url)
    assert await me(api, token) == {"subject": "local", "role": "admin", "source": "local"}
    await refused(api, token + "x")
    api.close()


async def test_with_a_secret_there_is_no_local_token(small: Api) -> None:
    assert not token_path(small.settings.database_url).exists()
    await refused(small, ensure_local_token(small.settings.database_url))


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_the_scheme_is_read_in_any_case(small: Api, scheme: str) -> None:
    async with small.client(None) as client:
        good(await client.get("/api/me", headers={"Authorization": f"{scheme}  {SECRET}"}))


async def test_two_credentials_are_none(small: Api) -> None:
    async with small.client(None) as client:
        answer = await client.get("/api/me", headers=[("Authorization", f"Bearer {SECRET}")] * 2)
        problem(answer, 401)


async def test_no_token_in_an_address(small: Api) -> None:
    async with small.client(None) as client:
        for query in (f"token={SECRET}", f"access_token={SECRET}", f"code={SECRET}"):
            problem(await client.get(f"/api/jobs?{query}"), 401)


# -- signed tokens ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claims", "role"),
    [
        ({"role": "viewer"}, "viewer"),
        ({"metadata": {"role": "admin"}}, "admin"),
        ({"public_metadata": {"role": "viewer"}, "role": "admin"}, "viewer"),
        ({}, "operator"),
    ],
)
async def test_a_signed_token_has_the_role_of_its_claim(small: Api, claims: dict[str, Any], role: str) -> None:
    assert await me(small, signed(**claims)) == {"subject": "ann", "role": role, "source": "signed"}


async def test_a_signed_token_without_a_claim_has_the_role_of_the_setting(lite: Database, sqlite_url: str) -> None:
    api = with_settings(lite, sqlite_url, ROTA_AUTH_SECRET_ROLE="viewer")
    assert (await me(api, signed()))["role"] == "viewer"
    api.close()


async def test_the_claim_can_be_named(lite: Database, sqlite_url: str) -> None:
    api = with_settings(lite, sqlite_url, ROTA_AUTH_ROLE_CLAIM="app.access")
    assert (await me(api, signed("admin", app={"access": "viewer"})))["role"] == "viewer"
    assert (await me(api, signed("admin", **{"app.access": "viewer"})))["role"] == "viewer"
    assert (await me(api, signed("admin")))["role"] == "operator"
    api.close()


@pytest.mark.parametrize("role", ["king", "", "Admin", 1, ["admin"], {"admin": True}, True])
async def test_a_role_that_is_none_of_the_three_may_nothing(small: Api, role: Any) -> None:
    found = await refused(small, signed(role), 403)
    assert found["detail"] == "Admin access required"


@pytest.mark.parametrize(
    ("claims", "hint"),
    [
        ({"exp": time.time() - 31}, "expired"),
        ({"nbf": time.time() + 30 * 86_400}, "not valid yet"),
        ({"exp": None}, "no exp"),
        ({"exp": "soon"}, None),
        ({"exp": float("inf")}, None),
        ({"exp": float("nan")}, None),
        ({"nbf": float("inf")}, None),
        ({"exp": [1]}, None),
        ({"aud": "rota-target"}, "for a target"),
        ({"aud": ["other", "rota-target"]}, "for a target"),
    ],
)
async def test_a_signed_token_that_does_not_hold_is_refused(
    small: Api, claims: dict[str, Any], hint: str | None
) -> None:
    found = await refused(small, signed("admin", **claims))
    assert found["detail"] == "Invalid token"
    assert hint is None or hint in found["hint"]


async def test_a_token_may_hold_very_long(small: Api) -> None:
    await me(small, signed("viewer", exp=10**400))


async def test_clocks_may_differ_a_little(small: Api) -> None:
    await me(small, signed("viewer", exp=int(time.time()) - 20))
    await me(small, signed("viewer", nbf=int(time.time()) + 20))


async def test_issuer_and_audience_are_those_of_the_settings(lite: Database, sqlite_url: str) -> None:
    api = with_settings(lite, sqlite_url, ROTA_AUTH_ISSUER="https://issuer", ROTA_AUTH_AUDIENCE="rota,jobs")
    good_claims: dict[str, Any] = {"iss": "https://issuer", "aud": "jobs"}
    await me(api, signed("viewer", **good_claims))
    for wrong in ({"iss": "https://other"}, {"iss": None}, {"aud": "other"}, {"aud": None}, {"aud": "rota-target"}):
        await refused(api, signed("admin", **{**good_claims, **wrong}))
    api.close()


def _forged(header: dict[str, Any], claims: dict[str, Any] | None = None, signature: bytes = b"") -> str:
    said = claims or {"sub": "ann", "role": "admin", "exp": int(time.time()) + 600}
    parts = (json.dumps(header).encode(), json.dumps(said).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"},
        {"alg": "None"},
        {"alg": "nOnE", "typ": "JWT"},
        {"alg": ""},
        {},
        {"alg": "HS256"},
        {"alg": "HS256", "kid": "../../dev/null"},
        {"alg": "RS256", "jku": "http://127.0.0.1/keys"},
        {"alg": ["HS256"]},
        {"alg": "HS256", "crit": ["exp"]},
        {"alg": "HS256", "b64": False},
    ],
)
async def test_a_forged_header_opens_nothing(small: Api, header: dict[str, Any]) -> None:
    await refused(small, _forged(header))
    await refused(small, _forged(header, signature=b"x" * 32))


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
async def test_the_algorithm_is_fixed(small: Api, algorithm: str) -> None:
    await refused(small, signed("admin", algorithm=algorithm, key=SECRET))


@pytest.mark.parametrize(
    "token", ["a.b.c", "..", "...", "a.b", "é", "x" * 20_000, "eyJ.eyJ.x", "rota_", "rota_é", "\x7f", "Bearer x"]
)
async def test_nonsense_is_refused(small: Api, token: str) -> None:
    async with small.client(None) as client:
        problem(await client.get("/api/me", headers={b"Authorization": b"Bearer " + token.encode()}), 401)


async def test_claims_nested_deep_are_refused(small: Api) -> None:
    deep: Any = "admin"
    for _ in range(300):
        deep = {"role": deep}
    async with small.client(None) as client:
        answer = await client.get("/api/me", headers=bearer(signed(deep)))
        assert answer.status_code in (401, 403)
