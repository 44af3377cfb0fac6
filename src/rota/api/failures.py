"""How often somebody has failed to log in, in a memory that does not grow."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

TRIES = 10
WITHIN_S = 60.0
MOST_CLIENTS = 10_000


class Failures:
    """How often a client has failed to log in of late."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failed: OrderedDict[str, list[float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._failed)

    def retry_after(self, client: str) -> int:
        """Return in how many seconds the client may try again, 0 for now."""
        now = self._clock()
        recent = [at for at in self._failed.get(client, ()) if now - at < WITHIN_S]
        return int(WITHIN_S - (now - recent[0])) + 1 if len(recent) >= TRIES else 0

    def note(self, client: str) -> None:
        """Note a failure."""
        now = self._clock()
        recent = [at for at in self._failed.pop(client, ()) if now - at < WITHIN_S]
        self._failed[client] = [*recent, now][-TRIES:]
        while len(self._failed) > MOST_CLIENTS:
            self._failed.popitem(last=False)
