"""Sessions and other sites: no page elsewhere changes anything in the name of who looks at it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from rota.api.operations import Operation
from tests.api.calls import SECRET, Api, bearer, problem

OWN = {"Origin": "http://localhost"}
FOREIGN: dict[str, dict[str, str]] = {
    "another site": {"Origin": "https://evil.example"},
    "another port": {"Origin": "http://localhost:8080"},
    "a name that begins alike": {"Origin": "http://localhost.evil.example"},
    "a sandbox": {"Origin": "null"},
    "a sister": {"Sec-Fetch-Site": "same-site"},
    "a browser that says so": {"Sec-Fetch-Site": "cross-site"},
    "ours, from elsewhere": {"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"},
    "none": {},
}


@pytest_asyncio.fixture
async def browser(small: Api) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody who has logged in, and may do everything."""
    async with small.client(None) as client:
        assert (await client.post("/login", json={"token": SECRET}, headers=OWN)).status_code == 200
        yield client


def changing(api: Api) -> list[Operation]:
    found = [one for one in api.app.state.operations if one.method not in ("GET", "HEAD") and one.role is not None]
    assert len(found) > 40
    return found


async def call(client: httpx.AsyncClient, operation: Operation, headers: dict[str, str]) -> httpx.Response:
    path = operation.path
    for part in ("{name:path}", "{key:path}", "{id}", "{name}"):
        path = path.replace(part, "none")
    body = b"{no json" if operation.body is not None else None
    kind = {"Content-Type": "application/json"} if body else {}
    return await client.request(operation.method, path, content=body, headers={**kind, **headers})


@pytest.mark.parametrize("kind", FOREIGN)
async def test_no_operation_changes_anything_for_another_site(
    small: Api, browser: httpx.AsyncClient, kind: str
) -> None:
    for operation in changing(small):
        found = problem(await call(browser, operation, FOREIGN[kind]), 403)
        assert found["detail"] == "Origin not allowed", operation.id


@pytest.mark.parametrize("headers", [OWN, {"Sec-Fetch-Site": "same-origin"}])
async def test_its_own_pages_may(small: Api, browser: httpx.AsyncClient, headers: dict[str, str]) -> None:
    for operation in changing(small):
        assert (await call(browser, operation, headers)).status_code not in (401, 403, 500), operation.id


async def test_who_shows_a_token_is_no_page(small: Api) -> None:
    async with small.client(None) as program:
        for operation in changing(small):
            answer = await call(program, operation, {**bearer(SECRET), **FOREIGN["another site"]})
            assert answer.status_code not in (401, 403, 500), operation.id


@pytest.mark.parametrize("path", ["/login", "/logout"])
async def test_no_other_site_logs_anybody_in_or_out(small: Api, browser: httpx.AsyncClient, path: str) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded", "Origin": "https://evil.example"}
    answer = await browser.post(path, content=f"token={SECRET}", headers=form)
    assert problem(answer, 403)["detail"] == "Origin not allowed"
    assert "set-cookie" not in answer.headers
    assert (await browser.get("/api/me")).status_code == 200


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
async def test_what_a_form_of_another_site_can_send_is_no_request(small: Api, kind: str) -> None:
    """Without a session too: only `application/json` is taken, for which a browser asks first."""
    async with small.client() as admin:
        for operation in changing(small):
            if operation.body is None:
                continue
            path = operation.path.replace("{name:path}", "none").replace("{key:path}", "none")
            answer = await admin.request(operation.method, path, content=b'{"a":1}', headers={"Content-Type": kind})
            problem(answer, 415)
