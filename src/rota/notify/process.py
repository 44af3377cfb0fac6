"""The process that sends: it loads Apprise, takes messages line by line, and says of each how it went.

It is a process of its own since Apprise and its libraries take 35 MB and 0.3 s to load, which nobody should pay for
whose channels are quiet; and since a thread that hangs in a foreign library cannot be ended, a process can.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import sys

import msgspec
from apprise import Apprise, AppriseAsset, NotifyFormat, NotifyType

from rota.masking import Mask
from rota.notify.message import Done, Task
from rota.settings.notify_url import pieces_of

LONGEST_ERROR = 300
UNREADABLE = "Apprise does not know such an address"

_REASONS = re.compile(
    r"Connection refused|Connection reset|Name or service not known|Temporary failure in name resolution"
    r"|No address associated with hostname|Network is unreachable|No route to host|certificate verify failed"
    r"|[Tt]imed out|Remote end closed connection|Authentication (?:failed|unsuccessful)|\b[45]\d\d\b [A-Z][a-z ]+",
)
"""What is taken from a message for developers, which holds addresses."""


class Heard(logging.Handler):
    """Keeps what Apprise says of one message."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self.details: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        kept = self.said if record.levelno >= logging.WARNING else self.details
        if len(kept) < 20:
            kept.append(record.getMessage()[:2000])


def main() -> None:
    """Do tasks until nobody gives any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal: who started this ends it
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    null = os.open(os.devnull, os.O_RDWR)
    for number in (1, 2):  # what a library prints could hold an address
        os.dup2(null, number)
    heard = _listen()
    for line in sys.stdin.buffer:
        task = msgspec.json.decode(line, type=Task)
        out.write(msgspec.json.encode(do(task, heard)) + b"\n")


def _listen() -> Heard:
    """Have all that libraries log kept here, and written nowhere."""
    heard = Heard()
    root = logging.getLogger()
    root.handlers[:] = []
    root.addHandler(logging.NullHandler())
    logger = logging.getLogger("apprise")
    logger.handlers[:] = [heard]
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    return heard


def do(task: Task, heard: Heard) -> Done:
    """Do one task; whatever happens is an answer."""
    heard.said.clear()
    heard.details.clear()
    mask = Mask(pieces_of(task.address))
    try:
        return _try(task, heard, mask)
    except Exception as error:  # noqa: BLE001 - plugins raise what they like, and their texts hold addresses
        return Done(ok=False, error=_fit(mask, f"{type(error).__name__}: {error}"))


def _try(task: Task, heard: Heard, mask: Mask) -> Done:
    asset = AppriseAsset(
        app_id=task.sender, app_desc=task.sender, app_url="", image_url_mask="", image_url_logo="",
        async_mode=False, plugin_paths=[],
    )  # fmt: skip
    channel = Apprise.instantiate(task.address, asset=asset, suppress_exceptions=True)
    if channel is None:
        return Done(ok=False, error=UNREADABLE)
    message = task.message
    if message is None:
        return Done(ok=True)
    tone = NotifyType(message.tone)
    if channel.notify(title=message.title, body=message.body, notify_type=tone, body_format=NotifyFormat.TEXT):
        return Done(ok=True)
    reasons = [found[0] for text in heard.details for found in _REASONS.finditer(text)]
    said = [*heard.said[:2], *dict.fromkeys(reasons[-1:])]
    return Done(ok=False, error=_fit(mask, " ".join(said) or "it was not taken"))


def _fit(mask: Mask, text: str) -> str:
    """Return a text without secrets, on one line and not too long."""
    return mask(" ".join(mask(text).split()))[:LONGEST_ERROR]


if __name__ == "__main__":
    main()
