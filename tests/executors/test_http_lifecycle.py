"""Calls that are stopped, closed, or taken by their target to be completed later."""

from __future__ import annotations

import asyncio

import pytest

from rota.executor import Outcome
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


async def test_a_deferred_call_runs_until_it_is_completed() -> None:
    async with serve(deferring) as server, running() as rota:
        call = http_call(server.url)
        rota.executor.submit([call])
        await rota.host.wait_text(call, "the target has taken the work; it has 10s to report the end")
        assert rota.host.order == []
        assert rota.executor.complete(call.job_id, 1, Outcome("completed", result="7"))
        assert rota.host.outcome(call).result == "7"
        assert not rota.executor.complete(call.job_id, 1, Outcome("completed", result="8"))
    assert rota.host.reports[call.job_id, 1] == 1


async def test_a_deferred_call_ends_by_its_deadline_or_when_it_is_stopped() -> None:
    async with serve(deferring) as server, running() as rota:
        outcome = await rota.call(http_call(server.url, timeout_us=150_000))
        assert outcome.detail is not None
        assert (outcome.kind, outcome.permanent, outcome.detail.code) == ("failed", False, "timeout")
        call = http_call(server.url)
        rota.executor.submit([call])
        await rota.host.wait_text(call, "taken the work")
        rota.executor.stop(call.job_id, 1, "cancel")
        assert rota.host.outcome(call).kind == "stopped"


async def test_a_report_may_overtake_the_answer() -> None:
    reported = asyncio.Event()

    async def slow(request: Received, writer: asyncio.StreamWriter) -> None:
        await reported.wait()
        await deferring(request, writer)

    async with serve(slow) as server, running() as rota:
        call = http_call(server.url)
        rota.executor.submit([call])
        await wait_until_async(lambda: server.requests)
        assert rota.executor.complete(call.job_id, 1, Outcome("completed", result="7"))
        assert rota.host.order == []
        reported.set()
        (outcome,) = await rota.host.wait_done(1)
    assert outcome.result == "7"


async def test_a_plain_202_is_success() -> None:
    async def plain(request: Received, writer: asyncio.StreamWriter) -> None:
        reply(writer, '{"queued": 3}', status="202 Accepted")

    async with serve(plain) as server, running() as rota:
        assert (await rota.call(http_call(server.url))).result == '{"queued": 3}'
