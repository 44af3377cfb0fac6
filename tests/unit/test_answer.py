"""What results mean, for every executor alike."""

from __future__ import annotations

import json

import msgspec
import pytest

from rota.executors.answer import MAX_DELAY_US, MAX_RESULT_BYTES, judge, one_line


@pytest.mark.parametrize(
    "text",
    [
        "null",
        "3",
        '"failed"',
        "[1]",
        "{}",
        '{"success": true, "errors": ["kept"]}',
        '{"success": null}',
        '{"success": 0}',
        '{"status": "complete"}',
        '{"status": "completed"}',
        '{"status": {"retry": 1}}',
        '{"a": "\\u0000"}',
        "[" * 64 + "]" * 64,
    ],
)
def test_a_plain_result_completes_and_is_kept_byte_for_byte(text: str) -> None:
    outcome = judge(text)
    assert (outcome.kind, outcome.result, outcome.truncated) == ("completed", text, None)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('{"success": false, "errors": ["a", "b"]}', "a; b"),
        ('{"success": false, "errors": "one\\ntwo"}', "one two"),
        ('{"success": false, "errors": [{"message": "m"}, {"code": 7}]}', 'm; {"code":7}'),
        ('{"success": false, "errors": [], "error": "e"}', "e"),
        ('{"success": false}', "the answer says success false"),
        ('{"success": false, "errors": [1, 2, 3, 4, 5, 6, 7]}', "1; 2; 3; 4; 5 (and 2 more)"),
    ],
)
def test_success_false_fails_the_attempt_and_keeps_the_result(text: str, line: str) -> None:
    outcome = judge(text)
    assert (outcome.kind, outcome.permanent, outcome.error, outcome.result) == ("failed", False, line, text)


@pytest.mark.parametrize("text", ['{"a": 1e999}', '{"a": ' + "9" * 5000 + "}", '{"a": NaN}', '{"a": "\\ud800"}'])
def test_what_nobody_could_read_is_no_json(text: str) -> None:
    outcome = judge(text)
    assert (outcome.kind, outcome.permanent) == ("failed", True)
    assert (outcome.error or "").startswith("the result is not JSON: ")


def test_status_failed_fails_for_good() -> None:
    outcome = judge('{"status": "failed", "error": "no such customer"}')
    assert (outcome.kind, outcome.permanent, outcome.error) == ("failed", True, "no such customer")


@pytest.mark.parametrize(("delay", "us"), [(0, 0), (1500, 1_500_000), (0.5, 500), (1e30, MAX_DELAY_US)])
def test_status_retry_snoozes(delay: float, us: int) -> None:
    outcome = judge(json.dumps({"status": "retry", "delayMs": delay, "success": False}))
    assert (outcome.kind, outcome.delay_us) == ("snoozed", us)


@pytest.mark.parametrize("answer", [{}, {"delayMs": -1}, {"delayMs": "soon"}, {"delayMs": True}, {"delayMs": None}])
def test_status_retry_without_a_delay_is_a_failure_that_may_be_retried(answer: dict[str, object]) -> None:
    outcome = judge(json.dumps({"status": "retry"} | answer))
    assert (outcome.kind, outcome.permanent) == ("failed", False)
    assert "delayMs" in (outcome.error or "")


@pytest.mark.parametrize(
    "text",
    ["", "nope", "{", '{"a": NaN}', "[" * 65 + "]" * 65, '{"a":' * 10_000 + "1" + "}" * 10_000, "[" * 100_000],
)
def test_what_is_not_json_or_too_deep_fails_for_good(text: str) -> None:
    outcome = judge(text)
    assert outcome.kind == "failed" and outcome.permanent
    assert outcome.detail is not None and outcome.detail.code == "result-not-json"
    assert "\n" not in (outcome.error or "")


def test_many_shallow_brackets_are_not_deep() -> None:
    assert judge(json.dumps([[n] for n in range(1000)])).kind == "completed"


def test_a_large_result_completes_with_its_size_and_head() -> None:
    text = json.dumps({"x": "é" * MAX_RESULT_BYTES}, ensure_ascii=False)
    outcome = judge(text)
    assert outcome.kind == "completed"
    assert outcome.truncated == len(text.encode())
    cut = msgspec.json.decode(outcome.result or "")
    assert cut["bytes"] == outcome.truncated and text.startswith(cut["head"]) and len(cut["head"]) > 1000


def test_a_result_at_the_limit_is_kept_whole() -> None:
    text = '"' + "x" * (MAX_RESULT_BYTES - 2) + '"'
    outcome = judge(text)
    assert (outcome.result, outcome.truncated) == (text, None)


def test_a_large_answer_is_judged_too() -> None:
    outcome = judge(json.dumps({"success": False, "errors": ["e"], "details": "x" * MAX_RESULT_BYTES}))
    assert (outcome.kind, outcome.error) == ("failed", "e")
    assert outcome.truncated and len(outcome.result or "") < 10_000


def test_an_error_line_is_short_and_printable() -> None:
    line = one_line("a\n\tb\0 \ud800" + "x" * 5000)
    assert line.startswith("a b� ?x") and len(line) == 1000 and line.endswith("…")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('{"success": false, "errors": [{"code": "SOLD_OUT", "message": "none left"}]}', "SOLD_OUT"),
        ('{"success": false, "error": {"code": 7}}', "7"),
        ('{"status": "failed", "error": {"code": "GONE"}}', "GONE"),
        ('{"status": "failed", "error": "gone"}', None),
        ('{"success": false, "errors": [{"code": true}]}', None),
        ('{"success": false, "errors": []}', None),
    ],
)
def test_the_code_of_an_error_is_its_type(text: str, kind: str | None) -> None:
    detail = judge(text).detail
    assert detail is not None
    assert (detail.code, detail.type) == ("answer-failed", kind)
