"""Repeated events: counted, not repeated."""

from __future__ import annotations

from typing import Any

import msgspec

FIRST_WINDOW_S = 10.0
LONGEST_WINDOW_S = 60.0
_MOST_KEYS = 1000


class Repeated(msgspec.Struct):
    """An event that is held back, as it was last, and how often."""

    level: str
    name: str
    msg: str | None
    fields: dict[str, Any]
    count: int = 0


class _State(msgspec.Struct):
    window: float
    until: float
    held: Repeated | None = None


class Limiter:
    """Lets the first event of each key pass, then one for each window; windows double from 10 s to a minute.

    A key that is quiet for a whole window begins anew.
    """

    def __init__(self) -> None:
        self._states: dict[str, _State] = {}

    def take(self, now: float, key: str, event: Repeated) -> int | None:
        """Return how often the event was held back before this one, or None when it is held back too."""
        state = self._states.get(key)
        if state is None:
            if len(self._states) >= _MOST_KEYS:
                self._forget(now)
            self._states[key] = _State(FIRST_WINDOW_S, now + FIRST_WINDOW_S)
            return 0
        if now < state.until:
            event.count = (state.held.count if state.held else 0) + 1
            state.held = event
            return None
        count = state.held.count if state.held else 0
        quiet = state.held is None and now >= state.until + state.window
        state.window = FIRST_WINDOW_S if quiet else min(2 * state.window, LONGEST_WINDOW_S)
        state.until, state.held = now + state.window, None
        return count

    def due(self, now: float) -> list[Repeated]:
        """Return what was held back in windows that are over, so that the last ones are told too."""
        found = []
        for state in list(self._states.values()):
            if state.held is not None and now >= state.until:
                found.append(state.held)
                state.window = min(2 * state.window, LONGEST_WINDOW_S)
                state.until, state.held = now + state.window, None
        return found

    def is_holding(self) -> bool:
        """Tell whether something is held back."""
        return any(state.held is not None for state in list(self._states.values()))

    def _forget(self, now: float) -> None:
        for key, state in list(self._states.items()):
            if state.held is None and now >= state.until:
                self._states.pop(key, None)
        if len(self._states) >= _MOST_KEYS:
            self._states.clear()
