"""What ``@rota.job`` makes of a function, and what a function may say about its own retries."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Generic, Literal, ParamSpec, Protocol, Self, TypedDict, TypeVar, Unpack, cast

import msgspec

from rota.context import Context
from rota.durations import format_duration, parse_duration
from rota.errors import Invalid
from rota.jsontext import check_secret, check_type
from rota.model import IfParentFailed
from rota.signature import Signature

if TYPE_CHECKING:
    from rota.handle import Job

P = ParamSpec("P")
R = TypeVar("R")

Duration = str | int | float | timedelta
"""``500ms 30s 5m 2h 7d``, a number of seconds, or a timedelta."""


class Snooze(Exception):
    """Raised by a function: run again after ``delay``, without using an attempt."""

    def __init__(self, delay: Duration) -> None:
        self.delay_us = parse_duration(delay, "delay")
        super().__init__(f"again after {format_duration(self.delay_us)}")


class Fail(Exception):
    """Raised by a function: the job has failed, and no retry can help."""


class Retryable(Exception):
    """Raised by a function: this attempt has failed; the next starts ``delay`` from now at the earliest.

    Every other exception but `Fail` is retried too, with the pauses of the job's retry policy.
    """

    def __init__(self, message: str, delay: Duration | None = None) -> None:
        self.delay_us = None if delay is None else parse_duration(delay, "delay")
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class OnError:
    """What is different after one error: a part of `Retry`.

    ``error`` is an exception, or the name of one (``ValueError``, ``shop.errors.SoldOut``), or another code of a failed
    attempt (``timeout``, ``http-429``); a text may end in ``*``.  ``action`` is ``retry``, also what is permanent, or
    ``fail`` for good; ``attempts`` and ``delays`` take the place of those of the policy.
    """

    error: str | type[BaseException]
    action: Literal["retry", "fail"] | None = None
    attempts: int | None = None
    delays: Sequence[Duration] | None = None

    def document(self) -> dict[str, Any]:
        """Return the entry as the contract's JSON object."""
        if isinstance(self.delays, str):
            raise Invalid("retry.by_error.delays", "must be a list of durations", hint=f"[{self.delays!r}]")
        _check_count("retry.by_error.attempts", self.attempts)
        delays = None if self.delays is None else [_duration("retry.by_error.delays", each) for each in self.delays]
        error = self.error if isinstance(self.error, str) else error_type(self.error)
        return {"error": error, **_without_none(action=self.action, attempts=self.attempts, delays=delays)}


def error_type(kind: type[BaseException]) -> str:
    """Return the name of an exception as ``errorDetail.type`` has it."""
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


@dataclass(frozen=True, slots=True)
class Retry:
    """How often (``attempts``) or for how long (``until``) a failed job is tried, and with which pauses between.

    ``backoff`` is ``exponential``, ``linear``, ``fixed`` or a fixed pause; ``delays`` names each pause instead, the
    last one repeated.  ``cap`` bounds a pause; ``jitter`` spreads the pauses of jobs that failed together.
    ``by_error`` says what is different for some errors; the first that matches holds.
    """

    attempts: int | None = None
    backoff: str | int | float | timedelta | None = None
    delays: Sequence[Duration] | None = None
    cap: Duration | None = None
    jitter: bool | None = None
    until: Duration | None = None
    by_error: Sequence[OnError] | None = None

    def __post_init__(self) -> None:
        if self.attempts is not None and self.until is not None:
            raise Invalid("retry", "attempts and until exclude each other", hint="give one of them")
        if self.backoff is not None and self.delays is not None:
            raise Invalid("retry", "delays and backoff exclude each other", hint="give one of them")
        if isinstance(self.delays, str):
            raise Invalid("retry.delays", "must be a list of durations", hint=f"[{self.delays!r}]")
        if not all(isinstance(each, OnError) for each in self.by_error or ()):
            raise Invalid("retry.by_error", "must be a list of OnError", hint='[OnError(ValueError, "fail")]')
        _check_count("retry.attempts", self.attempts)
        self.document()

    def document(self) -> dict[str, Any]:
        """Return the policy as the contract's JSON object."""
        named = self.backoff in ("exponential", "linear", "fixed")
        return _without_none(
            attempts=self.attempts,
            backoff=self.backoff if named else _duration("retry.backoff", self.backoff),
            delays=None if self.delays is None else [_duration("retry.delays", each) for each in self.delays],
            cap=_duration("retry.cap", self.cap),
            jitter=self.jitter,
            until=_duration("retry.until", self.until),
            byError=None if self.by_error is None else [each.document() for each in self.by_error],
        )


class TypeOptions(TypedDict, total=False):
    """What a job type says for all its jobs."""

    queue: str
    priority: int | str
    retry: Retry | Mapping[str, Any]
    max_attempts: int
    timeout: Duration
    silence: Duration
    expires_in: Duration
    concurrency_key: str
    order_key: str
    run_on: Sequence[str]
    tags: Sequence[str]
    on_lost: Literal["retry", "fail"]


class JobOptions(TypeOptions, total=False):
    """What one job says for itself."""

    delay: Duration
    run_at: datetime
    unique_key: str
    unique_scope: str
    if_exists: Literal["keep", "replace", "debounce"]
    depends_on: Sequence[str | Job]
    """Jobs, or their ids, that must end first."""
    if_parent_failed: IfParentFailed
    callback_url: str
    started_by: str
    connection: Any
    """A database connection whose transaction the job becomes part of."""


class Owner(Protocol):
    """The application that stores the jobs of its functions."""

    def enqueue_function(
        self, function: JobFunction[..., Any], args_json: str, /, **options: Unpack[JobOptions]
    ) -> Job:
        """Store a job."""

    async def aenqueue_function(
        self, function: JobFunction[..., Any], args_json: str, /, **options: Unpack[JobOptions]
    ) -> Job:
        """Store a job, where an event loop runs."""


class JobFunction(Generic[P, R]):
    """A function that is a job type.  Called, it is the plain function; enqueued, it runs in a worker.

    ``P`` is what it is enqueued with: its parameters but the `Context`.
    """

    def __init__(
        self,
        function: Callable[P, R],
        *,
        name: str | None = None,
        owner: Owner | None = None,
        secrets: Sequence[str] = (),
        **defaults: Unpack[TypeOptions],
    ) -> None:
        _refuse_generator(function)
        functools.update_wrapper(self, function)
        own_name = getattr(function, "__name__", None)
        if name is None and (own_name is None or own_name == "<lambda>"):
            raise Invalid("name", "this callable has no name of its own", hint='give one: name="…"')
        self.name = check_type(str(own_name) if name is None else name, "name")
        self.function = function
        self.owner = owner
        self.lane: Literal["async", "sync"] = "async" if _is_async(function) else "sync"
        """``async`` functions share a process, many at once; a ``sync`` function has one to itself while it runs."""
        qualified = getattr(function, "__qualname__", own_name or type(function).__name__)
        self.path = f"{getattr(function, '__module__', None) or '__main__'}:{qualified}"
        self.secrets = tuple(check_secret(each, "secrets") for each in _texts("secrets", secrets) or ())
        """Names of the secrets that its context gives it."""
        self.defaults = defaults
        self.defaults_json = msgspec.json.encode(type_document(defaults)).decode()
        self.given: JobOptions = {}
        """What `options` gave: it holds for each job that is enqueued of this object."""

    def __call__(self, *args: Any, **kwargs: Any) -> R:
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<job function {self.name} ({self.path})>"

    @functools.cached_property
    def signature(self) -> Signature:
        """The parameters; read when first needed, since annotations may name what is defined further below."""
        return Signature(self.function)

    @property
    def args_schema(self) -> str:
        """The JSON schema (text) of the arguments."""
        return self.signature.schema()

    def check_args(self, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None) -> str:
        """Return arguments as the text of a JSON object; raises Invalid for ``args.<name>``."""
        return self.signature.check(args, kwargs or {})

    def convert_args(self, text: str, context: Context | None = None) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return positional and keyword arguments from JSON text; ``context`` goes where the function wants it."""
        return self.signature.convert(text, context)

    def options(self, **options: Unpack[JobOptions]) -> Self:
        """Return a copy whose enqueued jobs have these options: ``mail.options(delay="5m").enqueue(…)``."""
        unknown = options.keys() - JobOptions.__annotations__.keys()
        if unknown:
            known = ", ".join(sorted(JobOptions.__annotations__))
            raise Invalid(min(unknown), "is no option of a job", hint=f"known: {known}")
        changed = copy.copy(self)
        changed.given = cast(JobOptions, {**self.given, **options})
        return changed

    def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> Job:
        """Store a job that calls the function with these arguments; return the job.

        Raises `Invalid` for ``args.<name>`` when the arguments do not fit the function.
        """
        return self._owner().enqueue_function(self, self.check_args(args, kwargs), **self.given)

    async def aenqueue(self, *args: P.args, **kwargs: P.kwargs) -> Job:
        """As `enqueue`, where an event loop runs."""
        return await self._owner().aenqueue_function(self, self.check_args(args, kwargs), **self.given)

    def _owner(self) -> Owner:
        if self.owner is None:
            raise Invalid("job", f"{self.name} belongs to no application", hint="declare it with @rota.job")
        return self.owner


def type_document(options: TypeOptions) -> dict[str, Any]:
    """Return the defaults of a job type as the contract names them; raises Invalid for the option that is wrong."""
    unknown = options.keys() - TypeOptions.__annotations__.keys()
    if unknown:
        known = ", ".join(sorted(TypeOptions.__annotations__))
        raise Invalid(min(unknown), "is no option of a job type", hint=f"known: {known}")
    retry = options.get("retry")
    if retry is not None and not isinstance(retry, (Retry, Mapping)):
        raise Invalid("retry", "must be a Retry", hint="for example Retry(attempts=5)")
    on_lost = options.get("on_lost")
    if on_lost not in (None, "retry", "fail"):
        raise Invalid("on_lost", f"{on_lost!r} is unknown", hint="retry or fail")
    _check_count("max_attempts", options.get("max_attempts"))
    return _without_none(
        queue=options.get("queue"),
        priority=options.get("priority"),
        retry=retry.document() if isinstance(retry, Retry) else retry,
        maxAttempts=options.get("max_attempts"),
        timeout=_duration("timeout", options.get("timeout")),
        silence=_duration("silence", options.get("silence")),
        expiresIn=_duration("expires_in", options.get("expires_in")),
        concurrencyKey=options.get("concurrency_key"),
        orderKey=options.get("order_key"),
        runOn=_texts("run_on", options.get("run_on")),
        tags=_texts("tags", options.get("tags")),
        onLost=on_lost,
    )


def _without_none(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _duration(field: str, value: Duration | None) -> str | None:
    return None if value is None else format_duration(parse_duration(value, field))


def _texts(field: str, given: Sequence[str] | None) -> list[str] | None:
    if isinstance(given, str):
        raise Invalid(field, "must be a list of texts", hint=f"[{given!r}]")
    return None if given is None else list(given)


def _check_count(field: str, value: object) -> None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
        raise Invalid(field, f"{value!r} is not a number of attempts", hint="an integer from 1")


def _innermost(function: Callable[..., Any]) -> Callable[..., Any]:
    while isinstance(function, functools.partial):
        function = function.func
    return function


def _is_async(function: Callable[..., Any]) -> bool:
    function = _innermost(function)
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def _refuse_generator(function: Callable[..., Any]) -> None:
    plain = _innermost(function)
    if not callable(plain):
        raise Invalid("function", f"{function!r} cannot be called")
    if inspect.isgeneratorfunction(plain) or inspect.isasyncgenfunction(plain):
        raise Invalid("function", f"{plain.__name__} is a generator", hint="return a list instead of yielding")
