"""What the loaded application declares, job types and schedules, written by the worker that has it."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from rota import logs
from rota.actions import schedules
from rota.actions.decoding import decode
from rota.actions.resolving import with_resolved
from rota.actions.specs import Caller, ScheduleIn
from rota.engine.leases import Lease
from rota.engine.loop import Loop
from rota.errors import RotaError
from rota.executor import Declared
from rota.model import JobType
from rota.settings import Settings
from rota.store import types, workers
from rota.store.database import Database

REFRESH_S = 30.0


class Registry(Loop):
    """Declares types, and knows which declared types are foreign: of another application on the same database."""

    name = "registry"

    def __init__(self, db: Database, settings: Settings, lease: Lease) -> None:
        super().__init__()
        self._db = db
        self._settings = settings
        self._lease = lease
        self._lock = threading.Lock()
        self._mine: dict[str, Declared] = {}
        self._pending: list[str] = []
        self._declared_for: tuple[str, int] | None = None
        self.foreign: tuple[str, ...] = ()

    def knows(self, name: str | None) -> bool:
        """Tell whether this worker has the code of a type, or may import it: where its name is the function's path."""
        return name in self._mine or (name is not None and self._is_open(name))

    def _is_open(self, name: str) -> bool:
        module, _, function = name.partition(":")
        open_ones = self._settings.function_modules
        return bool(function) and any(module == one or module.startswith(f"{one}.") for one in open_ones)

    def secrets_of(self, name: str | None) -> tuple[str, ...]:
        """Return the names of the secrets that the code of a type asks for."""
        declared = self._mine.get(name) if name is not None else None
        return declared.secrets if declared is not None else ()

    def declare(self, declared: Sequence[Declared], schedule_documents: Sequence[str]) -> None:
        """Take over what an application declares; it is written soon."""
        with self._lock:
            self._mine = {**self._mine, **{one.name: one for one in declared}}
            self._pending += schedule_documents
            self._declared_for = None
        self.wake()

    def run_once(self) -> float:
        """Write what is new, and look which types are foreign; return how long until the next look (s)."""
        with self._lock:
            mine, waiting = dict(self._mine), list(self._pending)
        worker, names = self._lease.worker_id, self._db.read(types.code_names)
        served = {*mine, *(name for name in names if self._is_open(name))}
        if self._lease.held and self._declared_for != (worker, len(served)):
            self._write_types(mine, worker, served)
            self._declared_for = (worker, len(served))
        self._write_schedules(waiting)
        with self._lock:
            self._pending = self._pending[len(waiting) :]
        self.foreign = tuple(name for name in names if name not in served)
        return REFRESH_S if self._declared_for == (self._lease.worker_id, len(served)) else 0.1

    def _write_types(self, mine: dict[str, Declared], worker: str, served: set[str]) -> None:
        records = [
            with_resolved(
                JobType(
                    name=one.name,
                    lane=one.lane,
                    target=None,
                    args_schema=one.args_schema,
                    defaults=one.defaults,
                    owner="code",
                ),
                self._settings,
            )
            for one in mine.values()
        ]
        if records:
            for name in self._db.run(lambda tx: types.put(tx, records)):
                logs.event("type/declared", f"job type {name} declared", jobType=name)
        self._db.run(lambda tx: workers.declare(tx, worker, sorted(served)))

    def _write_schedules(self, documents: Sequence[str]) -> None:
        """Write what an application declares; a wrong one is told and keeps no other from being written."""
        specs = [spec for document in documents if (spec := self._read(document)) is not None]
        for first in range(0, len(specs), schedules.MOST_TOGETHER):
            together = specs[first : first + schedules.MOST_TOGETHER]
            try:
                self._put(together)
            except RotaError as error:
                if error.status == 503:
                    raise
                for spec in together:
                    self._put_alone(spec)

    def _read(self, document: str) -> ScheduleIn | None:
        try:
            spec = decode(document, ScheduleIn)
        except RotaError as error:
            _tell_refused(error)
            return None
        spec.owner = "code"
        spec.source = spec.source or self._settings.app
        return spec

    def _put(self, specs: Sequence[ScheduleIn], *, numbered: bool = True) -> None:
        """Write schedules, but for those that somebody has taken over."""
        code, settings = Caller("code"), self._settings
        schedules.tell_left(
            self._db.run(lambda tx: schedules.put_many(tx, specs, code, settings, leave=True, numbered=numbered))
        )

    def _put_alone(self, spec: ScheduleIn) -> None:
        try:
            self._put([spec], numbered=False)
        except RotaError as error:
            if error.status == 503:
                raise
            _tell_refused(error)


def _tell_refused(error: RotaError) -> None:
    logs.event(
        "schedule/refused", f"a schedule of the application is refused: {error}", level="error", error=str(error)
    )
