"""What ``@rota.job`` makes of a function, apart from its arguments."""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any, cast

import pytest

from rota.errors import Invalid
from rota.handle import Job
from rota.job import Fail, JobFunction, JobOptions, Retry, Retryable, Snooze, TypeOptions


def add(a: int, b: int = 2) -> int:
    """Add."""
    return a + b


async def wait(a: int) -> int:
    return a


JOB = cast(Job, object())
LATER = cast(Job, object())


class Owner:
    """An application that remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, JobOptions]] = []

    def enqueue_function(self, function: JobFunction[..., Any], args_json: str, /, **options: Any) -> Job:
        self.asked.append((function.name, args_json, cast(JobOptions, options)))
        return JOB

    async def aenqueue_function(self, function: JobFunction[..., Any], args_json: str, /, **options: Any) -> Job:
        self.enqueue_function(function, args_json, **options)
        return LATER


def test_it_is_still_the_plain_function() -> None:
    job = JobFunction(add)
    assert job(1, b=5) == 6
    assert (job.name, job.lane, job.path, job.__doc__) == ("add", "sync", f"{__name__}:add", "Add.")


async def test_an_async_function_is_awaited_when_called() -> None:
    job = JobFunction(wait)
    assert await job(3) == 3
    assert job.lane == "async"


def test_callables_of_every_kind() -> None:
    class Mailer:
        async def __call__(self, to: str) -> None: ...

    assert JobFunction(functools.partial(wait, 1), name="later").lane == "async"
    assert JobFunction(Mailer(), name="mailer").lane == "async"
    with pytest.raises(Invalid, match=r"name: this callable has no name.*name="):
        JobFunction(lambda: None)


def test_a_generator_is_refused() -> None:
    def rows() -> Iterator[int]:
        yield 1

    async def later() -> AsyncIterator[int]:
        yield 1

    for function in (rows, later):
        with pytest.raises(Invalid, match="is a generator .return a list"):
            JobFunction(function)


@pytest.mark.parametrize("name", ["", "a b", "é", "x" * 300, "-x"])
def test_a_malformed_name_is_refused(name: str) -> None:
    with pytest.raises(Invalid) as caught:
        JobFunction(functools.partial(add), name=name)
    assert caught.value.field == "name"


def test_defaults_are_written_as_the_contract_names_them() -> None:
    job = JobFunction(
        add,
        queue="mail",
        priority="HIGH",
        retry=Retry(attempts=5, backoff="exponential", cap=3600, jitter=False),
        max_attempts=5,
        timeout=timedelta(minutes=5),
        expires_in="1h30m",
        concurrency_key="k",
        order_key="o={a}",
        run_on=("gpu",),
        tags=("a", "b"),
        on_lost="fail",
    )
    assert json.loads(job.defaults_json) == {
        "queue": "mail",
        "priority": "HIGH",
        "retry": {"attempts": 5, "backoff": "exponential", "cap": "1h", "jitter": False},
        "maxAttempts": 5,
        "timeout": "5m",
        "expiresIn": "1h30m",
        "concurrencyKey": "k",
        "orderKey": "o={a}",
        "runOn": ["gpu"],
        "tags": ["a", "b"],
        "onLost": "fail",
    }
    assert JobFunction(add).defaults_json == "{}"


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"timeout": "soon"}, "timeout"),
        ({"timeout": -1}, "timeout"),
        ({"expires_in": object()}, "expires_in"),
        ({"max_attempts": 0}, "max_attempts"),
        ({"max_attempts": True}, "max_attempts"),
        ({"max_attempts": "3"}, "max_attempts"),
        ({"retry": 5}, "retry"),
        ({"tags": "a"}, "tags"),
        ({"on_lost": "ignore"}, "on_lost"),
        ({"timeuot": "5m"}, "timeuot"),
        ({"delay": "5m"}, "delay"),
    ],
)
def test_a_wrong_default_is_refused_where_it_is_written(options: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        JobFunction(add, **TypeOptions(**options))  # type: ignore[typeddict-item]  # wrong on purpose
    assert caught.value.field == field


def test_enqueue_asks_the_owner() -> None:
    owner = Owner()
    job = JobFunction(add, owner=owner)
    assert job.enqueue(1, b=3) is JOB
    assert asyncio.run(job.aenqueue(4)) is LATER
    assert owner.asked == [("add", '{"a":1,"b":3}', {}), ("add", '{"a":4}', {})]


def test_options_make_a_copy_and_add_up() -> None:
    owner = Owner()
    job = JobFunction(add, owner=owner)
    later = job.options(delay="5m", queue="slow")
    later.options(queue="slower", priority=3).enqueue(1)
    later.enqueue(2)
    job.enqueue(3)
    assert [options for _, _, options in owner.asked] == [
        {"delay": "5m", "queue": "slower", "priority": 3},
        {"delay": "5m", "queue": "slow"},
        {},
    ]
    assert later(1) == 3


def test_an_unknown_option_is_refused_by_name() -> None:
    with pytest.raises(Invalid, match="dealy: is no option of a job"):
        JobFunction(add).options(dealy="5m")  # type: ignore[call-arg]  # wrong on purpose


def test_a_function_of_no_application_cannot_be_enqueued() -> None:
    with pytest.raises(Invalid, match="add belongs to no application"):
        JobFunction(add).enqueue(1)


@pytest.mark.parametrize(
    ("retry", "document"),
    [
        (Retry(), {}),
        (Retry(attempts=3), {"attempts": 3}),
        (Retry(delays=["10s", 60, timedelta(hours=1)]), {"delays": ["10s", "1m", "1h"]}),
        (Retry(until="2h", jitter=True), {"until": "2h", "jitter": True}),
        (Retry(backoff="fixed"), {"backoff": "fixed"}),
        (Retry(backoff=2.5), {"backoff": "2s500ms"}),
    ],
)
def test_retry_writes_the_contracts_json(retry: Retry, document: dict[str, Any]) -> None:
    assert retry.document() == document


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"attempts": 3, "until": "1h"}, "retry"),
        ({"delays": ["1s"], "backoff": "fixed"}, "retry"),
        ({"attempts": 0}, "retry.attempts"),
        ({"delays": ["1s", "x"]}, "retry.delays"),
        ({"delays": "10s"}, "retry.delays"),
        ({"backoff": "quadratic"}, "retry.backoff"),
        ({"cap": float("nan")}, "retry.cap"),
    ],
)
def test_a_wrong_retry_is_refused_where_it_is_written(values: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        Retry(**values)
    assert caught.value.field == field


def test_exceptions_that_say_what_comes_next() -> None:
    assert Snooze("90s").delay_us == 90_000_000
    assert Retryable("busy", delay=timedelta(seconds=2)).delay_us == 2_000_000
    assert Retryable("busy").delay_us is None
    assert str(Fail("no such customer")) == "no such customer"
    with pytest.raises(Invalid):
        Snooze("later")
