"""Requests that are wrong in a hundred ways: in their bytes, their JSON, types, headers, addresses and queries."""

from __future__ import annotations

import copy
import json
import random
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from rota.api.operations import Operation

ODD_TEXTS = (
    "", " ", "\0", "\ud800", "\U0010ffff", "\u202e", "../../etc/passwd", "%s%n", "{{secret.x}}", "' OR 1=1 --", "null",
    "a" * 5000, "<script>", "1e999", "٣", "2026-02-30T25:61:61Z", "9999-12-31T23:59:59.999Z", "-1s", "99999999999999d",
    "\r\nX: y",
)  # fmt: skip
ODD_VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 1.5, 2**31, 2**63, 2**64, -(2**63) - 1, 10**400, 1e308, [], {}, [[]], [None], {"": None},
    {"a": {"b": [1, {"c": "\ud800"}]}}, "text", *ODD_TEXTS,
)  # fmt: skip
RAW_BODIES = (
    b"", b"{", b"[", b"}", b'{"a":', b'{"a":1,}', b"{'a':1}", b"nul", b"NaN", b"Infinity", b'{"a":NaN}',
    b"\xff\xfe\x00",
    b'"\xed\xa0\x80"', b'{"args":"\xc3\x28"}', b"\xef\xbb\xbf{}", b"\x00" * 50, b'{"a":1}{"b":2}', b'{"a":1e99999}',
    b'{"jobType":"a","jobType":"b"}', b'"\\ud800"', b'{"args":' + b"9" * 5000 + b"}", b"[" * 100_000,
    b'{"a":' * 50_000, b'{"args":' + b"[" * 200 + b"]" * 200 + b"}", b"1", b'"x"', b"[]", b"true", b"null",
)  # fmt: skip
HEADERS = (
    b"Idempotency-Key: ", b"Idempotency-Key: " + b"k" * 300, b"Idempotency-Key: \xff\xfe", b"Content-Type: text/plain",
    b"Content-Type: application/json; charset=utf-16", b"Content-Type: \xff", b"Content-Encoding: gzip",
    b"Accept-Encoding: gzip;q=zz, *;q=-1", b"Accept: \x01", b"Range: bytes=0-", b"Expect: 200-maybe",
    b"Cookie: rota=1; ;=",
    b"Rota-Attempt: -1", b"Rota-Attempt: " + b"9" * 400, b"Rota-Answer-Token: \xc3\x28", b"Last-Event-ID: x\x7f",
    b"X-Forwarded-For: ,,,", b"X-Forwarded-Proto: gopher", b"X-HTTP-Method-Override: DELETE", b"Origin: null",
    b"If-None-Match: *", b"Authorization: Bearer again", b"Transfer-Encoding: gzip", b"Host: ", b"Upgrade: websocket",
)  # fmt: skip
QUERIES = (
    "limit=-1", "limit=1e3", "limit=" + "9" * 400, "page=0", "page=x", "cursor=%00", "cursor=%ff",
    "cursor=" + "A" * 4000,
    "q=%00", "q=%ff%fe", "q=%ED%A0%80", "q=" + "%25" * 500, "since=yesterday", "until=2026-13-01T00:00:00Z",
    "status=nothing",
    "status=failed,,", "type=a&type=b", "=", "&&&", "%", "%zz=%", "a[b]=c", "x=" + "y" * 20_000, "limit=null",
    "wait=-1s",
    "wait=x", "after=-1", "after=1.5", "dryRun=maybe", "window=1y", "from=x&to=y", "hours=-5", "format=xml", "paused=2",
)  # fmt: skip


@dataclass(frozen=True)
class Malformed:
    """One request."""

    operation: str
    target: bytes
    """Path and query, as they stand in the request."""
    method: str
    headers: tuple[bytes, ...]
    body: bytes


class Maker:
    """Makes requests to the operations of an application, one after the other, by chance."""

    def __init__(self, operations: list[Operation], dice: random.Random) -> None:
        # Streams last as long as their jobs; waits as long as they are asked to.
        self._operations = [one for one in operations if one.media_type != "text/event-stream"]
        self._dice = dice

    def make(self) -> Malformed:
        """Return the next."""
        dice, operation = self._dice, self._dice.choice(self._operations)
        path = operation.path.replace(":path", "")
        for parameter in operation.paths:
            path = path.replace("{" + parameter.name + "}", self._part(parameter.example))
        query = "&".join(dice.sample(QUERIES, dice.randrange(3))) if dice.random() < 0.5 else ""
        headers = tuple(dice.sample(HEADERS, dice.randrange(1, 3))) if dice.random() < 0.3 else ()
        body = self._body(operation) if operation.method in ("POST", "PUT", "PATCH") else b""
        method = operation.method if dice.random() < 0.97 else dice.choice(("HEAD", "OPTIONS", "TRACE", "BREW", "put"))
        target = f"{path}?{query}" if query else path
        return Malformed(operation.id, target.encode("ascii"), method, headers, body)

    def _part(self, example: str) -> str:
        text = example if self._dice.random() < 0.5 else self._dice.choice(ODD_TEXTS)
        return quote(text.encode("utf-8", "surrogatepass"), safe="") or "-"

    def _body(self, operation: Operation) -> bytes:
        dice = self._dice
        if operation.example is None or dice.random() < 0.3:
            return dice.choice(RAW_BODIES)
        value = copy.deepcopy(operation.example)
        for _ in range(dice.randrange(1, 4)):
            self._spoil(value)
        text = json.dumps(value)  # lone surrogates as escapes, numbers of any size
        return text[: dice.randrange(len(text))].encode() if dice.random() < 0.05 else text.encode()

    def _spoil(self, value: Any) -> None:
        """Put something odd in place of a part, wherever it is, or beside it."""
        dice = self._dice
        if isinstance(value, dict) and value:
            name = dice.choice(list(value))
            if isinstance(value[name], dict | list) and value[name] and dice.random() < 0.6:
                self._spoil(value[name])
            elif dice.random() < 0.15:
                value[dice.choice(ODD_TEXTS)] = self._odd()
            else:
                value[name] = self._odd()
        elif isinstance(value, list) and value:
            place = dice.randrange(len(value))
            if isinstance(value[place], dict | list) and dice.random() < 0.6:
                self._spoil(value[place])
            else:
                value[place] = self._odd()

    def _odd(self) -> Any:
        return copy.deepcopy(self._dice.choice(ODD_VALUES))  # spoiled further, it must not get into itself
