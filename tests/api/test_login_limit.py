"""Failed logins: who is held back, who is not, and what it costs to remember them."""

from __future__ import annotations

import httpx
import pytest

from rota.api import failures
from rota.api.entering import network_of
from rota.api.failures import TRIES, Failures
from rota.store.database import Database
from tests.api.calls import SECRET, settings_of
from tests.api.live import Live

pytestmark = pytest.mark.chaos("AUTH")


def log_in(client: httpx.Client, token: str, forwarded: str | None = None) -> int:
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    return client.post("/login", json={"token": token}, headers=headers).status_code


def test_behind_a_trusted_proxy_the_real_client_is_held_back_and_no_other(lite: Database, sqlite_url: str) -> None:
    settings = settings_of(sqlite_url, ROTA_PORT="0", ROTA_TRUSTED_PROXIES="127.0.0.1")
    with Live(lite, settings) as live, live.client(None) as proxy:
        for _ in range(TRIES):
            assert log_in(proxy, "wrong", "203.0.113.5") == 401
        assert log_in(proxy, SECRET, "203.0.113.5") == 429
        assert log_in(proxy, SECRET, "198.51.100.1, 203.0.113.5") == 429  # what the client itself says counts nothing
        assert log_in(proxy, SECRET, "203.0.113.6") == 200


def test_nobody_else_may_say_who_the_client_is(live: Live) -> None:
    with live.client(None) as client:
        for number in range(TRIES):
            assert log_in(client, "wrong", f"203.0.113.{number}") == 401
        assert log_in(client, SECRET, "203.0.113.99") == 429


def test_the_memory_does_not_grow_and_forgets_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "MOST_CLIENTS", 50)
    failed = Failures()
    for number in range(500):
        for _ in range(TRIES * 2):
            failed.note(f"client-{number}")
    assert len(failed) == 50
    assert failed.retry_after("client-499") > 0
    assert failed.retry_after("client-449") == 0


def test_failures_are_forgotten_after_a_minute() -> None:
    now = 1000.0
    failed = Failures(lambda: now)
    for _ in range(TRIES):
        failed.note("ann")
    assert failed.retry_after("ann") == 61
    now += 60
    assert failed.retry_after("ann") == 0
    failed.note("ann")
    assert failed.retry_after("ann") == 0


@pytest.mark.parametrize(
    ("client", "counted_as"),
    [
        ("203.0.113.5", "203.0.113.5"),
        ("::ffff:203.0.113.5", "203.0.113.5"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::1", "::/64"),
        ("", ""),
        ("testclient", "testclient"),
    ],
)
def test_a_network_of_ipv6_is_one_client(client: str, counted_as: str) -> None:
    assert network_of(client) == counted_as
