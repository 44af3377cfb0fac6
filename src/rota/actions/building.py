"""Build the job that is stored from what was asked, its type, and the defaults of its kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Literal

import msgspec

from rota.actions import keys, policy
from rota.actions.decoding import decode
from rota.actions.specs import JobDefaults
from rota.actions.targets import HANDED_OVER, Target, check_target
from rota.errors import Invalid, TooLarge, UnknownJobType
from rota.jsontext import check_json, check_queue, check_type
from rota.model import ANY_TYPE_LANES, ORDER, JobType, NewJob
from rota.settings import Settings

NO_ARGS = "{}"
NOTHING_SAID: Mapping[str, str] = {}
MAX_COMMAND_ARGS = 120_000
"""Linux passes no single text longer than 128 KiB to a program."""


def check_args(args: msgspec.Raw | None, settings: Settings, *, must_be_object: bool) -> str:
    """Return arguments as the JSON text they were; raises Invalid for ``args``."""
    if args is None:
        return NO_ARGS
    text = check_json(bytes(args), "args", max_bytes=settings.limit_args, max_depth=settings.limit_depth)
    if must_be_object and not text.lstrip().startswith("{"):
        raise Invalid(
            "args", "a function takes its arguments by name", hint='give an object, for example {"limit": 10}'
        )
    return text


def what_to_run(
    type_name: str | None, target: msgspec.Raw | None, job_type: JobType | None, settings: Settings
) -> tuple[str, Target | None]:
    """Return (lane, target) of a job that names a type or brings a target; None where the code knows the target."""
    if (type_name is None) == (target is None):
        raise Invalid("jobType", "give either jobType or target", hint="exactly one of them")
    if target is not None:
        checked = check_target(target, settings)
        return checked.lane, checked
    if job_type is None:
        check_type(str(type_name), "jobType")
        raise UnknownJobType(
            "jobType",
            f"{type_name!r} was never declared",
            hint="start a worker with its code, or PUT /api/job-types/NAME",
        )
    if job_type.target is None:
        return job_type.lane, None
    return job_type.lane, check_target(msgspec.Raw(job_type.target.encode()), settings)


def build(
    job_id: str,
    *,
    type_name: str | None,
    target: msgspec.Raw | None,
    args: str,
    job_type: JobType | None,
    given: JobDefaults,
    settings: Settings,
    queue_defaults: Mapping[str, str] = NOTHING_SAID,
) -> NewJob:
    """Return the job to store; fields beyond the policy (unique key, due time …) are the caller's to set.

    ``queue_defaults`` are what queues say (JSON) for jobs which do not, and whose type does not.
    """
    lane, checked = what_to_run(type_name, target, job_type, settings)
    timeout_us = checked.timeout_us if checked else None
    defaults = job_type.defaults if job_type else None
    of_queue = queue_defaults.get(given.queue or _queue_of(defaults)) if queue_defaults else None
    if _said(given) == _NOTHING:
        rules = _usual(defaults, of_queue, lane, timeout_us, tuple(settings.priorities.items()))
    else:
        rules = _rules(given, (defaults, of_queue), lane, timeout_us, settings.priorities)
    concurrency_key, order_key = rules.concurrency_key, rules.order_key
    if concurrency_key is not None or order_key is not None:
        concurrency_key, order_key = _filled(concurrency_key, order_key, args)
    if lane == "command" and len(args.encode()) > MAX_COMMAND_ARGS:
        raise TooLarge(
            "args", f"a command gets at most {MAX_COMMAND_ARGS} bytes, in ROTA_ARGS", hint="pass a file's name"
        )
    if lane in HANDED_OVER and not args.lstrip().startswith(("{", "[")):
        raise Invalid("args", f"{lane} takes arguments by name or in order", hint="give an object or a list")
    return NewJob(
        id=job_id,
        type=type_name,
        lane=lane,
        target=checked.document if checked else None,
        queue=rules.queue,
        rank=rules.rank,
        args=args,
        max_attempts=rules.max_attempts,
        retry=rules.retry,
        timeout_us=rules.timeout_us,
        silence_us=rules.silence_us,
        on_lost=rules.on_lost,
        concurrency_key=concurrency_key,
        tags=rules.tags,
        run_on=rules.run_on,
        expires_us=rules.expires_us,
        turn_key=ORDER + order_key if order_key is not None else None,
    )


def _filled(concurrency_key: str | None, order_key: str | None, args: str) -> tuple[str | None, str | None]:
    """Return both keys with their parts from the arguments."""
    wanted = keys.takes_args(concurrency_key, "concurrencyKey") or keys.takes_args(order_key, "orderKey")
    decoded = msgspec.json.decode(args) if wanted else None
    return keys.filled(concurrency_key, decoded, "concurrencyKey"), keys.filled(order_key, decoded, "orderKey")


def check_type_defaults(job_type: JobType, settings: Settings) -> None:
    """Check what a type says for its jobs; raises Invalid with the field that is wrong."""
    lane, checked = what_to_run(job_type.name, None, job_type, settings)
    timeout_us = checked.timeout_us if checked else None
    _check_keys(_rules(JobDefaults(), (job_type.defaults,), lane, timeout_us, settings.priorities))


def check_defaults(given: JobDefaults, settings: Settings) -> None:
    """Check what a queue says for its jobs; raises Invalid with the field that is wrong."""
    _check_keys(_rules(given, (), "http", None, settings.priorities))


def _check_keys(rules: _Rules) -> None:
    keys.takes_args(rules.concurrency_key, "concurrencyKey")
    keys.takes_args(rules.order_key, "orderKey")


class _Rules(msgspec.Struct, frozen=True):
    """What holds for a job beside what it runs."""

    queue: str
    rank: int
    max_attempts: int
    retry: str | None
    timeout_us: int
    silence_us: int | None
    on_lost: Literal["retry", "fail"]
    concurrency_key: str | None
    """With its parts from the arguments not yet filled in, as the one below."""
    order_key: str | None
    tags: str | None
    run_on: str | None
    expires_us: int | None


def _rules(
    given: JobDefaults,
    defaults: Sequence[str | None],
    lane: str,
    target_timeout: int | None,
    priorities: Mapping[str, int],
) -> _Rules:
    """Return what ``given`` says, else the first of the defaults (JSON), else those of the lane."""
    wanted = given
    for one in defaults:
        wanted = policy.merge(wanted, decode(one, JobDefaults, "defaults") if one is not None else None)
    attempts, retry = policy.attempts_and_retry(wanted, lane)
    return _Rules(
        queue=check_queue(wanted.queue) if wanted.queue is not None else policy.DEFAULT_QUEUE,
        rank=policy.priority_rank(wanted.priority, priorities),
        max_attempts=attempts,
        retry=retry,
        timeout_us=policy.timeout_us(wanted, lane, target_timeout),
        silence_us=policy.silence_us(wanted.silence),
        on_lost=wanted.on_lost or "retry",
        concurrency_key=wanted.concurrency_key,
        order_key=wanted.order_key,
        tags=policy.check_tags(wanted.tags),
        run_on=keys.check_labels(wanted.run_on),
        expires_us=policy.duration(wanted.expires_in, "expiresIn", minimum_us=1000),
    )


_said = attrgetter(*JobDefaults.__struct_fields__)
_NOTHING = (None,) * len(JobDefaults.__struct_fields__)


@lru_cache(maxsize=1000)
def _usual(
    defaults: str | None,
    of_queue: str | None,
    lane: str,
    target_timeout: int | None,
    priorities: tuple[tuple[str, int], ...],
) -> _Rules:
    """Return what holds for a job that says nothing of its own, as nearly all do."""
    return _rules(JobDefaults(), (defaults, of_queue), lane, target_timeout, dict(priorities))


@lru_cache(maxsize=1000)
def _queue_of(defaults: str | None) -> str:
    """Return the queue that a type names."""
    return (decode(defaults, JobDefaults, "defaults").queue if defaults is not None else None) or policy.DEFAULT_QUEUE


def needs_object(lane: str) -> bool:
    """Tell whether a lane takes its arguments by name."""
    return lane in ANY_TYPE_LANES
