"""Pings on their way out: short, tried again, and never in anybody's way.

By the standard library alone: what a cron line wraps must begin at once.
"""

from __future__ import annotations

import re
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from urllib.parse import urlencode, urlsplit

from rota.errors import Invalid
from rota.version import __version__

TRY_S = 5.0
PAUSES_S = (0.5, 1.5, 3.0)
"""Before the second try and those after it."""
GIVE_UP_S = 20.0
LONGEST_PAUSE_S = 5.0
SOON_S = 10.0
"""So long after it was given up, the next ping is tried once: a short command is not to wait twice."""
_KEY = re.compile(r"[0-9a-f]{32}", re.ASCII)
_ANSWER_BYTES = 2000


def address_of(key: str, base: str | None) -> str:
    """Return the address to ping: ``key`` is a key, for the service at ``base``, or the whole of it."""
    if _KEY.fullmatch(key):
        if base is None:
            raise Invalid(
                "KEY", "where Rota is was not said", hint="give --url, set ROTA_URL, or give the whole address"
            )
        return f"{_checked(base, 'ROTA_URL').rstrip('/')}/ping/{key}"
    if "://" not in key:
        raise Invalid("KEY", "is no key of a check", hint="32 letters and digits, or the address, or @FILE")
    return _checked(key, "KEY").rstrip("/")


def _checked(url: str, field: str) -> str:
    try:
        parts = urlsplit(url)
        right = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        right = False
    if not right or re.search(r"[\x00-\x20\x7f-\U0010ffff?#]", url):
        raise Invalid(field, "is no address", hint="as in https://rota.example.org/ping/KEY")
    return url


class Later:
    """A ping that is being sent; ``wait`` returns what went wrong, or None."""

    def __init__(self, work: Callable[[], str | None]) -> None:
        self._problem: str | None = "Rota did not answer in time"
        self._until = time.monotonic() + GIVE_UP_S
        self._work = work
        self._thread = threading.Thread(target=self._run, name="rota-ping", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self._problem = self._work()

    def wait(self) -> str | None:
        """Wait for its end, which comes in time whatever the network does: a name may take minutes to be looked up."""
        self._thread.join(max(0.0, self._until - time.monotonic()))
        return self._problem


class Sender:
    """Sends pings to one address."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._gave_up = -SOON_S

    def send(self, what: str, *, rid: str | None = None, body: bytes = b"", took_ms: int | None = None) -> str | None:
        """Send a ping, and return what went wrong in one line, or None."""
        return self.later(what, rid=rid, body=body, took_ms=took_ms).wait()

    def later(self, what: str, *, rid: str | None = None, body: bytes = b"", took_ms: int | None = None) -> Later:
        """Begin to send a ping."""
        query = urlencode({name: value for name, value in (("rid", rid), ("ms", took_ms)) if value is not None})
        url = self._address + (f"/{what}" if what else "") + (f"?{query}" if query else "")
        return Later(lambda: self._sent(url, body))

    def _sent(self, url: str, body: bytes) -> str | None:
        was_away = time.monotonic() - self._gave_up < SOON_S
        problem = None
        for pause in (None,) if was_away else (*PAUSES_S, None):
            problem, wait_s = _try(url, body)
            if problem is None or wait_s is None:
                return problem
            if pause is not None:
                time.sleep(min(max(pause, wait_s), LONGEST_PAUSE_S))
        self._gave_up = time.monotonic()
        return problem


def _try(url: str, body: bytes) -> tuple[str | None, float | None]:
    """Return what went wrong, or None, and after how long it may go well; None where it never will."""
    headers = {"User-Agent": f"rota/{__version__}", "Content-Type": "text/plain; charset=utf-8"}
    request = urllib.request.Request(url, data=body, headers=headers, method="POST")  # noqa: S310 - its scheme is checked
    try:
        with urllib.request.urlopen(request, timeout=TRY_S) as answer:  # noqa: S310
            answer.read(_ANSWER_BYTES)
            return None, None
    except urllib.error.HTTPError as error:
        with error:
            text = _refused(error.code)
            again = error.code == 429 or error.code >= 500
            return text, _seconds(error.headers.get("Retry-After")) if again else None
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return f"Rota cannot be reached: {_short(reason)}", 0.0
    except Exception as error:  # noqa: BLE001 - half an answer, and whatever else a network thinks of
        return f"Rota gave no good answer: {type(error).__name__}", 0.0


def _refused(code: int) -> str:
    if code == 404:
        return "no check has this key (404)"
    return f"Rota refused the ping ({code})"


def _seconds(text: str | None) -> float:
    return float(text) if text is not None and text.isdigit() and len(text) < 6 else 0.0


def _short(reason: object) -> str:
    text = reason.strerror if isinstance(reason, OSError) and reason.strerror else str(reason)
    return " ".join(text.split())[:200] or type(reason).__name__
