"""What an RQ target says, checked when it is saved and parsed when its job is handed over."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from rota.durations import SECOND, parse_duration
from rota.errors import Invalid
from rota.executors import handoff_broker
from rota.executors.handoff_broker import EXAMPLE, Brokers

FIELDS = (
    *("kind", "function", "queue", "connection", "url", "serializer"),
    *("resultTtl", "description", "wait", "timeout"),
)
URLS = ("url",)
RESULT_TTL_S = 24 * 3600
"""How long RQ keeps a result.  Its own 500 s are too short for a Rota that is away for a while."""
MAX_QUEUE = 200
MAX_DESCRIPTION = 1000
Serializer = Literal["pickle", "json"]
Wait = Literal["finished", "accepted"]
_FUNCTION = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
_UNFIT = re.compile(r"[\x00-\x20\x7f\ud800-\udfff]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class RqTarget:
    """A parsed target."""

    function: str
    queue: str
    connection: str | None
    url: str | None
    serializer: Serializer
    result_ttl_s: int
    description: str | None
    wait: Wait

    def address(self, brokers: Brokers) -> str:
        """Return the address of its Redis.  Raises `Invalid` where nobody says it."""
        if self.url is not None:
            return self.url
        if self.connection is not None:
            return brokers.find(self.connection)
        if brokers.rq_url is None:
            raise Invalid("target.url", "nobody says which Redis", hint=f"set ROTA_RQ_URL={EXAMPLE}")
        return brokers.rq_url


def check_target(target: Mapping[str, Any], brokers: Brokers) -> None:
    """Check a target before it is saved.  Raises `Invalid` with the field, ``target.…``, and the fix."""
    handoff_broker.check_unmasked(target, URLS)
    parse_target(target).address(brokers)


def parse_target(target: Mapping[str, Any]) -> RqTarget:
    """Parse a target; everything but whether the settings know its connection is checked.  Raises `Invalid`."""
    unknown = next((name for name in target if name not in FIELDS), None)
    if unknown is not None:
        raise Invalid(f"target.{unknown}", "an RQ target has no such field", hint=f"known: {', '.join(FIELDS[1:])}")
    if target.get("kind") != "rq":
        raise Invalid("target.kind", "is not rq")
    function = target.get("function")
    if not isinstance(function, str) or not _FUNCTION.fullmatch(function):
        raise Invalid("target.function", "must be `module.name`", hint="for example reports.daily.build")
    if target.get("url") is not None and target.get("connection") is not None:
        raise Invalid("target.connection", "a target has either url or connection")
    return RqTarget(
        function=function,
        queue=queue_name(target.get("queue"), "default"),
        connection=handoff_broker.check_connection(target.get("connection")),
        url=handoff_broker.check_url(target.get("url"), "url"),
        serializer=_serializer(target.get("serializer")),
        result_ttl_s=_result_ttl(target.get("resultTtl")),
        description=_description(target.get("description")),
        wait=wait_for(target.get("wait")),
    )


def queue_name(value: object, usual: str) -> str:
    """Return the name of the fleet's queue.  Raises `Invalid`."""
    if value is None:
        return usual
    if not isinstance(value, str) or not 0 < len(value) <= MAX_QUEUE or _UNFIT.search(value):
        raise Invalid("target.queue", "is not the name of a queue", hint=f"for example {usual}")
    return value


def wait_for(value: object) -> Wait:
    """Return until when a job goes on.  Raises `Invalid`."""
    if value not in (None, "finished", "accepted"):
        raise Invalid("target.wait", f"{str(value)[:40]!r} is unknown", hint="finished (usual) or accepted")
    return "accepted" if value == "accepted" else "finished"


def _serializer(value: object) -> Serializer:
    if value not in (None, "pickle", "json"):
        raise Invalid(
            "target.serializer",
            f"{str(value)[:40]!r} is unknown",
            hint="pickle (RQ's own) or json, as the workers have it",
        )
    return "json" if value == "json" else "pickle"


def _result_ttl(value: object) -> int:
    if value is None:
        return RESULT_TTL_S
    # At least some seconds: a result that is gone before it was read is a job of which nobody knows the end.
    return -(-parse_duration(cast(Any, value), "target.resultTtl", minimum_us=10 * SECOND) // SECOND)


def _description(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not value or len(value) > MAX_DESCRIPTION or _CONTROL.search(value):
        raise Invalid("target.description", f"must be one line of at most {MAX_DESCRIPTION} characters")
    return value
