"""Answers without end, and small ones that grow: what is read and held stays within its limits."""

from __future__ import annotations

import gc
import tracemalloc
import zlib
from collections.abc import Callable

import msgspec
import pytest

from rota.executor import Outcome
from tests.support.http_calls import http_call, running
from tests.support.http_server import HEAD, Handler, endless, raw, serve

pytestmark = pytest.mark.asyncio


async def attempt(handler: Handler, timeout_us: int = 20_000_000) -> tuple[Outcome, int]:
    """Return the outcome of a call and the most memory that it took, with the server's, in bytes."""
    async with serve(handler) as server, running() as rota:
        gc.collect()
        tracemalloc.start()
        try:
            outcome = await rota.call(http_call(server.url + "/x", timeout_us=timeout_us), timeout=30)
            return outcome, tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()


MOST = 16 << 20
"""Bytes; the answers are larger by far."""


FLOODS: dict[str, Callable[[], Handler]] = {
    "plain": lambda: endless(HEAD + b"Content-Length: 99999999999\r\n\r\n", b"[1, 2]  " * 8000),
    "until-close": lambda: endless(HEAD + b"\r\n", b"a" * 60_000),
    "chunked": lambda: endless(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"f000\r\n" + b"a" * 0xF000 + b"\r\n"),
    "gzip-bomb": lambda: _bomb(b"gzip", 31),
    "deflate-bomb": lambda: _bomb(b"deflate", 15),
    "raw-deflate-bomb": lambda: _bomb(b"deflate", -15),
}


def _bomb(encoding: bytes, window: int) -> Handler:
    body = zlib.compress(bytes(64 << 20), 9, window)
    return raw(HEAD + b"Content-Encoding: %b\r\nContent-Length: %d\r\n\r\n" % (encoding, len(body)) + body)


@pytest.mark.parametrize("kind", FLOODS)
async def test_an_endless_answer_is_read_to_its_limit_only(kind: str) -> None:
    handler = FLOODS[kind]()
    outcome, memory = await attempt(handler)
    assert (outcome.kind, outcome.error) == ("completed", None)
    assert outcome.truncated is not None and outcome.truncated > 1 << 20
    assert len(msgspec.json.decode(outcome.result or "")["head"]) == 64 << 10
    assert memory < MOST


@pytest.mark.parametrize(
    "handler",
    [
        endless(HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X-Trailer: " + b"a" * 1000 + b"\r\n"),
        endless(HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;", b"extension=" + b"a" * 60_000 + b";"),
        endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
        endless(HEAD + b"Content-Length: 2\r\n\r\n{}", HEAD + b"Content-Length: 2\r\n\r\n{}"),
    ],
    ids=["trailers", "chunk-extensions", "continues", "answers-nobody-asked-for"],
)
async def test_a_flood_beside_the_body_is_bounded_too(handler: Handler) -> None:
    outcome, memory = await attempt(handler, 500_000)
    assert outcome.kind in {"failed", "completed"}
    assert not outcome.permanent
    assert memory < MOST


async def test_an_endless_answer_in_chunks_of_a_byte_ends_too() -> None:
    tiny = endless(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n" * 5000)
    async with serve(tiny) as server, running(max_body=20_000) as rota:
        outcome = await rota.call(http_call(server.url))
    assert outcome.truncated is not None and outcome.truncated > 20_000


async def test_many_large_answers_that_do_not_end_take_turns() -> None:
    most = raw(HEAD + b"Content-Length: 999999\r\n\r\n", *[b"a" * 15_000] * 60)
    async with serve(most) as server, running() as rota:
        rota.executor.submit([http_call(server.url + "/x", timeout_us=1_500_000) for _ in range(80)])
        gc.collect()
        tracemalloc.start()
        try:
            outcomes = await rota.host.wait_done(80, 60)
            memory = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert all(outcome.detail is not None and outcome.detail.code == "timeout" for outcome in outcomes)
    assert memory < 40 << 20
    # All of them whole would have been 72 MB.


async def test_large_answers_end_when_their_turn_comes() -> None:
    async with (
        serve(raw(HEAD + b"Content-Length: 400002\r\n\r\n[" + b" " * 400_000 + b"]")) as server,
        running() as rota,
    ):
        rota.executor.submit([http_call(server.url) for _ in range(50)])
        outcomes = await rota.host.wait_done(50, 60)
    assert {outcome.kind for outcome in outcomes} == {"completed"}
    assert not any(outcome.truncated for outcome in outcomes)


async def test_a_large_error_page_is_read_to_its_limit_and_kept_to_less() -> None:
    flood = endless(b"HTTP/1.1 500 Oops\r\nContent-Type: text/plain\r\n\r\n", b"<p>" * 20_000)
    async with serve(flood) as server, running() as rota:
        call = http_call(server.url)
        outcome = await rota.call(call)
        kept = rota.host.text(call)
    assert (outcome.kind, outcome.permanent) == ("failed", False)
    assert len(kept) < 66_000
