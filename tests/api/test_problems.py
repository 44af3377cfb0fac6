"""Refusals: every one is a problem, none is a trace, none takes long."""

from __future__ import annotations

import contextlib
import socket
import time
from typing import Any

import httpx
import pytest

from rota.api import wire
from rota.errors import DatabaseFull
from rota.store.database import Duplicate
from tests.api.calls import COMMAND, SECRET, Api, bearer, good, problem
from tests.api.live import Live
from tests.store import builders

JSON = {"Content-Type": "application/json"}


async def test_names_what_is_possible(admin: httpx.AsyncClient) -> None:
    for method, path, allowed in (
        ("PUT", "/api/jobs", "GET, POST"),
        ("PATCH", "/api/job-types/x", "DELETE, GET, PUT"),
        ("GET", "/api/jobs/x/cancel", "POST"),
        ("POST", "/health", "GET"),
        ("OPTIONS", "/api/me", "GET"),
        ("TRACE", "/api/me", "GET"),
    ):
        answer = await admin.request(method, path)
        assert problem(answer, 405)["code"] == "method-not-allowed"
        assert answer.headers["allow"] == allowed


async def test_an_unknown_address_is_a_problem(admin: httpx.AsyncClient) -> None:
    for path in ("/api/nothing", "/api/", "/nothing", "/api/jobs/x/y", "/assets/x.js", "/demo/echo"):
        problem(await admin.get(path), 404)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b"{",
        b"[]",
        b"null",
        b"nul",
        b'"text"',
        b"{'a': 1}",
        b'{"a": NaN}',
        b"\xff\xfe",
        b'{"jobType": "\xff"}',
        b'{"jobType": "\\ud800"}',
        b'{"jobType": "x\\u0000"}',
        b'{"jobType": "a"} {"jobType": "b"}',
        b"[" * 10_000,
        b'{"args":' * 10_000,
        b'{"args": ' + b"[" * 10_000 + b"]" * 10_000 + b', "jobType": "x"}',
        b'{"args": ' + b'{"a":' * 100 + b"1" + b"}" * 100 + b', "target": {"kind":"command","command":["true"]}}',
        b'{"args": {"a": "\\ud800"}, "target": {"kind":"command","command":["true"]}}',
        b'{"args": {"a": "\\u0000"}, "target": {"kind":"command","command":["true"]}}',
        b'{"target": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    ],
)
@pytest.mark.parametrize("path", ["/api/jobs", "/api/jobs/bulk", "/api/jobs/actions", "/api/schedules/preview"])
async def test_malformed_json_is_refused_quickly(small: Api, path: str, body: bytes) -> None:
    async with small.client() as client:
        started = time.monotonic()
        answer = await client.post(path, content=body, headers=JSON)
        assert time.monotonic() - started < 2
    assert problem(answer, 422)["field"]
    assert builders.column(small.db, "id") == []


async def test_what_was_sent_is_repeated_without_harm(admin: httpx.AsyncClient) -> None:
    answer = await admin.post("/api/jobs", content=b'{"\\ud83d<script>": 1}', headers=JSON)
    assert problem(answer, 422)
    answer = await admin.get("/api/jobs/%f0%9f")
    assert problem(answer, 404)


async def test_arguments_too_large_are_refused(small: Api, admin: httpx.AsyncClient) -> None:
    answer = await admin.post("/api/jobs", json={"target": COMMAND, "args": {"a": "x" * (1024 * 1024)}})
    assert problem(answer, 413)["field"] == "args"
    assert builders.column(small.db, "id") == []


async def test_an_error_inside_is_no_trace(
    small: Api, admin: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def breaks(*args: object) -> None:
        raise RuntimeError("canary-4711")

    monkeypatch.setattr("rota.store.workers.listed", breaks)
    answer = await admin.get("/api/workers")
    assert problem(answer, 500)["code"] == "internal-error"
    assert "canary" not in answer.text
    assert "Traceback" not in answer.text
    assert "canary-4711" in caplog.text


async def test_what_the_store_refuses_is_a_conflict(admin: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def collides(*args: object) -> None:
        raise Duplicate("x")

    monkeypatch.setattr("rota.store.tokens.revoke", collides)
    problem(await admin.delete("/api/tokens/x"), 409)


async def test_a_full_disk_is_told(admin: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> None:
        raise DatabaseFull("SQLite: database or disk is full")

    monkeypatch.setattr("rota.store.jobs.insert", full)
    answer = await admin.post("/api/jobs", json={"target": COMMAND})
    assert problem(answer, 503)["code"] == "database-full"
    assert "retry-after" in answer.headers


# -- sizes, over a real connection ------------------------------------------------------------------------------------

TEN_MEGABYTES = 10 * 1024 * 1024


def chunks() -> Any:
    for _ in range(TEN_MEGABYTES // 65536):
        yield b"[" * 65536


@pytest.mark.parametrize("content", ["whole", "in chunks"])
def test_a_large_body_is_refused_with_an_answer(live: Live, content: str) -> None:
    with live.client() as client:
        body = b"x" * TEN_MEGABYTES if content == "whole" else chunks()
        started = time.monotonic()
        answer = client.post("/api/jobs", content=body, headers=JSON)
        assert time.monotonic() - started < 5
        assert problem(answer, 413)["field"] == "body"
        good(client.get("/api/me"))


def test_a_large_body_of_a_stranger_is_not_even_read(live: Live) -> None:
    with live.client(None) as client:
        problem(client.post("/api/jobs", content=b"x" * 1000, headers=JSON), 401)


@pytest.mark.parametrize("length", ["-1", "x", "1e9", "9" * 30])
def test_a_wrong_length_is_refused(live: Live, length: str) -> None:
    with socket.create_connection(("127.0.0.1", live.port), timeout=5) as connection:
        connection.sendall(
            f"POST /api/jobs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {SECRET}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n".encode()
        )
        answer = connection.recv(4096)
    assert answer.split(b" ")[1] in (b"400", b"413")


def test_nonsense_on_the_wire_leaves_the_server_well(live: Live) -> None:
    for nonsense in (b"\x00" * 100, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00", b"{}\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", live.port), timeout=5) as connection:
            connection.sendall(nonsense)
            connection.shutdown(socket.SHUT_WR)
            connection.recv(4096)
    with live.client(None) as client:
        good(client.get("/api/me", headers=bearer(SECRET)))


def test_endless_headers_are_refused(live: Live) -> None:
    with socket.create_connection(("127.0.0.1", live.port), timeout=5) as connection:
        connection.sendall(b"GET /live HTTP/1.1\r\nHost: localhost\r\n")
        with contextlib.suppress(ConnectionError):
            for n in range(1000):
                connection.sendall(b"X-%d: " % n + b"a" * 10_000 + b"\r\n")
        with contextlib.suppress(ConnectionError):
            assert connection.recv(4096).startswith(b"HTTP/1.1 431 ")
    with live.client() as client:
        good(client.get("/api/me", headers={"X-Long": "a" * 50_000}))


def test_who_sends_no_request_is_hung_up_on(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as short:
        short.setattr(wire, "HEAD_WITHIN_S", 0.1)
        for beginning in (b"", b"GET /live HTT", b"GET /live HTTP/1.1\r\nHost: localhost\r\n"):
            with socket.create_connection(("127.0.0.1", live.port), timeout=5) as connection:
                connection.sendall(beginning)
                assert connection.recv(4096) == b""
    with live.client() as client:
        good(client.get("/api/me"))
