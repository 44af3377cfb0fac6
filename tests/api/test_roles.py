"""Every operation × every role: 401 and 403 come before 404 and 422."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from rota.api.operations import Operation
from rota.store import migrate
from tests.api.calls import SECRET, Api, bearer, problem, settings_of, signed
from tests.store import builders

RANK = {"viewer": 0, "operator": 1, "admin": 2}
OPEN = {"/live", "/ready", "/health", "/hello", "/scheduler/hello", "/login", "/logout"}
OPEN |= {"/ping/{key}", "/ping/{key}/{what}"}  # the key is the credential
OPEN |= {"/status/{slug}", "/status/{slug}.json", "/badge/{slug}.svg"}  # nothing is there until an admin sets it
NO_ROLE = signed("king")
BAD = {
    "Basic": {"Authorization": "Basic YTpi"},
    "empty": {"Authorization": "Bearer "},
    "wrong": bearer("wrong"),
    "wrong API token": bearer("rota_" + "x" * 43),
    "unsigned": bearer(signed("admin", algorithm="none", key="")),
    "signed otherwise": bearer(signed("admin", key="x" * 40)),
    "expired": bearer(signed("admin", exp=1)),
    "outgoing": bearer(signed("admin", aud="rota-target")),
}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Any:
    url = f"sqlite:///{tmp_path_factory.mktemp('roles')}/rota.db"
    db = builders.opened(url)
    migrate.migrate(db)
    api = Api(db, settings_of(url))
    yield api
    api.close()
    db.close()


def guarded(api: Api) -> list[Operation]:
    return [operation for operation in api.app.state.operations if operation.role is not None]


async def call(client: httpx.AsyncClient, operation: Operation, headers: dict[str, str]) -> httpx.Response:
    """Call with a body that is no JSON and names that nothing has: nothing but access can be said first."""
    path = operation.path.replace("{id}", "never").replace("{name}", "no such").replace("{name:path}", "no such")
    if operation.id == "streamEvents":
        path += "?kinds=none"  # else it would not end
    if operation.body is None:
        return await client.request(operation.method, path, headers=headers)
    headers = {**headers, "Content-Type": "application/json"}
    return await client.request(operation.method, path, content=b"{no json", headers=headers)


async def test_the_open_operations_are_those_of_the_contract(api: Api) -> None:
    assert {operation.path for operation in api.app.state.operations if operation.role is None} == OPEN


async def test_nothing_without_a_credential(api: Api) -> None:
    async with api.client(None) as client:
        for operation in guarded(api):
            answer = await call(client, operation, {})
            found = problem(answer, 401)
            assert found["detail"] == "Missing authorization", operation.id
            assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("kind", BAD)
async def test_nothing_with_a_bad_credential(api: Api, kind: str) -> None:
    async with api.client(None) as client:
        for operation in guarded(api):
            found = problem(await call(client, operation, BAD[kind]), 401)
            assert found["detail"] == "Invalid token", operation.id


async def test_nothing_with_a_token_that_names_no_role(api: Api) -> None:
    async with api.client(NO_ROLE) as client:
        for operation in guarded(api):
            assert problem(await call(client, operation, {}), 403)["detail"] == "Admin access required", operation.id


@pytest.mark.parametrize("role", RANK)
async def test_a_role_does_what_it_may_and_no_more(api: Api, role: str) -> None:
    async with api.as_role(role) as client:
        for operation in guarded(api):
            answer = await call(client, operation, {})
            if RANK[role] < RANK[str(operation.role)]:
                found = problem(answer, 403)
                assert found["detail"] == "Admin access required", operation.id
                assert str(operation.role) in found["hint"]
            else:
                assert answer.status_code not in (401, 403, 500), (operation.id, answer.text)
                if operation.body is not None:
                    assert problem(answer, 422)["field"] == "body", operation.id


@pytest.mark.parametrize("path", ["/api/nothing", "/nothing", "/api", "/api/jobs/", "/docs", "/openapi.json", "/redoc"])
async def test_an_unknown_address_is_none_only_to_those_who_may_look(api: Api, path: str) -> None:
    async with api.client(None) as client:
        problem(await client.get(path), 401)
        problem(await client.get(path, headers=bearer(NO_ROLE)), 403)
        problem(await client.get(path, headers=bearer(SECRET)), 404)
        problem(await client.post(path, headers=bearer(SECRET)), 404)
