"""When a failed attempt is tried again.

Exponential back-off with jitter: ``delay = base · 2^(n-1)``, capped, of which between half and all is waited, so
that jobs that failed together do not come back together.
"""

from __future__ import annotations

import random

import msgspec

SECOND = 1_000_000
BASE_US = 2 * SECOND
CAP_US = 3600 * SECOND


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


def next_delay(
    policy: RetryPolicy, *, used: int, max_attempts: int, age_us: int, asked_us: int | None = None
) -> int | None:
    """Return the delay before the next attempt, or None when there is none left.

    ``used`` counts the attempts used, the failed one included; ``age_us`` is the age of the job; ``asked_us`` the
    delay that the target asked for, which is honoured when it is longer.
    """
    delay = max(delay_us(policy, max(used, 1)), asked_us or 0)
    if policy.until is not None:
        return delay if age_us + delay <= policy.until else None
    return delay if used < max_attempts else None
