"""Calls that are stopped, closed, or taken by their target to be answered later."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.http_calls import http_call, running
from tests.support.http_server import Received, hang, reply, serve
from tests.support.waiting import wait_until_async

pytestmark = pytest.mark.asyncio


async def test_a_stopped_call_ends_at_once_and_its_connection_too() -> None:
    async with serve(hang) as server, running() as rota:
        call = http_call(server.url)
        rota.executor.submit([call])
        await wait_until_async(lambda: server.requests)
        rota.executor.stop(call.job_id, call.attempt, "cancel")
        assert rota.host.outcome(call).kind == "stopped"
        await wait_until_async(lambda: server.left == 1)
        rota.executor.stop(call.job_id, call.attempt, "timeout")
        rota.executor.stop("unknown", 1, "cancel")
        assert "stopped: cancel" in rota.host.text(call)
    assert rota.host.reports[call.job_id, 1] == 1


async def test_a_call_stopped_before_it_began_is_reported_too() -> None:
    async with serve(hang) as server, running() as rota:
        call = http_call(server.url)
        rota.executor.submit([call])
        rota.executor.stop(call.job_id, call.attempt, "drain")
        assert rota.host.outcome(call).kind == "stopped"
    assert server.requests == []


async def test_closing_ends_what_still_runs() -> None:
    async with serve(hang) as server:
        async with running() as rota:
            calls = [http_call(server.url) for _ in range(5)]
            rota.executor.submit(calls)
            await wait_until_async(lambda: len(server.requests) == 5)
        assert [rota.host.outcome(call).kind for call in calls] == ["stopped"] * 5
        await wait_until_async(lambda: server.left == 5)
        late = http_call(server.url)
        rota.executor.submit([late])
        assert rota.host.outcome(late).kind == "interrupted"


async def deferring(request: Received, writer: asyncio.StreamWriter) -> None:
    reply(writer, "", status="202 Accepted", headers=("Rota-Async: True",))


async def test_a_deferred_call_ends_here_and_says_how_long_its_target_has() -> None:
    async with serve(deferring) as server, running() as rota:
        outcome = await rota.call(call := http_call(server.url, answer_token="t" * 64))
        assert (outcome.kind, outcome.delay_us) == ("deferred", 10_000_000)
        assert "the target has taken the work and answers later" in rota.host.text(call)
        assert server.requests[0].headers["rota-answer-token"] == "t" * 64
        assert "t" * 64 not in (outcome.exchange or "")
        assert (await rota.call(http_call(server.url, timeout="3s"))).delay_us == 3_000_000


async def test_an_exchange_gets_more_time_when_it_asks() -> None:
    more = asyncio.Event()

    async def slow(request: Received, writer: asyncio.StreamWriter) -> None:
        await more.wait()
        reply(writer, "7")

    async with serve(slow) as server, running() as rota:
        call = http_call(server.url, timeout_us=1_500_000)
        rota.executor.submit([call])
        await wait_until_async(lambda: server.requests)
        rota.executor.give_time(call.job_id, 1, 10_000_000)
        rota.executor.give_time(call.job_id, 1, 1000)  # it has more
        rota.executor.give_time("unknown", 1, 1000)
        late = await rota.call(http_call(server.url, timeout_us=1_500_000))
        assert late.detail is not None and late.detail.code == "timeout"
        more.set()
        await rota.host.wait_done(2)
    assert rota.host.outcome(call).result == "7"


async def test_a_plain_202_is_success() -> None:
    async def plain(request: Received, writer: asyncio.StreamWriter) -> None:
        reply(writer, '{"queued": 3}', status="202 Accepted")

    async with serve(plain) as server, running() as rota:
        assert (await rota.call(http_call(server.url))).result == '{"queued": 3}'
