"""Retry policies: pauses, ends, and what is different for some errors."""

from __future__ import annotations

from typing import Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rota.actions.decoding import convert
from rota.actions.policy import attempts_and_retry
from rota.actions.specs import JobDefaults, RetryIn
from rota.errors import Invalid
from rota.job import OnError, Retry, error_type
from rota.retry import DEFAULT, ErrorRule, RetryPolicy, delay_us, error_names, next_delay, parse, rule_for

SECOND = 1_000_000
PLAIN = RetryPolicy(backoff="fixed", base=7 * SECOND, jitter=False)


def with_rules(*rules: ErrorRule, **fields: object) -> RetryPolicy:
    return msgspec.structs.replace(PLAIN, by_error=rules, **fields)


def after(
    policy: RetryPolicy, *names: str, used: int = 1, permanent: bool = False, asked_us: int | None = None
) -> object:
    return next_delay(policy, used=used, max_attempts=4, age_us=0, names=names, permanent=permanent, asked_us=asked_us)


@pytest.mark.parametrize(
    ("code", "kind", "message", "expected"),
    [
        ("http-503", None, "HTTP 503", ("http-503",)),
        ("exit-code", None, "3", ("exit-code", "exit-3")),
        ("signal", "SIGKILL", "137", ("signal", "SIGKILL")),
        ("exception", "ValueError", "no", ("exception", "ValueError")),
        ("exception", "shop.errors.SoldOut", "no", ("exception", "shop.errors.SoldOut", "SoldOut")),
        ("connect", None, "refused", ("connect", "connection")),
        ("connection", None, "broke", ("connection",)),
    ],
)
def test_an_error_has_the_names_that_people_look_for(
    code: str, kind: str | None, message: str, expected: tuple[str, ...]
) -> None:
    assert error_names(code, kind, message) == expected


def test_an_exception_is_called_by_its_qualified_name() -> None:
    assert (error_type(ValueError), error_type(Invalid)) == ("ValueError", "rota.errors.Invalid")


def test_the_first_rule_that_matches_holds() -> None:
    first, second = ErrorRule("http-4*", "fail"), ErrorRule("http-429", "retry")
    assert rule_for(with_rules(first, second), ["http-429"]) is first
    assert rule_for(with_rules(second, first), ["http-429"]) is second
    assert rule_for(with_rules(first, second), ["http-500"]) is None
    assert rule_for(with_rules(ErrorRule("*", "fail")), []) is not None


def test_an_error_may_fail_for_good() -> None:
    policy = with_rules(ErrorRule("ValueError", "fail"))
    assert after(policy, "exception", "ValueError") is None
    assert after(policy, "exception", "KeyError") == 7 * SECOND


def test_what_is_permanent_is_tried_again_only_where_a_rule_says_so() -> None:
    assert after(PLAIN, "http-404", permanent=True) is None
    assert after(with_rules(ErrorRule("http-404", "retry")), "http-404", permanent=True) == 7 * SECOND
    assert after(with_rules(ErrorRule("http-404", delays=(SECOND,))), "http-404", permanent=True) is None


def test_an_error_may_have_its_own_pauses() -> None:
    policy = with_rules(ErrorRule("http-429", delays=(60 * SECOND, 120 * SECOND)))
    assert [after(policy, "http-429", used=used) for used in (1, 2, 3)] == [60 * SECOND, 120 * SECOND, 120 * SECOND]
    assert after(policy, "http-429", used=1, asked_us=90 * SECOND) == 90 * SECOND
    assert after(policy, "http-429", used=4) is None


def test_an_error_may_have_more_or_fewer_attempts() -> None:
    policy = with_rules(ErrorRule("timeout", attempts=2), ErrorRule("http-503", attempts=9))
    assert after(policy, "timeout", used=1) == 7 * SECOND
    assert after(policy, "timeout", used=2) is None
    assert after(policy, "http-503", used=8) == 7 * SECOND
    assert after(policy, "http-503", used=9) is None


def test_the_attempts_of_an_error_take_the_place_of_until() -> None:
    policy = with_rules(ErrorRule("timeout", attempts=2), until=100 * SECOND)
    assert next_delay(policy, used=1, max_attempts=1, age_us=200 * SECOND, names=["timeout"]) == 7 * SECOND
    assert next_delay(policy, used=1, max_attempts=1, age_us=200 * SECOND, names=["other"]) is None


names = st.sampled_from(["http-429", "http-404", "timeout", "ValueError", "exit-3"])
patterns = names | st.sampled_from(["*", "http-*", "exit-*"])
rules = st.builds(
    ErrorRule,
    error=patterns,
    action=st.sampled_from([None, "retry", "fail"]),
    attempts=st.none() | st.integers(1, 10),
    delays=st.lists(st.integers(0, 100 * SECOND), max_size=3).map(tuple),
)


@given(st.lists(rules, max_size=5), names, st.integers(1, 12), st.booleans())
def test_rules_change_nothing_but_what_they_say(found: list[ErrorRule], name: str, used: int, permanent: bool) -> None:
    policy = with_rules(*found)
    rule = rule_for(policy, [name])
    delay = after(policy, name, used=used, permanent=permanent)
    if rule is None:
        assert delay == after(PLAIN, name, used=used, permanent=permanent)
        return
    most = 4 if rule.attempts is None else rule.attempts
    ends = rule.action == "fail" or (permanent and rule.action != "retry") or used >= most
    assert (delay is None) == ends
    if delay is not None:
        assert delay == (rule.delays[min(used, len(rule.delays)) - 1] if rule.delays else 7 * SECOND)


@given(st.integers(1, 100), st.floats(0, 1), st.sampled_from(["exponential", "linear", "fixed"]))
def test_a_pause_is_between_half_and_all_of_its_length(
    failures: int, spread: float, backoff: Literal["exponential", "linear", "fixed"]
) -> None:
    policy = RetryPolicy(backoff=backoff)
    whole = delay_us(msgspec.structs.replace(policy, jitter=False), failures)
    assert whole // 2 <= delay_us(policy, failures, spread=spread) <= whole <= policy.cap


def stored(**retry: object) -> tuple[int, RetryPolicy]:
    attempts, document = attempts_and_retry(JobDefaults(retry=convert(retry, RetryIn, "retry")), "http")
    return attempts, parse(document)


def test_what_a_user_sends_is_what_is_judged_by() -> None:
    _, policy = stored(
        byError=[
            {"error": "http-429", "delays": ["90m"]},
            {"error": "http-4*", "action": "fail"},
            {"error": "ValueError", "attempts": 2, "action": "retry"},
        ]
    )
    assert policy.by_error == (
        ErrorRule("http-429", delays=(5400 * SECOND,)),
        ErrorRule("http-4*", "fail"),
        ErrorRule("ValueError", "retry", 2),
    )
    assert policy.cap == 5400 * SECOND
    assert msgspec.structs.replace(policy, by_error=(), cap=DEFAULT.cap) == DEFAULT


def test_python_says_the_same() -> None:
    retry = Retry(
        attempts=5, by_error=[OnError(ValueError, "fail"), OnError(Invalid, attempts=2), OnError("http-4*", delays=[9])]
    )
    assert retry.document()["byError"] == [
        {"error": "ValueError", "action": "fail"},
        {"error": "rota.errors.Invalid", "attempts": 2},
        {"error": "http-4*", "delays": ["9s"]},
    ]
    attempts, policy = stored(**retry.document())
    assert (attempts, len(policy.by_error)) == (5, 3)


@pytest.mark.parametrize(
    ("entry", "field", "reason"),
    [
        ({"error": ""}, "retry.byError.0.error", "is empty"),
        ({"error": "a*b", "action": "fail"}, "retry.byError.0.error", "not at the end"),
        ({"error": "a"}, "retry.byError.0", "says nothing"),
        ({"error": "a", "action": "fail", "attempts": 2}, "retry.byError.0", "fails for good"),
        ({"error": "a", "attempts": 0}, "retry.byError.0.attempts", "out of range"),
        ({"error": "a", "delays": []}, "retry.byError.0.delays", "from 1 to 100"),
        ({"error": "a", "delays": ["5x"]}, "retry.byError.0.delays.0", "duration"),
        ({"error": "a", "action": "ignore"}, "retry.byError.0.action", "ignore"),
    ],
)
def test_a_wrong_entry_is_refused_by_name(entry: dict[str, object], field: str, reason: str) -> None:
    with pytest.raises(Invalid) as refused:
        stored(byError=[entry])
    assert refused.value.field.startswith(field)
    assert reason in str(refused.value)


def test_too_many_entries_are_refused() -> None:
    with pytest.raises(Invalid, match="at most 20|too many"):
        stored(byError=[{"error": "a", "action": "fail"}] * 21)


def test_python_refuses_what_is_no_entry() -> None:
    with pytest.raises(Invalid, match="by_error"):
        Retry(by_error=[ValueError])  # type: ignore[list-item]
    with pytest.raises(Invalid, match="delays"):
        Retry(by_error=[OnError("a", delays="5s")])
