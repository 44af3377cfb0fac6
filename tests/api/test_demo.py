"""The demo's own endpoints."""

from __future__ import annotations

import hashlib
from typing import Any

import httpx
import pytest

from rota.store.database import Database
from tests.api.calls import Api, good, problem, settings_of


@pytest.fixture
def demo(lite: Database, sqlite_url: str) -> Any:
    api = Api(lite, settings_of(sqlite_url), demo=True)
    yield api
    api.close()


async def test_echo_answers_what_it_got(demo: Api) -> None:
    async with demo.client(None) as client:
        found = good(await client.post("/demo/echo", json={"a": 1}))
    assert found == {"success": True, "bytes": 7, "sha256": hashlib.sha256(b'{"a":1}').hexdigest()}


@pytest.mark.parametrize(("chance", "status"), [(0, 503), (1, 200)])
async def test_flaky_fails_now_and_then(demo: Api, monkeypatch: pytest.MonkeyPatch, chance: int, status: int) -> None:
    monkeypatch.setattr("random.randrange", lambda _: chance)
    async with demo.client(None) as client:
        answer = await client.post("/demo/flaky", json={})
    assert answer.status_code == status


async def test_takes_posts_of_this_machine_only(demo: Api) -> None:
    async with demo.client(None) as client:
        problem(await client.get("/demo/echo"), 405)
    far = httpx.ASGITransport(app=demo.app, client=("10.0.0.9", 1))
    async with httpx.AsyncClient(transport=far, base_url="http://localhost") as client:
        problem(await client.post("/demo/echo", json={}), 404)


async def test_is_not_there_without_the_demo(small: Api) -> None:
    async with small.client(None) as client:
        for path in ("/demo/echo", "/demo/flaky"):
            problem(await client.post(path, json={}), 404)
