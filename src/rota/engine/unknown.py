"""Jobs that the database says a worker runs, and the worker does not know: claims whose answer was lost on the way."""

from __future__ import annotations

from collections.abc import Collection, Iterable

Key = tuple[str, int]


class Unknown:
    """Finds them by two looks.

    A run that is in none of our lists may have ended, and its result been stored, since the database was asked.  Then
    the database does not name it at the next look, for which it is asked after this one.
    """

    def __init__(self) -> None:
        self.suspects: frozenset[Key] = frozenset()
        """(job, attempt) that the last look did not find among ours."""
        self._worker = ""

    def look(self, worker: str, held: Iterable[Key], ours: Collection[Key]) -> frozenset[Key]:
        """Return what was held under this lease and none of ours, now and at the look before."""
        unknown = frozenset(key for key in held if key not in ours)
        found = unknown & self.suspects if worker == self._worker else frozenset()
        self._worker, self.suspects = worker, unknown - found
        return found
