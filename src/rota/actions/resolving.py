"""What the defaults of job types and queues come to: stored beside them for `rota_enqueue`, which is SQL alone."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from rota.actions import building, keys, policy
from rota.actions.decoding import decode
from rota.actions.specs import JobDefaults
from rota.errors import RotaError
from rota.model import JobType
from rota.settings import Settings


class SaidRetry(msgspec.Struct, omit_defaults=True):
    """A retry policy as jobs store it (JSON, None for the usual one), and the attempts that it names."""

    policy: str | None = None
    attempts: int | None = None


class Resolved(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What is said, with the names and in the units of `NewJob`; what is not said is left out.

    Keys have their parts from the arguments still to be filled in.
    """

    queue: str | None = None
    rank: int | None = None
    max_attempts: int | None = None
    retry: SaidRetry | None = None
    timeout_us: int | None = None
    silence_us: int | None = None
    expires_us: int | None = None
    on_lost: Literal["retry", "fail"] | None = None
    concurrency_key: str | None = None
    order_key: str | None = None
    tags: list[str] | None = None
    run_on: list[str] | None = None


class ResolvedType(Resolved, kw_only=True, omit_defaults=True):
    """The same of a job type, with what holds where nobody says anything, and the limits of this service."""

    target_timeout_us: int | None = None
    usual_attempts: int
    usual_timeout_us: int
    takes_object: bool
    most_bytes: int
    most_depth: int


def with_resolved(job_type: JobType, settings: Settings) -> JobType:
    """Return a job type with what its defaults come to; None where they are wrong, which its jobs will tell."""
    try:
        said = decode(job_type.defaults, JobDefaults, "defaults")
        lane, target = building.what_to_run(job_type.name, None, job_type, settings)
        limit = building.MAX_COMMAND_ARGS if lane == "command" else settings.limit_args
        found = ResolvedType(
            **_fields(said, settings),
            target_timeout_us=target.timeout_us if target else None,
            usual_attempts=policy.attempts_and_retry(JobDefaults(), lane)[0],
            usual_timeout_us=policy.timeout_us(JobDefaults(), lane, None),
            takes_object=building.needs_object(lane),
            most_bytes=min(limit, settings.limit_args),
            most_depth=settings.limit_depth,
        )
    except RotaError:
        return msgspec.structs.replace(job_type, resolved=None)
    return msgspec.structs.replace(job_type, resolved=_text(found))


def of_queue(said: JobDefaults, settings: Settings) -> str:
    """Return what the defaults of a queue come to; raises Invalid with the field that is wrong."""
    return _text(Resolved(**_fields(said, settings)))


def _fields(said: JobDefaults, settings: Settings) -> dict[str, Any]:
    retry = None
    if said.retry is not None:
        _, text = policy.attempts_and_retry(JobDefaults(retry=said.retry), "http")
        retry = SaidRetry(text, said.retry.attempts)
    policy.attempts_and_retry(JobDefaults(max_attempts=said.max_attempts), "http")
    policy.check_tags(said.tags)
    labels = keys.check_labels(said.run_on)
    return {
        "queue": said.queue,
        "rank": None if said.priority is None else policy.priority_rank(said.priority, settings.priorities),
        "max_attempts": said.max_attempts,
        "retry": retry,
        "timeout_us": policy.duration(said.timeout, "timeout", minimum_us=1000),
        "silence_us": policy.silence_us(said.silence),
        "expires_us": policy.duration(said.expires_in, "expiresIn", minimum_us=1000),
        "on_lost": said.on_lost,
        "concurrency_key": said.concurrency_key,
        "order_key": said.order_key,
        "tags": said.tags,
        "run_on": msgspec.json.decode(labels) if labels is not None else said.run_on,
    }


def _text(found: Resolved) -> str:
    return msgspec.json.encode(found).decode()
