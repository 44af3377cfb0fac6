"""The limits of a queue, as options say them and as people read them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from rota.cli.options import parse_json
from rota.errors import Invalid, NotFound

if TYPE_CHECKING:
    from rota.client import Json

NONE = "none"
STATUSES = ("completed", "failed", "cancelled")
MOST = {name: f"most{name.capitalize()}" for name in (*STATUSES, "bytes")}
"""What `--keep-most` names, and how the service calls it."""
FIELDS = {
    "name": "NAME",
    "rateLimits": "--rate",
    **{f"rateLimits.{place}{part}": "--rate" for place in range(20) for part in ("", ".limit", ".per")},
    **{f"retention.{status}": "--keep" for status in STATUSES},
    **{f"retention.{field}": "--keep-most" for field in MOST.values()},
    "defaults": "--defaults",
}
_RATE = re.compile(r"([0-9]{1,9})/(.+)", re.ASCII)


def limits(options: dict[str, Any]) -> Json:
    """Return what the options say of a queue; see ``completed``."""
    said: dict[str, Any] = {}
    for name, field in (
        ("concurrency", "concurrency"),
        ("worker_concurrency", "workerConcurrency"),
        ("key_concurrency", "keyConcurrency"),
    ):
        if options[name] is not None:
            said[field] = _number(options[name], f"--{name.replace('_', '-')}")
    if options["ageing"] is not None:
        said["ageing"] = None if options["ageing"] == NONE else options["ageing"]
    if options["defaults"] is not None:
        said["defaults"] = None if options["defaults"] == NONE else parse_json(options["defaults"], "--defaults")
    if options["rate"] or options["key_rate"]:
        said["rateLimits"] = _rates(options["rate"], "queue") + _rates(options["key_rate"], "key")
    if options["keep"] or options["keep_most"]:
        said["retention"] = _kept(options["keep"]) | _kept_most(options["keep_most"])
    if not said:
        raise click.UsageError("say what to set, for example --concurrency 5")
    return said


def completed(said: Json, options: dict[str, Any], look: Callable[[], Json]) -> Json:
    """Return what the options say with the parts that they leave as they are; ``look`` tells how the queue is."""
    found = dict(said)
    left = [scope for name, scope in (("rate", "queue"), ("key_rate", "key")) if not options[name]]
    if left and "rateLimits" in said:
        found["rateLimits"] = said["rateLimits"] + [
            one for one in _known(look, "rateLimits") or () if one["scope"] in left
        ]
    if "retention" in said:
        both = (_known(look, "retention") or {}) | said["retention"]
        found["retention"] = {name: kept for name, kept in both.items() if kept != NONE} or None
    return found


def _known(look: Callable[[], Json], field: str) -> Any:
    """Return what a queue has; one that is not there yet has nothing."""
    try:
        return look()[field]
    except NotFound:
        return None


def _number(text: str, option: str) -> int | None:
    if text == NONE:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise Invalid(option, f"{text[:80]!r} is neither a number nor none", hint="for example 5")
    return int(text)


def _rates(texts: Sequence[str], scope: str) -> list[dict[str, Any]]:
    option = "--rate" if scope == "queue" else "--key-rate"
    if NONE in texts:
        if len(texts) > 1:
            raise Invalid(option, "none stands alone", hint="leave the others out")
        return []
    found = []
    for text in texts:
        match = _RATE.fullmatch(text)
        if match is None:
            raise Invalid(option, f"{text[:80]!r} is no rate", hint="for example 100/1m, or none")
        per = match[2] if match[2][:1].isdecimal() else f"1{match[2]}"
        found.append({"limit": int(match[1]), "per": per, "scope": scope})
    return found


def _kept(texts: Sequence[str]) -> dict[str, Any]:
    if NONE in texts:
        return _alone("--keep", texts, STATUSES)
    found: dict[str, Any] = {}
    for text in texts:
        status, _, age = text.partition("=")
        if status not in STATUSES or not age:
            raise Invalid("--keep", f"{text[:80]!r} is unknown", hint="for example completed=24h or failed=never")
        found[status] = age
    return found


def _kept_most(texts: Sequence[str]) -> dict[str, Any]:
    if NONE in texts:
        return _alone("--keep-most", texts, MOST.values())
    found: dict[str, Any] = {}
    for text in texts:
        name, _, most = text.partition("=")
        if name not in MOST or not most:
            hint = "for example completed=10000 or bytes=500MB"
            raise Invalid("--keep-most", f"{text[:80]!r} is unknown", hint=hint)
        found[MOST[name]] = most if name == "bytes" or most == NONE else _number(most, "--keep-most")
    return found


def _alone(option: str, texts: Sequence[str], fields: Iterable[str]) -> dict[str, Any]:
    if len(texts) > 1:
        raise Invalid(option, "none stands alone", hint="leave the others out")
    return dict.fromkeys(fields, NONE)


def kept(retention: Json | None) -> str | None:
    """Return how long, and how much, a queue keeps, as people read it."""
    names = {field: f"at most {{:,}} {name}" for name, field in MOST.items()}
    found = [names.get(field, f"{field} {{}}").format(value) for field, value in (retention or {}).items()]
    return ", ".join(found) or None


def rates(limits: Sequence[Json]) -> list[str]:
    """Return rate limits as the options write them."""
    return [f"{one['limit']:g}/{one['per']}" + (" a key" if one["scope"] == "key" else "") for one in limits]
