"""Targets that hang, drip, flood and lie: each call ends by its deadline, and nothing else suffers."""

from __future__ import annotations

import asyncio
import gzip
import socket
import time
from typing import Any

import pytest

from rota.executor import Outcome
from rota.executors.http_connect import AddrInfo
from tests.support.http_calls import http_call, running
from tests.support.http_server import HEAD, Handler, Received, endless, hang, raw, reply, serve
from tests.support.waiting import wait_until_async

pytestmark = pytest.mark.asyncio
QUICK = 150_000
"""Deadline, in microseconds, of calls that must run into it."""
HALF = 1_500_000
"""The same of those that must have heard something before."""


async def drip(request: Received, writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"Content-Length: 1000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.01)


async def drip_headers(request: Received, writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD)
    while True:
        writer.write(b"X-A: b\r\n"[:1])
        await writer.drain()
        await asyncio.sleep(0.01)


async def attempt(handler: Handler, timeout_us: int = 5_000_000, **fields: Any) -> Outcome:
    async with serve(handler) as server, running() as rota:
        return await rota.call(http_call(server.url + "/x", timeout_us=timeout_us, **fields))


@pytest.mark.parametrize(
    ("handler", "timeout_us", "text"),
    [
        (hang, QUICK, "no answer within 150ms"),
        (drip_headers, QUICK, "no answer within 150ms"),
        (raw(b"HTTP/1.1 100 Continue\r\n\r\n"), QUICK, "no answer within 150ms"),
        (raw(HEAD + b"Content-Length: 20\r\n\r\n{"), HALF, "no end of the answer, 1 bytes so far, within 1s500ms"),
        (
            raw(HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\n{} "),
            HALF,
            "no end of the answer, 3 bytes so far, within 1s500ms",
        ),
    ],
    ids=["hang", "drip-headers", "continue", "half", "half-chunk"],
)
async def test_a_call_ends_by_its_deadline(handler: Handler, timeout_us: int, text: str) -> None:
    outcome = await attempt(handler, timeout_us)
    assert (outcome.kind, outcome.permanent, outcome.error) == ("failed", False, text)
    assert outcome.detail is not None
    assert outcome.detail.code == "timeout"


async def test_a_dripping_answer_ends_by_the_deadline() -> None:
    outcome = await attempt(drip, HALF)
    assert outcome.detail is not None
    assert outcome.detail.code == "timeout"
    assert str(outcome.error).startswith("no end of the answer, ")


async def test_the_smaller_of_both_timeouts_holds() -> None:
    outcome = await attempt(hang, 5_000_000, timeout="80ms")
    assert outcome.error == "no answer within 80ms"
    outcome = await attempt(hang, 90_000, timeout="5s")
    assert outcome.error == "no answer within 90ms"


async def test_a_target_that_never_reads_ends_by_the_deadline() -> None:
    never = asyncio.Event()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await never.wait()
        writer.close()

    listener = await asyncio.start_server(connected, "127.0.0.1", 0, limit=1024)
    async with running() as rota:
        port = listener.sockets[0].getsockname()[1]
        call = http_call(f"http://127.0.0.1:{port}/", '"' + "x" * 1_000_000 + '"', timeout_us=QUICK)
        outcome = await rota.call(call)
        never.set()
    listener.close()
    await listener.wait_closed()
    assert outcome.detail is not None
    assert outcome.detail.code == "timeout"


async def test_a_name_whose_lookup_hangs_ends_by_the_deadline() -> None:
    def slow(host: str, port: int) -> list[AddrInfo]:
        time.sleep(0.5)
        return []

    async with running(lookup=slow) as rota:
        outcome = await rota.call(http_call("http://slow.example/", timeout_us=QUICK))
    assert outcome.error == "no answer within 150ms"


@pytest.mark.parametrize(
    "handler",
    [
        raw(b"garbage\r\n\r\n"),
        raw(b"\x00\xff\x16\x03\x01" * 100),
        raw(b"HTTP/1.1 abc OK\r\n\r\n"),
        raw(b"HTTP/9.9 200 OK\r\n\r\n"),
        raw(b"HTTP/1.1 200 OK\r\nBad Header\r\n\r\n"),
        raw(HEAD + b"Content-Length: -5\r\n\r\n"),
        raw(HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"),
        raw(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}"),
        raw(close=True),
        raw(HEAD, close=True),
        raw(HEAD + b"Content-Length: 20\r\n\r\n{", close=True),
        raw(HEAD + b"Transfer-Encoding: chunked\r\n\r\n20\r\n{}", close=True),
        raw(HEAD + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd"),
        raw(HEAD + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"{}" * 99)[:-9], close=True),
        raw(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", close=True),
        raw(HEAD + b"X-Big: " + b"a" * 100_000 + b"\r\n\r\n{}"),
        raw(HEAD + b"".join(b"X-%d: a\r\n" % n for n in range(5000)) + b"\r\n{}"),
        endless(HEAD, b"X-More: " + b"a" * 1000 + b"\r\n"),
        endless(HEAD + b"X-Line: ", b"a" * 60_000),
        endless(b"HTTP/1.1 200 ", b"O" * 60_000),
    ],
)
async def test_broken_answers_are_tried_again(handler: Handler) -> None:
    outcome = await attempt(handler)
    assert (outcome.kind, outcome.permanent) == ("failed", False)
    assert outcome.detail is not None
    assert outcome.detail.code in {"broken-answer", "disconnected", "connection", "http-101"}
    assert "\n" not in str(outcome.error) and len(str(outcome.error)) < 1100


async def test_nobody_listening_is_tried_again() -> None:
    async with running() as rota:
        with socket.socket() as silent:  # a port that is ours, so that nobody else begins to listen there
            silent.bind(("127.0.0.1", 0))
            port = silent.getsockname()[1]
            outcome = await rota.call(http_call(f"http://127.0.0.1:{port}/"))
            no_tls = await rota.call(http_call(f"https://127.0.0.1:{port}/"))
        unknown = await rota.call(http_call("http://name.invalid/"))
    assert (outcome.kind, outcome.permanent) == ("failed", False)
    assert str(outcome.error).endswith("connection refused")
    assert unknown.detail is not None and no_tls.detail is not None
    assert (unknown.permanent, unknown.detail.code) == (False, "dns")
    assert (no_tls.permanent, no_tls.detail.code) == (False, "connect")


async def test_plain_http_where_tls_is_expected() -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello\r\n")
        writer.close()

    listener = await asyncio.start_server(connected, "127.0.0.1", 0)
    async with running() as rota:
        outcome = await rota.call(http_call(f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}/"))
    listener.close()
    await listener.wait_closed()
    assert outcome.detail is not None
    assert (outcome.permanent, outcome.detail.code) == (False, "tls")


async def test_two_hundred_hanging_targets_do_not_delay_an_honest_one() -> None:
    async def honest(request: Received, writer: asyncio.StreamWriter) -> None:
        reply(writer, "{}")

    def lookup(host: str, port: int) -> list[AddrInfo]:
        if host.startswith("dead"):
            time.sleep(1.5)
        return [(2, 1, 6, "", ("127.0.0.1", port))]

    async with serve(hang) as bad, serve(honest) as good, running(lookup=lookup) as rota:
        hanging = [http_call(bad.url + f"/{n}", timeout_us=60_000_000) for n in range(150)]
        hanging += [http_call(f"http://dead{n}.example:{bad.port}/", timeout_us=60_000_000) for n in range(50)]
        rota.executor.submit(hanging)
        await wait_until_async(lambda: len(bad.requests) >= 150)
        began = time.monotonic()
        outcome = await rota.call(http_call(f"http://alive.example:{good.port}/"))
        took = time.monotonic() - began
        assert outcome.kind == "completed"
        # Beyond the deadline of the promise, not of this machine.
        assert took < 2
        assert len(rota.host.order) == 1
