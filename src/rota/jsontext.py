"""Text from outside, checked before anything is stored: JSON kept byte for byte, names, and plain text."""

from __future__ import annotations

import json
import re
from itertools import accumulate, count
from operator import sub
from typing import Any

import msgspec

from rota.errors import Invalid, TooLarge

BODY = "body"
"""The field that is named when a document as a whole is wrong."""
MAX_DEPTH = 64
MAX_NAME = 200
MAX_QUEUE = 100
MAX_SECRET = 100

_decoder = msgspec.json.Decoder()
_NUL_ESCAPE = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_SURROGATE_ESCAPE = re.compile(rb"(?<!\\)(?:\\\\)*\\u[dD][89a-fA-F]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_NAN = re.compile(rb"NaN|Infinity")
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_AS_STEPS = bytes.maketrans(b"[{]}", b"\x02\x02\0\0")
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_CONTROL_IN_LINES = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]*")
_TYPE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._:/-]*")
_SECRET = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


def is_said(value: Any) -> bool:
    """Tell whether a field says something: null, no and what is empty say nothing; a zero does."""
    return value is not None and value is not False and value != [] and value != {}


def check_json(text: bytes | str, field: str, *, max_bytes: int, max_depth: int = MAX_DEPTH) -> str:
    """Return a JSON document unchanged, as text, once it is known to be sound.

    Raises `TooLarge` above ``max_bytes`` of UTF-8 and `Invalid` for what is no JSON (NaN and Infinity are none), is
    nested deeper than ``max_depth``, or holds NUL, a lone surrogate, or a number out of range: some reader behind
    would refuse it later, when the work is done.
    """
    # A character has one byte at least: what is too large must not be encoded first.
    if len(text) > max_bytes:
        raise _too_large(field, max_bytes)
    if isinstance(text, str):
        try:
            raw = text.encode()
        except UnicodeEncodeError:
            raise _surrogate(field) from None
        if len(raw) > max_bytes:
            raise _too_large(field, max_bytes)
    else:
        raw = text
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            raise Invalid(field, f"is not UTF-8 (byte {error.start})", hint="send JSON encoded as UTF-8") from None
    try:
        _decoder.decode(raw)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise malformed(field, raw, error) from None
    # Brackets inside of strings count too, so only a document with many needs the exact depth.
    if raw.count(b"[") + raw.count(b"{") > max_depth and _is_deeper(raw, max_depth):
        raise Invalid(field, f"is nested deeper than {max_depth} levels", hint="flatten it, or pass a reference")
    if b"\\u0000" in raw and _NUL_ESCAPE.search(raw):
        raise Invalid(field, r"holds a NUL character (\u0000)", hint="remove it; databases refuse it")
    return text


def check_name(text: str, field: str, max_length: int = MAX_NAME) -> str:
    """Return a name of letters, digits and ``._:-`` that begins with a letter or digit, else raise `Invalid`."""
    return _check_pattern(text, field, max_length, _NAME, "letters, digits and . _ : -, a letter or digit first")


def check_queue(text: str, field: str = "queue") -> str:
    """Return the name of a queue, at most 100 characters long, else raise `Invalid`."""
    if text == "host:":
        raise Invalid(field, "'host:' names no host", hint="write for example host:web-1")
    return check_name(text, field, MAX_QUEUE)


def check_type(text: str, field: str = "jobType") -> str:
    """Return the name of a job type, else raise `Invalid`; ``/`` may divide it, and ``_`` begin it."""
    return _check_pattern(text, field, MAX_NAME, _TYPE, "letters, digits and . _ : / -, no mark but _ first")


def check_secret(text: str, field: str = "name") -> str:
    """Return the name of a secret, at most 100 characters long, else raise `Invalid`."""
    return _check_pattern(text, field, MAX_SECRET, _SECRET, "letters, digits, _ and -, a letter or _ first")


def check_text(text: str, field: str, max_length: int, *, lines: bool = False) -> str:
    """Return a text of at most ``max_length`` characters without NUL, lone surrogates and control characters.

    ``lines`` allows tabs and line ends.  Raises `Invalid` otherwise.
    """
    if not isinstance(text, str):
        raise Invalid(field, f"expected a text, not {type(text).__name__}")
    if len(text) > max_length:
        raise Invalid(field, f"is longer than {max_length} characters", hint=f"it has {len(text)}")
    found = (_CONTROL_IN_LINES if lines else _CONTROL).search(text)
    if found:
        bad = found[0]
        what = "NUL" if bad == "\0" else "a lone surrogate" if bad >= "\ud800" else "a control character"
        raise Invalid(field, f"holds {what} (U+{ord(bad):04X} at {found.start()})", hint="remove it")
    return text


def _check_pattern(text: str, field: str, max_length: int, pattern: re.Pattern[str], allowed: str) -> str:
    if not isinstance(text, str):
        raise Invalid(field, f"expected a text, not {type(text).__name__}")
    if len(text) > max_length:
        raise Invalid(field, f"is longer than {max_length} characters", hint=f"it has {len(text)}")
    if not pattern.fullmatch(text):
        shown = ascii(text[:80]) if text else "an empty text"
        raise Invalid(field, f"{shown} is not a name", hint=f"use {allowed}")
    return text


def _is_deeper(raw: bytes, max_depth: int) -> bool:
    """Tell whether valid JSON is nested deeper than ``max_depth``; linear, and without recursion."""
    steps = _STRING.sub(b"", raw).translate(_AS_STEPS, _NOT_BRACKETS)
    # A step is 2 for an opening and 0 for a closing bracket: the sum less the number of steps is the depth.
    return max(map(sub, accumulate(steps), count(1)), default=0) > max_depth


def _too_large(field: str, max_bytes: int) -> TooLarge:
    return TooLarge(field, f"is larger than {max_bytes} bytes", hint="pass a reference to the data instead")


def _surrogate(field: str) -> Invalid:
    return Invalid(field, "holds a lone surrogate", hint="send whole characters, encoded as UTF-8")


def malformed(field: str, raw: bytes, error: Exception) -> Invalid:
    """Return why a reader of JSON refused ``raw`` with ``error``, in words that say what to do about it."""
    if isinstance(error, RecursionError):
        return Invalid(field, "is nested too deep", hint="flatten it, or pass a reference")
    reason = str(error)
    if "out of range" in reason:
        return Invalid(field, "holds a number out of range", hint="send large numbers as text")
    if not raw.strip():
        return Invalid(field, "is empty, not JSON", hint="send {} for no arguments")
    if _SURROGATE_ESCAPE.search(raw) and ("surrogate" in reason or "truncated" in reason):
        place = _place_of_surrogate(raw)
        return _surrogate(".".join(part for part in (field if field != BODY else "", place) if part) or field)
    detail = reason.removeprefix("JSON is malformed: ").replace("Input data was truncated", "it ends too early")
    hint = "NaN and Infinity are no JSON; send null or a text" if _NAN.search(raw) else None
    return Invalid(field, f"is not JSON: {detail}", hint=hint)


def _place_of_surrogate(raw: bytes) -> str:
    """Return where in a document the first lone surrogate stands, as ``tags.0``; empty where that cannot be told."""
    try:
        left: list[tuple[str, Any]] = [("", json.loads(raw))]  # it reads them, unlike msgspec
    except (ValueError, RecursionError):
        return ""
    while left:
        place, value = left.pop()
        if isinstance(value, str):
            if _SURROGATE.search(value):
                return place
        elif isinstance(value, dict | list):
            items = value.items() if isinstance(value, dict) else enumerate(value)
            inside = [(f"{place}.{name}".lstrip("."), item) for name, item in items]
            if isinstance(value, dict) and any(_SURROGATE.search(name) for name in value):
                return place
            left += reversed(inside)
    return ""


def same_json(one: str | bytes, other: str | bytes) -> bool:
    """Tell whether two documents say the same, however they are written; what is no JSON is like nothing."""
    try:
        same: bool = msgspec.json.decode(one) == msgspec.json.decode(other)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return same
