"""What the answer of an HTTP target means."""

from __future__ import annotations

import asyncio
import gzip
import time
import zlib
from email.utils import formatdate
from typing import Any

import msgspec
import pytest

from rota.executor import Outcome
from rota.executors.http_answer import retry_after
from tests.support.http_calls import http_call, running
from tests.support.http_server import Handler, Received, reply, serve

pytestmark = pytest.mark.asyncio
HOUR = 3_600_000_000


def answering(
    body: bytes | str, status: str = "200 OK", content_type: str = "application/json", headers: tuple[str, ...] = ()
) -> Handler:
    async def handler(request: Received, writer: asyncio.StreamWriter) -> None:
        reply(writer, body, status=status, content_type=content_type, headers=headers)

    return handler


async def outcome_of(handler: Handler, **fields: Any) -> Outcome:
    async with serve(handler) as server, running() as rota:
        return await rota.call(http_call(server.url + "/hook", **fields))


async def test_the_json_body_is_the_result_byte_for_byte() -> None:
    outcome = await outcome_of(answering('{ "b": 1.10, "a": "é" }'))
    assert (outcome.kind, outcome.result) == ("completed", '{ "b": 1.10, "a": "é" }')


@pytest.mark.parametrize(
    ("body", "content_type", "result"),
    [
        (b"", "text/plain", {"status": 200, "body": ""}),
        (b"", "application/json", {"status": 200, "body": ""}),
        (b"<h1>done</h1>", "text/html", {"status": 200, "body": "<h1>done</h1>"}),
        (b"caf\xe9", "text/plain; charset=ISO-8859-1", {"status": 200, "body": "café"}),
        (b"caf\xe9 \x00", "text/plain; charset=punycode", {"status": 200, "body": "caf� \x00"}),
        (b"\xff\xfe", "application/octet-stream", {"status": 200, "body": "��"}),
    ],
)
async def test_a_body_that_is_no_json_is_wrapped(body: bytes, content_type: str, result: dict[str, object]) -> None:
    outcome = await outcome_of(answering(body, content_type=content_type))
    assert outcome.kind == "completed"
    assert msgspec.json.decode(outcome.result or "") == result


@pytest.mark.parametrize("body", ["{", "not json", '{"a": NaN}', "[" * 10_000 + "]" * 10_000, "[" * 65 + "]" * 65])
async def test_json_that_is_none_never_repeats_finished_work(body: str) -> None:
    outcome = await outcome_of(answering(body))
    assert (outcome.kind, outcome.permanent) == ("failed", True)
    assert str(outcome.error).startswith("the result is not JSON")


async def test_the_body_may_say_otherwise_than_the_status() -> None:
    failed = await outcome_of(answering('{"success": false, "errors": ["no disk", "no net"]}'))
    snoozed = await outcome_of(answering('{"status": "retry", "delayMs": 1500}'))
    for_good = await outcome_of(answering('{"status": "failed", "error": "gone"}'))
    assert (failed.kind, failed.permanent, failed.error) == ("failed", False, "no disk; no net")
    assert (snoozed.kind, snoozed.delay_us) == ("snoozed", 1_500_000)
    assert (for_good.kind, for_good.permanent, for_good.error) == ("failed", True, "gone")


async def test_the_outcome_may_lie_deep_in_the_reply() -> None:
    reply_body = '{"result": {"data": [{"a/b": {"status": "retry", "delayMs": 20}}]}}'
    snoozed = await outcome_of(answering(reply_body), answer="/result/data/0/a~1b")
    part = await outcome_of(answering(reply_body), answer="/result/data")
    missing = await outcome_of(answering(reply_body), answer="/result/error")
    empty = await outcome_of(answering(""), answer="/result")
    assert (snoozed.kind, snoozed.delay_us) == ("snoozed", 20_000)
    assert part.result == '[{"a/b":{"status":"retry","delayMs":20}}]'
    assert (missing.kind, missing.permanent) == ("failed", True)
    assert "'error'" in str(missing.error)
    assert (empty.kind, empty.permanent) == ("failed", True)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
async def test_statuses_that_a_second_try_can_turn(status: int) -> None:
    outcome = await outcome_of(answering("busy", f"{status} Odd", "text/plain"))
    assert (outcome.kind, outcome.permanent, outcome.error) == ("failed", False, f"HTTP {status} Odd: busy")
    assert outcome.detail is not None
    assert outcome.detail.code == f"http-{status}"


@pytest.mark.parametrize("status", [300, 302, 304, 400, 401, 403, 404, 409, 410, 422])
async def test_statuses_that_none_can(status: int) -> None:
    outcome = await outcome_of(answering("", f"{status} Odd", headers=("Location: /elsewhere",)))
    assert (outcome.kind, outcome.permanent) == ("failed", True)


async def test_expected_statuses_replace_the_usual_ones() -> None:
    found = await outcome_of(answering('{"found": false}', "404 Not Found"), expect=[200, 404])
    made = await outcome_of(answering("{}", "201 Created"), expect=[200, 404])
    assert (found.kind, found.result) == ("completed", '{"found": false}')
    assert (made.kind, made.permanent) == ("failed", True)


@pytest.mark.parametrize(
    ("header", "delay_us"),
    [
        ("7", 7_000_000),
        ("0", None),
        ("-5", None),
        ("1e9", None),
        ("soon", None),
        ("٣", None),
        ("99999999999999999999999999", 24 * HOUR),
        ("9" * 400, 24 * HOUR),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 24 * HOUR),
        ("Fri, 31 Dec 99999 23:59:59 GMT", None),
        ("Mon, 01 Jan 1990 00:00:00 GMT", None),
        ("Sun, 06 Nov 1994 08:49:37", None),
        ("", None),
        (None, None),
    ],
)
async def test_retry_after_is_understood_and_clamped(header: str | None, delay_us: int | None) -> None:
    assert retry_after(header, time.time()) == delay_us


async def test_retry_after_may_be_a_date() -> None:
    now = 1_700_000_000.0
    assert retry_after(formatdate(now + 90, usegmt=True), now) == 90_000_000


async def test_the_delay_that_a_target_asks_for_is_passed_on() -> None:
    asked = await outcome_of(answering("", "429 Too Many Requests", headers=("Retry-After: 31536000",)))
    unasked = await outcome_of(answering("", "404 Not Found", headers=("Retry-After: 5",)))
    assert (asked.kind, asked.permanent, asked.delay_us) == ("failed", False, 24 * HOUR)
    assert unasked.delay_us is None


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", gzip.compress(b'{"a": 1}', mtime=0)),
        ("deflate", zlib.compress(b'{"a": 1}')),
        ("deflate", zlib.compress(b'{"a": 1}', wbits=-15)),
    ],
)
async def test_an_answer_may_be_compressed_all_the_same(encoding: str, packed: bytes) -> None:
    outcome = await outcome_of(answering(packed, headers=(f"Content-Encoding: {encoding}",)))
    assert (outcome.kind, outcome.result) == ("completed", '{"a": 1}')


async def test_an_unknown_compression_never_repeats_finished_work() -> None:
    outcome = await outcome_of(answering(b"\x8b\x03\x80{}\x03", headers=("Content-Encoding: br",)))
    assert (outcome.kind, outcome.permanent) == ("failed", True)
    assert "'br'" in str(outcome.error)


async def test_text_beyond_what_is_kept_is_cut_and_marked() -> None:
    outcome = await outcome_of(answering("x" * 70_000, content_type="text/plain"))
    assert (outcome.kind, outcome.truncated) == ("completed", 70_000)
    result = msgspec.json.decode(outcome.result or "")
    assert result == {"bytes": 70_000, "head": "x" * 65_536}


async def test_the_log_tells_the_request_and_the_answer() -> None:
    async with serve(answering("line one\nline two", "500 Oops", "text/plain")) as server, running() as rota:
        call = http_call(server.url + "/hook?page=2&token=abcdef")
        await rota.call(call)
        text = rota.host.text(call)
        streams = [line.stream for line in rota.host.logs[call.job_id, 1]]
    first, *rest = text.split("\n")
    assert first.startswith(f"POST {server.url}/hook?page=2&token=*** → 500 in ")
    assert first.endswith(" ms, 17 bytes")
    assert rest == ["line one", "line two"]
    assert streams == ["system", "log", "log"]


async def test_a_secret_that_the_target_echoes_is_masked() -> None:
    async def echo(request: Received, writer: asyncio.StreamWriter) -> None:
        status = "200 OK" if request.path == "/ok" else "500 Oops"
        reply(writer, msgspec.json.encode(request.headers), status=status)

    auth = {"type": "bearer", "token": 'tok"en-1234567'}
    headers = {"X-Api-Key": "key-7654321", "X-Team": "visible"}
    async with serve(echo) as server, running() as rota:
        good, bad = (http_call(server.url + path, auth=auth, headers=headers) for path in ("/ok", "/bad"))
        done = await rota.call(good)
        failed = await rota.call(bad)
        shown = str(done) + str(failed) + rota.host.text(good) + rota.host.text(bad)
    assert done.kind == "completed"
    assert "visible" in shown and "***" in shown
    assert "1234567" not in shown and "7654321" not in shown


@pytest.mark.parametrize(
    ("status", "header", "slow_us"),
    [
        ("429 Too Many Requests", "7", 7_000_000),
        ("503 Service Unavailable", "7", 7_000_000),
        ("429 Too Many Requests", formatdate(4_000_000_000, usegmt=True), 600_000_000),
        ("429 Too Many Requests", "31536000", 600_000_000),
        ("429 Too Many Requests", "-5", None),
        ("429 Too Many Requests", "0", None),
        ("429 Too Many Requests", "soon", None),
        ("429 Too Many Requests", None, None),
        ("500 Internal Server Error", "7", None),
        ("404 Not Found", "7", None),
        ("200 OK", "7", None),
    ],
)
async def test_a_target_that_is_overloaded_slows_its_queue(
    status: str, header: str | None, slow_us: int | None
) -> None:
    headers = () if header is None else (f"Retry-After: {header}",)
    async with serve(answering("", status, headers=headers)) as server, running() as rota:
        outcome = await rota.call(http_call(f"{server.url}/hook?key=1"))
    assert outcome.slow_us == slow_us
    assert outcome.slow_by == (None if slow_us is None else f"{server.url}/hook answered {status[:3]}")


async def test_an_answer_that_the_target_expects_slows_nothing() -> None:
    handler = answering("", "429 Too Many Requests", headers=("Retry-After: 7",))
    outcome = await outcome_of(handler, expect=[429])
    assert (outcome.kind, outcome.slow_us) == ("completed", None)
