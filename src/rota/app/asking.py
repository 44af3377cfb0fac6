"""From what a Python program says to the specs that every action takes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Literal, TypedDict, cast

import msgspec

from rota.actions import policy, rules
from rota.actions.decoding import convert
from rota.actions.specs import JobIn, ScheduleIn
from rota.app.handed import CeleryJob, RqJob
from rota.app.targets import CommandJob, HttpJob
from rota.durations import format_duration, parse_duration
from rota.errors import Invalid
from rota.handle import Job
from rota.job import Duration, JobFunction, JobOptions, Retry, TypeOptions, type_document
from rota.jsontext import check_name
from rota.model import AfterRun, Catchup, Overlap
from rota.signature import Signature
from rota.timetable import parse_instant

Handed = RqJob | CeleryJob
Work = str | JobFunction[..., Any] | HttpJob | CommandJob | Handed
"""What can be run: a declared type by its name, a job function, a call, a command."""
Args = Mapping[str, Any] | Sequence[Any] | None
"""Arguments by name, or by place where a function of this program takes them."""


class ScheduleOptions(TypedDict, total=False):
    """What a schedule says beside what to run and when; the contract's names in snake_case."""

    rules: Sequence[Mapping[str, Any]]
    seconds: Literal["first", "last"]
    day_match: Literal["cron", "and"]
    start_at: datetime | str
    end_at: datetime | str
    on_start: bool
    max_runs: int
    after_run: AfterRun
    jitter: Duration
    overlap: Overlap
    catchup: Catchup
    catchup_window: Duration
    pause_after: int
    calendars: Sequence[str]
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
    on_lost: Literal["retry", "fail"]
    tags: Sequence[str]
    paused: bool
    shadow: bool
    note: str
    source: str
    take_over: bool


_JOB_ONLY = {
    "unique_key": "uniqueKey",
    "unique_scope": "uniqueScope",
    "if_exists": "ifExists",
    "if_parent_failed": "ifParentFailed",
    "callback_url": "callbackUrl",
    "started_by": "startedBy",
}
_OF_TYPES = TypeOptions.__annotations__.keys()
_DURATIONS = ("every", "jitter", "catchup_window", "timeout", "silence", "expires_in")
_TIMES = ("at", "start_at", "end_at")


def _anything(**_args: Any) -> None: ...


_ANY_ARGS = Signature(_anything)


def checked_args(function: JobFunction[..., Any] | None, args: Args) -> str:
    """Return arguments as JSON text; raises Invalid for ``args.<name>`` that does not fit the function, or JSON."""
    if type(args) is dict and function is not None and all(type(name) is str for name in args):  # as nearly always
        return function.signature.check((), args)
    if (args is not None and not isinstance(args, (Mapping, Sequence))) or isinstance(args, (str, bytes)):
        raise Invalid("args", f"{args!r} are no arguments", hint='for example {"limit": 10}, or [10]')
    if isinstance(args, Mapping):
        wrong = next((name for name in args if not isinstance(name, str)), None)
        if wrong is not None:
            raise Invalid("args", f"{wrong!r} is no name of an argument", hint="names are texts")
        return (function.signature if function else _ANY_ARGS).check((), args)
    if function is None:
        if args:
            raise Invalid("args", "only a function of this program takes them by place", hint='give {"limit": 10}')
        return _ANY_ARGS.check((), {})
    return function.check_args(args or ())


def handed_args(args: Args) -> str:
    """Return arguments for a foreign worker as JSON text, by name or by place."""
    if args and isinstance(args, Sequence) and not isinstance(args, (str, bytes)):
        try:
            return msgspec.json.encode(list(args)).decode()
        except (TypeError, ValueError) as error:
            raise Invalid("args", f"are no JSON: {error}") from None
    return checked_args(None, args)


def job_spec(work: Work, args_json: str, options: JobOptions) -> JobIn:
    """Return the spec of a job; raises Invalid with the option that is wrong."""
    if not options and isinstance(work, (str, JobFunction)):  # as most jobs are: the way round by JSON takes time
        spec = JobIn()
        _say_what(spec, work, args_json)
        return spec
    unknown = options.keys() - JobOptions.__annotations__.keys()
    if unknown:
        known = ", ".join(sorted(JobOptions.__annotations__))
        raise Invalid(min(unknown), "is no option of a job", hint=f"known: {known}")
    of_types = {name: value for name, value in options.items() if name in _OF_TYPES}
    document = type_document(cast(TypeOptions, of_types))
    document |= {field: value for name, field in _JOB_ONLY.items() if (value := options.get(name)) is not None}
    if (depends_on := options.get("depends_on")) is not None:
        document["dependsOn"] = _ids(depends_on)
    if (run_at := options.get("run_at")) is not None:
        document["runAt"] = _instant(run_at, "run_at")
    if (delay := options.get("delay")) is not None:
        document["delayMs"] = parse_duration(delay, "delay") // 1000
    with _python_names():
        spec = convert(document, JobIn)
    _say_what(spec, work, args_json)
    return spec


def _ids(given: Any) -> list[Any]:
    """Return jobs as their ids."""
    if isinstance(given, (str, Job)) or not isinstance(given, Sequence):
        raise Invalid("depends_on", "must be a list of jobs, or of their ids", hint="depends_on=[job]")
    return [one.id if isinstance(one, Job) else one for one in given]


def mapped_spec(document: Mapping[str, Any]) -> JobIn:
    """Return the spec of a job that is given as the contract's document, in camelCase or snake_case, without args."""
    with _python_names():
        return convert({_camel(str(name)): _plain(value, str(name)) for name, value in document.items()}, JobIn)


def schedule_spec(schedule_id: str, work: Work, args_json: str, fields: Mapping[str, Any]) -> ScheduleIn:
    """Return the spec of a schedule of this program, its rule and its durations checked."""
    known = {"cron", "every", "at", "tz", *ScheduleOptions.__annotations__}
    unknown = fields.keys() - known
    if unknown:
        raise Invalid(min(unknown), "is no field of a schedule", hint=f"known: {', '.join(sorted(known))}")
    given = {name: _plain(value, name) for name, value in fields.items() if value is not None}
    if "tz" in given:
        given["timezone"] = given.pop("tz")
    check_name(schedule_id, "id")
    with _python_names():
        spec = convert({_camel(name): value for name, value in given.items()}, ScheduleIn)
        start, end = rules.bounds(spec)
        zone = rules.timezone(spec)
        stored = rules.stored(spec)
        _check_rule(stored, schedule_id if stored.is_hashed else "", zone, start, end)
        policy.duration(spec.timeout, "timeout", minimum_us=1000)
    spec.id = schedule_id
    spec.owner = "code"
    _say_what(spec, work, args_json)
    return spec


@lru_cache(maxsize=1000)
def _check_rule(stored: rules.StoredRule, key: str, zone: str, start: int | None, end: int | None) -> None:
    """Raise Invalid for a rule that is wrong; many schedules of a program have the same."""
    rules.parse(stored, key=key, timezone=zone, anchor_us=start or 0, start=start, end=end)


def _say_what(spec: JobIn | ScheduleIn, work: Work, args_json: str) -> None:
    if isinstance(work, (HttpJob, CommandJob, RqJob, CeleryJob)):
        spec.target = msgspec.Raw(msgspec.json.encode(work.document()))
    else:
        spec.job_type = work if isinstance(work, str) else work.name
    if args_json != "{}":
        spec.args = msgspec.Raw(args_json.encode())


def _plain(value: Any, name: str) -> Any:
    """Return what JSON can say of an option."""
    if isinstance(value, Retry):
        return value.document()
    if isinstance(value, Job):
        return value.id
    if name in ("depends_on", "dependsOn") and isinstance(value, (list, tuple)):
        return [_plain(one, "") for one in value]
    if name == "rules" and isinstance(value, Sequence) and not isinstance(value, str):
        return [_rule(one) for one in value]
    if name in _TIMES or isinstance(value, datetime):
        return _instant(value, name)
    if name in _DURATIONS or isinstance(value, timedelta):
        return format_duration(parse_duration(value, name))
    return value


def _rule(one: Any) -> Any:
    """Return one of several rules, which Python may say in snake_case, with ``tz``."""
    if not isinstance(one, Mapping):
        return one
    named = {"timezone" if name == "tz" else str(name): value for name, value in one.items()}
    return {_camel(name): _plain(value, name) for name, value in named.items()}


def _instant(value: datetime | str, field: str) -> str:
    parse_instant(value, field)
    return value if isinstance(value, str) else value.isoformat()


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


@contextmanager
def _python_names() -> Iterator[None]:
    """Name a field as a Python caller wrote it."""
    try:
        yield
    except Invalid as error:
        head, dot, rest = error.field.partition(".")
        name = re.sub(r"(?<=[a-z])([A-Z])", lambda match: f"_{match[1].lower()}", head)
        raise type(error)("tz" if name == "timezone" else name + dot + rest, error.reason, hint=error.hint) from None
