"""What a channel is told: one title line, the reason, since when, how often, and where to see more."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import msgspec

from rota.model import Notice

Tone = Literal["info", "success", "warning", "failure"]
"""As Apprise names them: channels show them as a colour or a sign."""

LONGEST_TITLE = 250
LONGEST_TEXT = 3000
MOST_LISTED = 20
_CALLS = re.compile(r"(?<=@)(?=(?:everyone|here|channel|all)\b)|(?<=<)(?=[@!#])", re.IGNORECASE)
"""Where a chat would take a part of a text for a call to people: ``@everyone``, ``<!channel>``, ``<@U123>``."""
_NOTHING = "\u200b"


class Message(msgspec.Struct, frozen=True):
    """What is sent."""

    title: str
    body: str
    tone: Tone


class Task(msgspec.Struct, frozen=True):
    """What is to be done: without a message, the address is only looked at."""

    address: str
    sender: str
    message: Message | None = None


class Done(msgspec.Struct, frozen=True):
    """How it went."""

    ok: bool
    error: str | None = None
    """On one line, without secrets."""


def message_of(notice: Notice, public_url: str | None) -> Message:
    """Return a notice as a message; without the address of the pages it has no link."""
    link = _link(notice.path, public_url)
    lines = [_cut(notice.text.strip(), LONGEST_TEXT), *([link] if link else [])]
    return Message(_line(notice.title), "\n".join(line for line in lines if line) or notice.title, tone_of(notice))


def summary_of(notices: Sequence[Notice], public_url: str | None) -> Message:
    """Return many notices as one message: the titles of the first of them, and how many there are."""
    errors = sum(one.severity == "error" and one.kind != "over" for one in notices)
    over = sum(one.kind == "over" for one in notices)
    counts = [f"{errors} with errors" if errors else "", f"{over} over" if over else ""]
    said = ", ".join(count for count in counts if count)
    title = f"{len(notices)} notices in one{f' ({said})' if said else ''}"
    lines = [f"- {_line(one.title)}" for one in notices[:MOST_LISTED]]
    if len(notices) > MOST_LISTED:
        lines.append(f"… and {len(notices) - MOST_LISTED} more")
    link = _link("/monitors", public_url)
    tone: Tone = "failure" if errors else "success" if over == len(notices) else "warning"
    return Message(title, "\n".join([*lines, *([link] if link else [])]), tone)


def tone_of(notice: Notice) -> Tone:
    """Return how a notice looks."""
    if notice.kind == "over":
        return "success"
    if notice.kind == "test":
        return "info"
    return "failure" if notice.severity == "error" else "warning"


def _link(path: str, public_url: str | None) -> str | None:
    return f"{public_url.rstrip('/')}/{path.lstrip('/')}" if public_url else None


def _line(text: str) -> str:
    return _cut(" ".join(text.split()), LONGEST_TITLE)


def _cut(text: str, most: int) -> str:
    """Return a text that is not too long, and calls nobody: what a job says must not wake up a whole company."""
    text = _CALLS.sub(_NOTHING, text)
    return text if len(text) <= most else text[: most - 1] + "…"
