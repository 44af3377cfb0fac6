"""Which addresses are the same as which, and what rules say of them."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rota.errors import Invalid
from rota.executors.http_address import (
    NEVER,
    AddressPolicy,
    forms,
    is_demo_path,
    is_host,
    looks_numeric,
    parse_rules,
    refused_always,
)

METADATA = "169.254.169.254"
DISGUISES = [
    "::ffff:a9fe:a9fe",  # IPv4-mapped
    "::a9fe:a9fe",  # IPv4-compatible
    "::ffff:0:a9fe:a9fe",  # SIIT
    "64:ff9b::a9fe:a9fe",  # NAT64
    "64:ff9b:1:a9fe:a9:fe00::",  # local NAT64 with a prefix of 48 bits
    "64:ff9b:1:0:a9:fea9:fe00:0",  # … of 64 bits
    "64:ff9b:1::a9fe:a9fe",  # … of 96 bits
    "2002:a9fe:a9fe::",  # 6to4
    "2001:0:a9fe:a9fe::",  # Teredo server
    "2001:0:0:0:0:0:5601:5601",  # Teredo client
    "2001:db8::5efe:a9fe:a9fe",  # ISATAP
    "2001:db8::200:5efe:a9fe:a9fe",
]


@pytest.mark.parametrize("disguise", DISGUISES)
def test_an_ipv4_address_is_known_in_every_disguise(disguise: str) -> None:
    address = ip_address(disguise)
    assert ip_address(METADATA) in forms(address)
    assert refused_always(address) is not None
    assert AddressPolicy().refusal("x.example", disguise, 80) is not None


@given(st.sampled_from([network for network, _ in NEVER]), st.integers(min_value=0, max_value=(1 << 128) - 1))
def test_every_address_of_a_forbidden_network_is_refused(network: object, offset: int) -> None:
    net = ip_network(str(network))
    address = net.network_address + offset % net.num_addresses
    assert refused_always(address) is not None


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "::1",
        "10.1.2.3",
        "192.168.0.1",
        "172.16.0.9",
        "fd00::1",
        "100.100.100.199",
        "8.8.8.8",
        "2001:db8::1",
        "168.63.129.15",
        "169.253.255.255",
        "::ffff:127.0.0.1",
        "2002:7f00:1::",
    ],
)
def test_private_addresses_and_loopback_are_allowed_by_default(address: str) -> None:
    assert AddressPolicy().refusal("x.example", address, 80) is None


def test_a_denied_network_is_denied_in_every_disguise() -> None:
    policy = AddressPolicy(deny=parse_rules(["10.0.0.0/8"], "ROTA_HTTP_DENY"))
    for address in ("10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::a01:203", "2002:a01:203::"):
        assert "ROTA_HTTP_DENY" in str(policy.refusal("x.example", address, 80))
    assert policy.refusal("x.example", "11.1.2.3", 80) is None


def test_no_setting_opens_what_is_never_called() -> None:
    policy = AddressPolicy(allow=parse_rules(["0.0.0.0/0", "::/0", "metadata.example"], "ROTA_HTTP_ALLOW"))
    assert policy.refusal("metadata.example", METADATA, 80) is not None
    assert policy.refusal("metadata.example", "192.0.2.1", 80) is None


def test_names_are_compared_in_one_spelling() -> None:
    rules = parse_rules(["API.Example.com.", "*.internal.example"], "ROTA_HTTP_ALLOW")
    assert rules.names("api.example.com") and rules.names("API.EXAMPLE.COM.")
    assert rules.names("a.b.internal.example")
    assert not rules.names("internal.example")
    assert not rules.names("evil-internal.example")
    assert not rules.names("xapi.example.com")


@pytest.mark.parametrize("entry", ["", "a b", "http://x.example", "10.0.0.0/33", "127.1", "*", "*.*.x", "x.example:80"])
def test_rules_that_are_none_are_refused_by_name(entry: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_rules(["ok.example", entry], "ROTA_HTTP_DENY")
    assert caught.value.field == "ROTA_HTTP_DENY"
    assert repr(entry) in str(caught.value)


@pytest.mark.parametrize(
    "host", ["127.1", "0x7f.1", "0X7F.0.0.1", "2130706433", "0177.0.0.1", "1.2.3.4.5", "a.0x", "1."]
)
def test_odd_spellings_of_addresses_are_no_hosts(host: str) -> None:
    assert looks_numeric(host)
    assert not is_host(host)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "::1", "example.com", "example.com.", "a_b", "7up.example", "xn--bcher-kva.ch"]
)
def test_hosts(host: str) -> None:
    assert is_host(host)


def test_matching_a_host_takes_no_time() -> None:
    assert not is_host("a" * 100_000 + "!")


def test_the_listener_is_known_on_every_address_of_this_machine() -> None:
    everywhere = AddressPolicy(own_listener=("0.0.0.0", 7005))
    for address in ("127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"):
        assert "Rota itself" in str(everywhere.refusal("x.example", address, 7005))
        assert everywhere.refusal("x.example", address, 7006) is None
        assert everywhere.refusal("x.example", address, 7005, demo=True) is None
    # An address for documents, which no machine has.
    assert everywhere.refusal("x.example", "192.0.2.1", 7005) is None
    only = AddressPolicy(own_listener=("127.0.0.2", 7005))
    assert only.refusal("x.example", "127.0.0.1", 7005) is None
    assert only.refusal("x.example", "127.0.0.2", 7005) is not None


@pytest.mark.parametrize(
    ("path", "demo"),
    [
        ("/demo/", True),
        ("/demo/flaky/..a", True),
        ("/demo", False),
        ("/api", False),
        ("/demo/..", False),
        ("/demo/./x", False),
        ("/demo/%2e%2e/x", False),
        ("/demo/%252e%252e/x", False),
        ("/demo/..%2fx", False),
        ("/demo/a\\b", False),
        ("/demo%2f..%2fx", False),
    ],
)
def test_demo_paths(path: str, demo: bool) -> None:
    assert is_demo_path(path) is demo
