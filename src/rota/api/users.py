"""Who starts a job, as the user service calls them: the subject of a token becomes an id of ours."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from urllib.parse import quote

from rota import logs
from rota.api.outside import NoAnswer, ask_object
from rota.errors import Invalid
from rota.jsontext import check_text

WITHIN_S = 2.0
BELIEVED_FOR_S = 300.0
UNKNOWN_FOR_S = 30.0
"""How long a subject that the service does not know is not asked for again."""
REST_S = 5.0
"""How long nobody is asked for after no answer came: a service that is down must not slow down every request."""
MOST_REMEMBERED = 10_000
MOST_AT_ONCE = 10
LONGEST = 200
_MISSING = frozenset((404, 410))


class Users:
    """Asks ``GET {url}/api/users/{subject}`` for ``id``; whatever goes wrong, the subject itself is kept."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._known: OrderedDict[str, tuple[float, str]] = OrderedDict()
        self._asked: dict[str, asyncio.Task[str]] = {}
        self._at_once = asyncio.Semaphore(MOST_AT_ONCE)
        self._rests_until = 0.0
        self.trouble: str | None = None
        """Why the service gave no id when it was last asked; None while it does."""

    async def id_of(self, subject: str) -> str:
        """Return the id of a subject, or the subject where the service has none or gives none; never raises."""
        known = self._known.get(subject)
        now = time.monotonic()
        if known is not None and now < known[0]:
            self._known.move_to_end(subject)
            return known[1]
        kept = known[1] if known is not None else subject
        if now < self._rests_until or not subject.strip(".") or len(subject) > LONGEST:
            return kept
        task = self._asked.get(subject)
        if task is None:
            task = self._asked[subject] = asyncio.create_task(self._ask(subject, kept))
            task.add_done_callback(lambda _: self._asked.pop(subject, None))
        return await asyncio.shield(task)

    async def ids_of(self, subjects: Iterable[str]) -> dict[str, str]:
        """Return the ids of several subjects."""
        wanted = list(dict.fromkeys(subjects))
        return dict(zip(wanted, await asyncio.gather(*map(self.id_of, wanted)), strict=True))

    async def _ask(self, subject: str, kept: str) -> str:
        try:
            async with asyncio.timeout(WITHIN_S), self._at_once:
                found_id = _id_in(await ask_object(self._address(subject), within_s=WITHIN_S))
        except NoAnswer as error:
            self._note(str(error))
            if error.status in _MISSING:
                self._remember(subject, subject, UNKNOWN_FOR_S)
                return subject
            if error.status is None:
                self._rests_until = time.monotonic() + REST_S
            else:
                self._remember(subject, kept, UNKNOWN_FOR_S)
            return kept
        except TimeoutError:
            self._note(f"no answer within {WITHIN_S:g} s")
            self._rests_until = time.monotonic() + REST_S
            return kept
        self.trouble = None
        self._remember(subject, found_id, BELIEVED_FOR_S)
        return found_id

    def _address(self, subject: str) -> str:
        return f"{self._url}/api/users/{quote(subject, safe='', errors='replace')}"

    def _remember(self, subject: str, found: str, for_s: float) -> None:
        self._known[subject] = (time.monotonic() + for_s, found)
        self._known.move_to_end(subject)
        while len(self._known) > MOST_REMEMBERED:
            self._known.popitem(last=False)

    def _note(self, reason: str) -> None:
        self.trouble = f"the user service gives no id: {reason}; jobs are started by the subjects of tokens"
        logs.event_limited(
            "user/unresolved", "user/unresolved", "the user service gives no id", level="warning", reason=reason
        )


def _id_in(found: Mapping[str, object]) -> str:
    value = found.get("id")
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value:
        raise NoAnswer("the answer has no id", 200)
    try:
        return check_text(value, "id", max_length=LONGEST)
    except Invalid:
        raise NoAnswer("the answer has an id that is none", 200) from None
