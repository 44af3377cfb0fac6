"""Browser sessions that were ended before their time: their cookies hold no longer, wherever a copy of them is."""

from __future__ import annotations

import time

from rota.api.service import Service
from rota.store import ended_sessions

BELIEVED_FOR_S = 3.0
"""How long a session is believed without being asked for again; so long it outlives its end in other processes."""
MOST_REMEMBERED = 10_000


class EndedSessions:
    """Those that the database knows, with a short memory of what it said."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._known: dict[str, tuple[float, bool]] = {}

    async def has(self, session: str) -> bool:
        """Tell whether a session was ended."""
        known = self._known.get(session)
        if known is not None and time.monotonic() < known[0]:
            return known[1]
        found = await self._service.read(lambda tx: ended_sessions.has(tx, session))
        self._remember(session, ended=found)
        return found

    async def add(self, session: str, until: float) -> None:
        """End a session that would have lasted until then (seconds UTC)."""
        await self._service.write(lambda tx: ended_sessions.add(tx, session, int(until)))
        self._remember(session, ended=True)

    def _remember(self, session: str, *, ended: bool) -> None:
        if len(self._known) >= MOST_REMEMBERED:
            self._known.clear()
        self._known[session] = (time.monotonic() + BELIEVED_FOR_S, ended)
