"""Server-sent events: read piece by piece, and asked for again from the last one on when the connection ends."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import msgspec

from rota.client.address import Address, decode
from rota.client.script import Pause, Read, Script
from rota.errors import ServiceUnavailable

FOLLOWING_PATIENCE_S = 60.0
"""How long the service may be away from who follows something: it is restarted within that time."""
SILENCE_S = 45.0
"""A stream that says nothing for so long is dead: a service sends a comment each 15 seconds."""
RECONNECT_S = 1.0
"""Pause before a stream is asked for again, unless the service says another."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event; ``data`` is decoded JSON."""

    name: str
    data: Any
    id: str | None


class EventStream:
    """The events of one address, as if the connection were never lost."""

    def __init__(
        self, address: Address, path: str, params: Mapping[str, Any] | None = None, *, last_id: str | None = None
    ) -> None:
        """``last_id``: id of the last event that was received before."""
        self._address = address
        self._path = path
        self._params = params
        self._last_id = last_id
        self._reconnect_s = RECONNECT_S
        self._parser: EventParser | None = None
        self._events: list[Event] = []

    def next(self) -> Script[Event | None]:
        """Return the next event, None when there will be no more; raises what a request raises."""
        while not self._events:
            if self._parser is None and not (yield from self._connect()):
                return None
            assert self._parser is not None
            try:
                piece: bytes | None = yield Read()
            except httpx.HTTPError:
                piece = None
            if piece is None:
                self._parser = None
                yield Pause(self._reconnect_s * random.uniform(0.5, 1.0))
            else:
                self._events = self._parser.feed(piece)
                self._reconnect_s = self._parser.reconnect_s or self._reconnect_s
        event = self._events.pop(0)
        self._last_id = event.id or self._last_id
        return event

    def _connect(self) -> Script[bool]:
        """Open the stream from the last event on; tell whether there is more."""
        request = self._address.build("GET", self._path, params=self._params, timeout_s=SILENCE_S)
        request.headers["Accept"] = "text/event-stream"
        if self._last_id is not None:
            request.headers["Last-Event-ID"] = self._last_id
        answer = yield from self._address.send(request, is_safe=True, patience_s=FOLLOWING_PATIENCE_S, streamed=True)
        if answer.status_code == 204:
            return False
        if not answer.is_success:
            decode(answer)
        if not answer.headers.get("Content-Type", "").startswith("text/event-stream"):
            raise ServiceUnavailable(f"{request.url} sends no events", hint="is this the address of a Rota?")
        self._parser = EventParser()
        return True


class EventParser:
    """Makes events of the bytes of one stream."""

    def __init__(self) -> None:
        self.reconnect_s: float | None = None
        """The pause that the service wants before it is asked again."""
        self._rest = b""
        self._name = ""
        self._data: list[str] = []
        self._id: str | None = None

    def feed(self, piece: bytes) -> list[Event]:
        """Return the events that these bytes complete."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        found = []
        for line in lines:
            # By bytes: in the text of an event there may be what Python takes for the end of a line.
            event = self._take(line.removesuffix(b"\r").decode("utf-8", "replace"))
            if event is not None:
                found.append(event)
        return found

    def _take(self, line: str) -> Event | None:
        if not line:
            return self._end()
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            self._name = value
        elif field == "data":
            self._data.append(value)
        elif field == "id":
            self._id = value
        elif field == "retry" and value.isascii() and value.isdigit():
            self.reconnect_s = int(value) / 1000
        return None

    def _end(self) -> Event | None:
        name, data = self._name, "\n".join(self._data)
        had_data = bool(self._data)
        self._name, self._data = "", []
        if not had_data:
            return None
        try:
            return Event(name or "message", msgspec.json.decode(data), self._id)
        except msgspec.DecodeError:
            raise ServiceUnavailable("an event is no JSON", hint="is this the address of a Rota?") from None
