"""Examples of answers, made from their schemas: a field is what its name and its kind let expect."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]
PREFIX = "#/components/schemas/"
TIME = "2026-11-21T09:00:00.000Z"
ID = "019a9d2c-7c1e-7aa0-8f5e-0c3b2a190000"
DEEPEST = 6

NAMED: dict[str, Any] = {
    "action": "edited",
    "actor": "ann",
    "after": {"concurrency": 6},
    "args": {"limit": 100},
    "at": TIME,
    "attempt": 1,
    "attemptsUsed": 1,
    "before": {"concurrency": 5},
    "body": '{"limit":100}',
    "bodyBytes": 13,
    "callbackId": ID,
    "client": "203.0.113.9",
    "code": "turn",
    "completedAt": TIME,
    "concurrency": 5,
    "count": 3,
    "createdBy": "ann",
    "cron": "0 9 * * MON",
    "defaults": {"queue": "mail"},
    "description": "at 09:00 on Monday",
    "durationMs": 812,
    "fingerprint": "5f0c3a1e9b7d4c26",
    "headers": {"content-type": "application/json"},
    "host": "web-1",
    "jobType": "weekly_digest",
    "key": "customer=42",
    "kind": "function",
    "lastAt": TIME,
    "lastJobId": ID,
    "limit": 50,
    "maxAttempts": 4,
    "message": "halfway",
    "method": "POST",
    "n": 1,
    "name": "mail",
    "nextAt": TIME,
    "note": "the mail host moves",
    "noun": "queue",
    "of": 20,
    "onLost": "retry",
    "operation": ID,
    "origin": "api",
    "outcome": "completed",
    "owner": "code",
    "p50": "4s",
    "p90": "9s",
    "page": 1,
    "per": "1m",
    "pid": 17,
    "priority": 5,
    "queue": "mail",
    "reason": "OK",
    "result": {"itemsProcessed": 100},
    "role": "operator",
    "runs": 12,
    "scheduleId": "digest",
    "scheduledFor": TIME,
    "service": "rota",
    "source": "token",
    "startedAt": TIME,
    "startedBy": "ann",
    "state": "running",
    "status": "completed",
    "stream": "stdout",
    "subject": "ann",
    "text": "it is done",
    "timeout": "5m",
    "timezone": "Europe/Paris",
    "token": "rota_…",
    "total": 1,
    "url": "https://mailer.example.org/v1/digest",
    "value": 0.4,
    "version": 3,
    "workerId": ID,
}
"""What fields hold, by their names; one that may be null and is not here is null."""
OF_STRUCTS: dict[str, Any] = {
    "AnswerOut.body": '{"itemsProcessed":100}',
    "AnswerOut.bodyBytes": 22,
    "AnswerOut.status": 200,
    "AuditEntryOut.text": "ann edited the queue mail: concurrency 5 → 6 (over the API, from 203.0.113.9)",
    "Cause.text": "it waits for its turn in the queue mail",
    "Greeting.message": "Hello from rota!",
    "Greeting.version": "1.0.0",
    "LogLine.text": "sent 100 messages",
    "QueueStat.status": "pending",
    "ScheduleOut.id": "digest",
    "ScheduleSaved.id": "digest",
    "EditOut.id": "digest",
    "OutlookOut.id": "digest",
    "CheckOut.id": "nightly-backup",
    "CheckOut.name": "Nightly backup",
    "CheckOut.status": "up",
    "CheckOut.cron": "30 2 * * *",
    "CheckOut.description": "at 02:30 every day, Europe/Paris",
    "CheckOut.grace": "20m",
    "CheckOut.longest": "2h",
    "CheckOut.tags": ["backup"],
    "CheckOut.key": "3f0c9a51be5d4b6d9c1f6a2e8d7b4c10",
    "CheckItem.id": "nightly-backup",
    "CheckItem.name": "Nightly backup",
    "CheckItem.status": "up",
    "CheckItem.cron": "30 2 * * *",
    "CheckItem.description": "at 02:30 every day, Europe/Paris",
    "CheckItem.grace": "20m",
    "CheckItem.longest": "2h",
    "CheckItem.tags": ["backup"],
    "PingOut.kind": "success",
    "PingOut.source": "203.0.113.9",
    "PingOut.body": "backed up 4,711 files",
    "StatusPageOut.tag": "customers",
    "StatusPageOut.slug": "acme-jobs",
    "StatusPageOut.title": "Nightly work",
    "StatusPageOut.names": {"check:nightly-backup": "Backup"},
    "StatusPageOut.pagePath": "/status/acme-jobs",
    "StatusPageOut.badgePath": "/badge/acme-jobs.svg",
    "PublicStatus.title": "Nightly work",
    "PublicStatus.status": "up",
    "PublicItem.name": "Backup",
    "PublicItem.status": "up",
    "ChannelOut.name": "slack #1",
    "ChannelOut.kind": "slack",
    "ChannelOut.state": "working",
    "ChannelOut.failures": 0,
    "ChannelTest.ok": True,
    "DeliveryOut.channel": "slack #1",
    "DeliveryOut.state": "sent",
    "NoticeOut.kind": "opened",
    "NoticeOut.severity": "error",
    "NoticeOut.title": "Schedule digest is late",
    "NoticeOut.text": "It was due at 2026-11-21T09:00:00.000Z.",
    "NoticeOut.path": "/schedules/digest",
    "NoticeOut.link": "https://rota.example.org/schedules/digest",
    "SecretOut.name": "stripe",
    "TokenOut.name": "web app",
    "TokenMade.name": "web app",
    "JobTypeOut.name": "weekly_digest",
    "CalendarOut.name": "days-off",
    "CalendarItem.name": "days-off",
    "WorkerOut.role": "worker",
    "WorkerOut.version": "1.0.0",
}
TEXTS = {
    "text/html": "<!doctype html>…",
    "image/svg+xml": "<svg>…</svg>",
    "text/plain": "2026-11-21T09:00:00.000Z stdout sent 100 messages\n",
    "text/event-stream": 'id: 1\nevent: line\ndata: {"n": 1, "stream": "stdout", "text": "sent 100 messages"}\n\n',
}
_KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
}
_PLAIN = {"string": "…", "integer": 0, "number": 0, "boolean": False}


def add_examples(document: dict[str, Any]) -> None:
    """Give every answer of a description an example, where it has none of its own."""
    schemas = document["components"]["schemas"]
    for methods in document["paths"].values():
        for operation in methods.values():
            for answer in operation["responses"].values():
                for media, content in answer.get("content", {}).items():
                    content.setdefault("example", TEXTS.get(media) or example(content.get("schema", {}), schemas))


def example(schema: Schema, schemas: dict[str, Schema], name: str = "", depth: int = 0) -> Any:
    """Return what a schema allows; ``name`` is that of the field, ``Struct.field``."""
    field = name.rpartition(".")[2]
    known = OF_STRUCTS.get(name, NAMED.get(field))
    if "$ref" in schema:
        struct = schema["$ref"].removeprefix(PREFIX)
        return _struct(struct, schemas[struct], schemas, depth)
    if "anyOf" in schema:
        return _choice(schema["anyOf"], schemas, name, depth)
    if "enum" in schema:
        return known if known in schema["enum"] else schema["enum"][0]
    kind = schema.get("type")
    if schema.get("format") in ("date-time", "uuid"):
        return TIME if schema["format"] == "date-time" else ID
    if kind is None or _fits(known, kind):
        return known
    if kind == "array":
        items = schema.get("items", {})
        return [example(items, schemas, depth=depth + 1)] if "$ref" in items and depth < DEEPEST else []
    if kind == "object":
        return {}
    return ID if field == "id" else _PLAIN.get(kind)


def _struct(name: str, schema: Schema, schemas: dict[str, Schema], depth: int) -> dict[str, Any]:
    properties = schema.get("properties", {})
    if depth >= DEEPEST:
        properties = {field: properties[field] for field in schema.get("required", ())}
    return {field: example(kind, schemas, f"{name}.{field}", depth + 1) for field, kind in properties.items()}


def _choice(choices: list[Schema], schemas: dict[str, Schema], name: str, depth: int) -> Any:
    """Return an example of one of several: null where that is one and nothing is known of the field."""
    may_be_null = any(choice.get("type") == "null" for choice in choices)
    field = name.rpartition(".")[2]
    known = OF_STRUCTS.get(name, NAMED.get(field))
    if may_be_null and known is None:
        return None
    for choice in choices:
        found = example(choice, schemas, name, depth) if choice.get("type") != "null" else None
        if found is not None and (not may_be_null or found == known):
            return found
    return None if may_be_null else example(choices[0], schemas, name, depth)


def _fits(value: Any, kind: str) -> bool:
    return isinstance(value, _KINDS.get(kind, ())) and (kind == "boolean" or not isinstance(value, bool))
