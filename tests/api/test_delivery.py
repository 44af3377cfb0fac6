"""How answers are delivered: to pages of other origins, compressed, under the headers that keep browsers safe."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Iterator

import httpx
import msgspec
import pytest
import pytest_asyncio

from rota.api.compressing import LARGE_BYTES, Compressing
from rota.store.database import Database
from tests.api.calls import COMMAND, SECRET, Api, bearer, good, problem, settings_of
from tests.api.live import Live

PAGE = "https://app.example.org"
ASKED = {"Origin": PAGE, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}


@pytest_asyncio.fixture(params=["", "/scheduler"])
async def behind(lite: Database, sqlite_url: str, request: pytest.FixtureRequest) -> AsyncIterator[Api]:
    """The API at the root and under a sub-path, with a page of another origin that may call it."""
    settings = settings_of(sqlite_url, ROTA_CORS_ORIGINS=PAGE, ROTA_ROOT_PATH=request.param)
    api = Api(lite, settings)
    yield api
    api.close()


def root(api: Api) -> str:
    return api.settings.root_path


# -- other origins -------------------------------------------------------------------------------------------------


async def test_a_page_is_told_what_it_may_do_before_any_credential(behind: Api) -> None:
    async with behind.client(None) as browser:
        answer = await browser.options(f"{root(behind)}/api/jobs", headers=ASKED)
        assert (answer.status_code, answer.content) == (204, b"")
        assert answer.headers["access-control-allow-origin"] == PAGE
        for name in ("POST", "PATCH", "DELETE"):
            assert name in answer.headers["access-control-allow-methods"]
        for name in ("Authorization", "Content-Type", "Idempotency-Key"):
            assert name in answer.headers["access-control-allow-headers"]
        assert "access-control-allow-credentials" not in answer.headers
        assert "Origin" in answer.headers["vary"]


async def test_a_page_calls_with_a_token_and_reads_the_answer(behind: Api) -> None:
    async with behind.client(SECRET, Origin=PAGE) as page:
        answer = await page.put(f"{root(behind)}/api/job-types/tidy", json={"target": COMMAND})
        good(answer)
        assert answer.headers["access-control-allow-origin"] == PAGE
        assert "Rota-Accounted-To" in answer.headers["access-control-expose-headers"]
        refused = await page.post(f"{root(behind)}/api/jobs", json={"jobType": 5})
        assert problem(refused, 422)["field"] == "jobType"
        assert refused.headers["access-control-allow-origin"] == PAGE
    async with behind.client(None, Origin=PAGE) as stranger:
        refused = await stranger.get(f"{root(behind)}/api/jobs")
        problem(refused, 401)
        assert refused.headers["access-control-allow-origin"] == PAGE


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "https://app.example.org.evil.example", ""])
async def test_other_pages_may_not(behind: Api, origin: str) -> None:
    async with behind.client(SECRET, **{**ASKED, "Origin": origin}) as browser:
        problem(await browser.options(f"{root(behind)}/api/jobs"), 403)
        answer = await browser.get(f"{root(behind)}/api/jobs")
        assert "access-control-allow-origin" not in answer.headers


async def test_without_the_setting_no_page_may(small: Api) -> None:
    async with small.client(SECRET) as browser:
        answer = await browser.options("/api/jobs", headers=ASKED)
        assert answer.status_code >= 400
        assert not [name for name in answer.headers if name.startswith("access-control")]


# -- compression ---------------------------------------------------------------------------------------------------


async def with_types(client: httpx.AsyncClient, path: str) -> None:
    for n in range(8):
        good(await client.put(f"{path}/api/job-types/type-{n}", json={"target": COMMAND}))


async def test_large_answers_are_compressed_for_who_takes_it(behind: Api) -> None:
    path = f"{root(behind)}/api/job-types"
    async with behind.client() as client:
        await with_types(client, root(behind))
        plain = await client.get(path, headers={"Accept-Encoding": "identity"})
        assert "content-encoding" not in plain.headers
        for takes in ("gzip", "br;q=1.0, gzip;q=0.5", "*"):
            async with client.stream("GET", path, headers={"Accept-Encoding": takes}) as answer:
                raw = b"".join([part async for part in answer.aiter_raw()])
            assert answer.headers["content-encoding"] == "gzip"
            assert answer.headers["content-length"] == str(len(raw))
            assert "Accept-Encoding" in answer.headers["vary"]
            assert gzip.decompress(raw) == plain.content
            assert len(raw) < len(plain.content) / 3
        refused = await client.get(path, headers={"Accept-Encoding": "gzip;q=0, br"})
        assert "content-encoding" not in refused.headers
        small = await client.get(f"{path}/type-0", headers={"Accept-Encoding": "gzip"})
        assert "content-encoding" not in small.headers, "under 1 kB it costs more than it saves"


async def test_answers_with_secrets_are_not(behind: Api) -> None:
    path = f"{root(behind)}/api/tokens"
    async with behind.client(SECRET, **{"Accept-Encoding": "gzip"}) as client:
        for n in range(10):
            made = await client.post(path, json={"role": "viewer", "name": f"an app with a long name {n}" * 5})
            assert "content-encoding" not in made.headers
        listed = await client.get(path)
        assert len(listed.content) > 1024
        assert "content-encoding" not in listed.headers


async def test_a_file_is_compressed_piece_by_piece(behind: Api) -> None:
    async with behind.client(SECRET, **{"Accept-Encoding": "gzip"}) as client:
        await with_types(client, root(behind))
        answer = await client.get(f"{root(behind)}/api/audit/export")
        assert answer.headers["content-encoding"] == "gzip"
        assert [msgspec.json.decode(line)["name"] for line in answer.text.splitlines()] == [
            f"type-{n}" for n in range(7, -1, -1)
        ]


async def test_a_very_large_answer_leaves_the_others_alone() -> None:
    body = b"0123456789" * LARGE_BYTES

    async def app(scope: object, receive: object, send: object) -> None:
        head = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": head})  # type: ignore[operator]
        await send({"type": "http.response.body", "body": body})  # type: ignore[operator]

    turned = 0

    async def turn() -> None:
        nonlocal turned
        while True:
            turned += 1
            await asyncio.sleep(0)

    transport = httpx.ASGITransport(app=Compressing(app))
    task = asyncio.create_task(turn())
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        answer = await client.get("/", headers={"Accept-Encoding": "gzip"})
    task.cancel()
    assert answer.content == body
    assert turned > 10, "the loop went on while it was compressed"


def test_a_stream_of_events_is_not(live: Live) -> None:
    headers = {"Accept-Encoding": "gzip"}
    with live.client() as client:
        good(client.put("/api/job-types/tidy", json={"target": COMMAND}))
        job = good(client.post("/api/jobs", json={"jobType": "tidy"}), 201)["id"]
        with client.stream("GET", f"/api/jobs/{job}/logs/stream", headers=headers) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            assert "content-encoding" not in answer.headers


# -- what keeps browsers safe --------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/live", "/login", "/api/jobs", "/api/docs", "/nothing", "/api/jobs/none"])
async def test_every_answer_is_safe_in_a_browser(behind: Api, path: str) -> None:
    async with behind.client() as client:
        answer = await client.get(root(behind) + path)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "same-origin"
    if answer.headers["content-type"].startswith("text/html"):
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
    assert "strict-transport-security" not in answer.headers, "the service was called by http"


@pytest.fixture
def proxied(lite: Database, sqlite_url: str) -> Iterator[Live]:
    """A server behind a proxy that ends TLS, under a sub-path."""
    settings = settings_of(sqlite_url, ROTA_PORT="0", ROTA_TRUSTED_PROXIES="127.0.0.1", ROTA_ROOT_PATH="/scheduler")
    with Live(lite, settings) as live:
        yield live


def test_on_https_a_browser_is_to_stay_there(proxied: Live) -> None:
    with proxied.client() as client:
        answer = client.get("/api/me", headers={"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"})
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
        assert "strict-transport-security" not in client.get("/api/me").headers


def test_the_audit_has_the_address_of_the_client_not_of_the_proxy(proxied: Live) -> None:
    far = {**bearer(SECRET), "X-Forwarded-For": "203.0.113.9"}
    with proxied.client(None) as client:
        good(client.patch("/api/queues/mail", json={"concurrency": 5}, headers=far))
        (entry,) = good(client.get("/api/audit", headers=far))["entries"]
    assert entry["client"] == "203.0.113.9"
    assert entry["text"].endswith("(over the API, from 203.0.113.9)")
