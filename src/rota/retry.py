"""When a failed attempt is tried again.

Exponential back-off with jitter: ``delay = base · 2^(n-1)``, capped, of which between half and all is waited, so
that jobs that failed together do not come back together.  Some errors may have rules of their own.
"""

from __future__ import annotations

import random
from collections.abc import Collection
from typing import Literal

import msgspec

SECOND = 1_000_000
BASE_US = 2 * SECOND
CAP_US = 3600 * SECOND


CONNECTION = frozenset(("connect", "disconnected", "dns", "tls", "proxy", "broken-answer"))
"""Codes of what is wrong with a connection, all of which ``connection`` means too."""


class ErrorRule(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is different for errors of one name, or of all names that begin as ``error`` does before its ``*``."""

    error: str
    action: Literal["retry", "fail"] | None = None
    """``retry`` also what its executor takes for permanent, ``fail`` for good; None leaves that as it is."""
    attempts: int | None = None
    """Takes the place of the most attempts, and of ``until``."""
    delays: tuple[int, ...] = ()
    jitter: bool = False


class RetryPolicy(msgspec.Struct, frozen=True, omit_defaults=True):
    """A retry policy, normalised: all durations in microseconds.  Stored with the job as JSON."""

    delays: tuple[int, ...] = ()
    """Explicit delays, the last one repeated; they take the place of the back-off."""
    backoff: str = "exponential"
    """``exponential``, ``linear`` or ``fixed``."""
    base: int = BASE_US
    cap: int = CAP_US
    jitter: bool = True
    until: int | None = None
    """For how long after its creation a job is retried; it takes the place of the number of attempts."""
    by_error: tuple[ErrorRule, ...] = ()
    """The first that matches holds."""


DEFAULT = RetryPolicy()


def parse(document: str | None) -> RetryPolicy:
    """Return the policy stored with a job."""
    return msgspec.json.decode(document, type=RetryPolicy) if document else DEFAULT


def delay_us(policy: RetryPolicy, failures: int, *, spread: float | None = None) -> int:
    """Return how long to wait after the ``failures``-th failure (from 1).  ``spread`` (0 to 1) fixes the jitter."""
    if policy.delays:
        delay = policy.delays[min(failures, len(policy.delays)) - 1]
    elif policy.backoff == "fixed":
        delay = policy.base
    elif policy.backoff == "linear":
        delay = policy.base * failures
    else:
        delay = policy.base * 2 ** min(failures - 1, 40)
    delay = min(delay, policy.cap)
    if not policy.jitter:
        return delay
    share = random.random() if spread is None else spread
    return int(delay * (0.5 + share / 2))


def error_names(code: str, kind: str | None, message: str | None) -> tuple[str, ...]:
    """Return the names under which a rule may mean an error: code, type, the type without its module and so on."""
    names = [code]
    if code == "exit-code" and message:
        names.append(f"exit-{message}")
    if code in CONNECTION:
        names.append("connection")
    if kind:
        names += dict.fromkeys((kind, kind.rpartition(".")[2]))
    return tuple(names)


def rule_for(policy: RetryPolicy, names: Collection[str]) -> ErrorRule | None:
    """Return the first rule that means an error of these names."""
    for rule in policy.by_error:
        if rule.error.endswith("*"):
            if any(name.startswith(rule.error[:-1]) for name in names) or rule.error == "*":
                return rule
        elif rule.error in names:
            return rule
    return None


def next_delay(
    policy: RetryPolicy,
    *,
    used: int,
    max_attempts: int,
    age_us: int,
    asked_us: int | None = None,
    names: Collection[str] = (),
    permanent: bool = False,
) -> int | None:
    """Return the delay before the next attempt, or None when there is none left.

    ``used`` counts the attempts used, the failed one included; ``age_us`` is the age of the job; ``asked_us`` the
    delay that the target asked for, which is honoured when it is longer.  ``names`` are those of the error, which is
    not tried again where it is ``permanent``, unless the policy has a rule for it that says otherwise.
    """
    rule, until = rule_for(policy, names) if policy.by_error else None, policy.until
    if rule is not None:
        permanent = rule.action == "fail" or (permanent and rule.action != "retry")
        if rule.attempts is not None:
            max_attempts, until = rule.attempts, None
        if rule.delays:
            policy = msgspec.structs.replace(policy, delays=rule.delays, jitter=rule.jitter)
    if permanent:
        return None
    delay = max(delay_us(policy, max(used, 1)), asked_us or 0)
    if until is not None:
        return delay if age_us + delay <= until else None
    return delay if used < max_attempts else None
