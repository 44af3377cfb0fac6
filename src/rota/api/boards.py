"""What status pages show, remembered for some seconds: a flood of readers costs one look at the database."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from rota.actions import status_pages as actions
from rota.actions.status_pages import Board
from rota.errors import DatabaseError, DatabaseUnavailable, NotFound
from rota.store import status_pages
from rota.store.status_pages import StatusPage

if TYPE_CHECKING:
    from rota.api.service import Service

KEPT_S = 5.0
"""So long what was seen is shown again without a look at the database."""
NOTHING = "there is nothing here"


class Boards:
    """What the pages show, remembered for some seconds: a flood of readers costs one look."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._lock = asyncio.Lock()
        self._pages: dict[str, StatusPage] = {}
        self._pages_until = 0.0
        self._boards: dict[str, tuple[float, Board]] = {}
        self._failed: tuple[float, DatabaseError] | None = None

    async def get(self, slug: str, what: str) -> Board:
        """Return what a slug shows as ``page`` or ``badge``; raises NotFound where nothing is shown."""
        async with self._lock:
            found = (await self._known()).get(slug)
            if found is None or not getattr(found, what):
                raise NotFound(NOTHING)
            kept = self._boards.get(slug)
            if kept is None or kept[0] < time.monotonic():
                made = await self._look(found)
                kept = self._boards[slug] = (time.monotonic() + KEPT_S, made)
            return kept[1]

    async def _known(self) -> dict[str, StatusPage]:
        """Return all status pages by their slugs: one that is none costs no look either."""
        if self._pages_until < time.monotonic():
            self._check_failed()
            try:
                found = await self._service.read(status_pages.listed)
            except DatabaseError:
                raise self._away() from None
            before, self._pages = self._pages, {one.slug: one for one in found if one.page or one.badge}
            self._pages_until = time.monotonic() + KEPT_S
            self._boards = {
                slug: kept for slug, kept in self._boards.items() if self._pages.get(slug) == before.get(slug)
            }
        return self._pages

    async def _look(self, found: StatusPage) -> Board:
        self._check_failed()
        try:
            return await self._service.read(lambda tx: actions.board(tx, found))
        except DatabaseError:
            raise self._away() from None

    def _away(self) -> DatabaseError:
        """Return what readers hear: where the database is does not concern them."""
        error = DatabaseUnavailable("the database cannot be reached")
        self._failed = (time.monotonic() + KEPT_S, error)
        return error

    def _check_failed(self) -> None:
        """While the database is away, not every reader waits for it."""
        if self._failed is not None and self._failed[0] > time.monotonic():
            raise self._failed[1]
        self._failed = None
