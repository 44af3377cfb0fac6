"""HTTP: targets that misbehave in a hundred ways, all at once, beside two hundred that hang."""

from __future__ import annotations

import gzip
import json
import ssl
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rota.errors import Invalid
from rota.model import Job
from tests.chaos.conftest import Figures
from tests.support.evil import (
    HEAD,
    Authority,
    Behaviour,
    Evil,
    answers,
    drips,
    evil_targets,
    floods,
    hangs,
    hangs_up,
    listens,
    says,
    speaks_first,
)
from tests.support.misbehaving import Case, Stage
from tests.support.roles import Roles
from tests.support.target import Answer, TargetServer
from tests.support.waiting import free_port, wait_until

HELD = 200
QUICK = {"timeout": "2s"}
LATE = r"^no answer within \d+s$"
ENDLESS = r"^no end of the answer, .* so far, within \d+s$"
BROKEN = "^cannot connect to |^the (answer is not HTTP: |answer broke off|target closed|connection failed)"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
METADATA = (
    "http://169.254.169.254/", "http://2852039166/", "http://0xA9FEA9FE/", "http://0251.0376.0251.0376/",
    "http://169.254.43518/", "http://[::ffff:169.254.169.254]/", "http://[::ffff:a9fe:a9fe]/",
    "http://[64:ff9b::a9fe:a9fe]/", "http://[2002:a9fe:a9fe::]/", "http://[fd00:ec2::254]/", "http://[fe80::1]/",
    "http://100.100.100.200/", "http://168.63.129.16/", "http://0.0.0.0/", "http://169.254.169.254./",
    "http://\u2460\u2465\u2468.254.169.254/", "http://user@169.254.169.254/", "http://[::]/",
)  # fmt: skip


@pytest.fixture
def evil() -> Iterator[Evil]:
    with evil_targets() as found:
        yield found


class Cases:
    """Cases with the servers that they need."""

    def __init__(self, evil: Evil) -> None:
        self.found: list[Case] = []
        self._evil = evil

    def add(
        self,
        name: str,
        behaviour: Behaviour,
        status: str = "failed",
        error: str = "",
        host: str = "127.0.0.1",
        tls: ssl.SSLContext | None = None,
        scheme: str = "",
        **own: Any,
    ) -> None:
        """A target with this behaviour."""
        port = self._evil.open(behaviour, "::1" if host == "[::1]" else "127.0.0.1", tls)
        self.at(name, f"{scheme or ('https' if tls else 'http')}://{host}:{port}/hook", status, error, **own)

    def at(self, name: str, url: str, status: str = "failed", error: str = "", **own: Any) -> None:
        """A target at an address; each has a queue of its own, since some ask that it be slowed."""
        check = own.pop("check", lambda job: True)
        spec = {"timeout": "20s", "queue": f"q{len(self.found)}", **own.pop("spec", {})}
        self.found.append(Case(name, {"kind": "http", "url": url, **own}, status, error, "", spec, check))


def cut(job: Job) -> bool:
    return job.result_truncated is not None and json.loads(job.result or "")["bytes"] > 0


def slow_and_endless(cases: Cases, evil: Evil) -> None:
    cases.at("never accepts", f"http://127.0.0.1:{evil.deaf()}/", error="within .*s$|^cannot connect", spec=QUICK)
    cases.add("hangs", listens, error=LATE, spec=QUICK)
    cases.add("never reads a large request", hangs, error=LATE, spec={**QUICK, "args": {"text": "x" * 1_000_000}})
    cases.add(
        "hangs after its headers", says(HEAD + b"Content-Length: 9\r\n\r\n", hang=True), error=ENDLESS, spec=QUICK
    )
    cases.add("drips headers", drips(HEAD * 9), error=LATE, spec=QUICK)
    cases.add("drips its body", drips(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 99), error="within .*s$", spec=QUICK)
    short = says(HEAD + b"Content-Length: 99\r\n\r\n{}", hang=True)
    cases.add("says less than it promised, and hangs", short, error=ENDLESS, spec=QUICK)
    cases.add("answers for ever", floods(HEAD + b"\r\n", b"x" * 65536), "completed", check=cut)
    cases.add("chunks for ever", floods(CHUNKED, b"ffff\r\n" + b"x" * 65535 + b"\r\n"), "completed", check=cut)
    cases.add("one-byte chunks for ever", floods(CHUNKED, b"1\r\na\r\n" * 1000, 0.01), error="within .*s$", spec=QUICK)
    cases.add("trailers for ever", floods(CHUNKED + b"0\r\n", b"X-T: " + b"a" * 999 + b"\r\n"), error=BROKEN)
    cases.add(
        "chunk extensions for ever", floods(CHUNKED + b"1;", b"a" * 65536), error=f"{BROKEN}|within .*s$", spec=QUICK
    )
    cases.add("headers for ever", floods(HEAD, b"X-More: " + b"a" * 999 + b"\r\n"), error=BROKEN)
    cases.add("a header without end", floods(HEAD + b"X-Line: ", b"a" * 65536), error=BROKEN)
    cases.add("a giant header", says(HEAD + b"X-Big: " + b"a" * 1_000_000 + b"\r\n\r\n{}"), error=BROKEN)
    cases.add("a giant reason", floods(b"HTTP/1.1 200 ", b"O" * 65536), error=BROKEN)
    cases.add("1xx for ever", floods(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 99), error=f"{LATE}|{BROKEN}", spec=QUICK)
    cases.add("103 for ever", floods(b"", b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n" * 99, 0.01),
              error=f"{LATE}|{BROKEN}", spec=QUICK)  # fmt: skip
    ten = bytes(10_000_000)
    gzipped, zipped = gzip.compress(ten), zlib.compress(ten)
    cases.add("a gzip bomb", answers(gzipped, b"Content-Encoding: gzip"), "completed", check=cut)
    cases.add("a deflate bomb", answers(zipped, b"Content-Encoding: deflate"), "completed", check=cut)
    cases.add(
        "a gzip bomb in pieces", floods(HEAD + b"Content-Encoding: gzip\r\n\r\n", gzipped), "completed", check=cut
    )
    cases.add("brotli", answers(b"\x1b" * 99, b"Content-Encoding: br"), error="^the answer is compressed with 'br'")
    cases.add("many encodings", answers(gzipped, b"Content-Encoding: gzip, gzip, gzip"), error="compressed with")


def broken(cases: Cases) -> None:
    sized = HEAD + b"Content-Length: %d\r\n\r\n"
    cases.add("hangs up at once", hangs_up, error=BROKEN)
    cases.add("hangs up when asked", says(), error=BROKEN)
    cases.add("resets when asked", says(reset=True), error=BROKEN)
    cases.add("resets within its headers", says(HEAD, reset=True), error=BROKEN)
    cases.add("resets within its body", says(sized % 9 + b"{", reset=True), error=BROKEN)
    cases.add("half an answer", says(sized % 99 + b'{"a": 1}'), error=BROKEN)
    cases.add("half a chunk", says(CHUNKED + b"20\r\n{}"), error=BROKEN)
    cases.add("a negative length", says(sized % -5 + b"{}"), error=BROKEN)
    cases.add("two lengths", says(HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} "), error=BROKEN)
    both = HEAD + b"Content-Length: 2\r\n" + CHUNKED[len(HEAD) :]
    cases.add("length and chunks", says(both + b"2\r\n{}\r\n0\r\n\r\n"), error=BROKEN)
    cases.add("too short a length", says(sized % 2 + b"{} and more"), error=BROKEN)
    cases.add("a chunk size that is none", says(CHUNKED + b"zz\r\n{}"), error=BROKEN)
    cases.add("a huge chunk size", says(CHUNKED + b"f" * 40 + b"\r\n{}"), error=BROKEN)
    cases.add("garbage", says(b"\x00\xff\x16\x03\x01" * 100), error=BROKEN)
    cases.add("HTTP/0.9", says(b"<html>hello</html>"), error=BROKEN)
    cases.add("HTTP/9.9", says(b"HTTP/9.9 200 OK\r\n\r\n{}"), error=BROKEN)
    cases.add("status 000", says(b"HTTP/1.1 000 No\r\nContent-Length: 0\r\n\r\n"), error="^HTTP 0|not HTTP")
    cases.add("status 999", says(b"HTTP/1.1 999 No\r\nContent-Length: 0\r\n\r\n"), error="^HTTP 999")
    cases.add("a NUL in a header", says(HEAD + b"X-Nul: a\0b\r\n\r\n{}"), error=BROKEN)
    cases.add("a header without a colon", says(HEAD + b"Bad Header\r\n\r\n{}"), error=BROKEN)
    cases.add("five thousand headers", says(HEAD + b"X: a\r\n" * 5000 + b"\r\n{}"), error=BROKEN)
    cases.add("an upgrade", says(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
              error="^HTTP 101")  # fmt: skip
    cases.add(
        "gzip that is none", answers(b"{} plain {}", b"Content-Encoding: gzip"), error="compressed answer is broken"
    )
    cases.add("half of a gzip", answers(gzip.compress(b"{}" * 99)[:-9], b"Content-Encoding: gzip"), error="broke off")


def odd(cases: Cases) -> None:
    cases.add("answers before it is asked", speaks_first, "completed")
    cases.add("204 with a body", says(b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n{}"), error=BROKEN)
    cases.add("304", says(b"HTTP/1.1 304 Not Modified\r\n\r\n"), error="^HTTP 304")
    cases.add("trailing data", says(CHUNKED + b"2\r\n{}\r\n0\r\n\r\nHTTP/1.1 500 No\r\n\r\n"), "completed")
    for name, value in {
        "negative": "-5", "in the past": "Wed, 21 Oct 2015 07:28:00 GMT", "a word": "soon", "absurd": "9" * 400,
        "in the year 9999": "Fri, 31 Dec 9999 23:59:59 GMT", "no date": "Fri, 99 Foo 99999 99:99:99 GMT", "empty": "",
    }.items():  # fmt: skip
        late = answers(b"", b"Retry-After: " + value.encode(), status=b"429 Slow down")
        cases.add(f"Retry-After {name}", late, error="^HTTP 429 Slow down$")
    dated = answers(b"busy", b"Retry-After: Fri, 31 Dec 9999 23:59:59 GMT", status=b"503 Busy", kind=b"text/plain")
    cases.add("503 until the year 9999", dated, error="^HTTP 503 Busy: busy$")
    no_json = "^the result is not JSON"
    cases.add("JSON that is none", answers(b"{nope"), error=no_json)
    cases.add("deep JSON", answers(b"[" * 10_000 + b"]" * 10_000), error=no_json)
    cases.add("NaN", answers(b'{"a": NaN}'), error=no_json)
    cases.add("a huge number", answers(b'{"a": 1e99999}'), error=no_json)
    cases.add("a long number", answers(b'{"a": ' + b"9" * 5000 + b"}"), error=no_json)
    cases.add("NUL in a text", answers(b'{"a": "\\u0000"}'), "completed")
    cases.add("half a character", answers(b'{"a": "\\ud800"}'), error=no_json)
    cases.add("a name twice", answers(b'{"a": 1, "a": 2}'), "completed")
    cases.add("a charset that is none", answers(b"hello \xff", kind=b"text/plain; charset=klingon"), "completed")
    cases.add("a charset that is a codec", answers(b"hello", kind=b"text/plain; charset=zip"), "completed")
    cases.add("bad UTF-8 as JSON", answers(b'{"a": "\xff"}'), "completed")
    cases.add("markup in the reason", says(b"HTTP/1.1 500 <b>\x1b[2J</b>\r\nContent-Length: 0\r\n\r\n"),
              error="^HTTP 500|not HTTP")  # fmt: skip
    cases.add("IPv6", answers(b"{}"), "completed", host="[::1]")


def to(where: str) -> Behaviour:
    return says(f"HTTP/1.1 302 Found\r\nLocation: {where}\r\nContent-Length: 0\r\n\r\n".encode())


def elsewhere(cases: Cases, own_port: int) -> None:
    cases.add("a redirect that is not asked for", to("http://127.0.0.1:1/"), error="^HTTP 302 Found")
    cases.add("a redirect loop", to("/hook"), error="^more than 5 redirects$", redirects=5)
    for where in ("file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1/", "javascript:1"):
        cases.add(f"a redirect to {where}", to(where), error="^the redirect is refused|^there is no host", redirects=3)
    for where in METADATA:
        forbidden = "^the redirect is refused|is never called"
        cases.add(f"a redirect to {where}", to(where), error=forbidden, redirects=3)
    for where in (f"http://127.0.0.1:{own_port}/api/jobs", f"http://localhost:{own_port}/demo/../api/jobs"):
        cases.add(f"a redirect to {where}", to(where), error="it is Rota itself|Rota itself", redirects=3)
    cases.at("nobody there", f"http://127.0.0.1:{free_port()}/", error="connection refused$")
    cases.at(
        "a name that is none", "http://name.invalid/", error="^the name name.invalid cannot be resolved: |within .*s$"
    )


def encrypted(cases: Cases, authority: Authority) -> None:
    good, refused = answers(b"{}"), "^the certificate of .* is refused: .*"
    cases.add("good TLS", good, "completed", tls=authority.context("127.0.0.1"))
    cases.add("a self-signed certificate", good, error=refused + "self.signed",
              tls=authority.context("127.0.0.1", trusted=False))  # fmt: skip
    cases.add(
        "an expired certificate", good, error=refused + "expired", tls=authority.context("127.0.0.1", days=(-9, -1))
    )
    cases.add("a certificate of tomorrow", good, error=refused + "not yet valid",
              tls=authority.context("127.0.0.1", days=(1, 9)))  # fmt: skip
    cases.add("the certificate of another", good, error=refused + "mismatch|" + refused + "not valid for",
              tls=authority.context("example.com"))  # fmt: skip
    cases.add("silent TLS", hangs, error=LATE, spec=QUICK, tls=authority.context("127.0.0.1", days=(-1, 2)))
    cases.add("no TLS where there should be", speaks_first, error="^no TLS with", scheme="https")


@pytest.mark.chaos("HTTP")
def test_targets_that_misbehave(
    lite_roles: Roles, target_server: TargetServer, evil: Evil, tmp_path: Path, full_size: bool, figures: Figures
) -> None:
    authority, own_port = Authority(tmp_path), free_port()
    cases = Cases(evil)
    slow_and_endless(cases, evil)
    broken(cases)
    odd(cases)
    elsewhere(cases, own_port)
    encrypted(cases, authority)
    env = {"SSL_CERT_FILE": str(authority.file), "ROTA_PORT": str(own_port), "ROTA_LEASE": "10m"}
    stage = Stage(lite_roles, slots=20, **env)
    stage.warm_up()
    shop, hanging = lite_roles.shop, evil.open(listens)
    held = [
        shop.enqueue({"kind": "http", "url": f"http://127.0.0.1:{hanging}/{number}"}, timeout="10m", maxAttempts=1)
        for number in range(HELD)
    ]
    wait_until(lambda: shop.count("running") >= HELD, 60, "as many as are to hang")
    stage.put(cases.found)
    target_server.answer("/once", Answer(headers={"Set-Cookie": "sid=1234567890", "Connection": "close"}))
    for _ in range(2):
        shop.wait(lite_roles.call("/once"))
    assert [request.headers.get("cookie") for request in target_server.requests_to("/once")] == [None, None]
    stage.honest()
    assert shop.count("running", held) == HELD
    stage.wait(60)
    figures |= {"kinds": len(cases.found), "growth MB": stage.growth_bytes() / 1e6}
    assert shop.count("running", held) == HELD
    evil.let_go()
    for job_id in held:
        shop.wait(job_id, "failed")
    stage.assert_well(margin_s=2 if full_size else 10)


@pytest.mark.chaos("HTTP")
def test_what_is_never_called_is_not_even_saved(lite_roles: Roles, full_size: bool) -> None:
    for url in (*METADATA, "http://127.0.0.1:0/", "http://127.0.0.1:65536/", "file:///etc/passwd"):
        with pytest.raises(Invalid) as refused:
            lite_roles.shop.enqueue({"kind": "http", "url": url})
        assert refused.value.field == "target.url"
