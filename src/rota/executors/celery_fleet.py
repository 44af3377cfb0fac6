"""Celery workers: tasks are sent by Celery itself, and followed by the entries of its Redis result backend."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import msgspec
from celery import Celery
from kombu.exceptions import OperationalError
from kombu.utils import json as kombu_json

from rota.executor import Outcome
from rota.executors import handoff_plain, handoff_redis
from rota.executors.celery_target import CeleryTarget
from rota.executors.handoff_broker import show
from rota.executors.handoff_error import exception
from rota.executors.handoff_fleet import WAITING, Errand, Sight, failed, lost

META = "celery-task-meta-"
MARK = "rota:handed:"
"""Key of what tells that a task was sent: Celery itself knows nothing of a task that nobody has begun."""
MARK_S = 7 * 86_400
HEAD = 63
"""Enough of an entry to tell its status, however long the result is."""
MAX_RESULT = 16 << 20
MAX_QUEUED = 10_000
"""How far a queue is searched for a task that is to be taken back."""
ENDED = (b"SUCCESS", b"FAILURE", b"REVOKED")
_STATUS = re.compile(rb'^\{"status": ?"([A-Z]+)"')


class _App(Celery):  # type: ignore[misc]  # the library has no types
    """What sends.  CELERY_BROKER_URL and CELERY_RESULT_BACKEND of the environment are meant for others."""

    backend_cls = "disabled"
    """Celery would subscribe to each result; we look at all of them together."""
    address = ""

    def connection_for_write(self, url: str | None = None, **options: Any) -> Any:
        return super().connection_for_write(url or self.address, **options)


class CeleryFleet:
    """The workers on one broker, with one result backend."""

    def __init__(self, broker: str, backend: str | None, *, max_bytes: int, max_depth: int) -> None:
        self._urls = (broker, backend)
        self._max_bytes = max_bytes
        self._max_depth = max_depth
        self.name = f"Celery at {show(broker)}"
        self._broker = handoff_redis.connect(broker)
        self._results = handoff_redis.connect(backend or broker)
        self._app = _App("rota", set_as_current=False)
        self._app.address = _for_kombu(broker)
        self._app.conf.update(
            task_serializer="json",
            accept_content=["json"],
            task_publish_retry=False,
            broker_connection_timeout=handoff_redis.TIMEOUT_S,
            broker_transport_options={
                "socket_timeout": handoff_redis.TIMEOUT_S,
                "socket_connect_timeout": handoff_redis.TIMEOUT_S,
                "max_retries": 1,
            },
        )

    def hand_over(self, errands: Sequence[Errand]) -> list[str]:
        """Send tasks, unless they were sent before."""
        lines = []
        with self._answering():
            self._broker.ping()
            states = self._first_look(errands)
            with self._app.producer_pool.acquire(block=True, timeout=handoff_redis.TIMEOUT_S) as producer:
                for errand, sent in zip(errands, states, strict=True):
                    errand.tried = True
                    if not sent:
                        self._send(errand, producer)
                    errand.handed = True
                    lines.append(_handed(errand, made=not sent))
        return lines

    def look(self, errands: Sequence[Errand]) -> list[Sight]:
        """Read the states of tasks, and the results of those that have ended."""
        with self._answering(), self._results.pipeline(transaction=False) as pipe:
            for errand in errands:
                pipe.getrange(META + errand.remote_id, 0, HEAD)
            pipe.mget([MARK + errand.remote_id for errand in errands])
            *heads, marks = pipe.execute()
            entries = self._entries(
                [errand for errand, head in zip(errands, heads, strict=True) if _is_news(head, errand)]
            )
        return [
            self._sight(errand, head, mark is not None, entries.get(errand.remote_id))
            for errand, head, mark in zip(errands, heads, marks, strict=True)
        ]

    def end(self, errand: Errand) -> bool:
        """Take a task out of its queue, else revoke it wherever it is."""
        with self._answering():
            if self._take_back(errand):
                self._results.delete(MARK + errand.remote_id)
                return True
            self._app.control.revoke(errand.remote_id, terminate=True)
        return False

    def close(self) -> None:
        """Hang up."""
        self._app.close()
        self._broker.close()
        self._results.close()

    def _answering(self) -> AbstractContextManager[None]:
        return handoff_redis.answering(*self._urls, others=(OperationalError,))

    def _first_look(self, errands: Sequence[Errand]) -> list[bool]:
        """Tell of each whether it was sent before, and mark it as being sent if not."""
        with self._results.pipeline(transaction=False) as pipe:
            for errand in errands:
                pipe.set(MARK + errand.remote_id, "sending", nx=True, ex=_mark_s(errand))
                pipe.get(MARK + errand.remote_id)
                pipe.exists(META + errand.remote_id)
            found = pipe.execute()
        # One that was marked and, as far as anybody knows, not sent: its worker died between the two.
        return [bool(found[n + 2]) or (not found[n] and found[n + 1] == b"sent") for n in range(0, len(found), 3)]

    def _send(self, errand: Errand, producer: Any) -> None:
        target, given = _target(errand), msgspec.json.decode(errand.call.args)
        self._app.send_task(
            target.task,
            args=given if isinstance(given, list) else [],
            kwargs=given if isinstance(given, dict) else {},
            task_id=errand.remote_id,
            queue=target.queue,
            producer=producer,
            serializer="json",
            ignore_result=False,
            retry=False,
        )
        self._results.set(MARK + errand.remote_id, "sent", ex=_mark_s(errand))

    def _entries(self, errands: Sequence[Errand]) -> dict[str, bytes | None]:
        """Return the entries of tasks; None of those that are too large.  An entry tells that a task was sent, too."""
        if not errands:
            return {}
        with self._results.pipeline(transaction=False) as pipe:
            for errand in errands:
                pipe.getrange(META + errand.remote_id, 0, MAX_RESULT)
            pipe.delete(*(MARK + errand.remote_id for errand in errands))
            *found, _ = pipe.execute()
        return {
            errand.remote_id: entry if len(entry) <= MAX_RESULT else None
            for errand, entry in zip(errands, found, strict=True)
        }

    def _take_back(self, errand: Errand) -> bool:
        """Take a task that nobody has begun out of its queue: workers that live later know nothing of a revocation."""
        wanted = f'"id": "{errand.remote_id}"'.encode()
        queue = _target(errand).queue
        for message in cast("list[bytes]", self._broker.lrange(queue, 0, MAX_QUEUED)):
            if wanted in message:
                return self._broker.lrem(queue, 1, message.decode()) == 1
        return False

    def _sight(self, errand: Errand, head: bytes, marked: bool, entry: bytes | None) -> Sight:
        status = _status(head)
        if status is None and not head:
            return WAITING if marked else Sight("ended", outcome=lost(f"Celery task {errand.remote_id}"))
        if entry is None:
            if status == b"SUCCESS":
                return Sight("ended", None, Outcome("completed", result="null"), "its result is too large to be kept")
            return WAITING if status not in ENDED else Sight("ended", outcome=failed("remote", "it failed in Celery"))
        try:
            return self._read(errand, cast(Any, kombu_json).loads(entry))
        except Exception as error:  # noqa: BLE001 - bytes of another serializer may raise anything
            text = f"the entry of the result backend cannot be read ({error}): workers need result_serializer json"
            return Sight("ended", outcome=failed("remote-result", text, permanent=True))

    def _read(self, errand: Errand, found: dict[str, Any]) -> Sight:
        status, result = found["status"], found.get("result")
        if status == "SUCCESS":
            outcome, note = handoff_plain.judge(result, max_bytes=self._max_bytes, max_depth=self._max_depth)
            return Sight("ended", found.get("worker"), outcome, note)
        if status == "FAILURE":
            return Sight("ended", found.get("worker"), _failure(result, found.get("traceback")))
        if status == "REVOKED":
            if errand.stop is not None:
                return Sight("ended", None, Outcome("stopped"))
            return Sight("ended", None, failed("remote-cancelled", "somebody revoked it in Celery", permanent=True))
        worker = result.get("hostname") if status == "STARTED" and isinstance(result, dict) else None
        return Sight("running", worker)


def _failure(result: Any, trace: str | None) -> Outcome:
    if not isinstance(result, dict) or "exc_type" not in result:
        return failed("remote", "it failed in Celery", trace=trace)
    module, said = result.get("exc_module"), result.get("exc_message")
    name = f"{module}.{result['exc_type']}" if module else str(result["exc_type"])
    message = " ".join(str(part) for part in said) if isinstance(said, (list, tuple)) else str(said or "")
    return exception(name, message, trace)


def _target(errand: Errand) -> CeleryTarget:
    return cast(CeleryTarget, errand.target)


def _status(head: bytes) -> bytes | None:
    match = _STATUS.match(head)
    return match[1] if match else None


def _is_news(head: bytes, errand: Errand) -> bool:
    """Tell whether an entry has to be read as a whole."""
    status = _status(head)
    return bool(head) and (status is None or status in ENDED or (status == b"STARTED" and errand.worker is None))


def _mark_s(errand: Errand) -> int:
    return MARK_S + (errand.call.timeout_us or 0) // 1_000_000


def _handed(errand: Errand, *, made: bool) -> str:
    if not made:
        return f"goes on with Celery task {errand.remote_id}, sent in attempt {errand.call.began_with}"
    return f"sent to Celery queue {errand.target.queue} as task {errand.remote_id}"


def _for_kombu(url: str) -> str:
    """Return an address as Celery writes it, which has another word for a socket."""
    parts = urlsplit(url)
    if parts.scheme != "unix":
        return url
    user = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
    return f"redis+socket://{user}{parts.path}?virtual_host={parse_qs(parts.query).get('db', ['0'])[0]}"
