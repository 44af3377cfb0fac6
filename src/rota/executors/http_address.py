"""Which addresses HTTP targets may reach.

The policy judges the address that a connection is about to be made to, not the name or the spelling that led
there; `rota.executors.http_connect` asks it for every socket of every hop.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import unquote

from rota.errors import Invalid

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_METADATA = "where a cloud hands out the credentials of its machines"
NEVER: tuple[tuple[Network, str], ...] = tuple(
    (ip_network(network), reason)
    for network, reason in (
        ("0.0.0.0/8", "no address of another machine"),
        ("::/128", "no address of another machine"),
        ("169.254.0.0/16", f"link-local, {_METADATA}"),
        ("fe80::/10", "link-local"),
        ("fd00:ec2::/32", _METADATA),
        ("fd20:ce::254/128", _METADATA),
        ("100.100.100.200/32", _METADATA),
        ("168.63.129.16/32", _METADATA),
        ("192.0.0.192/32", _METADATA),
    )
)
"""Addresses that no setting opens, each with the reason."""

_LAST_BITS = tuple(map(IPv6Network, ("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96")))
"""IPv4-compatible, mapped, translated (SIIT) and NAT64: the last 32 bits are the IPv4 address."""
_NAT64_LOCAL = IPv6Network("64:ff9b:1::/48")
_HOST_NAME = re.compile(r"[a-z0-9_][a-z0-9_-]{0,62}(\.[a-z0-9_-]{1,63})*", re.ASCII)
_NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+", re.ASCII)
_ISATAP = (0x00005EFE, 0x02005EFE)


@dataclass(frozen=True, slots=True)
class Rules:
    """A list of hosts and networks, as ``ROTA_HTTP_ALLOW``, ``ROTA_HTTP_DENY`` and ``ROTA_CALLBACK_HOSTS`` give it."""

    hosts: frozenset[str] = frozenset()
    suffixes: tuple[str, ...] = ()
    networks: tuple[Network, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.hosts or self.suffixes or self.networks)

    def names(self, host: str) -> bool:
        """Tell whether the rules name ``host``, itself or as one of its domain's."""
        plain = plain_host(host)
        return plain in self.hosts or plain.endswith(self.suffixes)

    def covers(self, addresses: Iterable[Address]) -> bool:
        """Tell whether one of ``addresses`` lies in one of the networks."""
        return any(address in network for address in addresses for network in self.networks)


def parse_rules(entries: Iterable[str], field: str) -> Rules:
    """Read hosts (``api.example.com``, ``*.example.com`` for what is below it), addresses and CIDR networks.

    Raises `Invalid` for ``field`` with the first entry that is none of them.
    """
    hosts: set[str] = set()
    suffixes: list[str] = []
    networks: list[Network] = []
    for entry in entries:
        text = entry.strip().lower()
        try:
            networks.append(ip_network(text.strip("[]"), strict=False))
            continue
        except ValueError:
            below = text.startswith("*.")
        name = plain_host(text.removeprefix("*."))
        if not _HOST_NAME.fullmatch(name) or looks_numeric(name):
            raise Invalid(field, f"{entry!r} is neither a host nor a network", hint="api.example.com or 10.0.0.0/8")
        if below:
            suffixes.append("." + name)
        else:
            hosts.add(name)
    return Rules(frozenset(hosts), tuple(suffixes), tuple(networks))


def plain_host(host: str) -> str:
    """Return the one spelling of a host name that rules compare."""
    return host.lower().rstrip(".")


def looks_numeric(host: str) -> bool:
    """Tell whether systems would read ``host`` as an IPv4 address (``0x7f.1``, ``2130706433``, ``127.0.0.1``)."""
    return _NUMBER.fullmatch(plain_host(host).rpartition(".")[2]) is not None


def is_host(host: str) -> bool:
    """Tell whether ``host`` is a name or an address in its one canonical spelling."""
    plain = plain_host(host)
    if ":" in plain or looks_numeric(plain):
        return literal(host) is not None
    return _HOST_NAME.fullmatch(plain) is not None and len(plain) <= 253


def literal(host: str) -> Address | None:
    """Return the address that ``host`` spells, or None for a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def forms(address: Address) -> list[Address]:
    """Return ``address`` and every IPv4 address that it may stand for (mapped, NAT64, 6to4, Teredo, ISATAP …)."""
    return [address] if isinstance(address, IPv4Address) else [address, *_embedded(address)]


def _embedded(address: IPv6Address) -> Iterator[IPv4Address]:
    number = int(address)
    low = IPv4Address(number & 0xFFFF_FFFF)
    if number > 1 and any(address in network for network in _LAST_BITS):
        yield low
    if address in _NAT64_LOCAL:
        yield from _by_prefix_length(address)
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    if (number >> 32) & 0xFFFF_FFFF in _ISATAP:
        yield low


def _by_prefix_length(address: IPv6Address) -> Iterator[IPv4Address]:
    """RFC 6052: the prefix may end at 48, 56, 64 or 96 bits, and byte 8 is never part of the address."""
    octets = address.packed
    rest = octets[:8] + octets[9:]
    for start in (6, 7, 8):
        yield IPv4Address(rest[start : start + 4])
    yield IPv4Address(octets[12:])


def refused_always(address: Address) -> str | None:
    """Return why ``address`` is never called, or None."""
    for form in forms(address):
        for network, reason in NEVER:
            if form in network:
                return reason
    return None


def is_demo_path(path: str) -> bool:
    """Tell whether ``path`` (percent-encoded) stays below ``/demo/`` however often a server decodes it."""
    for _ in range(3):
        if not path.startswith("/demo/") or "\\" in path or any(part in (".", "..") for part in path.split("/")):
            return False
        path = unquote(path)
    return True


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """What this worker's HTTP targets may reach."""

    allow: Rules = Rules()
    deny: Rules = Rules()
    own_listener: tuple[str, int] | None = None

    def refusal(self, host: str, address: str, port: int, *, demo: bool = False) -> str | None:
        """Return why a connection to ``address``, found for ``host``, is refused; None when it is allowed.

        ``demo`` says that the path of the request lies below ``/demo/``, where our own listener may be called.
        """
        target = ip_address(address.partition("%")[0])
        reason = refused_always(target)
        if reason is not None:
            return f"{address} is never called: {reason}"
        every = forms(target)
        if not demo and any(self.is_own(form, port) for form in every):
            return f"{address}:{port} is never called: it is Rota itself"
        if self.deny and (self.deny.names(host) or self.deny.covers(every)):
            return f"{address} is denied by ROTA_HTTP_DENY"
        mapped = target.ipv4_mapped if isinstance(target, IPv6Address) else None
        if self.allow and not (self.allow.names(host) or self.allow.covers([mapped or target])):
            return f"{address} is not allowed by ROTA_HTTP_ALLOW"
        return None

    def is_own(self, address: Address, port: int) -> bool:
        """Tell whether our own server listens on ``address`` and ``port``."""
        if self.own_listener is None or port != self.own_listener[1]:
            return False
        listener = literal(self.own_listener[0].strip("[]"))
        if listener is not None and not listener.is_unspecified:
            return address == listener
        return address.is_loopback or _is_local(address)


def _is_local(address: Address) -> bool:
    """Only an address of this machine can be bound."""
    family = socket.AF_INET if isinstance(address, IPv4Address) else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True
