"""Pings on their way into the database: bounded for each key, and for whoever tries keys that there are none."""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from rota.actions.pings import UNKNOWN, Told, hash_of, receive
from rota.errors import NotFound, RotaError
from rota.masking import MASK, Mask
from rota.sealing import Box, CannotOpen, Keys
from rota.store import checks, secrets
from rota.store.database import Tx

if TYPE_CHECKING:
    from rota.api.service import Service

KEY = re.compile(r"[0-9a-f]{32}", re.ASCII)
MOST_KNOWN = 20_000
MOST_BUCKETS = 20_000
OF_KEY = (60, 5.0)
"""Pings of one key at once, and how many more each second."""
OF_STRANGER = (30, 0.5)
"""Wrong keys of one client at once, and how many more each second."""
MASK_FOR_S = 60.0


class TooManyPings(RotaError):
    """Too many pings at once, or too many wrong keys."""

    code = "too-many-pings"
    status = 429

    def __init__(self, retry_after_s: int) -> None:
        super().__init__("Too many pings", hint=f"try again in {retry_after_s} s")
        self.retry_after_s = retry_after_s


class Buckets:
    """How much each of many may still do: so much at once, and so much more each second."""

    def __init__(self, most: int, each_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._each_s = each_s
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._left)

    def retry_after(self, name: str) -> int:
        """Return in how many seconds there is something left, 0 for now."""
        left = self._now(name)
        return 0 if left >= 1 else math.ceil((1 - left) / self._each_s)

    def take(self, name: str) -> None:
        """Take one."""
        left = self._now(name) - 1
        self._left.pop(name, None)
        self._left[name] = (left, self._clock())
        while len(self._left) > MOST_BUCKETS:
            self._left.popitem(last=False)

    def _now(self, name: str) -> float:
        left, at = self._left.get(name, (float(self._most), 0.0))
        return min(float(self._most), left + (self._clock() - at) * self._each_s)


class Pinging:
    """What one API process knows of those that ping it."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._known: OrderedDict[str, None] = OrderedDict()
        self._of_key = Buckets(*OF_KEY)
        self._of_stranger = Buckets(*OF_STRANGER)
        self._mask: Mask | None = None
        self._mask_until = 0.0
        self._masking = asyncio.Lock()

    async def take(self, told: Told, client: str) -> None:
        """Store a ping together with all others that wait; raises NotFound for a key that there is none.

        Keys that were never right are looked up without a lock, and not at all for a client that tries many.
        """
        name = hash_of(told.key)
        if name not in self._known:
            await self._meet(told.key, name, client)
        if retry_after_s := self._of_key.retry_after(name):
            raise TooManyPings(retry_after_s)
        self._of_key.take(name)
        if told.body:
            told = msgspec.structs.replace(told, body=(await self._masked()).cut(told.body.replace(told.key, MASK)))
        try:
            await self._service.write_together(receive, told)
        except NotFound:
            self._known.pop(name, None)
            self._of_stranger.take(client)
            raise

    async def _meet(self, key: str, name: str, client: str) -> None:
        if KEY.fullmatch(key) is None:
            raise NotFound(UNKNOWN)  # that costs nothing
        if retry_after_s := self._of_stranger.retry_after(client):
            raise TooManyPings(retry_after_s)
        if not await self._service.read(lambda tx: checks.by_keys(tx, [name])):
            self._of_stranger.take(client)
            raise NotFound(UNKNOWN)
        self._known[name] = None
        while len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)

    async def _masked(self) -> Mask:
        """Return what hides the secrets of the settings and the named ones; read anew each minute."""
        async with self._masking:
            if self._mask is None or time.monotonic() >= self._mask_until:
                settings = self._service.settings
                boxes = await self._service.read(_boxes) if settings.secret_keys else []
                keys = settings.secret_keys
                self._mask = await self._service.think(lambda: Mask((*settings.secrets, *_opened(keys, boxes))))
                self._mask_until = time.monotonic() + MASK_FOR_S
            return self._mask


def _boxes(tx: Tx) -> list[tuple[str, Box]]:
    return [(secret.name, Box(secret.box, secret.key_id)) for secret in secrets.listed(tx)]


def _opened(texts: tuple[str, ...], boxes: list[tuple[str, Box]]) -> list[str]:
    keys, found = Keys(texts), []
    for name, box in boxes:
        try:
            found.append(keys.open(name, box))
        except CannotOpen:
            continue
    return found
