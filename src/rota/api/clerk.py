"""The role of a user as Clerk knows it, for tokens that name none."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from urllib.parse import quote

from rota import logs
from rota.api.claims import named_role
from rota.api.outside import NoAnswer, ask_object
from rota.errors import ServiceUnavailable
from rota.model import Role

WITHIN_S = 5.0
BELIEVED_FOR_S = 60.0
MOST_REMEMBERED = 10_000
_ROLE = "public_metadata.role"


class RoleUnavailable(ServiceUnavailable):
    """The role of the user cannot be had."""

    code = "role-unavailable"


class ClerkRoles:
    """Asks Clerk's API, and remembers for a minute; belongs to one event loop."""

    def __init__(self, api_url: str, key: str) -> None:
        self._users = f"{api_url.rstrip('/')}/v1/users/"
        self._headers = {"Authorization": f"Bearer {key}"}
        self._known: OrderedDict[str, tuple[float, Role | None]] = OrderedDict()
        self._asked: dict[str, asyncio.Task[Role | None]] = {}

    async def role_of(self, subject: str) -> Role | None:
        """Return the role in the public metadata of a user, None when it is none of the three or there is no such user.

        Raises RoleUnavailable.
        """
        known = self._known.get(subject)
        if known is not None and time.monotonic() < known[0]:
            return known[1]
        task = self._asked.get(subject)
        if task is None:
            task = self._asked[subject] = asyncio.create_task(self._ask(subject))
            task.add_done_callback(lambda done: self._answered(subject, done))
        try:
            return await asyncio.shield(task)
        except NoAnswer as error:
            raise RoleUnavailable(hint=f"Clerk: {error}") from None

    def _answered(self, subject: str, task: asyncio.Task[Role | None]) -> None:
        self._asked.pop(subject, None)
        if not task.cancelled():
            task.exception()  # looked at, should nobody wait any more

    async def _ask(self, subject: str) -> Role | None:
        role: Role | None = None
        if subject.strip("."):  # what is only dots would be another address
            try:
                user = await ask_object(self._users + quote(subject, safe=""), within_s=WITHIN_S, headers=self._headers)
                role = named_role(user, _ROLE)[1]
            except NoAnswer as error:
                if error.status != 404:
                    logs.event_limited("clerk", "auth/clerk-failed", "Clerk names no role", reason=str(error))
                    raise
        self._known.pop(subject, None)
        self._known[subject] = (time.monotonic() + BELIEVED_FOR_S, role)
        while len(self._known) > MOST_REMEMBERED:
            self._known.popitem(last=False)
        return role
