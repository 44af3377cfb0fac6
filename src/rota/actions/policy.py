"""From what a user says of a job to what is stored: retry policy, time-outs, defaults of its type and kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from rota.actions.specs import Duration, JobDefaults, RetryErrorIn, RetryIn
from rota.durations import SECOND, parse_duration
from rota.errors import Invalid
from rota.jsontext import check_text
from rota.retry import CAP_US, DEFAULT, ErrorRule, RetryPolicy

T = TypeVar("T")
MAX_ATTEMPTS = 1_000_000
MAX_RULES = 20
MAX_PRIORITY = 1_000_000_000
DEFAULT_QUEUE = "default"
HOUR_US = 3_600_000_000
TIMEOUT_US = {"http": 30_000_000}
ATTEMPTS = {"command": 1}


def merge(first: JobDefaults | None, second: JobDefaults | None) -> JobDefaults:
    """Return what ``first`` says, completed by ``second``."""
    merged = JobDefaults()
    for name in JobDefaults.__struct_fields__:
        for source in (first, second):
            value = getattr(source, name, None) if source is not None else None
            if value is not None:
                setattr(merged, name, value)
                break
    return merged


def duration(value: Duration | None, field: str, *, minimum_us: int = 0) -> int | None:
    """Return a duration in microseconds, or None where none is given."""
    return None if value is None else parse_duration(value, field, minimum_us=minimum_us)


def priority_rank(priority: int | str | None, names: Mapping[str, int]) -> int:
    """Return the rank that is stored: the negated priority.  ``names`` are those that the settings give."""
    if isinstance(priority, str):
        if priority.lower() not in names:
            known = ", ".join(names) or "none is set"
            raise Invalid("priority", f"no priority is called {priority!r}", hint=f"an integer, or a name ({known})")
        priority = names[priority.lower()]
    value = priority or 0
    if abs(value) > MAX_PRIORITY:
        raise Invalid("priority", f"{value} is out of range", hint=f"from -{MAX_PRIORITY} to {MAX_PRIORITY}")
    return -value


def attempts_and_retry(defaults: JobDefaults, lane: str) -> tuple[int, str | None]:
    """Return the most attempts and the retry policy (JSON, None for the default one)."""
    retry = defaults.retry or RetryIn()
    chosen = next(
        (
            (field, value)
            for field, value in (("maxAttempts", defaults.max_attempts), ("retry.attempts", retry.attempts))
            if value is not None
        ),
        None,
    )
    attempts = chosen[1] if chosen else ATTEMPTS.get(lane, 4)
    if chosen and not 1 <= attempts <= MAX_ATTEMPTS:
        raise Invalid(chosen[0], f"{attempts} is out of range", hint=f"from 1 to {MAX_ATTEMPTS}")
    policy = _policy(retry)
    return attempts, None if policy == DEFAULT else msgspec.json.encode(policy).decode()


def _policy(retry: RetryIn) -> RetryPolicy:
    backoff, base = retry.backoff or "exponential", DEFAULT.base
    if backoff not in ("exponential", "linear", "fixed"):
        base = parse_duration(backoff, "retry.backoff")  # a duration is a fixed pause
        backoff = "fixed"
    if retry.delays is not None and retry.backoff is not None:
        raise Invalid("retry", "delays and backoff exclude each other", hint="give one of them")
    if retry.attempts is not None and retry.until is not None:
        raise Invalid("retry", "attempts and until exclude each other", hint="give one of them")
    cap = duration(retry.cap, "retry.cap")
    delays = _delays(retry.delays, "retry.delays")
    rules = _rules(retry)
    return RetryPolicy(
        delays=delays,
        backoff=str(backoff),
        base=base,
        cap=cap if cap is not None else max(CAP_US, base, *delays, *(one for rule in rules for one in rule.delays)),
        jitter=retry.jitter if retry.jitter is not None else not delays,
        until=duration(retry.until, "retry.until"),
        by_error=rules,
    )


def _delays(given: list[Duration] | None, field: str) -> tuple[int, ...]:
    if given is not None and not 1 <= len(given) <= 100:
        raise Invalid(field, "from 1 to 100 delays")
    return tuple(parse_duration(delay, f"{field}.{place}") for place, delay in enumerate(given or ()))


def _rules(retry: RetryIn) -> tuple[ErrorRule, ...]:
    if len(retry.by_error or ()) > MAX_RULES:
        raise Invalid("retry.byError", f"{len(retry.by_error or ())} entries are too many", hint=f"at most {MAX_RULES}")
    return tuple(_rule(spec, f"retry.byError.{place}", retry) for place, spec in enumerate(retry.by_error or ()))


def _rule(spec: RetryErrorIn, field: str, retry: RetryIn) -> ErrorRule:
    error = check_text(spec.error, f"{field}.error", max_length=200).strip()
    if not error or "*" in error[:-1]:
        reason = "is empty" if not error else f"{error!r} has its * not at the end"
        raise Invalid(f"{field}.error", reason, hint="for example ValueError, timeout, http-429 or http-4*")
    if spec.action is None and spec.attempts is None and spec.delays is None:
        raise Invalid(field, "says nothing about the error", hint="give action, attempts or delays")
    if spec.action == "fail" and (spec.attempts is not None or spec.delays is not None):
        raise Invalid(field, "an error that fails for good has neither attempts nor delays", hint="leave them out")
    if spec.attempts is not None and not 1 <= spec.attempts <= MAX_ATTEMPTS:
        raise Invalid(f"{field}.attempts", f"{spec.attempts} is out of range", hint=f"from 1 to {MAX_ATTEMPTS}")
    return ErrorRule(
        error=error,
        action=spec.action,
        attempts=spec.attempts,
        delays=_delays(spec.delays, f"{field}.delays"),
        jitter=retry.jitter is True,
    )


def timeout_us(defaults: JobDefaults, lane: str, target_timeout: int | None) -> int:
    """Return the smaller of the job's and its target's time-out, or the default of its kind."""
    given = [t for t in (duration(defaults.timeout, "timeout", minimum_us=1000), target_timeout) if t is not None]
    return min(given) if given else TIMEOUT_US.get(lane, HOUR_US)


def silence_us(silence: Duration | None) -> int | None:
    """Return the longest silence of an attempt: shorter than a second nobody can tell it from a busy machine."""
    return duration(silence, "silence", minimum_us=SECOND)


def check_tags(tags: list[str] | None) -> str | None:
    """Return tags as JSON, or None."""
    if not tags:
        return None
    if len(tags) > 50:
        raise Invalid("tags", f"{len(tags)} tags are too many", hint="at most 50")
    for place, tag in enumerate(tags):
        if not check_text(tag, f"tags.{place}", max_length=200):
            raise Invalid(f"tags.{place}", "is empty", hint="leave it out")
    return msgspec.json.encode(tags).decode()
