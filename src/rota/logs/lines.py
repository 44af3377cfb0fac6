"""How an event becomes a line: JSON for machines, aligned text for people at a terminal."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from rota.logs.events import EVENTS
from rota.logs.secrets import Masker

LONGEST_LINE = 16_384
LONGEST_TEXT = 4_096
"""Of a line that is too long, each text is cut to this many characters."""
TIME_FIELDS = frozenset(("scheduledFor", "runAt", "until"))
"""Fields whose value may be given in microseconds UTC."""

_encode = msgspec.json.Encoder(enc_hook=str).encode
_encode_fast = msgspec.json.Encoder().encode
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_PLAIN = re.compile(r"[^\s\"'=]+")
_MOST_HEADS = 1000
_MOST_ITEMS = 100
_MOST_INTEGER = 10**100
_DEEPEST = 5
_COLOURS = {"debug": "2", "info": "32", "warning": "33", "error": "31"}


class Lines(Protocol):
    """Makes a line of an event."""

    def line(self, now_ns: int, level: str, name: str, msg: str | None, fields: dict[str, Any]) -> str:
        """Return the line with its end; never raises."""

    def record(self, now_ns: int, level: str, name: str, msg: str, fields: msgspec.Struct) -> str:
        """As `line`, of a struct that leaves out what it has not, without times: at a third of the cost."""


class JsonLines:
    """One JSON object a line, at about a microsecond: all that is equal in each line is encoded once."""

    def __init__(self, constant: Mapping[str, object], masker: Masker, rename: Mapping[str, str]) -> None:
        """``constant`` has the fields that each line bears behind its message."""
        self._masker = masker
        self._rename = dict(rename)
        self._stamp = (0, "")
        self._second = (-1, "")
        self._tail = "," + _json({self._named(key): value for key, value in constant.items()})[1:-1]
        self._heads: dict[tuple[str, str], tuple[str, bool]] = {}

    def line(self, now_ns: int, level: str, name: str, msg: str | None, fields: dict[str, Any]) -> str:
        now, stamp = self._stamp
        if now_ns // 1_000_000 != now:
            stamp = self._new_stamp(now_ns // 1_000_000)
        head, has_times = self._heads.get((level, name)) or self._new_head(level, name)
        try:
            if has_times:
                fields = with_times(fields)
            if self._rename:
                named = self._rename.get
                fields = {named(key, key): value for key, value in fields.items()}
            text = _encode(msg).decode()
            # Searching the encoded text (as str, which is four times faster than bytes) beats looking at each value.
            rest = _encode(fields).decode()
            if ":null" in rest:
                rest = _json({key: value for key, value in fields.items() if value is not None})
            if len(rest) + len(text) > LONGEST_LINE:
                text, rest = self._cleaned(msg, fields)
            for secret in self._masker.encoded:
                if secret in rest or secret in text:
                    text, rest = self._cleaned(msg, fields)
        except Exception:  # noqa: BLE001 - whatever somebody passed in, it must not break what he was doing
            text, rest = self._cleaned(msg, fields)
        return (
            f"{stamp}{head}{text}{self._tail},{rest[1:]}\n" if rest != "{}" else f"{stamp}{head}{text}{self._tail}}}\n"
        )

    def record(self, now_ns: int, level: str, name: str, msg: str, fields: msgspec.Struct) -> str:
        now, stamp = self._stamp
        if now_ns // 1_000_000 != now:
            stamp = self._new_stamp(now_ns // 1_000_000)
        try:
            head = self._heads[level, name][0]
            rest = _encode_fast(fields).decode()
            text = _encode_fast(msg).decode()
            if self._rename or len(rest) + len(text) > LONGEST_LINE:
                raise ValueError
            for secret in self._masker.encoded:
                if secret in rest or secret in text:
                    raise ValueError
        except Exception:  # noqa: BLE001 - the first of its kind, or one that needs care
            return self.line(now_ns, level, name, msg, msgspec.to_builtins(fields))
        return f"{stamp}{head}{text}{self._tail},{rest[1:]}\n"

    def _cleaned(self, msg: str | None, fields: dict[str, Any]) -> tuple[str, str]:
        cleaned = clean(fields, self._masker)
        return _json(clean(msg, self._masker)), _json({k: v for k, v in cleaned.items() if v is not None})

    def _new_stamp(self, now: int) -> str:
        second, text = self._second
        if now // 1000 != second:  # what follows each millisecond must be cheap
            text = f'{{{self._key("time")}:"{timestamp(now * 1000)[:-4]}'
            self._second = (now // 1000, text)
        stamp = f'{text}{now % 1000:03d}Z"'
        self._stamp = (now, stamp)
        return stamp

    def _new_head(self, level: str, name: str) -> tuple[str, bool]:
        if len(self._heads) >= _MOST_HEADS:
            self._heads.clear()
        event = _json(clean(name, self._masker))
        head = f',{self._key("level")}:"{level}",{self._key("event")}:{event},{self._key("msg")}:'
        has_times = name not in EVENTS or not TIME_FIELDS.isdisjoint(EVENTS[name].fields)
        self._heads[level, name] = (head, has_times)
        return head, has_times

    def _named(self, field: str) -> str:
        return self._rename.get(field, field)

    def _key(self, field: str) -> str:
        return _json(self._named(field))


class TextLines:
    """Time, level, event, message and fields in columns; in colours where a terminal shows them."""

    def __init__(self, masker: Masker, *, colours: bool, date: bool, rename: Mapping[str, str]) -> None:
        self._masker = masker
        self._colours = colours
        self._date = date
        self._rename = dict(rename)

    def line(self, now_ns: int, level: str, name: str, msg: str | None, fields: dict[str, Any]) -> str:
        cleaned = clean(with_times(fields), self._masker)
        trace = cleaned.pop("trace", None)
        columns = [
            self._paint("2", timestamp(now_ns // 1000)[0 if self._date else 11 :]),
            self._paint(_COLOURS.get(level, "0"), f"{level:7}"),
            self._paint("1", f"{printable(clean(name, self._masker)):20}"),
            printable(clean(msg or "", self._masker)),
        ]
        columns += [
            self._paint("2", f"{self._rename.get(key, key)}=") + _shown(value)
            for key, value in cleaned.items()
            if value is not None
        ]
        lines = [" ".join(columns).rstrip()]
        if isinstance(trace, str):
            lines += ["    " + printable(part) for part in trace.rstrip().split("\n")]
        return "\n".join(lines) + "\n"

    def record(self, now_ns: int, level: str, name: str, msg: str, fields: msgspec.Struct) -> str:
        return self.line(now_ns, level, name, msg, msgspec.to_builtins(fields))

    def _paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colours else text


def timestamp(at_us: int) -> str:
    """Write µs UTC as RFC 3339 with milliseconds."""
    seconds, rest = divmod(at_us, 1_000_000)
    year, month, day, hour, minute, second = time.gmtime(seconds)[:6]
    return f"{year:04d}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:{second:02d}.{rest // 1000:03d}Z"


def with_times(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields with times as text."""
    return {
        key: timestamp(value) if key in TIME_FIELDS and isinstance(value, int) else value
        for key, value in fields.items()
    }


def clean(value: Any, masker: Masker, depth: int = 0) -> Any:
    """Return a value without secrets, without what JSON or UTF-8 cannot hold, and with bounds to its size."""
    if value is None or isinstance(value, (bool, float)):
        return value
    if isinstance(value, int):
        return value if abs(value) < _MOST_INTEGER else "…"
    if isinstance(value, (Mapping, list, tuple, set, frozenset)) and depth >= _DEEPEST:
        return "…"
    if isinstance(value, Mapping):
        items = list(value.items())[:_MOST_ITEMS]
        return {clean(str(key), masker): clean(item, masker, depth + 1) for key, item in items}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [clean(item, masker, depth + 1) for item in list(value)[:_MOST_ITEMS]]
    try:
        text = str(value)
    except Exception:  # noqa: BLE001 - any object may come, and its __str__ may do anything
        text = f"<{type(value).__name__}>"
    text = masker.mask(text.encode("utf-8", "backslashreplace").decode())
    return text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + "…"


def printable(text: str) -> str:
    """Return the text with control characters escaped, so that it cannot command a terminal."""
    return _UNPRINTABLE.sub(lambda match: ascii(match[0])[1:-1], text)


def _json(value: object) -> str:
    return _encode(value).decode()


def _shown(value: object) -> str:
    return printable(value if isinstance(value, str) and _PLAIN.fullmatch(value) else _json(value))
