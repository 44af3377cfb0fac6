"""What an HTTP target gets."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import re

import jwt
import msgspec
import pytest

from rota.executors import http
from tests.support.http_calls import http_call, running
from tests.support.http_server import Received, reply, serve

pytestmark = pytest.mark.asyncio


async def ok(request: Received, writer: asyncio.StreamWriter) -> None:
    reply(writer, '{"done": true}')


async def test_the_body_and_the_headers_are_those_of_the_contract() -> None:
    call = http_call(
        None,
        '{"user": {"id": 7},  "big": 123456789012345678901}',
        service="crawler",
        path="/api/crawl?full=1",
        attempt=3,
        started_by="user_2abc",
        scheduled_for=1_700_000_000_123_456,
    )
    async with serve(ok) as server, running(services={"crawler": server.url + "/base"}) as rota:
        outcome = await rota.call(call)
        (request,) = server.requests
    assert (outcome.kind, outcome.result) == ("completed", '{"done": true}')
    assert (request.method, request.path) == ("POST", "/base/api/crawl?full=1")
    assert request.json() == {
        "jobId": call.job_id,
        "jobType": "crawl",
        "queue": "default",
        "attempt": 3,
        "scheduledFor": "2023-11-14T22:13:20.123Z",
        "triggeredBy": "user_2abc",
        "args": {"user": {"id": 7}, "big": 123456789012345678901},
    }
    assert b'"args":{"user": {"id": 7},  "big": 123456789012345678901}}' in request.body
    headers = request.headers
    assert headers["content-type"] == "application/json"
    assert (headers["rota-job-id"], headers["rota-attempt"]) == (call.job_id, "3")
    assert headers["idempotency-key"] == call.job_id
    assert headers["user-agent"].startswith("rota/")
    assert headers["accept-encoding"] == "identity"
    trace = call.job_id.replace("-", "")
    assert re.fullmatch(rf"00-{trace}-[0-9a-f]{{16}}-01", headers["traceparent"])
    assert "authorization" not in headers and "webhook-id" not in headers


async def test_what_an_earlier_attempt_stored_is_sent() -> None:
    async with serve(ok) as server, running() as rota:
        await rota.call(msgspec.structs.replace(http_call(server.url), checkpoint='{"page": 3}'))
        (request,) = server.requests
    assert request.json()["checkpoint"] == {"page": 3}


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "OPTIONS"])
async def test_methods_without_a_body_send_none(method: str) -> None:
    async def empty(request: Received, writer: asyncio.StreamWriter) -> None:
        reply(writer, b"")

    async with serve(empty) as server, running() as rota:
        outcome = await rota.call(http_call(server.url + "/x", '{"a": 1}', method=method))
        (request,) = server.requests
    assert outcome.kind == "completed"
    assert (request.method, request.body) == (method, b"")
    assert "content-type" not in request.headers
    assert request.headers["rota-attempt"] == "1"


async def test_headers_of_the_target_replace_the_defaults_whatever_their_case() -> None:
    headers = {"user-agent": "mine/1", "ACCEPT": "text/plain", "X-Team": "höst", "content-type": "application/ld+json"}
    async with serve(ok) as server, running() as rota:
        await rota.call(http_call(server.url, headers=headers))
        (request,) = server.requests
    assert request.headers["user-agent"] == "mine/1"
    assert request.headers["accept"] == "text/plain"
    assert request.headers["content-type"] == "application/ld+json"
    assert request.headers["x-team"].encode("latin-1").decode() == "höst"


async def test_a_body_template_is_filled_with_the_values_of_the_job() -> None:
    body = {"id": "{{args.user.id}}", "text": "job {{jobId}} of {{args.user.name}}", "all": "{{ args }}", "n": 1.5}
    async with serve(ok) as server, running() as rota:
        call = http_call(server.url, '{"user": {"id": 7, "name": "a\\"b"}}', body=body)
        await rota.call(call)
        (request,) = server.requests
    args = {"user": {"id": 7, "name": 'a"b'}}
    assert request.json() == {"id": 7, "text": f'job {call.job_id} of a"b', "all": args, "n": 1.5}


async def test_a_body_without_all_its_values_is_never_sent() -> None:
    async with serve(ok) as server, running() as rota:
        outcome = await rota.call(http_call(server.url, '{"user": {}}', body={"id": "{{args.user.id}}"}))
        assert server.requests == []
    assert (outcome.kind, outcome.permanent) == ("failed", True)
    assert outcome.error == "the body of the target: {{args.user.id}} has no value"


async def test_a_body_above_the_clients_chunk_goes_out_whole() -> None:
    args = '{"text": "' + "x" * (3 << 19) + '"}'
    async with serve(ok) as server, running() as rota:
        outcome = await rota.call(http_call(server.url, args))
        (request,) = server.requests
    assert outcome.kind == "completed"
    assert request.body.endswith(args.encode() + b"}")


async def test_a_web_form_escapes_what_is_put_into_it() -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    async with serve(ok) as server, running() as rota:
        await rota.call(http_call(server.url, '{"q": "a&b=c d"}', headers=headers, body="q={{args.q}}&n={{attempt}}"))
        (request,) = server.requests
    assert request.body == b"q=a%26b%3Dc+d&n=1"


async def test_every_key_signs_the_body_that_is_sent() -> None:
    new, old = b"n" * 24, b"o" * 24
    secrets = ["whsec_" + base64.b64encode(key).decode() for key in (new, old)]
    async with serve(ok) as server, running() as rota:
        call = http_call(server.url, '{"a": 1}', auth={"type": "signature", "secrets": secrets})
        await rota.call(call)
        (request,) = server.requests
    signed = f"{call.job_id}.{request.headers['webhook-timestamp']}.".encode() + request.body
    expected = ["v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode() for key in (new, old)]
    assert request.headers["webhook-id"] == call.job_id
    assert request.headers["webhook-signature"].split(" ") == expected


@pytest.mark.parametrize(
    ("auth", "expected"),
    [
        ({"type": "bearer", "token": "tok_123456"}, "Bearer tok_123456"),
        ({"type": "basic", "username": "me", "password": "p:w"}, "Basic bWU6cDp3"),
        ({"type": "shared"}, "Bearer shared-secret-of-rota"),
    ],
)
async def test_static_credentials(auth: dict[str, str], expected: str) -> None:
    async with serve(ok) as server, running(auth_secret="shared-secret-of-rota") as rota:
        await rota.call(http_call(server.url, auth=auth))
        assert server.requests[0].headers["authorization"] == expected


async def test_a_signed_token_is_for_targets_only_and_lives_five_minutes() -> None:
    secret = "a shared secret of enough bytes for HS256"
    async with serve(ok) as server, running(auth_secret=secret) as rota:
        call = http_call(server.url, auth={"type": "hs256"})
        await rota.call(call)
        token = server.requests[0].headers["authorization"].removeprefix("Bearer ")
    claims = jwt.decode(token, secret, algorithms=["HS256"], audience="rota-target")
    assert claims["sub"] == call.job_id
    assert claims["exp"] - claims["iat"] == 300


async def test_without_the_shared_secret_nothing_is_sent() -> None:
    async with serve(ok) as server, running() as rota:
        outcome = await rota.call(http_call(server.url, auth={"type": "hs256"}))
        assert server.requests == []
    assert (outcome.kind, outcome.permanent) == ("failed", True)
    assert "ROTA_AUTH_SECRET" in str(outcome.error)


async def test_the_callback_address_of_the_job_replaces_the_targets() -> None:
    async with serve(ok) as server, running() as rota:
        outcome = await rota.call(http_call(server.url + "/a", callback_url=server.url + "/b"))
        assert (outcome.kind, server.requests[0].path) == ("completed", "/b")


async def test_a_callback_elsewhere_needs_leave() -> None:
    async with serve(ok) as server:
        call = http_call("http://example.invalid/", callback_url=server.url + "/b")
        async with running() as strict:
            refused = await strict.call(call)
        async with running(callback_hosts=["127.0.0.0/8"]) as open_to_it:
            allowed = await open_to_it.call(call)
    assert (refused.kind, refused.permanent) == ("failed", True)
    assert "ROTA_CALLBACK_HOSTS" in str(refused.error)
    assert allowed.kind == "completed"
    assert len(server.requests) == 1


async def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with serve(ok) as server, running() as rota:
        assert (await rota.call(http_call(server.url))).kind == "completed"


async def test_rotas_own_proxy_makes_the_calls() -> None:
    async with serve(ok) as proxy, running(proxy=proxy.url) as rota:
        outcome = await rota.call(http_call("http://nowhere.invalid/hook"))
        assert (outcome.kind, proxy.requests[0].path) == ("completed", "http://nowhere.invalid/hook")


async def test_the_connection_to_a_target_is_used_again() -> None:
    async with serve(ok) as server, running() as rota:
        for _ in range(5):
            await rota.call(http_call(server.url))
        assert (len(server.requests), len(server.readers)) == (5, 1)


async def test_a_target_that_is_none_fails_for_good_and_an_unknown_service_may_be_known_elsewhere() -> None:
    async with running() as rota:
        wrong = await rota.call(http_call("file:///etc/passwd"))
        unknown = await rota.call(http_call(None, service="crawler", path="/x"))
    assert (wrong.kind, wrong.permanent) == ("failed", True)
    assert (unknown.kind, unknown.permanent) == ("failed", False)
    assert "ROTA_SERVICE_CRAWLER_URL" in str(unknown.error)


async def test_the_lane_has_as_many_slots_as_the_options_say() -> None:
    assert http.HttpExecutor(http.HttpOptions()).lanes == {"http": 500}
    assert http.HttpExecutor(http.HttpOptions(slots=3)).lanes == {"http": 3}
