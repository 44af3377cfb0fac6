"""The pages as they are served: policy, caches, places, and what is there without them."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from rota.api import web
from rota.store.database import Database
from tests.api.calls import Api, problem, settings_of

PAGE = {"Accept": "text/html"}
INDEX = '<!doctype html><html><head><title>Rota</title><script src="./assets/main-x.js"></script></head><body></body>'
SCRIPT = b"console.log('rota');" * 200


@pytest.fixture
def pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small build of the pages."""
    folder = tmp_path / "_web"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text(INDEX)
    (folder / "icon.svg").write_text("<svg/>")
    (folder / "assets" / "main-x.js").write_bytes(SCRIPT)
    (folder / "assets" / "main-x.js.gz").write_bytes(gzip.compress(SCRIPT))
    monkeypatch.setattr(web, "FOLDER", folder)
    return folder


@pytest.fixture
def scheduler(lite: Database, sqlite_url: str) -> Iterator[Api]:
    """The API under a path."""
    api = Api(lite, settings_of(sqlite_url, ROTA_ROOT_PATH="/scheduler"))
    yield api
    api.close()


@pytest.mark.parametrize("path", ["/", "/jobs", "/schedules/a%2Fb/edit", "/no-such-page"])
async def test_every_address_of_a_page_is_the_one_page(small: Api, pages: Path, path: str) -> None:
    async with small.client() as client:
        answer = await client.get(path, headers=PAGE)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert '<base href="/">' in answer.text


async def test_the_policy_allows_no_inline_script_and_no_other_host(small: Api, pages: Path) -> None:
    async with small.client() as client:
        first, second = [await client.get("/jobs", headers=PAGE) for _ in range(2)]
    policy = dict(part.strip().split(" ", 1) for part in first.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    assert "unsafe" not in first.headers["content-security-policy"]
    (nonce,) = re.findall(r'<meta property="csp-nonce" nonce="([\w-]{20,})">', first.text)
    assert policy["style-src"] == f"'self' 'nonce-{nonce}'"
    assert nonce not in second.text


async def test_under_a_path_the_page_says_so(scheduler: Api, pages: Path) -> None:
    async with scheduler.client() as client:
        assert '<base href="/scheduler/">' in (await client.get("/scheduler/jobs", headers=PAGE)).text
        assert '<base href="/scheduler/">' in (await client.get("/jobs", headers=PAGE)).text
        assert (await client.get("/scheduler/assets/main-x.js")).content == SCRIPT


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("/", ["chart-1.js"]),
        ("/jobs", ["jobs-1.js", "jobs-1.css"]),
        ("/jobs/", ["jobs-1.js", "jobs-1.css"]),
        ("/jobs/01a2", ["job-1.js"]),
        ("/jobs/01a2/x", []),
        ("/job-types/", ["types-1.js"]),
        ("/job-types", ["types-1.js"]),
        ("/job-types/a/b.c", ["type-1.js"]),
        ("/jobsx", []),
    ],
)
async def test_a_page_names_its_files_at_once(small: Api, pages: Path, path: str, named: list[str]) -> None:
    files = {"/jobs": ["jobs-1.js", "main-x.js", "jobs-1.css"], "/jobs/$id": ["job-1.js"], "/": ["chart-1.js"],
             "/job-types/": ["types-1.js"], "/job-types/$": ["type-1.js"]}  # fmt: skip
    written = [[path, [f"assets/{name}" for name in names]] for path, names in files.items()]
    (pages / "pages.json").write_text(json.dumps(written))
    async with small.client() as client:
        head = (await client.get(path, headers=PAGE)).text.partition("</head>")[0]
    links = re.findall(r'<link rel="(modulepreload|stylesheet)" crossorigin href="./assets/([\w.-]+)">', head)
    assert links == [("stylesheet" if name.endswith(".css") else "modulepreload", name) for name in named]


async def test_a_page_comes_where_the_database_does_not_answer(
    small: Api, pages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never() -> int:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(small.app.state.service.feed, "ready", never)
    async with small.client() as client:
        answer = await client.get("/jobs", headers=PAGE)
    assert answer.status_code == 200
    assert "rota-events-after" not in answer.text


async def test_assets_are_kept_for_ever_and_compressed_once(small: Api, pages: Path) -> None:
    async with small.client(None) as client:
        answer = await client.get("/assets/main-x.js", headers={"Accept-Encoding": "gzip"})
        assert answer.headers["content-encoding"] == "gzip"
        assert int(answer.headers["content-length"]) == (pages / "assets" / "main-x.js.gz").stat().st_size
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
        assert answer.headers["vary"] == "Accept-Encoding"
        assert answer.content == SCRIPT
        plain = await client.get("/assets/main-x.js", headers={"Accept-Encoding": "identity"})
        assert "content-encoding" not in plain.headers
        assert plain.content == SCRIPT
        assert (await client.get("/icon.svg")).headers["content-type"] == "image/svg+xml"


@pytest.mark.parametrize("name", ["gone.js", "..%2Findex.html", "..%2F..%2Fweb.py", ".sources", "%00", "a/b.js", ""])
async def test_nothing_else_is_served(small: Api, pages: Path, name: str) -> None:
    (pages / "assets" / "sub").mkdir()
    async with small.client(None) as client:
        problem(await client.get(f"/assets/{name}", headers=PAGE), 404)


async def test_unknown_addresses_of_the_api_stay_json(small: Api, pages: Path) -> None:
    async with small.client() as client:
        problem(await client.get("/api/nothing", headers=PAGE), 404)
        problem(await client.get("/api", headers=PAGE), 404)
        problem(await client.get("/jobs", headers={"Accept": "application/json"}), 404)
        problem(await client.post("/jobs", headers=PAGE), 404)


async def test_who_is_not_logged_in_goes_to_the_login_and_comes_back(small: Api, pages: Path) -> None:
    async with small.client(None) as client:
        answer = await client.get("/jobs", headers=PAGE)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=/jobs")


@pytest.mark.parametrize("path", ["/status/x/y", "/status/", "/ping/x/y/z", "/badge/x", "/demo/x"])
async def test_where_nobody_is_asked_there_is_no_page(
    api: Api, pages: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    async def looked() -> int:
        raise AssertionError("a stranger cost a look")

    monkeypatch.setattr(api.app.state.service.feed, "here", looked)
    async with api.client(None) as client:
        problem(await client.get(path, headers=PAGE), 404)
        assert (await client.get("/login", headers=PAGE)).status_code == 200
        assert (await client.get("/icon.svg", headers=PAGE)).text == "<svg/>"


async def test_without_the_pages_the_service_says_how_to_get_them(
    small: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "FOLDER", tmp_path / "none")
    async with small.client() as client:
        start = await client.get("/", headers=PAGE)
        assert start.status_code == 200
        assert "make web" in start.text
        problem(await client.get("/jobs", headers=PAGE), 404)
