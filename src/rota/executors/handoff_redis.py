"""Connections to the Redis of a fleet: bounded waits, and one kind of error where it does not answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from rota.executors.handoff_broker import show, without_secrets
from rota.executors.handoff_fleet import AwayError

TIMEOUT_S = 5.0


def connect(url: str) -> redis.Redis:
    """Return a client; it connects when it is used."""
    return redis.Redis.from_url(
        url,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
        health_check_interval=30,
        decode_responses=False,
        retry=Retry(NoBackoff(), 0),  # whoever calls tries again, and counts how long
    )


@contextmanager
def answering(*urls: str | None, others: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Raise AwayError for whatever says that the Redis at these addresses cannot be used now.

    A command that Redis refuses for its state (loading, read only, out of memory, no right) counts as that.
    """
    away: tuple[type[Exception], ...] = (redis.RedisError, OSError, *others)
    try:
        yield
    except away as error:
        place = next((show(url) for url in urls if url), "Redis")
        reason = without_secrets(str(error) or type(error).__name__, *urls)
        raise AwayError(f"Redis at {place} cannot be used: {reason}") from None
