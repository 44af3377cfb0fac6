"""The vault: gives attempts the values of the named secrets that they ask for, just before they begin.

It reads them anew for each attempt: a value that was changed holds from the next attempt on, and none is kept here.
Its thread starts with the first attempt that asks; the loop of events does not wait for the database.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import msgspec

from rota import logs
from rota.engine.attempt import Running
from rota.engine.loop import Loop
from rota.errors import DatabaseError
from rota.executor import Call, ErrorDetail, Outcome, Secrets
from rota.executors.secret_refs import names_of
from rota.model import Secret
from rota.sealing import Box, CannotOpen, Keys
from rota.store import secrets
from rota.store.database import Database

IDLE_S = 3600.0


class Asked(msgspec.Struct):
    """An attempt, and the secrets that it asks for."""

    running: Running
    names: tuple[str, ...]


Answer = tuple[Running, Secrets | Outcome]
"""The secrets of an attempt, or how it ends for want of them."""


class Vault(Loop):
    """Opens named secrets; ``opened`` is called with the answers, in the vault's own thread."""

    name = "vault"

    def __init__(self, db: Database, keys: Sequence[str], opened: Callable[[list[Answer]], None]) -> None:
        super().__init__()
        self._db = db
        self._keys = Keys(keys)
        self._opened = opened
        self._lock = threading.Lock()
        self._waiting: list[Asked] = []

    def ask(self, asked: Sequence[Asked]) -> None:
        """Have the secrets of attempts opened."""
        with self._lock:
            self._waiting += asked
        if not self.alive and not self.stopping:
            self.start()
        self.wake()

    def run_once(self) -> float:
        """Answer everybody who waits; while the database is away they go on waiting."""
        with self._lock:
            waiting = list(self._waiting)
        if not waiting:
            return IDLE_S
        names = {name for one in waiting for name in one.names}
        known = self._db.read(lambda tx: secrets.named(tx, names))
        stale = self._db.read(lambda tx: secrets.not_lately(tx, names)) if known else []
        found = {name: self._open(name, known.get(name)) for name in names}
        with self._lock:
            self._waiting = self._waiting[len(waiting) :]
        self._opened([(one.running, _of(one.names, found)) for one in waiting])
        if stale:
            self._note_use(stale)
        return 0.0

    def _open(self, name: str, secret: Secret | None) -> str | Outcome:
        if secret is None:
            return _failed("secret-unknown", f"there is no secret {name}: make it with `rota secrets set {name}`")
        try:
            return self._keys.open(name, Box(secret.box, secret.key_id))
        except CannotOpen:
            pass
        except ImportError as error:
            return _failed("secret-locked", f"the secret {name} cannot be opened: {error}")
        if self._keys.first_id is None:
            why = "ROTA_SECRET_KEY is not set for this worker"
        elif secret.key_id in self._keys:
            why = "it was sealed as another secret, or is damaged"
        else:
            why = f"no key of this worker's ROTA_SECRET_KEY is {secret.key_id}"
        return _failed("secret-locked", f"the secret {name} cannot be opened: {why}")

    def _note_use(self, names: Sequence[str]) -> None:
        try:
            self._db.run(lambda tx: secrets.used(tx, names))
        except DatabaseError as error:  # the runs have what they need
            logs.event_limited("vault/used", "loop/failed", f"vault: {error}", level="warning", loop=self.name)


def secrets_of(call: Call) -> tuple[str, ...]:
    """Return the names of the secrets that the target of a call asks for."""
    return names_of(call.target) if call.target is not None and "secret" in call.target else ()


def _of(names: Sequence[str], found: dict[str, str | Outcome]) -> Secrets | Outcome:
    given = Secrets()
    for name in names:
        value = found[name]
        if isinstance(value, Outcome):
            return value
        given[name] = value
    return given


def _failed(code: str, text: str) -> Outcome:
    return Outcome("failed", error=text, detail=ErrorDetail(code, message=text), begun=False)
