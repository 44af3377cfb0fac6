"""The role of a user whose token names none: asked of Clerk, whose API a local server stands in for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from rota.api.clerk import ClerkRoles, RoleUnavailable
from rota.settings import load_settings
from rota.store.database import Database
from tests.api.calls import Api, good, problem
from tests.support.issuer import CLERK_KEY, DOWN, IssuerServer, user_path
from tests.support.target import Answer

ANN = "user_ann"


@pytest.fixture
def api(lite: Database, sqlite_url: str, issuer: IssuerServer) -> Iterator[Api]:
    """A service that asks for roles."""
    found = Api(lite, load_settings({"ROTA_DATABASE_URL": sqlite_url, **issuer.clerk_settings()}))
    yield found
    found.close()


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is busy takes longer than Clerk may."""
    monkeypatch.setattr("rota.api.clerk.WITHIN_S", 60.0)


@pytest.fixture
def roles(issuer: IssuerServer) -> ClerkRoles:
    """What asks, by itself."""
    return ClerkRoles(issuer.server.url("/"), CLERK_KEY)


async def role_of(api: Api, token: str) -> Any:
    async with api.client(token) as client:
        return good(await client.get("/api/me"))["role"]


async def refused(api: Api, token: str, status: int) -> dict[str, Any]:
    async with api.client(token) as client:
        return problem(await client.get("/api/me"), status)


def asked(issuer: IssuerServer, subject: str = ANN) -> int:
    return len(issuer.server.requests_to(user_path(subject)))


async def test_a_token_without_a_role_has_the_one_that_clerk_knows(api: Api, issuer: IssuerServer) -> None:
    for role in ("viewer", "operator", "admin"):
        issuer.user(f"user_{role}", {"role": role})
        assert await role_of(api, issuer.token(sub=f"user_{role}")) == role
    (request,) = issuer.server.requests_to(user_path("user_admin"))
    assert (request.method, request.headers["authorization"]) == ("GET", f"Bearer {CLERK_KEY}")


async def test_what_the_token_names_is_not_asked(api: Api, issuer: IssuerServer) -> None:
    issuer.user(ANN, {"role": "admin"})
    assert await role_of(api, issuer.token("viewer", sub=ANN)) == "viewer"
    await refused(api, issuer.token("king", sub=ANN), 403)
    assert asked(issuer) == 0


async def test_nobody_is_asked_for_a_token_that_does_not_hold(api: Api, issuer: IssuerServer) -> None:
    issuer.user(ANN, {"role": "admin"})
    await refused(api, issuer.token(sub=ANN, exp=1), 401)
    await refused(api, issuer.token(sub=ANN, aud="other"), 401)
    assert asked(issuer) == 0


@pytest.mark.parametrize("metadata", [{}, {"role": "king"}, {"role": None}, {"role": ["admin"]}, None, "admin", []])
async def test_without_one_of_the_three_nothing_is_allowed(api: Api, issuer: IssuerServer, metadata: Any) -> None:
    issuer.user(ANN, metadata)
    assert (await refused(api, issuer.token(sub=ANN), 403))["detail"] == "Admin access required"


async def test_private_metadata_give_no_role(api: Api, issuer: IssuerServer) -> None:
    body = {"role": "admin", "unsafe_metadata": {"role": "admin"}, "private_metadata": {"role": "admin"}}
    issuer.user(ANN, Answer(body=body))
    await refused(api, issuer.token(sub=ANN), 403)


async def test_a_user_that_clerk_does_not_know_may_nothing(api: Api, issuer: IssuerServer) -> None:
    issuer.user(ANN, Answer(404, {"errors": [{"code": "resource_not_found"}]}))
    await refused(api, issuer.token(sub=ANN), 403)


async def test_a_role_is_asked_for_once_a_minute(api: Api, issuer: IssuerServer) -> None:
    issuer.user(ANN, {"role": "operator"})
    tokens = [issuer.token(sub=ANN, jti=str(number)) for number in range(20)]
    assert set(await asyncio.gather(*(role_of(api, token) for token in tokens))) == {"operator"}
    issuer.user(ANN, {"role": "viewer"})
    assert await role_of(api, tokens[0]) == "operator"
    assert asked(issuer) == 1


async def test_a_changed_role_counts_after_the_minute(
    roles: ClerkRoles, issuer: IssuerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rota.api.clerk.BELIEVED_FOR_S", 0)
    for role in ("operator", "viewer", None):
        issuer.user(ANN, {"role": role})
        assert await roles.role_of(ANN) == role


async def test_what_is_remembered_is_bounded(
    roles: ClerkRoles, issuer: IssuerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rota.api.clerk.MOST_REMEMBERED", 3)
    issuer.user(ANN, {"role": "admin"})
    for number in range(3):
        assert await roles.role_of(ANN) == "admin"
        assert await roles.role_of(f"user_{number}") is None
    assert asked(issuer) == 1
    assert await roles.role_of("user_3") is None
    assert await roles.role_of(ANN) == "admin"
    assert asked(issuer) == 2


@pytest.mark.parametrize(
    "trouble", [DOWN, Answer(500), Answer(401), Answer(302), Answer(body="<html>"), Answer(half=True, body={"a": "b"})]
)
async def test_without_an_answer_the_role_is_not_known(
    api: Api, issuer: IssuerServer, trouble: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    issuer.user(ANN, trouble)
    found = await refused(api, issuer.token(sub=ANN), 503)
    assert (found["code"], "Clerk" in found["hint"]) == ("role-unavailable", True)
    assert "auth/clerk-failed" in caplog.text
    assert CLERK_KEY not in caplog.text + str(found)
    issuer.user(ANN, {"role": "viewer"})
    assert await role_of(api, issuer.token(sub=ANN)) == "viewer"


async def test_an_api_that_hangs_is_waited_for_no_longer_than_said(
    api: Api, issuer: IssuerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rota.api.clerk.WITHIN_S", 0.05)
    issuer.user(ANN, Answer(hang=True))
    assert "no answer within 0.05 s" in (await refused(api, issuer.token(sub=ANN), 503))["hint"]


async def test_a_wrong_key_is_said(issuer: IssuerServer) -> None:
    issuer.user(ANN, {"role": "admin"})
    with pytest.raises(RoleUnavailable, match="it answers 401"):
        await ClerkRoles(issuer.server.url(), "sk_test_wrong").role_of(ANN)


@pytest.mark.parametrize("subject", ["a/../b", "a?role=admin", "a#b", "ä ö", "%2e%2e", "a\nb"])
async def test_a_subject_is_one_part_of_the_address(roles: ClerkRoles, issuer: IssuerServer, subject: str) -> None:
    issuer.user(subject, {"role": "viewer"})
    assert await roles.role_of(subject) == "viewer"


@pytest.mark.parametrize("subject", [".", "..", "..."])
async def test_a_subject_of_dots_is_nobody(roles: ClerkRoles, issuer: IssuerServer, subject: str) -> None:
    assert await roles.role_of(subject) is None
    assert issuer.server.requests == []


async def test_probes_do_not_wait_for_clerk(api: Api, issuer: IssuerServer) -> None:
    issuer.user(ANN, DOWN)
    async with api.client(issuer.token(sub=ANN)) as client:
        good(await client.get("/live"))
        good(await client.get("/hello"))
