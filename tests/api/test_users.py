"""Who starts a job, by the user service: a real one on loopback, well and unwell."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest

from rota.api import users
from rota.store.database import Database
from tests.api.calls import COMMAND, Api, good, settings_of, signed
from tests.support.http_server import Handler, HttpServer, Received, endless, hang, reply, serve

IDS = {"/api/users/user_2abc": "0b9ef0de-1111", "/api/users/a%2Fb%20%C3%A9%3F": "odd", "/api/users/bob": 42}


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loaded machine makes no service late."""
    monkeypatch.setattr(users, "WITHIN_S", 60.0)


async def known(request: Received, writer: asyncio.StreamWriter) -> None:
    found = IDS.get(request.path)
    if found is None:
        reply(writer, '{"error": "no such user"}', status="404 Not Found")
    else:
        reply(writer, msgspec.json.encode({"id": found, "email": "ann@example.org"}))


@contextlib.asynccontextmanager
async def service(lite: Database, sqlite_url: str, handler: Handler = known) -> AsyncIterator[tuple[Api, HttpServer]]:
    """The API with a user service, and a job type to start."""
    async with serve(handler) as server:
        api = Api(lite, settings_of(sqlite_url, ROTA_USER_SERVICE_URL=f"{server.url}/"))
        async with api.client() as admin:
            good(await admin.put("/api/job-types/crawl", json={"target": COMMAND}))
        yield api, server
        api.close()


async def started_by(client: httpx.AsyncClient, **body: Any) -> str:
    made = good(await client.post("/api/jobs", json={"jobType": "crawl", **body}), 201)
    return str(good(await client.get(f"/api/jobs/{made['id']}"))["startedBy"])


async def test_the_subject_of_a_token_becomes_an_id_however_the_job_is_made(lite: Database, sqlite_url: str) -> None:
    async with service(lite, sqlite_url) as (api, server), api.client(signed("operator", sub="user_2abc")) as ann:
        assert await started_by(ann) == "0b9ef0de-1111"
        triggered = good(await ann.post("/api/jobs/trigger", json={"jobType": "crawl"}))
        batch = good(await ann.post("/api/batches", json={"jobs": [{"jobType": "crawl"}]}), 201)
        good(await ann.put("/api/schedules/nightly", json={"every": "1h", "jobType": "crawl"}))
        run = good(await ann.post("/api/schedules/nightly/trigger"))
        for job_id in (triggered["id"], *batch["jobs"], run["id"]):
            assert good(await ann.get(f"/api/jobs/{job_id}"))["startedBy"] == "0b9ef0de-1111"
        assert good(await ann.get("/api/jobs", params={"startedBy": "0b9ef0de-1111"}))["total"] == 4
    assert [request.path for request in server.requests] == ["/api/users/user_2abc"]


async def test_whom_a_program_names_becomes_an_id_and_is_in_the_audit(lite: Database, sqlite_url: str) -> None:
    async with service(lite, sqlite_url) as (api, _), api.client() as admin:
        body = {"jobType": "crawl", "triggeredBy": "user_2abc"}
        made = good(await admin.post("/api/jobs/trigger", json=body))
        assert good(await admin.get(f"/api/jobs/{made['id']}"))["startedBy"] == "0b9ef0de-1111"
        assert await started_by(admin, startedBy="bob") == "42"
        assert await started_by(admin, startedBy="a/b é?") == "odd"
        assert await started_by(admin) == "secret"
        audited = good(await admin.get("/api/audit", params={"noun": "job"}))["entries"]
    told = [(one["action"], one["actor"], one["note"], one["name"]) for one in audited[::-1]]
    assert told[0] == ("triggered", "secret", "secret for 0b9ef0de-1111", made["id"])
    assert [one[2] for one in told[1:]] == ["secret for 42", "secret for odd"]


async def test_names_of_credentials_are_not_asked_for(lite: Database, sqlite_url: str) -> None:
    async with service(lite, sqlite_url) as (api, server), api.client() as admin:
        token = good(await admin.post("/api/tokens", json={"role": "operator", "name": "web"}), 201)["token"]
        async with api.client(token) as web, api.client(signed("operator", sub=None)) as nameless:
            assert [await started_by(web), await started_by(nameless)] == ["web", "signed"]
    assert server.requests == []


async def test_a_session_is_who_logged_in(lite: Database, sqlite_url: str) -> None:
    async with service(lite, sqlite_url) as (api, _), api.client(None, Origin="http://localhost") as browser:
        good(await browser.post("/login", json={"token": signed("operator", sub="user_2abc")}))
        assert await started_by(browser, startedBy="bob") == "0b9ef0de-1111"


async def test_one_call_at_a_time_for_a_subject(lite: Database, sqlite_url: str) -> None:
    come = asyncio.Event()

    async def late(request: Received, writer: asyncio.StreamWriter) -> None:
        await come.wait()
        await known(request, writer)

    async with service(lite, sqlite_url, late) as (api, server), api.client(signed("operator", sub="bob")) as bob:
        calls = [asyncio.create_task(started_by(bob)) for _ in range(8)]
        while not server.requests:
            await asyncio.sleep(0.001)
        come.set()
        assert await asyncio.gather(*calls) == ["42"] * 8
    assert len(server.requests) == 1


async def garbage(request: Received, writer: asyncio.StreamWriter) -> None:
    reply(writer, b"<html>no", content_type="text/html")


async def broken(request: Received, writer: asyncio.StreamWriter) -> None:
    reply(writer, '{"id": "never"}', status="500 Internal Server Error")


async def moved(request: Received, writer: asyncio.StreamWriter) -> None:
    reply(writer, "{}", status="302 Found", headers=("Location: http://169.254.169.254/",))


def answering(body: str) -> Handler:
    async def handler(request: Received, writer: asyncio.StreamWriter) -> None:
        reply(writer, body)

    return handler


TROUBLE: dict[str, tuple[Handler, str]] = {
    "slow": (hang, "no answer within"),
    "garbage": (garbage, "no JSON object"),
    "huge": (endless(b"HTTP/1.1 200 OK\r\n\r\n[", b"0," * 32_768), "longer than"),
    "broken": (broken, "it answers 500"),
    "moved": (moved, "it answers 302"),
    "unknown": (known, "it answers 404"),
    "a list": (answering("[]"), "no JSON object"),
    "no id": (answering('{"name": "ann"}'), "has no id"),
    "an empty id": (answering('{"id": ""}'), "has no id"),
    "a long id": (answering(f'{{"id": "{"x" * 201}"}}'), "an id that is none"),
    "an odd id": (answering('{"id": "a\\u0000b"}'), "an id that is none"),
}


@pytest.mark.parametrize("kind", TROUBLE)
async def test_trouble_is_harmless_and_seen(
    lite: Database, sqlite_url: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler, reason = TROUBLE[kind]
    if kind == "slow":
        monkeypatch.setattr(users, "WITHIN_S", 0.5)
    token = signed("operator", sub="user_none")
    async with service(lite, sqlite_url, handler) as (api, server), api.client(token) as ann, api.client(None) as open_:
        assert good_or_unwell(await ann.get("/health"))["warnings"] == []
        assert [await started_by(ann) for _ in range(3)] == ["user_none"] * 3
        (warning,) = good_or_unwell(await ann.get("/health"))["warnings"]
        assert "warnings" not in good_or_unwell(await open_.get("/health"))
    assert reason in warning
    assert len(server.requests) <= 1  # nobody waits for it again at once


async def test_a_service_that_is_down_is_asked_again_after_a_rest(
    lite: Database, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        resolver = users.Users(f"http://127.0.0.1:{closed.getsockname()[1]}")
        assert await resolver.id_of("bob") == "bob"
        assert "it cannot be reached" in str(resolver.trouble)
    is_down = True

    async def ailing(request: Received, writer: asyncio.StreamWriter) -> None:
        if is_down:
            writer.close()
        else:
            await known(request, writer)

    async with serve(ailing) as server:
        resolver = users.Users(server.url)
        assert [await resolver.id_of("bob"), await resolver.id_of("user_2abc")] == ["bob", "user_2abc"]
        assert len(server.requests) == 1
        monkeypatch.setattr(users, "REST_S", 0.0)
        resolver = users.Users(server.url)
        assert await resolver.id_of("bob") == "bob"
        is_down = False
        assert (await resolver.id_of("bob"), resolver.trouble) == ("42", None)


async def test_an_id_outlives_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(users, "BELIEVED_FOR_S", 0.0)
    async with serve(known) as server:
        resolver = users.Users(server.url)
        assert await resolver.id_of("bob") == "42"
    assert await resolver.id_of("bob") == "42"
    assert resolver.trouble is not None


async def test_what_can_be_no_subject_is_not_asked_for_and_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(users, "MOST_REMEMBERED", 3)
    async with serve(known) as server:
        resolver = users.Users(server.url)
        for odd in ("", ".", "..", "x" * 201):
            assert await resolver.id_of(odd) == odd
        assert server.requests == []
        for number in range(10):
            await resolver.id_of(f"user-{number}")
        await resolver.id_of("user-9")
        assert len(server.requests) == 10
        await resolver.id_of("user-0")
        assert len(server.requests) == 11
        assert await resolver.id_of("\ud800") == "\ud800"


def good_or_unwell(answer: httpx.Response) -> dict[str, Any]:
    """What ``/health`` says of a system without a scheduler."""
    assert answer.status_code == 503
    found: dict[str, Any] = answer.json()
    return found
