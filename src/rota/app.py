"""``Rota``: the face towards Python.  It declares jobs and schedules, and enqueues straight into the database."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, ParamSpec, TypeVar, Unpack, cast, overload
from uuid import UUID

import msgspec

from rota.actions import jobs, schedules
from rota.actions.specs import Caller, JobIn, PauseIn, ScheduleIn, convert, encode
from rota.durations import format_duration, parse_duration
from rota.errors import Invalid, NotFound
from rota.handle import Job
from rota.job import (
    Duration,
    JobFunction,
    JobOptions,
    Retry,
    TypeOptions,
    type_document,
)
from rota.model import JobType, NewJob
from rota.settings import Settings, load_settings
from rota.store import migrate, types
from rota.store import schedules as schedule_store
from rota.store.database import Database, Tx
from rota.store.opening import open_database
from rota.timetable import parse_instant

P = ParamSpec("P")
R = TypeVar("R")

SWITCHED_OFF = "schedule_periodic"
"""Who pauses a schedule whose interval is zero or less; a person's pause is not touched by a restart."""


class HttpJob(msgspec.Struct, frozen=True):
    """A call of an address, to be enqueued or scheduled as a function is."""

    url: str
    method: str = "POST"
    headers: Mapping[str, str] | None = None
    body: Any = None

    def target(self) -> dict[str, Any]:
        """Return the target."""
        named = {
            "url": self.url,
            "method": self.method,
            "headers": self.headers,
            "body": self.body,
        }
        return {
            "kind": "http",
            **{name: value for name, value in named.items() if value is not None},
        }


class CommandJob(msgspec.Struct, frozen=True):
    """A command, to be enqueued or scheduled as a function is: arguments, or one text for the shell."""

    command: str | Sequence[str]
    env: Mapping[str, str] | None = None
    cwd: str | None = None

    def target(self) -> dict[str, Any]:
        """Return the target."""
        what = {"shell": self.command} if isinstance(self.command, str) else {"command": list(self.command)}
        named = {**what, "env": self.env, "cwd": self.cwd}
        return {"kind": "command", **{name: value for name, value in named.items() if value is not None}}


TARGETS = (HttpJob, CommandJob)
Runnable = JobFunction[..., Any] | HttpJob | CommandJob | Callable[..., Any]


class Rota:
    """An application: its job functions, its declared schedules, and a way into the database.

    Nothing is connected before the first job is enqueued, and the schema is brought up to date then.
    """

    def __init__(self, database_url: str | None = None, *, settings: Settings | None = None) -> None:
        self.jobs: dict[str, JobFunction[..., Any]] = {}
        self.schedules: list[str] = []
        """Declared schedules (JSON documents); a worker that loads this application writes them."""
        self._given_url = database_url
        self._settings = settings
        self._db: Database | None = None
        self._pid = 0
        self._lock = threading.Lock()
        self._declared: set[str] = set()

    # -- declaring ----------------------------------------------------------------------------------------------------

    @overload
    def job(self, function: Callable[P, R], /) -> JobFunction[P, R]: ...

    @overload
    def job(
        self,
        function: None = None,
        /,
        *,
        name: str | None = None,
        **defaults: Unpack[TypeOptions],
    ) -> Callable[[Callable[P, R]], JobFunction[P, R]]: ...

    def job(
        self,
        function: Callable[P, R] | None = None,
        /,
        *,
        name: str | None = None,
        **defaults: Unpack[TypeOptions],
    ) -> JobFunction[P, R] | Callable[[Callable[P, R]], JobFunction[P, R]]:
        """Make a function a job type, named like the function unless ``name`` says otherwise."""

        def declare(wrapped: Callable[P, R]) -> JobFunction[P, R]:
            made = JobFunction(wrapped, name=name, owner=self, **defaults)
            other = self.jobs.get(made.name)
            if other is not None and other.path != made.path:
                raise Invalid(
                    "name",
                    f"{made.name!r} is {other.path} already",
                    hint='give another: @rota.job(name="…")',
                )
            self.jobs[made.name] = made
            return made

        return declare if function is None else declare(function)

    def schedule(
        self,
        id: str | UUID,
        what: Runnable,
        *,
        cron: str | None = None,
        every: Duration | None = None,
        at: datetime | str | None = None,
        tz: str | None = None,
        args: Mapping[str, Any] | Sequence[Any] | None = None,
        **fields: Any,
    ) -> None:
        """Declare a schedule of this application; it is written when a worker loads the application.

        ``fields`` are those of the contract's schedule in snake_case: ``overlap``, ``catchup``, ``jitter`` …
        """
        spec = self._schedule_spec(what, args, cron=cron, every=every, at=at, tz=tz, **fields)
        spec.id = str(id)
        self.schedules.append(encode(spec))

    def job_request(
        self,
        url: str,
        *,
        method: str = "POST",
        headers: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> HttpJob:
        """Return a job that calls an address."""
        return HttpJob(url, method, headers, body)

    def command(
        self, command: str | Sequence[str], *, env: Mapping[str, str] | None = None, cwd: str | None = None
    ) -> CommandJob:
        """Return a job that runs a command: a list of arguments, or one text for the shell."""
        return CommandJob(command, env, cwd)

    # -- enqueueing ---------------------------------------------------------------------------------------------------

    def enqueue(
        self,
        what: str | Runnable,
        args: Mapping[str, Any] | None = None,
        **options: Unpack[JobOptions],
    ) -> Job:
        """Store a job of a declared type (by name), of a job function, or of a target; return it."""
        if isinstance(what, JobFunction):
            return self.enqueue_function(what, what.check_args((), args), **options)
        if isinstance(what, str) and what in self.jobs:
            return self.enqueue_function(self.jobs[what], self.jobs[what].check_args((), args), **options)
        return self._store([self._job_spec(what, args, options)], (), options.get("connection"))[0]

    async def aenqueue(
        self,
        what: str | Runnable,
        args: Mapping[str, Any] | None = None,
        **options: Unpack[JobOptions],
    ) -> Job:
        """As ``enqueue``, where an event loop runs."""
        return await asyncio.to_thread(self.enqueue, what, args, **options)

    def enqueue_function(
        self,
        function: JobFunction[..., Any],
        args_json: str,
        /,
        **options: Unpack[JobOptions],
    ) -> Job:
        """Store a job of a function with checked arguments."""
        spec = self._job_spec(function.name, None, options)
        spec.args = msgspec.Raw(args_json.encode())
        return self._store([spec], (function,), options.get("connection"), fitting=True)[0]

    async def aenqueue_function(
        self,
        function: JobFunction[..., Any],
        args_json: str,
        /,
        **options: Unpack[JobOptions],
    ) -> Job:
        """As ``enqueue_function``, where an event loop runs."""
        return await asyncio.to_thread(self.enqueue_function, function, args_json, **options)

    def enqueue_many(
        self,
        items: Iterable[tuple[Any, ...] | Mapping[str, Any]],
        *,
        connection: Any = None,
    ) -> list[Job]:
        """Store many jobs in one transaction, all or none.

        An item is ``(what, args)``, or ``(what, args, options)``, or a mapping with the contract's fields of a job.
        """
        specs: list[JobIn] = []
        used: dict[str, JobFunction[..., Any]] = {}
        fitting = True
        for item in items:
            if isinstance(item, Mapping):
                fitting = False
                specs.append(convert(_camel(item), JobIn))
                continue
            what, args, given = (*item, None, None)[:3]
            options = cast(JobOptions, given or {})
            function = self.jobs.get(what) if isinstance(what, str) else what
            if isinstance(function, JobFunction):
                spec = self._job_spec(function.name, None, options)
                spec.args = msgspec.Raw(function.check_args((), args).encode())
                used[function.name] = function
            else:
                fitting = False
                spec = self._job_spec(what, args, options)
            specs.append(spec)
        return self._store(specs, tuple(used.values()), connection, fitting=fitting)

    def get_job(self, job_id: str | UUID) -> Job:
        """Return a job by its id; raises NotFound when there is none."""
        job = Job(self.database(), str(job_id))
        job.refresh()
        return job

    def _job_spec(self, what: str | Runnable, args: Mapping[str, Any] | None, options: JobOptions) -> JobIn:
        if isinstance(what, str) and args is None and not options:
            return JobIn(job_type=what)  # as of every function that is called with nothing but its arguments
        document: dict[str, Any] = dict(type_document(cast(TypeOptions, _without(options, _JOB_ONLY))))
        run_at, delay = options.get("run_at"), options.get("delay")
        if run_at is not None:
            parse_instant(run_at, "run_at")
            document["runAt"] = run_at.isoformat()
        if delay is not None:
            document["delayMs"] = parse_duration(delay, "delay") // 1000
        for name, field in _JOB_FIELDS.items():
            if (value := options.get(name)) is not None:
                document[field] = value
        if isinstance(what, TARGETS):
            document["target"] = what.target()
        else:
            document["jobType"] = what if isinstance(what, str) else self._function(what).name
        if args is not None:
            document["args"] = args
        return convert(document, JobIn)

    def _function(self, what: Runnable) -> JobFunction[..., Any]:
        if isinstance(what, JobFunction):
            return what
        for function in self.jobs.values():
            if function.function is what:
                return function
        name = getattr(what, "__qualname__", repr(what))
        raise Invalid(
            "func",
            f"{name} is no job of this application",
            hint="decorate it with @rota.job",
        )

    def _store(
        self,
        specs: Sequence[JobIn],
        used: Sequence[JobFunction[..., Any]],
        connection: Any,
        *,
        fitting: bool = False,
    ) -> list[Job]:
        """Check and store; ids are made before, so that a repeated transaction stores nothing twice.

        ``fitting`` says that every job is of a function which has checked its arguments.
        """
        db = self.database()
        # A type of this process is what its own code says: nothing needs to be read.
        known: dict[str, JobType | None] = {function.name: type_of(function) for function in used}
        fresh = [function.name for function in used if function.name not in self._declared]
        prepared: list[NewJob] = []

        def store(tx: Tx) -> list[jobs.Enqueued]:
            if not prepared:
                prepared.extend(jobs.prepare(tx, specs, Caller(), self.settings, known, fitting=fitting))
            return jobs.store(tx, prepared)

        if connection is not None:
            with db.adopt(connection) as tx:
                # In the caller's transaction too: on SQLite it holds the one lock that a second one would wait for.
                # It may be rolled back, so that the next call declares the types again.
                types.put(tx, [record for name in fresh if (record := known[name])])
                stored = store(tx)
        else:
            for function in used:
                self._declare(db, function)
            stored = db.run_alone(store) if len(specs) == 1 else db.run(store)
        return [Job(db, one.id, existing=one.existing) for one in stored]

    def _declare(self, db: Database, function: JobFunction[..., Any]) -> None:
        """What is enqueued from code is declared by it: a worker may load the code later."""
        if function.name not in self._declared:
            record = type_of(function)
            db.run(lambda tx: types.put(tx, [record]))
            self._declared.add(function.name)

    # -- scheduling ---------------------------------------------------------------------------------------------------

    def schedule_periodic(
        self,
        *,
        id: str | UUID,
        func: Runnable,
        every_seconds: float | None = None,
        interval: float | None = None,
        args: Mapping[str, Any] | Sequence[Any] | None = None,
        **fields: Any,
    ) -> None:
        """Run something every so many seconds.  Safe to call at every start: the ``id`` says which schedule it is.

        An interval of zero or less switches the schedule off.
        """
        seconds = every_seconds if every_seconds is not None else interval
        if seconds is None:
            raise Invalid("every_seconds", "is missing", hint="give the interval in seconds")
        schedule_id = str(id)
        if seconds <= 0:
            self._switch_off(schedule_id)
            return
        spec = self._schedule_spec(func, args, every=seconds, **fields)
        self._put(schedule_id, spec, func)

    def schedule_at(
        self,
        execution_time: datetime,
        func: Runnable,
        args: Mapping[str, Any] | Sequence[Any] | None = None,
        **options: Unpack[JobOptions],
    ) -> Job:
        """Run something once at a time, which must have a zone; a time that has passed means now."""
        options["run_at"] = execution_time
        return self.schedule_job(func, args, **options)

    def schedule_job(
        self,
        func: Runnable,
        args: Mapping[str, Any] | Sequence[Any] | None = None,
        **options: Unpack[JobOptions],
    ) -> Job:
        """Run something as soon as possible."""
        if isinstance(func, TARGETS):
            return self.enqueue(func, _mapping(args), **options)
        function = self._function(func)
        checked = function.check_args((), args) if isinstance(args, Mapping) else function.check_args(args or ())
        return self.enqueue_function(function, checked, **options)

    def _schedule_spec(
        self,
        what: Runnable,
        args: Mapping[str, Any] | Sequence[Any] | None,
        *,
        at: datetime | str | None = None,
        tz: str | None = None,
        **fields: Any,
    ) -> ScheduleIn:
        document = {name: _plain(value) for name, value in _camel(fields).items() if value is not None}
        if at is not None:
            parse_instant(at, "at")
            document["at"] = at if isinstance(at, str) else at.isoformat()
        if tz is not None:
            document["timezone"] = tz
        if isinstance(what, TARGETS):
            document["target"] = what.target()
        else:
            function = self._function(what)
            document["jobType"] = function.name
            positional = () if args is None or isinstance(args, Mapping) else args
            checked = function.check_args(positional, args if isinstance(args, Mapping) else None)
            args = msgspec.json.decode(checked)
        if args:
            document["args"] = args
        spec = convert(document, ScheduleIn)
        spec.owner = "code"
        return spec

    def _put(self, schedule_id: str, spec: ScheduleIn, what: Runnable) -> None:
        db = self.database()
        if not isinstance(what, TARGETS):
            self._declare(db, self._function(what))

        def put(tx: Tx) -> None:
            old = schedule_store.get(tx, schedule_id)
            schedules.put(tx, schedule_id, spec, Caller("code"), self.settings)
            if old is not None and old.paused_by == SWITCHED_OFF:
                schedules.resume(tx, schedule_id)

        db.run(put)

    def _switch_off(self, schedule_id: str) -> None:
        def pause(tx: Tx) -> None:
            try:
                note = PauseIn(note="switched off: its interval is zero or less")
                schedules.pause(tx, schedule_id, note, Caller(SWITCHED_OFF))
            except NotFound:
                return

        self.database().run(pause)

    # -- the database -------------------------------------------------------------------------------------------------

    @property
    def settings(self) -> Settings:
        """The settings, read when first needed."""
        if self._settings is None:
            self._settings = load_settings() if self._given_url is None else load_settings(database_url=self._given_url)
        return self._settings

    def database(self) -> Database:
        """Return the database, opened and brought up to date at the first call in this process."""
        with self._lock:
            if self._db is None or self._pid != os.getpid():  # connections do not survive a fork
                db = open_database(self.settings.database_url)
                migrate.migrate(db)
                self._db, self._pid = db, os.getpid()
                self._declared.clear()
            return self._db

    @contextmanager
    def on_database(self, db: Database, settings: Settings) -> Iterator[None]:
        """Use another database for a while; the caller opens, migrates and closes it."""
        before = (self._db, self._pid, self._settings, self._declared)
        self._db, self._pid, self._settings, self._declared = db, os.getpid(), settings, set()
        try:
            yield
        finally:
            self._db, self._pid, self._settings, self._declared = before

    def close(self) -> None:
        """Close the connections; the next call opens them anew."""
        with self._lock:
            if self._db is not None:
                self._db.close()
                self._db = None


def type_of(function: JobFunction[..., Any]) -> JobType:
    """Return the job type that a function declares."""
    return JobType(
        name=function.name,
        lane=function.lane,
        target=None,
        args_schema=function.args_schema,
        defaults=function.defaults_json,
        owner="code",
    )


_JOB_FIELDS = {
    "unique_key": "uniqueKey",
    "unique_scope": "uniqueScope",
    "callback_url": "callbackUrl",
    "started_by": "startedBy",
}
_JOB_ONLY = frozenset((*_JOB_FIELDS, "delay", "run_at", "connection"))


def _without(options: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name not in names}


def _mapping(
    args: Mapping[str, Any] | Sequence[Any] | None,
) -> Mapping[str, Any] | None:
    if args is not None and not isinstance(args, Mapping):
        raise Invalid(
            "args",
            "a job with a target takes its arguments by name",
            hint='for example args={"user": 42}',
        )
    return args


def _camel(fields: Mapping[str, Any]) -> dict[str, Any]:
    def camel(name: str) -> str:
        head, *rest = name.split("_")
        return head + "".join(part.capitalize() for part in rest)

    return {camel(name): value for name, value in fields.items()}


def _plain(value: Any) -> Any:
    """Return what JSON can say: durations and policies as the contract writes them."""
    if isinstance(value, Retry):
        return value.document()
    if isinstance(value, datetime):
        parse_instant(value, "time")
        return value.isoformat()
    if hasattr(value, "total_seconds"):
        return format_duration(parse_duration(value))
    return value
