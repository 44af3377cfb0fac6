"""A drop-in ``SchedulerService``, as it is often written around rq-scheduler: change the import, and Rota does it.

    from rota.compat.rq import SchedulerService, job_request

No Redis is needed.  Workers find functions of the packages that ``ROTA_FUNCTION_MODULES`` names by their paths; others
they know where ``rota worker --app MODULE:SchedulerService`` imports a module that registers or schedules them.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import ModuleType
from typing import Any, ClassVar
from uuid import UUID

import msgspec

from rota.app import Rota
from rota.app.works import Runnable
from rota.errors import Invalid
from rota.handle import Job
from rota.job import JobFunction

Args = Sequence[Any]
Kwargs = Mapping[str, Any]


def job_request(url: str) -> None:
    """Name it as ``func`` to have an address called, with POST: Rota makes the call itself."""
    raise NotImplementedError("it is not called, but named: func=job_request, args=[url]")


class _Of:
    """An attribute of the application, also of the class: workers look for ``jobs`` and ``schedules`` there."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, instance: SchedulerService | None, owner: type[SchedulerService]) -> Any:
        return getattr(owner.rota, self._name)


class SchedulerService:
    """Periodic jobs, jobs at a time, and jobs at once; its methods are called on the class or on an instance."""

    rota: ClassVar[Rota] = Rota()
    """The application behind it, on the database of ``ROTA_DATABASE_URL``."""
    jobs = _Of("jobs")
    schedules = _Of("schedules")
    _warned: ClassVar[bool] = False

    @classmethod
    def schedule_periodic(
        cls,
        id: UUID | str,
        func: Callable[..., Any],
        args: Args = (),
        interval: float | None = None,
        every_seconds: float | None = None,
        kwargs: Kwargs | None = None,
    ) -> None:
        """Run a function every so many seconds; safe at every start, since ``id`` says which schedule it is.

        An interval of zero or less switches it off.  Raises Invalid with what is wrong.
        """
        given = [seconds for seconds in (interval, every_seconds) if seconds is not None]
        if len(given) != 1:
            raise Invalid("interval", "exactly one of interval and every_seconds is given, in seconds")
        work, arguments = cls._work(func, args, kwargs)
        cls.rota.schedule_periodic(id=id, every_seconds=given[0], func=work, args=arguments)

    @classmethod
    def schedule_job(cls, func: Callable[..., Any], args: Args = (), kwargs: Kwargs | None = None) -> Job:
        """Run a function as soon as possible."""
        work, arguments = cls._work(func, args, kwargs)
        return cls.rota.schedule_job(work, arguments)

    @classmethod
    def schedule_at(
        cls, execution_time: datetime, func: Callable[..., Any], args: Args = (), kwargs: Kwargs | None = None
    ) -> Job:
        """Run a function once at a time; one without a zone is taken for UTC, as rq-scheduler did."""
        if execution_time.tzinfo is None:
            cls._warn_of_naive()
            execution_time = execution_time.replace(tzinfo=UTC)
        work, arguments = cls._work(func, args, kwargs)
        return cls.rota.schedule_at(execution_time, work, arguments)

    @classmethod
    def register(cls, *what: Callable[..., Any] | ModuleType) -> None:
        """Make functions, or all public functions that modules define, known to the workers that load this."""
        for one in what:
            found = _functions(one) if isinstance(one, ModuleType) else [one]
            for function in found:
                cls._job(function)

    @classmethod
    def _warn_of_naive(cls) -> None:
        if not SchedulerService._warned:
            SchedulerService._warned = True
            message = "a time without a zone is taken for UTC: give datetime(…, tzinfo=UTC)"
            warnings.warn(message, UserWarning, stacklevel=3)

    @classmethod
    def _work(cls, func: Callable[..., Any], args: Args, kwargs: Kwargs | None) -> tuple[Runnable, Any]:
        """Return what is to run, and its arguments."""
        if isinstance(args, (str, bytes)):
            raise Invalid("args", f"{args!r} is no list of arguments", hint="for example [10], or (10,)")
        if _is_request(func):
            return cls.rota.job_request(*args, **(kwargs or {})), None
        job = func if isinstance(func, JobFunction) else cls._job(func)
        return job, msgspec.json.decode(job.check_args(args, kwargs))

    @classmethod
    def _job(cls, func: Callable[..., Any]) -> JobFunction[..., Any]:
        """Return a function as a job of the application, named by its path."""
        if isinstance(func, JobFunction):
            return func
        module, name = getattr(func, "__module__", None), getattr(func, "__qualname__", "")
        if module in (None, "__main__") or "<" in name:
            hint = "give a function of a module that workers can import"
            raise Invalid("func", f"{name or func!r} cannot be found by a worker", hint=hint)
        known = next((one for one in cls.rota.jobs.values() if one.function is func), None)
        if known is not None:
            return known
        declare: Callable[[Callable[..., Any]], JobFunction[..., Any]] = cls.rota.job(name=f"{module}:{name}")
        return declare(func)


def _is_request(func: Callable[..., Any]) -> bool:
    """System by system it is another function, but the same call of an address."""
    return getattr(func, "__name__", "") == "job_request"


def _functions(module: ModuleType) -> list[Callable[..., Any]]:
    return [
        one
        for name, one in vars(module).items()
        if callable(one) and not name.startswith("_") and not isinstance(one, type)
        and getattr(one, "__module__", None) == module.__name__
    ]  # fmt: skip
