"""Targets: checked when they are saved, so that a job does not fail in the night for a typing error."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

import msgspec

from rota.durations import parse_duration
from rota.errors import Invalid
from rota.executors import celery_target, command_target, handoff_broker, http_target, rq_target, secret_refs
from rota.executors.handoff_broker import Brokers
from rota.executors.http_mask import MASK
from rota.jsontext import check_json
from rota.settings import Settings

KINDS = ("function", "http", "command", "rq", "celery")
HANDED_OVER = {"rq": rq_target.URLS, "celery": celery_target.URLS}
"""Kinds that run elsewhere, and which of their fields are addresses."""
MAX_TARGET_BYTES = 256 * 1024
_FUNCTION = re.compile(r"([A-Za-z_][\w.]*):([A-Za-z_][\w.]*)", re.ASCII)


class Target(msgspec.Struct, frozen=True):
    """A target as it is stored: its JSON text byte for byte, its lane, its own time-out."""

    lane: str
    document: str
    timeout_us: int | None


def check_target(raw: msgspec.Raw, settings: Settings) -> Target:
    """Check a target; raises Invalid with the field that is wrong."""
    document = check_json(bytes(raw), "target", max_bytes=MAX_TARGET_BYTES, max_depth=settings.limit_depth)
    target = msgspec.json.decode(document)
    if not isinstance(target, dict):
        raise Invalid("target", "must be an object", hint='for example {"kind": "command", "command": ["echo", "hi"]}')
    kind = target.get("kind")
    if kind not in KINDS:
        raise Invalid("target.kind", f"{kind!r} is unknown", hint=f"one of {', '.join(KINDS)}")
    if kind == "http":
        http_target.check_target(target, services=settings.services)
    elif kind == "command":
        command_target.check_target(target)
    elif kind == "rq":
        rq_target.check_target(target, brokers(settings))
    elif kind == "celery":
        celery_target.check_target(target, brokers(settings))
    else:
        _check_function(target, settings)
    if "secret" in document:
        secret_refs.references(target)
    lane = "sync" if kind == "function" else str(kind)
    timeout = target.get("timeout")
    timeout_us = None if timeout is None else parse_duration(cast(Any, timeout), "target.timeout", minimum_us=1000)
    return Target(lane, document, timeout_us)


def with_secrets_of(known: str | None, raw: msgspec.Raw) -> msgspec.Raw:
    """Return a target in which what is shown in place of secrets is again the secrets of ``known``.

    So a target that was read, changed and sent back keeps them.  Raises Invalid where they would go to another place.
    """
    if known is None or MASK.encode() not in bytes(raw):
        return raw
    try:
        target, before = msgspec.json.decode(raw), msgspec.json.decode(known)
    except (msgspec.DecodeError, RecursionError):
        return raw  # what is wrong with it is said when it is checked
    if not isinstance(target, dict) or target.get("kind") != before.get("kind"):
        return raw
    if target["kind"] == "http":
        return msgspec.Raw(msgspec.json.encode(http_target.unmasked_target(target, before)))
    if target["kind"] == "command":
        return msgspec.Raw(msgspec.json.encode(command_target.unmasked_target(target, before)))
    if target["kind"] in HANDED_OVER:
        return msgspec.Raw(msgspec.json.encode(handoff_broker.unmasked(target, before, HANDED_OVER[target["kind"]])))
    return raw


def brokers(settings: Settings) -> Brokers:
    """Return what the settings say of the brokers of RQ and Celery."""
    return Brokers(settings.rq_url, settings.celery_broker_url, settings.celery_backend_url, settings.redis_urls)


def _check_function(target: Mapping[str, Any], settings: Settings) -> None:
    for name in target:
        if name not in ("kind", "function", "secrets", "timeout"):
            hint = "known: function, secrets, timeout"
            raise Invalid(f"target.{name}", "a function target has no such field", hint=hint)
    match = _FUNCTION.fullmatch(target["function"]) if isinstance(target.get("function"), str) else None
    if match is None:
        raise Invalid("target.function", "must be `module:name`", hint="for example reports.daily:build")
    module = match[1]
    allowed = settings.function_modules
    if not any(module == package or module.startswith(f"{package}.") for package in allowed):
        raise Invalid(
            "target.function",
            f"module {module} is not open to targets",
            hint="add its package to ROTA_FUNCTION_MODULES",
        )
