"""What is kept of an exchange."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from rota.executor import Outcome
from tests.support.http_calls import http_call, running
from tests.support.http_server import HEAD, Handler, Received, hang, raw, reply, serve

pytestmark = pytest.mark.asyncio


def kept(outcome: Outcome) -> Any:
    assert outcome.exchange is not None
    return msgspec.json.decode(outcome.exchange)


async def exchanged(handler: Handler, path: str = "/hook", **fields: Any) -> Any:
    async with serve(handler) as server, running() as rota:
        return kept(await rota.call(http_call(server.url + path, **fields)))


async def test_the_request_and_the_answer_are_kept_without_secrets() -> None:
    async def echo(request: Received, writer: asyncio.StreamWriter) -> None:
        said = {"got": request.headers["authorization"], "by": request.path, "n": 1}
        reply(writer, msgspec.json.encode(said), headers=("Set-Cookie: sid=12345678", "X-Two: a", "X-Two: b"))

    found = await exchanged(
        echo,
        "/hook?token=abcdefgh&page=2",
        body={"key": "secret-of-mine", "to": "ann"},
        auth={"type": "bearer", "token": "secret-of-mine"},
    )
    request, answer = found["request"], found["answer"]
    assert (request["method"], request["url"].partition("/hook")[2]) == ("POST", "?token=***&page=2")
    assert (request["body"], request["bodyBytes"]) == ('{"key":"***","to":"ann"}', 35)
    assert request["headers"]["Authorization"] == "***"
    assert len(request["headers"]["Idempotency-Key"]) == 36
    assert (answer["status"], answer["reason"], answer["truncated"]) == (200, "OK", False)
    assert answer["body"] == '{"got":"Bearer ***","by":"/hook?token=***&page=2","n":1}'
    assert (answer["headers"]["Set-Cookie"], answer["headers"]["X-Two"]) == ("***", "a, b")


async def test_what_was_sent_is_kept_where_no_answer_came() -> None:
    found = await exchanged(hang, timeout="1500ms")
    assert (found["request"]["method"], found["answer"]) == ("POST", None)


async def test_a_failure_keeps_its_answer_too() -> None:
    found = await exchanged(raw(b"HTTP/1.1 503 No\r\nContent-Length: 4\r\n\r\nbusy"))
    assert (found["answer"]["status"], found["answer"]["body"]) == (503, "busy")


async def test_of_redirects_the_last_hop_is_kept() -> None:
    async def go(request: Received, writer: asyncio.StreamWriter) -> None:
        away = ("Location: /there",) if request.path == "/hook" else ()
        reply(writer, status="303 See Other" if away else "200 OK", headers=away)

    found = await exchanged(go, redirects=1)
    assert (found["request"]["method"], found["request"]["body"]) == ("GET", None)
    assert found["request"]["url"].endswith("/there") and found["answer"]["status"] == 200


@pytest.mark.parametrize("body", [b"\0\x01" * 100_000, b"\xff" * 200_000, b'"' * 2_000_000, "é".encode() * 100_000])
async def test_it_stays_small(body: bytes) -> None:
    many = b"".join(b"X-%d: %s\r\n" % (number, b"v" * 70) for number in range(90))
    head = HEAD + many + b"Content-Length: %d\r\n\r\n" % len(body)
    async with serve(raw(head, body)) as server, running() as rota:
        outcome = await rota.call(http_call(server.url, args=msgspec.json.encode({"text": "x" * 900_000}).decode()))
    found = kept(outcome)
    assert len(outcome.exchange or "") <= 64 << 10
    assert found["request"]["truncated"] and found["answer"]["truncated"]
    assert len(found["answer"]["body"]) >= 1000
    assert len(found["answer"]["headers"]) <= 50


async def test_a_call_that_was_never_sent_keeps_nothing() -> None:
    async with running() as rota:
        assert (await rota.call(http_call(None))).exchange is None
