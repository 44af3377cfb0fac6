"""Host, Origin, Content-Type: what is checked of a request beside who sends it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from rota.api.hosts import is_allowed, is_loopback, is_same_origin, split_host
from rota.store.database import Database
from tests.api.calls import COMMAND, SECRET, Api, good, problem, settings_of
from tests.api.test_login import ORIGIN, log_in

JOB = {"target": COMMAND}


# -- Host -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:7005", "127.0.0.1", "127.0.0.2:1", "[::1]:7005", "LOCALHOST."]
)
async def test_on_loopback_its_own_names_are_called(small: Api, host: str) -> None:
    async with small.client(Host=host) as client:
        good(await client.get("/api/me"))


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "10.0.0.1:7005", "", "a b", "x@localhost"])
@pytest.mark.parametrize("path", ["/api/me", "/live", "/login"])
async def test_on_loopback_no_other_name_is_called(small: Api, host: str, path: str) -> None:
    async with small.client(Host=host) as client:
        assert problem(await client.get(path), 403)["detail"] == "Host not allowed"


async def test_on_loopback_a_proxy_may_call_by_an_allowed_name(lite: Database, sqlite_url: str) -> None:
    api = Api(lite, settings_of(sqlite_url, ROTA_ALLOWED_HOSTS="jobs.example.org,*.example.net"))
    for host in ("jobs.example.org", "a.example.net", "a.b.example.net:8443", "localhost"):
        async with api.client(Host=host) as client:
            good(await client.get("/api/me"))
    for host in ("example.net", "jobs.example.org.evil.example"):
        async with api.client(Host=host) as client:
            problem(await client.get("/api/me"), 403)
    api.close()


async def test_elsewhere_tokens_come_by_any_name_and_sessions_by_known_ones(lite: Database, sqlite_url: str) -> None:
    settings = settings_of(sqlite_url, ROTA_HOST="0.0.0.0", ROTA_ALLOWED_HOSTS="jobs.example.org")
    api = Api(lite, settings)
    async with api.client(Host="10.0.0.5:7005") as client:
        good(await client.get("/api/me"))
    async with api.client(None, Host="jobs.example.org") as client:
        answer = await client.post("/login", data={"token": SECRET}, headers={"Origin": "https://jobs.example.org"})
        assert answer.status_code == 303
        cookie = answer.headers["set-cookie"].partition(";")[0]
    async with api.client(None, Cookie=cookie) as client:
        good(await client.get("/api/me", headers={"Host": "jobs.example.org"}))
        good(await client.get("/api/me", headers={"Host": "localhost:8080"}))
        problem(await client.get("/api/me", headers={"Host": "10.0.0.5:7005"}), 401)
        refused = await client.post("/login", json={"token": SECRET}, headers={"Host": "10.0.0.5:7005"})
        assert "ROTA_ALLOWED_HOSTS" in problem(refused, 403)["hint"]
    api.close()


# -- Origin -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "http://localhost:8000"},
        {"Origin": "http://localhost.evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {},
    ],
)
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/api/jobs"), ("DELETE", "/api/jobs/x"), ("PATCH", "/api/queues/q")]
)
async def test_a_session_is_used_by_its_own_pages_only(
    small: Api, method: str, path: str, headers: dict[str, str]
) -> None:
    async with small.client(None) as client:
        await log_in(client)
        answer = await client.request(method, path, json={}, headers=headers)
        assert problem(answer, 403)["detail"] == "Origin not allowed"


@pytest.mark.parametrize("headers", [ORIGIN, {"Sec-Fetch-Site": "same-origin"}])
async def test_its_own_pages_may_change_things(small: Api, headers: dict[str, str]) -> None:
    async with small.client(None) as client:
        await log_in(client)
        made = good(await client.post("/api/jobs", json=JOB, headers=headers), 201)
        good(await client.post(f"/api/jobs/{made['id']}/cancel", headers=headers))
        assert (await client.delete(f"/api/jobs/{made['id']}", headers=headers)).status_code == 204


async def test_another_page_cannot_log_a_browser_in_or_out(small: Api) -> None:
    async with small.client(None) as client:
        for path in ("/login", "/logout"):
            answer = await client.post(path, data={"token": SECRET}, headers={"Origin": "http://evil.example"})
            problem(answer, 403)


async def test_a_token_is_not_bound_to_an_origin(admin: httpx.AsyncClient) -> None:
    good(await admin.post("/api/jobs", json=JOB, headers={"Origin": "http://elsewhere.example"}), 201)


# -- Content-Type -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "x", None])
async def test_a_change_is_json(admin: httpx.AsyncClient, kind: str | None) -> None:
    headers = {"Content-Type": kind} if kind else {}
    found = problem(await admin.post("/api/jobs", content=b"{}", headers=headers), 415)
    assert found["code"] == "unsupported-media-type"
    assert "application/json" in found["hint"]


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON; charset=utf-8"])
async def test_json_is_read_however_it_is_spelled(admin: httpx.AsyncClient, kind: str) -> None:
    body = b'{"target": {"kind": "command", "command": ["true"]}}'
    good(await admin.post("/api/jobs", content=body, headers={"Content-Type": kind}), 201)


async def test_a_change_without_a_body_needs_no_type(admin: httpx.AsyncClient) -> None:
    good(await admin.patch("/api/queues/mail", json={}))
    good(await admin.post("/api/queues/mail/resume"))


# -- headers of every answer ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/live", "/api/me", "/api/nothing", "/login", "/api/docs"])
async def test_answers_are_neither_guessed_at_nor_kept(admin: httpx.AsyncClient, path: str) -> None:
    answer = await admin.get(path)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"


async def test_works_under_a_root_path(lite: Database, sqlite_url: str) -> None:
    api = Api(lite, settings_of(sqlite_url, ROTA_ROOT_PATH="/scheduler"))
    async with api.client() as client:
        for prefix in ("", "/scheduler"):
            good(await client.get(f"{prefix}/api/me"))
            good(await client.get(f"{prefix}/hello"))
            good(await client.get("/scheduler/hello"))
        assert (await client.get("/scheduler")).status_code == 200
        problem(await client.get("/schedulers/api/me"), 404)
        assert good(await client.get("/scheduler/api/openapi.json"))["servers"] == [{"url": "/scheduler"}]
        assert '<base href="/scheduler/">' in (await client.get("/scheduler/")).text
    async with api.client(None, Accept="text/html") as client:
        assert (await client.get("/scheduler/api/docs")).headers["location"] == "/scheduler/login?next=/api/docs"
    api.close()


# -- the parts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("a.example:80", ("a.example", 80)),
        ("A.Example", ("a.example", None)),
        ("[::1]:7005", ("::1", 7005)),
        ("a:b", None),
        ("a:99999", None),
        ("[::1", None),
        ("", None),
        ("a/b", None),
        ("user@a", None),
    ],
)
def test_reads_a_host(header: str, found: Any) -> None:
    assert split_host(header) == found


def test_knows_loopback() -> None:
    assert all(map(is_loopback, ("localhost", "127.0.0.1", "127.9.9.9", "::1", "[::1]", "app.localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "10.0.0.1", "localhost.example", "", "example.org")))


def test_knows_allowed_hosts() -> None:
    allowed = ("a.example", "*.b.example", "c.example:8443", "10.0.0.5", "fd00::1")
    assert all(is_allowed(host, allowed) for host in ("A.example", "a.example:1", "x.b.example", "c.example:8443"))
    assert all(is_allowed(host, allowed) for host in ("10.0.0.5:7005", "[fd00::1]:7005"))
    assert not any(is_allowed(host, allowed) for host in ("b.example", "xa.example", "c.example", "c.example:1", ""))


@pytest.mark.parametrize(
    ("origin", "host", "scheme", "same"),
    [
        ("http://a", "a", "http", True),
        ("http://a:80", "a", "http", True),
        ("https://a", "a", "http", True),
        ("https://a", "a:443", "https", True),
        ("http://a", "a", "https", False),
        ("http://a:81", "a", "http", False),
        ("http://b", "a", "http", False),
        ("file://a", "a", "http", False),
        ("http://[", "a", "http", False),
        ("http://a", "", "http", False),
    ],
)
def test_compares_origins(origin: str, host: str, scheme: str, same: bool) -> None:
    assert is_same_origin(origin, host, scheme) is same
