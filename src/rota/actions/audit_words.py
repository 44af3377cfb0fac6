"""Entries of the audit in words: who did what to which thing, from where, and why."""

from __future__ import annotations

from typing import Any, get_args

import msgspec

from rota.model import Action, AuditEntry

WAYS = {
    "api": "over the API",
    "ui": "on the pages",
    "cli": "by the command line",
    "python": "by Python",
    "file": "by a file",
    "scheduler": "by the scheduler",
}
NOUNS = {"type": "job type", "token": "API token", "operation": "operation", "statusPage": "status page"}
VERBS = {
    "rolledBack": "rolled back",
    "takenOver": "took over",
    "reprioritise": "change the priority of",
    "beaten": "gave a sign of life of",
    "rekeyed": "gave another key to",
}
MOST_SHOWN = 5
LONGEST_VALUE = 40


def sentence(entry: AuditEntry) -> str:
    """Return an entry as one line: ``ann edited the queue mail: concurrency 5 → 6 (on the pages, from 10.0.0.7)``."""
    told = f"{entry.actor or 'somebody'} {_done(entry)}{_changes(entry)}"
    ways = [WAYS.get(entry.origin or "", ""), f"from {entry.client}" if entry.client else ""]
    place = ", ".join(way for way in ways if way)
    told += f" ({place})" if place else ""
    return f"{told}: {_line(entry.note)}" if entry.note else told


def _done(entry: AuditEntry) -> str:
    verb = VERBS.get(entry.action, entry.action)
    if entry.noun == "operation" and entry.action in get_args(Action):
        return f"began to {verb} jobs by the operation {entry.name}"
    return f"{verb} the {NOUNS.get(entry.noun, entry.noun)} {_called(entry)}"


def _called(entry: AuditEntry) -> str:
    """Return what a thing is called: a token by what it was given as a name, everything else by what it is known by."""
    said = {**_fields(entry.before), **_fields(entry.after)}.get("name") if entry.noun == "token" else None
    return _line(said) if isinstance(said, str) and said else entry.name


def _changes(entry: AuditEntry) -> str:
    """Return which fields differ, and how where that is short."""
    before, after = _fields(entry.before), _fields(entry.after)
    if not before or not after:
        return ""
    names = [name for name in dict.fromkeys((*before, *after)) if name not in ("version", "updatedAt")]
    shown = [_change(name, before.get(name), after.get(name)) for name in names[:MOST_SHOWN]]
    more = [f"and {len(names) - MOST_SHOWN} more"] if len(names) > MOST_SHOWN else []
    return f": {', '.join([*shown, *more])}" if shown else ""


def _change(name: str, before: Any, after: Any) -> str:
    was, is_ = _value(before), _value(after)
    return name if was is None or is_ is None else f"{name} {was} → {is_}"


def _value(value: Any) -> str | None:
    """Return a value in few characters, None where it is long or has parts."""
    if value is None:
        return "none"
    if isinstance(value, dict | list):
        return None
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return _line(text) if len(text) <= LONGEST_VALUE else None


def _fields(document: str | None) -> dict[str, Any]:
    found = msgspec.json.decode(document) if document else None
    return found if isinstance(found, dict) else {}


def _line(text: str) -> str:
    return " ".join(text.split())
