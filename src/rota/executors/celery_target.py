"""What a Celery target says, checked when it is saved and parsed when its job is handed over."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rota.errors import Invalid
from rota.executors import handoff_broker
from rota.executors.handoff_broker import EXAMPLE, Brokers
from rota.executors.rq_target import Wait, queue_name, wait_for

FIELDS = (
    *("kind", "task", "queue", "connection", "brokerUrl", "backendUrl", "serializer"),
    *("wait", "timeout"),
)
URLS = ("brokerUrl", "backendUrl")
_TASK = re.compile(r"[^\s\x00-\x1f\x7f\ud800-\udfff]{1,255}")


@dataclass(frozen=True, slots=True)
class CeleryTarget:
    """A parsed target."""

    task: str
    queue: str
    connection: str | None
    broker_url: str | None
    backend_url: str | None
    wait: Wait

    def addresses(self, brokers: Brokers) -> tuple[str, str | None]:
        """Return the addresses of broker and result backend, None where no result is awaited.

        Raises `Invalid` where nobody says them.
        """
        both = None if self.connection is None else brokers.find(self.connection)
        broker = self.broker_url or both or brokers.celery_broker_url
        if broker is None:
            raise Invalid("target.brokerUrl", "nobody says which Redis", hint=f"set ROTA_CELERY_BROKER_URL={EXAMPLE}")
        if self.wait == "accepted":
            return broker, None
        backend = self.backend_url or both or brokers.celery_backend_url
        if backend is None:
            hint = 'set ROTA_CELERY_BACKEND_URL to the result_backend of the workers, or "wait": "accepted"'
            raise Invalid("target.backendUrl", "nobody says where results are", hint=hint)
        return broker, backend


def check_target(target: Mapping[str, Any], brokers: Brokers) -> None:
    """Check a target before it is saved.  Raises `Invalid` with the field, ``target.…``, and the fix."""
    handoff_broker.check_unmasked(target, URLS)
    parse_target(target).addresses(brokers)


def parse_target(target: Mapping[str, Any]) -> CeleryTarget:
    """Parse a target; everything but whether the settings know its connection is checked.  Raises `Invalid`."""
    unknown = next((name for name in target if name not in FIELDS), None)
    if unknown is not None:
        raise Invalid(f"target.{unknown}", "a Celery target has no such field", hint=f"known: {', '.join(FIELDS[1:])}")
    if target.get("kind") != "celery":
        raise Invalid("target.kind", "is not celery")
    task = target.get("task")
    if not isinstance(task, str) or not _TASK.fullmatch(task):
        raise Invalid("target.task", "must be the name of a task", hint="for example reports.tasks.build")
    if target.get("connection") is not None and any(target.get(name) is not None for name in URLS):
        raise Invalid("target.connection", "a target has either addresses or a connection")
    if target.get("serializer") not in (None, "json"):
        raise Invalid("target.serializer", "only json is sent", hint="leave it out")
    return CeleryTarget(
        task=task,
        queue=queue_name(target.get("queue"), "celery"),
        connection=handoff_broker.check_connection(target.get("connection")),
        broker_url=handoff_broker.check_url(target.get("brokerUrl"), "brokerUrl"),
        backend_url=handoff_broker.check_url(target.get("backendUrl"), "backendUrl"),
        wait=wait_for(target.get("wait")),
    )
