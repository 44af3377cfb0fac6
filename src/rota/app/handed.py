"""Work for the workers of RQ and Celery, to be enqueued or scheduled as a function is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from rota.app.targets import given, own_names
from rota.durations import format_duration, parse_duration
from rota.executors import celery_target, rq_target
from rota.job import Duration


@dataclass(frozen=True, kw_only=True)
class RqJob:
    """A function that RQ workers run.  The fields are those of an RQ target."""

    function: str
    queue: str | None = None
    connection: str | None = None
    url: str | None = None
    serializer: Literal["pickle", "json"] | None = None
    result_ttl: Duration | None = None
    description: str | None = None
    wait: Literal["finished", "accepted"] | None = None
    timeout: Duration | None = None

    def __post_init__(self) -> None:
        with own_names():
            rq_target.parse_target(self.document())

    def document(self) -> dict[str, Any]:
        """Return the target."""
        found = {"kind": "rq", **given(self), **_timeout(self.timeout)}
        if self.result_ttl is not None:
            del found["result_ttl"]
            found["resultTtl"] = format_duration(parse_duration(self.result_ttl, "result_ttl"))
        return found


@dataclass(frozen=True, kw_only=True)
class CeleryJob:
    """A task that Celery workers run.  The fields are those of a Celery target."""

    task: str
    queue: str | None = None
    connection: str | None = None
    broker_url: str | None = None
    backend_url: str | None = None
    wait: Literal["finished", "accepted"] | None = None
    timeout: Duration | None = None

    def __post_init__(self) -> None:
        with own_names():
            celery_target.parse_target(self.document())

    def document(self) -> dict[str, Any]:
        """Return the target."""
        found = {"kind": "celery", **given(self), **_timeout(self.timeout)}
        for name, field in (("broker_url", "brokerUrl"), ("backend_url", "backendUrl")):
            if name in found:
                found[field] = found.pop(name)
        return found


def _timeout(value: Duration | None) -> dict[str, str]:
    return {} if value is None else {"timeout": format_duration(parse_duration(value, "timeout"))}
