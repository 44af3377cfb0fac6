"""Redirects: followed only when the target says so, checked at every hop, without the credentials elsewhere."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rota.executor import Outcome
from tests.support.http_calls import http_call, running
from tests.support.http_server import Handler, Received, reply, serve

pytestmark = pytest.mark.asyncio


async def attempt(handler: Handler, **fields: Any) -> Outcome:
    async with serve(handler) as server, running() as rota:
        return await rota.call(http_call(server.url + "/x", **fields))


def to(location: str, status: int = 302) -> Handler:
    async def handler(request: Received, writer: asyncio.StreamWriter) -> None:
        reply(writer, "", status=f"{status} Moved", headers=(f"Location: {location}",))

    return handler


async def test_redirects_are_not_followed_unless_the_target_says_so() -> None:
    outcome = await attempt(to("/next"))
    assert (outcome.kind, outcome.permanent) == ("failed", True)
    assert str(outcome.error).startswith("HTTP 302 Moved")


async def test_a_redirect_loop_ends() -> None:
    async with serve(to("/x?again")) as server, running() as rota:
        outcome = await rota.call(http_call(server.url + "/x", redirects=3))
    assert (outcome.kind, outcome.permanent, outcome.error) == ("failed", True, "more than 3 redirects")
    assert len(server.requests) == 4


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "//169.254.169.254/latest/meta-data/",
        "http://169.254.169.254/",
        "http://0xa9fea9fe/",
        "http://[::ffff:169.254.169.254]/",
        "http://user:secret@127.0.0.1/",
        "http://127.1/",
        "http://a b/",
    ],
)
async def test_redirects_to_what_is_never_called(location: str) -> None:
    outcome = await attempt(to(location), redirects=5)
    assert (outcome.kind, outcome.permanent) == ("failed", True)
    assert str(outcome.error).startswith("the redirect is refused")
    assert "secret@" not in str(outcome.error)


@pytest.mark.parametrize(("status", "method"), [(301, "GET"), (302, "GET"), (303, "GET"), (307, "POST"), (308, "POST")])
async def test_credentials_do_not_follow_to_another_origin(status: int, method: str) -> None:
    async def ok(request: Received, writer: asyncio.StreamWriter) -> None:
        reply(writer, "{}")

    headers = {"X-Api-Key": "key-123456", "X-Team": "a"}
    async with serve(ok) as other, serve(to(other.url + "/there", status)) as first, running() as rota:
        call = http_call(
            first.url, '{"a": 1}', redirects=1, headers=headers, auth={"type": "bearer", "token": "t-1234"}
        )
        outcome = await rota.call(call)
        (there,) = other.requests
        (here,) = first.requests
    assert outcome.kind == "completed"
    assert (here.headers["authorization"], here.headers["x-api-key"]) == ("Bearer t-1234", "key-123456")
    assert "authorization" not in there.headers and "x-api-key" not in there.headers
    assert (there.headers["x-team"], there.method) == ("a", method)
    assert there.body == (here.body if method == "POST" else b"")


async def test_credentials_stay_on_the_same_origin() -> None:
    async def handler(request: Received, writer: asyncio.StreamWriter) -> None:
        if request.path == "/end":
            reply(writer, "{}")
        else:
            await to("end", 307)(request, writer)

    async with serve(handler) as server, running() as rota:
        outcome = await rota.call(http_call(server.url + "/a", redirects=1, auth={"type": "signature"}))
        assert outcome.permanent
        outcome = await rota.call(http_call(server.url + "/a", redirects=1, auth={"type": "bearer", "token": "t-1"}))
    assert outcome.kind == "completed"
    assert [request.headers["authorization"] for request in server.requests] == ["Bearer t-1", "Bearer t-1"]
