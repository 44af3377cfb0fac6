"""Every operation × every credential: who gets 401, who 403, and that nobody else is told anything."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import pytest_asyncio

from rota.api.operations import Operation
from rota.api.providers import TOKEN_PREFIX
from rota.settings import load_settings
from rota.store import migrate
from tests.api.calls import SECRET, Api, bearer, good, problem, signed
from tests.api.test_jwks import forged
from tests.store import builders
from tests.support.issuer import AUDIENCE, DOWN, IssuerServer, SigningKey, running_issuer

pytestmark = pytest.mark.chaos("AUTH")

RANK = {"viewer": 0, "operator": 1, "admin": 2}
TRIES = 10
"""Of a client within a minute, as the reference of errors says."""
ANSWER_TOKEN = {"Rota-Answer-Token": "made up"}


@dataclass(frozen=True)
class Service:
    """An API that takes every kind of credential, and the issuer that it believes."""

    api: Api
    issuer: IssuerServer

    @property
    def operations(self) -> list[Operation]:
        """Every operation that there is."""
        found: list[Operation] = self.api.app.state.operations
        return found

    def signed(self, role: str | None, **claims: Any) -> str:
        """A token signed with the shared secret as this service wants it."""
        said: dict[str, Any] = {"iss": self.issuer.name, "aud": AUDIENCE, **claims}
        return signed(role, **said)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    url = f"sqlite:///{tmp_path_factory.mktemp('matrix')}/rota.db"
    db = builders.opened(url)
    migrate.migrate(db)
    with running_issuer() as issuer:
        environ = {"ROTA_DATABASE_URL": url, "ROTA_AUTH_SECRET": SECRET, "ROTA_AUTH_SECRET_ROLE": "viewer"}
        api = Api(db, load_settings(issuer.clerk_settings(**environ)), demo=True)
        yield Service(api, issuer)
        api.close()
    db.close()


@pytest_asyncio.fixture
async def client(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with service.api.client(None) as client:
        yield client


async def call(client: httpx.AsyncClient, operation: Operation, headers: dict[str, str]) -> httpx.Response:
    """Call with a body that is no JSON, and names that nothing has: nothing but access can be said first."""
    path = operation.path.replace("{id}", "never").replace("{name}", "no such").replace("{name:path}", "no such")
    if operation.body is None:
        return await client.request(operation.method, path, headers=headers)
    headers = {**headers, "Content-Type": "application/json"}
    return await client.request(operation.method, path, content=b"{no json", headers=headers)


async def revoked(service: Service) -> str:
    async with service.api.client(SECRET) as admin:
        made = good(await admin.post("/api/tokens", json={"role": "admin"}), 201)
        assert (await admin.delete(f"/api/tokens/{made['id']}")).status_code == 204
    return str(made["token"])


async def credentials_that_are_none(service: Service) -> dict[str, str]:
    """Tokens that would be an admin's, but for one thing."""
    issuer, now = service.issuer, int(time.time())
    stranger = SigningKey.make("rsa-1", number=7)
    good_one = issuer.token("admin")
    return {
        "bad": "wrong",
        "no JSON": "a.b.c",
        "bad API token": TOKEN_PREFIX + "x" * 43,
        "revoked API token": await revoked(service),
        "expired": issuer.token("admin", exp=now - 60),
        "without an end": issuer.token("admin", exp=None),
        "not yet valid": issuer.token("admin", nbf=now + 600),
        "made in the future": issuer.token("admin", iat=now + 600),
        "wrong audience": issuer.token("admin", aud="other"),
        "no audience": issuer.token("admin", aud=None),
        "wrong issuer": issuer.token("admin", iss="https://other"),
        "no issuer": issuer.token("admin", iss=None),
        "no subject": issuer.token("admin", sub=None),
        "key of another": issuer.token("admin", key=stranger),
        "unknown key": issuer.token("admin", key=SigningKey.make("rsa-9", number=7)),
        "kid path": issuer.token("admin", key=SigningKey.make("../../../dev/null", number=7)),
        "kid address": issuer.token("admin", key=SigningKey.make(issuer.keys_url, number=7)),
        "jku": issuer.token("admin", key=stranger, header={"jku": issuer.keys_url}),
        "jwk": issuer.token("admin", key=stranger, header={"jwk": stranger.public}),
        "alg none": forged({"alg": "none", "kid": "rsa-1"}, good_one, b""),
        "alg none, signed": forged({"alg": "none", "kid": "rsa-1"}, good_one),
        "swapped algorithm": forged({"alg": "ES256", "kid": "rsa-1"}, good_one),
        "shared key where there is none": forged({"alg": "HS256", "kid": "rsa-1"}, good_one),
        "too large": issuer.token("admin", more="x" * 8000),
        "outgoing": issuer.token("admin", aud=["rota-target", AUDIENCE]),
        "signed: outgoing": service.signed("admin", aud="rota-target"),
        "signed: outgoing and incoming": service.signed("admin", aud=["rota-target", AUDIENCE]),
        "signed: by another": service.signed("admin", key="x" * 40),
        "signed: by the public key": service.signed("admin", key=issuer.rsa.public["n"]),
        "signed: expired": service.signed("admin", exp=now - 60),
        "signed: not yet valid": service.signed("admin", nbf=now + 600),
        "signed: wrong audience": service.signed("admin", aud="other"),
        "signed: wrong issuer": service.signed("admin", iss="https://other"),
        "signed: HS512": service.signed("admin", algorithm="HS512"),
        "signed: none": service.signed("admin", algorithm="none", key=""),
    }


def of_the_role(service: Service, role: str) -> list[str]:
    """Tokens of every signed kind with this role."""
    issuer = service.issuer
    issuer.user(f"user_{role}", {"role": role})
    return [
        issuer.token(role),
        issuer.token(role, key=issuer.ec),
        issuer.token(sub=f"user_{role}"),
        service.signed(role),
    ]


def without_a_role(service: Service) -> dict[str, str]:
    """Tokens that hold and name none of the three roles."""
    issuer = service.issuer
    issuer.user("user_none", {})
    issuer.user("user_king", {"role": "king"})
    return {
        "another role": issuer.token("king"),
        "an empty role": issuer.token(""),
        "a role in another case": issuer.token("Admin"),
        "a list": issuer.token(["admin"]),
        "Clerk: none": issuer.token(sub="user_none"),
        "Clerk: another": issuer.token(sub="user_king"),
        "signed: another role": service.signed("king"),
    }


async def test_401_without_a_credential(service: Service, client: httpx.AsyncClient) -> None:
    for operation in service.operations:
        if operation.role is not None:
            answer = await call(client, operation, {})
            assert problem(answer, 401)["detail"] == "Missing authorization", operation.id
            assert answer.headers["www-authenticate"].startswith("Bearer"), operation.id


async def test_401_with_one_that_is_none(service: Service, client: httpx.AsyncClient) -> None:
    for kind, token in (await credentials_that_are_none(service)).items():
        for operation in service.operations:
            if operation.role is not None:
                answer = await call(client, operation, bearer(token))
                assert (answer.status_code, answer.json().get("error")) == (401, "Invalid token"), (kind, operation.id)


async def test_403_with_a_role_that_is_none(service: Service, client: httpx.AsyncClient) -> None:
    for kind, token in without_a_role(service).items():
        for operation in service.operations:
            if operation.role is not None:
                answer = await call(client, operation, bearer(token))
                said = (answer.status_code, answer.json().get("error"))
                assert said == (403, "Admin access required"), (kind, operation.id)


@pytest.mark.parametrize("role", ["viewer", "operator"])
async def test_403_with_a_role_that_is_too_little(service: Service, client: httpx.AsyncClient, role: str) -> None:
    tokens = of_the_role(service, role)
    for operation in service.operations:
        if operation.role is not None and RANK[operation.role] > RANK[role]:
            for token in tokens:
                found = problem(await call(client, operation, bearer(token)), 403)
                assert found["detail"] == "Admin access required", operation.id
                assert operation.role in found["hint"], operation.id


@pytest.mark.parametrize("role", RANK)
async def test_a_role_that_suffices_comes_as_far_as_the_body(
    service: Service, client: httpx.AsyncClient, role: str
) -> None:
    tokens = of_the_role(service, role)
    for operation in service.operations:
        if operation.role is not None and RANK[operation.role] <= RANK[role] and operation.body is not None:
            for token in tokens:
                assert problem(await call(client, operation, bearer(token)), 422)["field"] == "body", operation.id


async def test_open_operations_ask_nobody_who_they_are(service: Service, client: httpx.AsyncClient) -> None:
    """A probe with an old token is a probe still; a bad credential does not even make the login say so."""
    credentials: dict[str, str] = {**(await credentials_that_are_none(service)), **without_a_role(service)}
    for operation in service.operations:
        if operation.role is None and operation.path not in ("/login", "/logout"):
            plain = await call(client, operation, {})
            assert plain.status_code not in (401, 403), operation.id
            for kind, token in credentials.items():
                answer = await call(client, operation, bearer(token))
                if operation.path.startswith("/demo/"):  # one of them fails now and then, which is its purpose
                    assert answer.status_code not in (401, 403), (kind, operation.id)
                    continue
                assert answer.status_code == plain.status_code, (kind, operation.id)
                assert answer.json().keys() == plain.json().keys(), (kind, operation.id)


async def test_an_unknown_address_is_none_only_to_those_who_may_look(
    service: Service, client: httpx.AsyncClient
) -> None:
    none = await credentials_that_are_none(service)
    for path in ("/api/nothing", "/nothing", "/api/jobs/x/nothing"):
        problem(await client.get(path), 401)
        for token in none.values():
            problem(await client.get(path, headers=bearer(token)), 401)
        for token in without_a_role(service).values():
            problem(await client.get(path, headers=bearer(token)), 403)
        problem(await client.get(path, headers=bearer(service.issuer.token("viewer"))), 404)


async def test_the_token_of_an_attempt_opens_its_three_operations_alone(
    service: Service, client: httpx.AsyncClient
) -> None:
    taking = [operation for operation in service.operations if operation.path.startswith("/api/jobs/{id}/")]
    answering = {"/api/jobs/{id}/complete", "/api/jobs/{id}/heartbeat", "/api/jobs/{id}/snooze"}
    assert {operation.path for operation in taking} > answering
    for operation in service.operations:
        if operation.role is not None and operation.path not in answering:
            problem(await call(client, operation, ANSWER_TOKEN), 401)


async def test_an_outage_of_the_issuer_is_no_way_in(tmp_path_factory: pytest.TempPathFactory) -> None:
    url = f"sqlite:///{tmp_path_factory.mktemp('outage')}/rota.db"
    db = builders.opened(url)
    migrate.migrate(db)
    with running_issuer() as issuer:
        issuer.trouble = DOWN
        api = Api(db, load_settings({"ROTA_DATABASE_URL": url, **issuer.settings()}))
        async with api.client(issuer.token("admin")) as client:
            for operation in api.app.state.operations:
                if operation.role is not None:
                    answer = await call(client, operation, {})
                    assert problem(answer, 503)["code"] == "issuer-unavailable", operation.id
        api.close()
    db.close()


async def test_what_is_refused_is_told_without_the_token(
    service: Service, client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    said = await credentials_that_are_none(service)
    for token in said.values():
        await client.get("/api/me", headers=bearer(token))
    assert "auth/refused" in caplog.text
    parts = {part[:40] for token in said.values() for part in token.split(".") if len(part) > 8}
    leaked = [part for part in parts if part in caplog.text]
    assert leaked == []


@pytest.mark.parametrize(
    ("claims", "reason"), [({"exp": 1}, "it has expired"), ({"aud": "other"}, "it is for another audience")]
)
async def test_what_is_refused_is_told_with_its_reason(
    service: Service, caplog: pytest.LogCaptureFixture, claims: dict[str, Any], reason: str
) -> None:
    async with service.api.client(service.issuer.token("admin", **claims)) as client:
        await client.get("/api/me")
    assert f"reason={reason}" in caplog.text


# -- the login --------------------------------------------------------------------------------------------------------


@pytest.fixture
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A service of its own: it counts failed logins."""
    url = f"sqlite:///{tmp_path_factory.mktemp('login')}/rota.db"
    db = builders.opened(url)
    migrate.migrate(db)
    api = Api(db, load_settings({"ROTA_DATABASE_URL": url, "ROTA_AUTH_SECRET": SECRET}))
    yield api
    api.close()
    db.close()


def from_address(api: Api, address: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=api.app, client=(address, 50_000))
    return httpx.AsyncClient(transport=transport, base_url="http://localhost")


async def test_failed_logins_are_counted_for_each_client(small: Api) -> None:
    async with from_address(small, "10.0.0.1") as one, from_address(small, "10.0.0.2") as other:
        for _ in range(TRIES):
            assert (await one.post("/login", json={"token": "wrong"})).status_code == 401
        assert (await one.post("/login", json={"token": SECRET})).status_code == 429
        assert (await other.post("/login", json={"token": "wrong"})).status_code == 401
        assert (await other.post("/login", json={"token": SECRET})).status_code == 200


async def test_a_login_that_succeeds_is_not_counted(small: Api) -> None:
    async with from_address(small, "10.0.0.1") as client:
        for _ in range(TRIES - 1):
            assert (await client.post("/login", json={"token": "wrong"})).status_code == 401
        for _ in range(TRIES + 1):
            assert (await client.post("/login", json={"token": SECRET})).status_code == 200
            client.cookies.clear()
        assert (await client.post("/login", json={"token": "wrong"})).status_code == 401
        assert (await client.post("/login", json={"token": SECRET})).status_code == 429
