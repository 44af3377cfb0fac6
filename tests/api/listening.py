"""Listeners to a stream of server-sent events, each in a thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, NamedTuple, Self

import httpx
import msgspec

from tests.api.live import Live


class Event(NamedTuple):
    """One event."""

    id: str
    name: str
    data: Any


class Listener:
    """Listens until the stream ends, or the ``with`` block."""

    def __init__(self, live: Live, path: str = "/api/events", **headers: str) -> None:
        self.events: list[Event] = []
        self.comments = 0
        self.status = 0
        self.headers = httpx.Headers()
        self.last_id = ""
        self._changed = threading.Condition()
        self._client = live.client(**headers)
        self._path = path
        self._answer: httpx.Response | None = None
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        try:
            with self._client, self._client.stream("GET", self._path) as answer:
                self._answer = answer
                for line in answer.iter_lines():
                    self._take(line, answer)
        except (httpx.ReadError, httpx.StreamError, httpx.RemoteProtocolError):
            return  # closed by the test

    _fields: dict[str, str]

    def _take(self, line: str, answer: httpx.Response) -> None:
        with self._changed:
            if not self.status:
                self.status, self.headers, self._fields = answer.status_code, answer.headers, {}
            name, _, value = line.partition(": ")
            if line.startswith(":"):
                self.comments += 1
            elif line:
                self._fields[name] = value
            else:
                self.last_id = self._fields.get("id", self.last_id)
                if "data" in self._fields:
                    data = msgspec.json.decode(self._fields["data"])
                    self.events.append(Event(self._fields["id"], self._fields["event"], data))
                self._fields = {}
            self._changed.notify_all()

    def opened(self) -> Self:
        """Wait until nothing that happens from now on can be missed."""
        self.until(lambda: bool(self.last_id))
        return self

    def until(self, true: Callable[[], object]) -> None:
        """Wait until something holds of what was received."""
        with self._changed:
            assert self._changed.wait_for(true, 15), self.events

    def one(self, name: str, /, **wanted: Any) -> Event:
        """Wait for an event with these data, and return it."""
        self.until(lambda: self.told(name, **wanted))
        return self.told(name, **wanted)[0]

    def told(self, name: str, /, **wanted: Any) -> list[Event]:
        """The events with these data so far."""
        return [
            event
            for event in self.events
            if event.name == name and all(event.data.get(field) == value for field, value in wanted.items())
        ]

    def ended(self) -> None:
        """Wait for the end of the stream."""
        self._thread.join(15)
        assert not self._thread.is_alive()

    def close(self) -> None:
        """Go away."""
        if self._answer is not None and self._thread.is_alive():
            stream = self._answer.extensions["network_stream"]
            sock = stream.get_extra_info("socket")
            sock.shutdown(2)
        self.ended()

    def __enter__(self) -> Self:
        return self.opened()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
