"""Builds the request of an attempt: body, headers, signature."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from importlib import metadata

import msgspec
from yarl import URL

from rota.errors import Invalid
from rota.executor import Call
from rota.executors.http_exchange import Request, private_names
from rota.executors.http_mask import Mask, is_secret_name
from rota.executors.http_secrets import filled
from rota.executors.http_sign import NoSharedSecret
from rota.executors.http_target import BODILESS, HttpTarget
from rota.executors.http_trouble import Trouble
from rota.executors.secret_refs import ROOT as SECRET
from rota.executors.secret_refs import refers
from rota.executors.template import NoValue, Template, TooLong
from rota.executors.trace import traceparent

USER_AGENT = f"rota/{metadata.version('rota')}"
TOKEN_HEADER = "Rota-Answer-Token"
"""What a target that answers later proves itself with; it does not follow a redirect to another origin."""
_encoder = msgspec.json.Encoder()


def build_request(call: Call, target: HttpTarget, url: URL, shared: str | None) -> tuple[Request, Mask]:
    """Return the request of ``call`` and what hides its secrets.  Raises `Trouble`, for good."""
    hidden: list[str] = []
    if target.refers:
        hidden = [name.lower() for name, text in target.headers.items() if refers(text)]
        try:
            target = filled(target, call.secrets)
        except Invalid as error:
            raise Trouble("secret", str(error), permanent=True) from None
    body = _body(call, target)
    headers = {
        **_defaults(target, body),
        **target.headers,
        "Accept-Encoding": "identity",
        "Rota-Job-Id": call.job_id,
        "Rota-Attempt": str(call.attempt),
        "Idempotency-Key": call.job_id,
        "traceparent": traceparent(call),
    }
    if call.answer_token is not None:
        headers[TOKEN_HEADER] = call.answer_token
    auth: dict[str, str] = {}
    if target.auth is not None:
        try:
            auth = target.auth.headers(job_id=call.job_id, now=int(time.time()), body=body or b"", shared=shared)
        except NoSharedSecret:
            text = f"auth of type {target.auth.type} needs the shared secret, and ROTA_AUTH_SECRET is not set"
            raise Trouble("no-shared-secret", text, permanent=True) from None
        headers.update(auth)
    own = [TOKEN_HEADER.lower()] if call.answer_token is not None else []
    private = private_names(headers, auth).union(hidden) if auth or target.headers else frozenset(own)
    return Request(target.method, url, headers, body, private), _mask(call, target, auth, shared, url)


def _defaults(target: HttpTarget, body: bytes | None) -> dict[str, str]:
    headers = {"User-Agent": USER_AGENT, "Accept": "application/json, */*;q=0.5"}
    if body is not None:
        headers["Content-Type"] = "application/json"
    if target.headers:
        given = {name.lower() for name in target.headers}
        return {name: value for name, value in headers.items() if name.lower() not in given}
    return headers


def _mask(call: Call, target: HttpTarget, auth: dict[str, str], shared: str | None, url: URL) -> Mask:
    secrets = [value for name, value in (*target.headers.items(), *url.query.items()) if is_secret_name(name)]
    if target.auth is not None:
        secrets += target.auth.secrets[-1:] if target.auth.type == "basic" else target.auth.secrets
        secrets.append(auth.get("Authorization", "").partition(" ")[2])
        secrets.append(shared or "")
    if call.answer_token is not None:
        secrets.append(call.answer_token)
    named = call.secrets.values() if call.secrets is not None else ()
    if not secrets and not named:
        return Mask()
    # What follows "Bearer " is the secret, wherever it turns up without it.
    return Mask([*secrets, *(secret.partition(" ")[2] for secret in secrets)], named)


def _body(call: Call, target: HttpTarget) -> bytes | None:
    if target.body is not None:
        return _templated(call, target.body)
    if target.method in BODILESS:
        return None
    # The arguments go out byte for byte as they came in.
    head = _encoder.encode(_known(call))
    return b'%b,"args":%b}' % (head[:-1], call.args.encode())


def _templated(call: Call, body: Template) -> bytes:
    values = {
        **_known(call),
        "args": _value(call.args),
        "previous": _value(call.previous),
        "scheduleId": call.schedule_id,
        SECRET: call.secrets or {},
    }
    try:
        return body.render(values).encode()
    except NoValue as error:
        raise Trouble("body", f"the body of the target: {error} has no value", permanent=True) from None
    except TooLong:
        raise Trouble("body", "the body of the target becomes longer than 2 MiB", permanent=True) from None


def _known(call: Call) -> dict[str, object]:
    return {
        "jobId": call.job_id,
        "jobType": call.type,
        "queue": call.queue,
        "attempt": call.attempt,
        "scheduledFor": None if call.scheduled_for is None else _instant(call.scheduled_for),
        "triggeredBy": call.started_by,
        **({"checkpoint": msgspec.Raw(call.checkpoint.encode())} if call.checkpoint is not None else {}),
    }


def _value(text: str | None) -> object:
    return None if text is None else msgspec.json.decode(text)


def _instant(us: int) -> str:
    return datetime.fromtimestamp(us / 1_000_000, UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
