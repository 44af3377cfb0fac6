"""What somebody tries who wants in: on the wire, with a cookie or a token that has ended, with names that are paths."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import httpx
import pytest

from rota.api import feed, gate, log_stream, wire
from tests.api.calls import COMMAND, SECRET, Api, bearer, good, problem
from tests.api.live import Live

AUTH = f"Authorization: Bearer {SECRET}\r\n".encode()
JSON = b"Content-Type: application/json\r\n"
OWN = {"Origin": "http://localhost"}


@contextmanager
def connected(live: Live) -> Iterator[socket.socket]:
    with closing(socket.create_connection(("127.0.0.1", live.port), timeout=20)) as found:
        yield found


def answer(live: Live, request: bytes) -> bytes:
    """All that the server says until it hangs up."""
    with connected(live) as wired:
        wired.sendall(request)
        return b"".join(iter(lambda: wired.recv(65_536), b""))


def get(path: str, *, host: str = "localhost", more: bytes = b"") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n".encode() + more + b"\r\n"


SMUGGLED = (
    b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /live HTTP/1.1\r\nHost: localhost\r\n\r\n"
)
POST = b"POST /api/jobs HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + AUTH + JSON
PATHS = (
    "../index.html",
    "..%2fpages.json",
    "%2e%2e/index.html",
    "..",
    ".",
    "..\\pages.json",
    "%00",
    "x%00.js",
    "//etc/passwd",
    "",
)
WIRE = [
    (POST + SMUGGLED, b"400"),
    (POST + b"Content-Length: 4\r\nContent-Length: 2\r\n\r\n{}{}", b"400"),
    (POST + b"Content-Length: -1\r\n\r\n{}", b"400"),
    (POST + b"Content-Length: 99999999999999999999\r\n\r\n{}", b"400"),
    (get("/api/me", more=AUTH + b"X: a\r\n b\r\n"), b"400"),
    (get("/api/me", more=AUTH + b"X: a\0b\r\n"), b"400"),
    (get("/api/me", more=AUTH + b"Host: evil.example\r\n"), b"403"),
    (get("/api/me", host="evil.example", more=AUTH), b"403"),
    (get("/api/me", host="localhost@evil.example", more=AUTH), b"403"),
    (get("/api/me", host="localhost.evil.example", more=AUTH), b"403"),
    (get("/api/me", more=AUTH + AUTH), b"401"),
    (get("/api/me", more=b"Authorization: Basic c2VjcmV0Og==\r\n"), b"401"),
    (b"TRACE /api/me HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + AUTH + b"\r\n", b"405"),
    *((get(f"/assets/{path}"), b"404") for path in PATHS),
]  # fmt: skip


def test_nothing_on_the_wire_gets_past_the_gate(live: Live) -> None:
    for request, status in WIRE:
        assert answer(live, request).split(b" ", 2)[1] == status, request


def test_no_redirect_leads_elsewhere_or_carries_a_header(live: Live) -> None:
    page = b"Accept: text/html\r\n"
    for path in ("//evil.example/x", "/%0d%0aSet-Cookie:a=b", "/\\evil.example", "/%2f%2fevil.example"):
        head = answer(live, get(path, more=page)).partition(b"\r\n\r\n")[0].lower()
        assert b"\r\nlocation: /login?next=/" in head and b"\r\nset-cookie" not in head, path
    with live.client(None, **OWN) as browser:
        for path in ("//evil.example", "/\\evil.example", "/a\r\nX: y", "https://evil.example", "javascript:alert(1)"):
            led = browser.post("/login", data={"token": SECRET, "next": path}, headers={"Origin": live.url})
            assert (led.status_code, led.headers["location"]) == (303, "/"), path


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":' * 100_000,
        b'{"target":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
        b'{"jobType":"x","args":{"n":' + b"9" * 5_000 + b"}}",
        b'{"jobType":"x","priority":1e400}',
        b"\x1f\x8b\x08" + b"\0" * 50,
    ],
    ids=["open", "deep", "digits", "infinite", "packed"],
)
async def test_no_body_is_too_much(admin: httpx.AsyncClient, body: bytes) -> None:
    kind = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    started = time.process_time()
    assert (await admin.post("/api/jobs", content=body, headers=kind)).status_code in (415, 422)
    assert time.process_time() - started < 2


def test_who_drips_a_body_is_hung_up_on(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where nobody is asked who he is: each such connection was held for as long as its client liked."""
    monkeypatch.setattr(wire, "BODY_WITHIN_S", 0.5)
    login = b"POST /login HTTP/1.1\r\nHost: localhost\r\n" + JSON + b"Content-Length: 1000\r\n\r\n{"
    assert answer(live, login) == b""
    ping = b"POST /ping/" + b"0" * 32 + b" HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"
    assert answer(live, ping) == b""
    assert answer(live, get("/live")).startswith(b"HTTP/1.1 200")


async def test_a_copy_of_a_cookie_ends_with_the_logout(small: Api) -> None:
    """Of this session alone, and in every process."""
    other = Api(small.db, small.settings)
    async with small.client(None, **OWN) as browser, small.client(None, **OWN) as at_home, other.client(None) as thief:
        for client in (browser, at_home):
            good(await client.post("/login", json={"token": SECRET}))
        thief.cookies = httpx.Cookies(browser.cookies)
        assert (await browser.post("/logout")).status_code == 204
        said = problem(await thief.get("/api/me"), 401)
        assert said["hint"] == "this session was ended: log in again"
        thief.headers.update(OWN)
        problem(await thief.post("/api/jobs", json={"target": COMMAND}), 401)
        good(await at_home.get("/api/me"))
        good(await browser.post("/login", json={"token": SECRET}))
        good(await browser.get("/api/me"))
    other.close()


def test_a_stream_ends_with_what_opened_it(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "ASK_AGAIN_S", 0.2)
    monkeypatch.setattr(feed, "KEEP_ALIVE_S", 0.1)
    monkeypatch.setattr(log_stream, "KEEP_ALIVE_S", 0.1)
    with live.client() as admin, live.client(None, Origin=live.url) as browser:
        job_id = good(admin.post("/api/jobs", json={"target": COMMAND}), 201)["id"]
        streams = ("/api/events", f"/api/jobs/{job_id}/logs/stream")
        good(browser.post("/login", json={"token": SECRET}))
        for path in streams:
            made = good(admin.post("/api/tokens", json={"role": "viewer"}), 201)
            with (
                admin.stream("GET", path) as kept,
                browser.stream("GET", path, headers=bearer(made["token"])) as following,
            ):
                lines, still = following.iter_lines(), kept.iter_lines()
                assert next(lines) and next(still)
                assert admin.delete(f"/api/tokens/{made['id']}").status_code == 204
                assert len(list(lines)) < 200, "it ended, and in good order"
                assert [next(still) for _ in range(6)], "that of another goes on"
        for path in streams:
            good(browser.post("/login", json={"token": SECRET}))
            with browser.stream("GET", path) as following:
                lines = following.iter_lines()
                assert next(lines)
                assert browser.post("/logout").status_code == 204
                assert len(list(lines)) < 200
