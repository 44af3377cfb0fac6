"""Addresses that are never called, whatever the spelling, the name or the hop."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Sequence

import pytest

from rota.executor import Outcome
from rota.executors.http_connect import AddrInfo, Lookup
from tests.support.http_calls import http_call, running
from tests.support.http_server import Received, reply, serve

pytestmark = pytest.mark.asyncio


async def ok(request: Received, writer: asyncio.StreamWriter) -> None:
    reply(writer, "{}")


def found(*addresses: str) -> Lookup:
    """Return a lookup that finds ``addresses`` for every name."""

    def lookup(host: str, port: int) -> Sequence[AddrInfo]:
        return [
            (socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in addresses
        ]

    return lookup


def assert_forbidden(outcome: Outcome) -> None:
    assert (outcome.kind, outcome.permanent) == ("failed", True)
    assert outcome.detail is not None
    assert outcome.detail.code == "forbidden-address"


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "fe80::1",
        "fe80::1%lo",
        "fd00:ec2::254",
        "100.100.100.200",
        "168.63.129.16",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "0.0.0.0",
        "::",
    ],
)
async def test_a_name_that_leads_to_a_forbidden_address_is_not_called(address: str) -> None:
    async with running(lookup=found(address)) as rota:
        call = http_call("http://innocent.example/")
        assert_forbidden(await rota.call(call))
        assert "innocent.example" in rota.host.text(call)


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/",
        "http://0xa9fea9fe/",
        "http://0xa9.0xfe.0xa9.0xfe/",
        "http://2852039166/",
        "http://025177524776/",
        "http://169.254.43518/",
        "http://①⑥⑨.254.169.254/",
        "http://169。254。169。254/",
        "http://169.254.169.254./",
        "http://[::ffff:a9fe:a9fe]/",
        "http://[::a9fe:a9fe]/",
        "http://[64:ff9b::169.254.169.254]/",
        "http://[2002:a9fe:a9fe::]/",
        "http://[fe80::1%25eth0]/",
        "http://0/",
        "http://%31%36%39.254.169.254/",
    ],
)
async def test_no_spelling_of_a_forbidden_address_is_called(url: str) -> None:
    async with running() as rota:
        outcome = await rota.call(http_call(url))
    assert (outcome.kind, outcome.permanent) == ("failed", True)
    assert outcome.detail is not None
    assert outcome.detail.code in {"target", "forbidden-address"}


async def test_of_several_addresses_only_the_allowed_are_called() -> None:
    async with serve(ok) as server, running(lookup=found("169.254.169.254", "127.0.0.1")) as rota:
        outcome = await rota.call(http_call(f"http://mixed.example:{server.port}/"))
    assert outcome.kind == "completed"
    assert len(server.requests) == 1


async def test_a_name_that_changes_its_address_is_judged_by_the_one_that_is_connected() -> None:
    answers = iter(["127.0.0.1", "169.254.169.254"])
    asked = threading.Event()

    def rebinding(host: str, port: int) -> Sequence[AddrInfo]:
        asked.set()
        return found(next(answers))(host, port)

    async with serve(ok) as server:
        async with running(lookup=rebinding) as first:
            assert (await first.call(http_call(f"http://evil.example:{server.port}/"))).kind == "completed"
        async with running(lookup=rebinding) as second:
            assert_forbidden(await second.call(http_call(f"http://evil.example:{server.port}/")))
    assert asked.is_set()
    assert len(server.requests) == 1


async def test_a_redirect_to_a_name_that_leads_to_a_forbidden_address_is_not_followed() -> None:
    def lookup(host: str, port: int) -> Sequence[AddrInfo]:
        return found("169.254.169.254" if host == "inside.example" else "127.0.0.1")(host, port)

    async def away(request: Received, writer: asyncio.StreamWriter) -> None:
        reply(writer, "", status="307 Moved", headers=("Location: http://inside.example/",))

    async with serve(away) as server, running(lookup=lookup) as rota:
        assert_forbidden(await rota.call(http_call(f"http://outside.example:{server.port}/", redirects=3)))


async def test_behind_a_proxy_names_are_judged_before_it_is_asked() -> None:
    async with serve(ok) as proxy, running(lookup=found("169.254.169.254"), proxy=proxy.url) as rota:
        assert_forbidden(await rota.call(http_call("http://innocent.example/")))
    assert proxy.requests == []


@pytest.mark.parametrize("listener", ["127.0.0.1", "0.0.0.0", "localhost"])
async def test_our_own_listener_is_called_below_demo_only(listener: str) -> None:
    async with serve(ok) as own, running(own_listener=(listener, own.port), lookup=found("127.0.0.1")) as rota:

        async def status(path: str, host: str = "127.0.0.1") -> Outcome:
            return await rota.call(http_call(f"http://{host}:{own.port}{path}"))

        assert (await status("/demo/flaky")).kind == "completed"
        # The connection that was opened for the demo stays in its pool; it must not serve other paths.
        assert_forbidden(await status("/api/jobs"))
        assert_forbidden(await status("/api/jobs", "rota.example"))
        assert_forbidden(await status("/api/jobs", "[::ffff:127.0.0.1]"))
        for path in ("/demo", "/demo/../api/jobs", "/demo/%2e%2e/api", "/demo/%252e%252e/api", "/demo/..%5capi"):
            assert_forbidden(await status(path))
        assert (await status("/demo/again", "rota.example")).kind == "completed"
    assert [request.path for request in own.requests] == ["/demo/flaky", "/demo/again"]


async def test_our_own_listener_is_not_reached_by_a_redirect_from_its_demo() -> None:
    async def away(request: Received, writer: asyncio.StreamWriter) -> None:
        reply(writer, "", status="307 Moved", headers=("Location: /api/tokens",))

    async with serve(away) as own, running(own_listener=("127.0.0.1", own.port)) as rota:
        assert_forbidden(await rota.call(http_call(f"{own.url}/demo/x", redirects=1)))
    assert len(own.requests) == 1


async def test_another_port_of_this_machine_is_no_listener_of_ours() -> None:
    async with serve(ok) as server, running(own_listener=("127.0.0.1", server.port + 1)) as rota:
        assert (await rota.call(http_call(server.url))).kind == "completed"


async def test_deny_and_allow_narrow_what_is_called() -> None:
    async with serve(ok) as server:
        hosts = ("127.0.0.1", "api.example.com", "other.example")

        async def called(**options: list[str]) -> list[str]:
            async with running(lookup=found("127.0.0.1"), **options) as rota:
                outcomes = {host: await rota.call(http_call(f"http://{host}:{server.port}/")) for host in hosts}
            for outcome in outcomes.values():
                if outcome.kind != "completed":
                    assert_forbidden(outcome)
            return [host for host, outcome in outcomes.items() if outcome.kind == "completed"]

        assert await called() == ["127.0.0.1", "api.example.com", "other.example"]
        assert await called(deny=["127.0.0.0/8"]) == []
        assert await called(deny=["other.example"]) == ["127.0.0.1", "api.example.com"]
        assert await called(allow=["*.example.com"]) == ["api.example.com"]
        assert await called(allow=["127.0.0.1"]) == ["127.0.0.1", "api.example.com", "other.example"]
        assert await called(allow=["10.0.0.0/8"]) == []
        assert await called(allow=["127.0.0.1"], deny=["*.example.com", "other.example"]) == ["127.0.0.1"]
