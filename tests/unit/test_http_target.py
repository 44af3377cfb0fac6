"""HTTP targets are checked when they are saved: the field, the reason, the fix."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from rota.errors import Invalid
from rota.executors.http_target import check_target, masked_target, parse_target, unmasked_target

URL = "https://api.example.com/hook"
SERVICES = {"crawler": "http://crawler:7004/base/", "email_sender": "http://10.0.0.7:7006"}


def refusal(**fields: Any) -> Invalid:
    with pytest.raises(Invalid) as caught:
        check_target({"kind": "http", **fields}, services=SERVICES)
    return caught.value


def test_the_plainest_target_is_a_post() -> None:
    target = parse_target({"kind": "http", "url": URL})
    assert (target.method, str(target.url), target.redirects, target.timeout_us) == ("POST", URL, 0, None)
    assert (target.body, target.answer, target.auth, target.expect) == (None, None, None, frozenset())


def test_everything_that_a_target_can_say() -> None:
    target = parse_target(
        {
            "kind": "http",
            "url": URL,
            "method": "put",
            "headers": {"X-Team": " a\tb ", "Content-Type": "application/vnd.api+json"},
            "body": {"id": "{{args.id}}"},
            "answer": "/result/a~1b/~0",
            "expect": [200, 404],
            "auth": {"type": "bearer", "token": "t"},
            "timeout": "1m30s",
            "redirects": 10,
        }
    )
    assert (target.method, target.headers["X-Team"]) == ("PUT", "a\tb")
    assert target.answer == ("result", "a/b", "~")
    assert (target.expect, target.timeout_us, target.redirects) == (frozenset((200, 404)), 90_000_000, 10)
    assert target.auth is not None and target.auth.secrets == ("t",)


@pytest.mark.parametrize(
    ("service", "path", "url"),
    [
        ("crawler", "/api/crawl/batch?full=1", "http://crawler:7004/base/api/crawl/batch?full=1"),
        ("crawler", None, "http://crawler:7004/base/"),
        ("email-sender", "/a%20b", "http://10.0.0.7:7006/a%20b"),
        ("Email_Sender", "/@evil.example/", "http://10.0.0.7:7006/@evil.example/"),
        ("crawler", "/:80/x", "http://crawler:7004/base/:80/x"),
    ],
)
def test_services_are_addressed_by_name(service: str, path: str | None, url: str) -> None:
    target = {"service": service} if path is None else {"service": service, "path": path}
    check_target(target, services=SERVICES)
    assert str(parse_target(target).address(SERVICES)) == url


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"uri": URL}, "target.uri", "url"),
        ({"url": URL, "kind": "command"}, "target.kind", "http"),
        ({}, "target.url", "needs url"),
        ({"url": 5}, "target.url", "text"),
        ({"url": "ftp://example.com/"}, "target.url", "ftp"),
        ({"url": "file:///etc/passwd"}, "target.url", "file"),
        ({"url": "example.com/x"}, "target.url", "http"),
        ({"url": "//example.com/x"}, "target.url", "http"),
        ({"url": "http://"}, "target.url", "host"),
        ({"url": "http:///x"}, "target.url", "host"),
        ({"url": "http://me:pw@example.com/"}, "target.url", "auth"),
        ({"url": "http://token@example.com/"}, "target.url", "auth"),
        ({"url": "http://a.example\\@b.example/"}, "target.url", "backslash"),
        ({"url": "http://exa mple.com/"}, "target.url", "%20"),
        ({"url": "http://example.com/\r\nX: y"}, "target.url", "control"),
        ({"url": "http://example.com/\x00"}, "target.url", "control"),
        ({"url": "http://example.com/\ud800"}, "target.url", "control"),
        ({"url": "http://example.com:99999/"}, "target.url", "Port"),
        ({"url": "http://example.com:0/"}, "target.url", "port"),
        ({"url": "http://[::1/"}, "target.url", "no address"),
        ({"url": "http://%31.example/"}, "target.url", "host"),
        ({"url": "http://127.1/"}, "target.url", "192.0.2.1"),
        ({"url": "http://2130706433/"}, "target.url", "192.0.2.1"),
        ({"url": "http://0x7f.1/"}, "target.url", "192.0.2.1"),
        ({"url": "http://0177.0.0.1/"}, "target.url", "192.0.2.1"),
        ({"url": "http://169.254.169.254/latest"}, "target.url", "never called"),
        ({"url": "http://[::ffff:169.254.169.254]/"}, "target.url", "never called"),
        ({"url": "http://" + "a" * 64 + ".example/"}, "target.url", "host"),
        ({"url": URL + "x" * 9000}, "target.url", "8192"),
        ({"url": URL, "service": "crawler"}, "target.service", "either"),
        ({"url": URL, "path": "/x"}, "target.path", "either"),
        ({"service": "unknown", "path": "/"}, "target.service", "crawler"),
        ({"service": "a b", "path": "/"}, "target.service", "name"),
        ({"service": "crawler", "path": "api"}, "target.path", "begin with /"),
        ({"service": "crawler", "path": "//evil.example/"}, "target.path", "authority"),
        ({"service": "crawler", "path": "/%2fevil.example/"}, "target.path", "authority"),
        ({"service": "crawler", "path": "/\\evil.example/"}, "target.path", "backslash"),
        ({"service": "crawler", "path": "/%5cevil.example/"}, "target.path", "authority"),
        ({"service": "crawler", "path": "@evil.example/"}, "target.path", "begin with /"),
        ({"service": "crawler", "path": "/../admin"}, "target.path", ".."),
        ({"service": "crawler", "path": "/a/%2e%2E/%2e%2e/admin"}, "target.path", ".."),
        ({"service": "crawler", "path": "/a/%252e%252e/admin"}, "target.path", ".."),
        ({"service": "crawler", "path": "/a b"}, "target.path", "%20"),
        ({"url": URL, "method": "CONNECT"}, "target.method", "POST"),
        ({"url": URL, "method": "GET\r\nX: y"}, "target.method", "POST"),
        ({"url": URL, "headers": ["a"]}, "target.headers", "object"),
        ({"url": URL, "headers": {"X y": "a"}}, "target.headers", "name"),
        ({"url": URL, "headers": {"": "a"}}, "target.headers", "name"),
        ({"url": URL, "headers": {"X": "a\r\nY: b"}}, "target.headers.X", "control"),
        ({"url": URL, "headers": {"X": "a\x00"}}, "target.headers.X", "control"),
        ({"url": URL, "headers": {"X": 5}}, "target.headers.X", "text"),
        ({"url": URL, "headers": {"X": "a" * 8001}}, "target.headers.X", "8000"),
        ({"url": URL, "headers": {"X": "a", "x": "b"}}, "target.headers.x", "twice"),
        ({"url": URL, "headers": {f"X-{n}": "a" for n in range(65)}}, "target.headers", "64"),
        ({"url": URL, "headers": {"host": "evil"}}, "target.headers.host", "connection"),
        ({"url": URL, "headers": {"Content-Length": "5"}}, "target.headers.Content-Length", "connection"),
        ({"url": URL, "headers": {"Transfer-Encoding": "chunked"}}, "target.headers.Transfer-Encoding", "connection"),
        ({"url": URL, "headers": {"Idempotency-Key": "x"}}, "target.headers.Idempotency-Key", "Rota"),
        (
            {"url": URL, "headers": {"authorization": "x"}, "auth": {"type": "shared"}},
            "target.headers.Authorization",
            "auth",
        ),
        ({"url": URL, "body": "hello"}, "target.body", "Content-Type"),
        ({"url": URL, "body": {"a": 1}, "headers": {"Content-Type": "text/plain"}}, "target.body", "text"),
        ({"url": URL, "body": {"a": ["{{nothing.x}}"]}}, "target.body.a.0", "args"),
        ({"url": URL, "body": {"a": "{{args.x"}}, "target.body.a", "}}"),
        ({"url": URL, "answer": "result"}, "target.answer", "/result/data"),
        ({"url": URL, "answer": "/a~2"}, "target.answer", "~0"),
        ({"url": URL, "expect": 200}, "target.expect", "[200, 404]"),
        ({"url": URL, "expect": []}, "target.expect", "[200, 404]"),
        ({"url": URL, "expect": [True]}, "target.expect", "True"),
        ({"url": URL, "expect": [600]}, "target.expect", "600"),
        ({"url": URL, "timeout": "soon"}, "target.timeout", "soon"),
        ({"url": URL, "timeout": "0s"}, "target.timeout", "1ms"),
        ({"url": URL, "redirects": 11}, "target.redirects", "10"),
        ({"url": URL, "redirects": True}, "target.redirects", "10"),
        ({"url": URL, "auth": "bearer"}, "target.auth", "object"),
        ({"url": URL, "auth": {"type": "digest"}}, "target.auth.type", "hs256"),
        ({"url": URL, "auth": {"type": ["bearer"]}}, "target.auth.type", "hs256"),
        ({"url": URL, "auth": {"type": "bearer"}}, "target.auth.token", "token"),
        ({"url": URL, "auth": {"type": "bearer", "token": "a\nb"}}, "target.auth.token", "control"),
        ({"url": URL, "auth": {"type": "basic", "username": "a:b", "password": "c"}}, "target.auth.username", "colon"),
        ({"url": URL, "auth": {"type": "hs256", "token": "a"}}, "target.auth.token", "hs256"),
        ({"url": URL, "auth": {"type": "signature", "secrets": []}}, "target.auth.secrets", "one to five"),
        ({"url": URL, "auth": {"type": "signature", "secrets": ["abc"]}}, "target.auth.secrets", "whsec_"),
        ({"url": URL, "auth": {"type": "signature", "secrets": ["whsec_*"]}}, "target.auth.secrets", "base64"),
        ({"url": URL, "auth": {"type": "signature", "secrets": ["whsec_YWJj"]}}, "target.auth.secrets", "24 to 64"),
    ],
)
def test_what_is_refused(fields: dict[str, Any], field: str, words: str) -> None:
    error = refusal(**fields)
    assert error.field == field
    assert words in str(error)


def test_no_refusal_repeats_a_secret() -> None:
    shown = str(refusal(url="http://me:topsecret@example.com/"))
    shown += str(refusal(url=URL, auth={"type": "bearer", "token": "topsecret\n"}))
    shown += str(refusal(url=URL, auth={"type": "signature", "secrets": ["topsecret"]}))
    assert "topsecret" not in shown


def test_services_whose_address_cannot_be_joined_are_refused() -> None:
    for base in ("http://crawler/?a=1", "ftp://crawler/", "http://169.254.169.254"):
        with pytest.raises(Invalid) as caught:
            check_target({"service": "crawler", "path": "/x"}, services={"crawler": base})
        assert caught.value.field == "target.service"


def test_a_target_is_shown_without_its_secrets() -> None:
    target = {
        "kind": "http",
        "url": "https://me:pw@example.com/a?token=abc&page=2",
        "headers": {"X-Api-Key": "abc", "X-Team": "a"},
        "auth": {"type": "basic", "username": "me", "password": "abc"},
    }
    assert masked_target(target) == {
        "kind": "http",
        "url": "https://***@example.com/a?token=***&page=2",
        "headers": {"X-Api-Key": "***", "X-Team": "a"},
        "auth": {"type": "basic", "username": "me", "password": "***"},
    }
    signed = {"url": URL, "auth": {"type": "signature", "secrets": ["a", "b"]}}
    assert masked_target(signed)["auth"] == {"type": "signature", "secrets": ["***"]}
    assert target["headers"] == {"X-Api-Key": "abc", "X-Team": "a"}


KNOWN: dict[str, Any] = {
    "kind": "http",
    "url": "https://me:pw@example.com/a?token=abc",
    "headers": {"X-Api-Key": "abc", "X-Team": "a"},
    "auth": {"type": "signature", "secrets": ["a", "b"]},
}
SERVED: dict[str, Any] = {"kind": "http", "service": "mine", "path": "/a?token=abc"}


def test_secrets_of_a_target_that_is_sent_back_are_kept() -> None:
    assert unmasked_target(masked_target(KNOWN), KNOWN) == KNOWN
    changed = {**masked_target(KNOWN), "method": "PUT", "headers": {"X-Api-Key": "***", "X-Team": "b"}}
    kept = {**KNOWN, "method": "PUT", "headers": {"X-Api-Key": "abc", "X-Team": "b"}}
    assert unmasked_target(changed, KNOWN) == kept
    assert unmasked_target({**changed, "url": KNOWN["url"]}, KNOWN) == kept  # said in full, it is no other place
    assert unmasked_target(masked_target(SERVED), SERVED) == SERVED


@pytest.mark.parametrize(
    ("known", "change", "field", "moved"),
    [
        (KNOWN, {"url": "https://thief.example/a"}, "target.headers.X-Api-Key", "url"),
        (KNOWN, {"url": "https://thief.example/a", "headers": {}}, "target.auth.secrets", "url"),
        (KNOWN, {"url": None, "service": "other", "headers": {}}, "target.auth.secrets", "url"),
        (SERVED, {"service": "other"}, "target.path", "service"),
        ({**SERVED, "path": "/a", "headers": {"X-Api-Key": "abc"}}, {"path": "/b"}, "target.headers.X-Api-Key", "path"),
    ],
)
def test_secrets_do_not_go_to_another_place(
    known: dict[str, Any], change: dict[str, Any], field: str, moved: str
) -> None:
    with pytest.raises(Invalid, match=f"kept only while {moved} stays as it is") as caught:
        unmasked_target({**masked_target(known), **change}, known)
    assert (caught.value.field, caught.value.hint) == (field, "give the secret itself")


def test_another_place_with_secrets_of_its_own_is_fine() -> None:
    moved = {"kind": "http", "url": "https://other.example/", "headers": {"X-Api-Key": "new"}}
    assert unmasked_target(moved, KNOWN) == moved


@pytest.mark.parametrize("url", ["https://***@thief.example/a", "https://thief.example/a?page=1&token=***"])
def test_an_address_with_what_is_shown_in_place_of_a_secret_is_refused(url: str) -> None:
    with pytest.raises(Invalid, match="target.url: has what is shown in place of a secret"):
        check_target({"url": url}, services={})
    check_target({"url": "https://example.com/***?glob=***"}, services={})


def test_checking_targets_does_not_load_the_http_client() -> None:
    code = "import sys, rota.executors.http_target; sys.exit('aiohttp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
