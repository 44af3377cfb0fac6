"""``Rota``: an application."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, TypeVar, Unpack, cast, overload
from uuid import UUID

import msgspec

from rota.actions import batches, bulk, jobs
from rota.actions.decoding import encode, of_many
from rota.actions.specs import BatchIn, Caller, JobIn, ScheduleIn
from rota.actions.tracing import enqueuing
from rota.app import asking, periodic
from rota.app.asking import Args, ScheduleOptions, Work
from rota.app.database import AppDatabase, AppHome, GivenDatabase, StandIn
from rota.app.declaring import declare
from rota.app.typed import Declare
from rota.app.works import Runnable, Works
from rota.batch import Batch
from rota.context import Context
from rota.errors import Invalid, UnknownJobType, meant
from rota.handle import Job
from rota.job import Duration, JobFunction, JobOptions, TypeOptions
from rota.model import JobType, NewJob, VersionAction
from rota.settings import Settings
from rota.store import adopting
from rota.store.database import Database, Tx
from rota.timetable import parse_instant

if TYPE_CHECKING:
    from rota.app.typed import ContextFunction, PlainFunction

P = ParamSpec("P")
R = TypeVar("R")

JobItem = Runnable | tuple[Any, ...] | Mapping[str, Any]
"""Of ``enqueue_many``: what to run, or a tuple (what, args, options), or a document as REST takes it."""


class Rota(Works):
    """An application: its job functions, its declared schedules, and a way into the database.

    Nothing is connected before the first job is enqueued; the schema is brought up to date then.  Any thread may use
    it, and forked processes too.  The plain calls are for programs without an event loop: where one runs they work,
    and hold it up for the time of a transaction; there `aenqueue` and `Job.wait_async` are better.
    """

    def __init__(self, database_url: str | None = None, *, settings: Settings | None = None) -> None:
        """``database_url`` takes the place of ROTA_DATABASE_URL, ``settings`` of all settings."""
        super().__init__()
        self.schedules: list[str] = []
        """Declared schedules (JSON documents); a worker that loads this application writes them."""
        self._schedule_ids: dict[str, str] = {}
        self._home: AppHome = AppDatabase(database_url, settings)

    # -- declaring ----------------------------------------------------------------------------------------------------

    @overload
    def job(self, function: Callable[Concatenate[Context, P], R], /) -> ContextFunction[P, R]: ...

    @overload
    def job(self, function: Callable[P, R], /) -> PlainFunction[P, R]: ...

    @overload
    def job(
        self, /, *, name: str | None = None, secrets: Sequence[str] = (), **defaults: Unpack[TypeOptions]
    ) -> Declare: ...

    def job(
        self,
        function: Callable[..., Any] | None = None,
        /,
        *,
        name: str | None = None,
        secrets: Sequence[str] = (),
        **defaults: Unpack[TypeOptions],
    ) -> Any:
        """Make a function a job type, named like the function unless ``name`` says otherwise.

        ``secrets`` are the named secrets that its context gives it (``ctx.secret("NAME")``).  ``defaults``
        hold for its jobs unless they say otherwise themselves.
        """

        def declare(wrapped: Callable[..., Any]) -> JobFunction[..., Any]:
            made = JobFunction(wrapped, name=name, owner=self, secrets=secrets, **defaults)
            other = self.jobs.get(made.name)
            if other is not None and other.path != made.path:
                raise Invalid(
                    "name", f"{made.name!r} is {other.path} already", hint='give another: @rota.job(name="…")'
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
        args: Args = None,
        **options: Unpack[ScheduleOptions],
    ) -> None:
        """Declare a schedule: exactly one of ``cron``, ``every`` and ``at``, in the zone ``tz`` (UTC by default).

        It is written when a worker loads the application; the same id is the same schedule for good.
        """
        fields = {"cron": cron, "every": every, "at": at, "tz": tz, **options}
        work, checked = self._work(what, args)
        document = encode(asking.schedule_spec(str(id), work, checked, fields))
        if self._schedule_ids.setdefault(str(id), document) != document:
            raise Invalid("id", f"a schedule {id} is declared already", hint="give another id")
        if document not in self.schedules:
            self.schedules.append(document)

    # -- enqueueing ---------------------------------------------------------------------------------------------------

    def enqueue(self, what: Runnable, args: Args = None, **options: Unpack[JobOptions]) -> Job:
        """Store a job of a declared type (by name), of a job function, of a call or a command; return it.

        With ``connection`` it becomes part of the transaction that is open there, and nothing is committed here: one of
        psycopg or sqlite3, or SQLAlchemy's or Django's over it.
        Raises Invalid with the field that is wrong, UnknownJobType for a type that nobody has declared.
        """
        return self._store([self._asked(what, args, options)], options.get("connection"))[0]

    async def aenqueue(self, what: Runnable, args: Args = None, **options: Unpack[JobOptions]) -> Job:
        """As `enqueue`, where an event loop runs.

        ``connection`` may be one of asyncpg, aiosqlite or psycopg's asynchronous half, or SQLAlchemy's over one.
        """
        if options.get("connection") is None:
            return await asyncio.to_thread(self.enqueue, what, args, **options)
        return (await self._store_on([self._asked(what, args, options)], options["connection"]))[0]

    def enqueue_function(
        self, function: JobFunction[..., Any], args_json: str, /, **options: Unpack[JobOptions]
    ) -> Job:
        """Store a job of a function with checked arguments: what `JobFunction.enqueue` calls."""
        asked = function, asking.job_spec(function, args_json, options)
        return self._store([asked], options.get("connection"))[0]

    async def aenqueue_function(
        self, function: JobFunction[..., Any], args_json: str, /, **options: Unpack[JobOptions]
    ) -> Job:
        """As `enqueue_function`, where an event loop runs."""
        if options.get("connection") is None:
            return await asyncio.to_thread(self.enqueue_function, function, args_json, **options)
        asked = function, asking.job_spec(function, args_json, options)
        return (await self._store_on([asked], options["connection"]))[0]

    def enqueue_many(self, items: Iterable[JobItem], *, connection: Any = None) -> list[Job]:
        """Store many jobs in one transaction, all or none.

        An item is what to run, or a tuple ``(what, args)`` or ``(what, args, options)``, or a mapping with the fields
        of a job as REST takes them.
        """
        return self._store([self._item(item) for item in items], connection)

    async def aenqueue_many(self, items: Iterable[JobItem], *, connection: Any = None) -> list[Job]:
        """As `enqueue_many`, where an event loop runs."""
        if connection is None:
            return await asyncio.to_thread(self.enqueue_many, items)
        return await self._store_on([self._item(item) for item in items], connection)

    def enqueue_batch(
        self,
        items: Iterable[JobItem],
        *,
        callback: JobItem | None = None,
        name: str | None = None,
        if_failed: Literal["run", "cancel"] | None = None,
        connection: Any = None,
    ) -> Batch:
        """Store jobs as a batch, at most 10,000, all or none; the items are those of `enqueue_many`.

        ``callback`` is a job that goes when all of them have ended; with ``if_failed="cancel"`` it is cancelled where
        one did not complete.
        """
        asked, last = [self._item(item) for item in items], self._item(callback) if callback is not None else None
        spec = BatchIn(
            jobs=[spec for _, spec in asked], name=name, callback=last[1] if last else None, if_failed=if_failed
        )
        orders: list[batches.Order] = []

        def store(tx: Tx, known: dict[str, JobType | None], fitting: bool) -> str:
            if not orders:
                orders.append(batches.prepare(tx, spec, caller, self.settings, known, fitting=fitting))
            if connection is not None:
                adopting.make_queues(tx, (job.queue for job in orders[0].all()))
            batches.store(tx, orders[0])
            return orders[0].batch.id

        with enqueuing(spec.jobs, Caller()) as caller:
            return Batch(self._home, self._commit([*asked, *([last] if last else [])], connection, store))

    async def aenqueue_batch(self, items: Iterable[JobItem], **given: Any) -> Batch:
        """As `enqueue_batch`, where an event loop runs; ``connection`` as with `aenqueue`."""
        if given.get("connection") is None:
            return await asyncio.to_thread(self.enqueue_batch, items, **given)
        lent = await self._home.lend(given["connection"])
        if lent is None:
            return self.enqueue_batch(items, **given)
        return await lent.work(lambda: self.enqueue_batch(items, **{**given, "connection": lent}))

    def get_batch(self, batch_id: str | UUID) -> Batch:
        """Return a batch by its id; raises NotFound when there is none."""
        return Batch(self._home, str(batch_id)).refresh()

    def get_job(self, job_id: str | UUID) -> Job:
        """Return a job by its id; raises NotFound when there is none."""
        return Job(self._home, str(job_id)).refresh()

    # -- scheduling at run time ---------------------------------------------------------------------------------------

    def schedule_periodic(
        self,
        *,
        id: str | UUID,
        every_seconds: float,
        func: Runnable,
        args: Args = None,
        **options: Unpack[ScheduleOptions],
    ) -> None:
        """Run something every so many seconds, the first time one interval from now.

        Safe to call at every start of every process: ``id`` says which schedule it is, and the same call changes
        nothing.  An interval of zero or less switches the schedule off until a positive one comes; the pause that a
        person made stays.
        """
        self._schedule([{"id": id, "every_seconds": every_seconds, "func": func, "args": args, **options}], many=False)

    def schedule_many(self, items: Iterable[Mapping[str, Any]]) -> dict[str, VersionAction | None]:
        """Make or change many schedules in one transaction, at most 10,000, all or none.

        An item says ``id``, ``func``, ``args``, and ``every_seconds`` or what `schedule` takes (``cron``, ``every``,
        ``at``, ``tz``, options).  Safe to call at every start of every process, as `schedule_periodic` is; those that
        stay the same cost one read together.  Return what became of each: None where nothing changed.
        """
        return self._schedule(items, many=True)

    def _schedule(self, items: Iterable[Mapping[str, Any]], *, many: bool) -> dict[str, VersionAction | None]:
        on: list[ScheduleIn] = []
        off: list[str] = []
        functions: dict[str, JobFunction[..., Any]] = {}
        fitting = True
        for place, item in enumerate(items):
            with of_many(place if many else None):
                schedule_id, fields = periodic.item_of(item)
                if fields is None:
                    off.append(schedule_id)
                    continue
                work, checked = self._work(fields.pop("func"), fields.pop("args", None))
                on.append(asking.schedule_spec(schedule_id, work, checked, fields))
            if isinstance(work, JobFunction):
                functions[work.name] = work
            fitting &= isinstance(work, JobFunction)
        declare(self._home, [*functions.values()])
        database, settings = self._home.database(), self._home.settings
        saved = database.run(periodic.switch_on(on, settings, many=many, fitting=fitting)) if on else []
        saved += database.run(periodic.switch_off(off)) if off else []
        found: dict[str, VersionAction | None] = dict.fromkeys(off)
        return found | {one.schedule.id: one.action for one in saved}

    def schedule_at(
        self, execution_time: datetime, func: Runnable, args: Args = None, **options: Unpack[JobOptions]
    ) -> Job:
        """Run something once at a time, which must have a zone; a time that has passed means now."""
        parse_instant(execution_time, "execution_time")
        options["run_at"] = execution_time
        return self.enqueue(func, args, **options)

    def schedule_job(self, func: Runnable, args: Args = None, **options: Unpack[JobOptions]) -> Job:
        """Run something as soon as possible; the same as `enqueue`."""
        return self.enqueue(func, args, **options)

    # -- the database -------------------------------------------------------------------------------------------------

    @property
    def settings(self) -> Settings:
        """The settings, read when first needed."""
        return self._home.settings

    def database(self) -> Database:
        """Return the database, open in this process; the first call brings its schema up to date."""
        return self._home.database()

    @contextmanager
    def on_database(self, db: Database, settings: Settings, worker: StandIn | None = None) -> Iterator[None]:
        """Use another database for a while, which the caller opens and closes; ``worker`` does the work."""
        before, self._home = self._home, GivenDatabase(db, settings, worker)
        try:
            yield
        finally:
            self._home = before

    def close(self) -> None:
        """Close the connections; the next call opens them anew."""
        self._home.close()

    # -- from what is asked to what is stored -------------------------------------------------------------------------

    def _asked(self, what: Runnable, args: Args, options: JobOptions) -> tuple[Work, JobIn]:
        work, checked = self._work(what, args)
        if isinstance(work, JobFunction) and work.given:
            options = cast(JobOptions, {**work.given, **options})
        return work, asking.job_spec(work, checked, options)

    def _item(self, item: JobItem) -> tuple[Work | None, JobIn]:
        if not isinstance(item, tuple) and isinstance(item, Mapping):
            document = {name: value for name, value in item.items() if name != "args"}
            spec = asking.mapped_spec(document)
            function = self.jobs.get(spec.job_type or "")
            if item.get("args") is not None:
                spec.args = msgspec.Raw(asking.checked_args(function, item["args"]).encode())
            return function, spec
        what, args, options = (*item, None, None)[:3] if isinstance(item, tuple) else (item, None, None)
        return self._asked(what, args, cast(JobOptions, options or {}))

    def _store(self, asked: Sequence[tuple[Work | None, JobIn]], connection: Any) -> list[Job]:
        """Check and store; ids are made before, so that a repeated transaction stores nothing twice."""
        prepared: list[NewJob] = []
        specs = [spec for _, spec in asked]

        def store(tx: Tx, known: dict[str, JobType | None], fitting: bool) -> list[jobs.Enqueued]:
            if connection is None:
                return bulk.enqueue(tx, specs, caller, self.settings, known, prepared, fitting=fitting)
            if not prepared:
                prepared.extend(jobs.prepare(tx, specs, caller, self.settings, known, fitting=fitting))
            adopting.make_queues(tx, (job.queue for job in prepared))
            return jobs.store(tx, prepared)

        with enqueuing(specs, Caller()) as caller:
            stored = self._commit(asked, connection, store)
        return [Job(self._home, one.id, existing=one.existing, replaced=one.replaced) for one in stored]

    def _commit(
        self,
        asked: Sequence[tuple[Work | None, JobIn]],
        connection: Any,
        store: Callable[[Tx, dict[str, JobType | None], bool], R],
    ) -> R:
        """Have ``store`` done where it belongs; it is given the job types that are known, and whether arguments fit."""
        home = self._home
        # A type of this program is what its own code says: nothing needs to be read, and its arguments are checked.
        known: dict[str, JobType | None] = {**declare(home, _functions([work for work, _ in asked]), connection)}
        fitting = all(isinstance(work, JobFunction) for work, _ in asked)
        try:
            if connection is not None:
                with home.adopt(connection) as tx:
                    return store(tx, known, fitting)
            run = home.database().run_alone if len(asked) == 1 else home.database().run
            return run(lambda tx: store(tx, known, fitting))
        except UnknownJobType as error:
            raise self._unknown(error, asked) from None

    async def _store_on(self, asked: Sequence[tuple[Work | None, JobIn]], connection: Any) -> list[Job]:
        """As `_store`, on a connection that may belong to the running event loop; else it belongs to this thread."""
        lent = await self._home.lend(connection)
        if lent is None:
            return self._store(asked, connection)
        return await lent.work(lambda: self._store(asked, lent))

    def _unknown(self, error: UnknownJobType, asked: Sequence[tuple[Work | None, JobIn]]) -> UnknownJobType:
        """Return the error with the type of this program that was probably meant."""
        head, _, rest = error.field.partition(".")
        place = int(rest.partition(".")[0]) if head == "jobs" else -1 if head == "callback" else 0
        hint = meant(asked[place][1].job_type or "", self.jobs, error.hint)
        return UnknownJobType(error.field, error.reason, hint=hint)


def _functions(works: Iterable[Work | None]) -> list[JobFunction[..., Any]]:
    return [work for work in works if isinstance(work, JobFunction)]
