"""Arguments are checked against the schema of their type when they come in."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from rota.actions import args_schema
from rota.actions.arguments import check_fit, check_schema
from rota.errors import Invalid

SCHEMA = '{"type":"object","properties":{"limit":{"type":"integer"}},"required":["limit"],"additionalProperties":false}'


def test_what_fits_passes() -> None:
    check_fit('{"limit": 3}', SCHEMA)
    check_fit("[1]", None)


@pytest.mark.parametrize(
    ("args", "field"), [('{"limit": "x"}', "args.limit"), ("{}", "args"), ('{"limit": 1, "more": 2}', "args")]
)
def test_what_does_not_fit_is_refused_with_its_field(args: str, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_fit(args, SCHEMA)
    assert refused.value.field == field
    assert refused.value.hint == "it takes limit"


def test_a_wrong_schema_is_refused() -> None:
    with pytest.raises(Invalid) as refused:
        check_schema('{"type": "nonsense"}', "argsSchema")
    assert refused.value.field == "argsSchema.type"


def test_no_schema_is_ever_downloaded() -> None:
    schema = '{"$ref": "http://127.0.0.1:9/schema.json"}'
    with pytest.raises(Invalid, match=r"127\.0\.0\.1"):
        check_fit("{}", schema)


@pytest.mark.parametrize(
    ("schema", "args"),
    [
        ({"properties": {"a": {"pattern": "^(a|a)*$"}}}, {"a": "a" * 60 + "!"}),
        ({"patternProperties": {"^(a|a)*$": True}}, {"a" * 60 + "!": 1}),
        ({"patternProperties": {"^(a|a)*$": True}, "additionalProperties": False}, {"a" * 60 + "!": 1}),
        ({"propertyNames": {"$schema": "https://json-schema.org/draft/2020-12/schema", "pattern": "^(a|a)*$"}},
         {"a" * 60 + "!": 1}),
        ({"$ref": "#/$defs/n", "$defs": {"n": {"anyOf": [
            {"properties": {"a": {"$ref": "#/$defs/n"}}, "required": ["y"]},
            {"properties": {"a": {"$ref": "#/$defs/n"}}, "required": ["z"]}]}}},
         json.loads('{"a":' * 40 + "{}" + "}" * 40)),
    ],
)  # fmt: skip
def test_no_schema_holds_up_the_service(
    schema: dict[str, Any], args: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of these took hours, those with patterns with the interpreter's lock held."""
    monkeypatch.setattr(args_schema, "WITHIN_S", 1.0)
    turned, ended = 0, threading.Event()

    def check() -> None:
        with pytest.raises(Invalid, match="take too long") as refused:
            check_fit(json.dumps(args), json.dumps(schema))
        assert refused.value.field == "args"
        ended.set()

    thread = threading.Thread(target=check)
    thread.start()
    while not ended.wait(0.01) and thread.is_alive():
        turned += 1
    thread.join()
    assert ended.is_set() and turned > 3


def test_many_items_are_told_apart_at_once() -> None:
    schema = '{"uniqueItems": true}'
    started = time.thread_time()
    check_fit(json.dumps([{"n": number, "x": [number]} for number in range(20_000)]), schema)
    assert time.thread_time() - started < 2
    for same in ("[1, 1.0]", '[{"a": 1, "b": 2}, {"b": 2, "a": 1}]', "[[1], [1]]"):
        with pytest.raises(Invalid, match="non-unique"):
            check_fit(same, schema)
    check_fit('[1, true, "1", [1], {"1": 1}, 0, false, null, 1.5]', schema)


@pytest.mark.parametrize(
    ("schema", "args", "reason"),
    [
        ({"additionalProperties": False}, {"b": 1, "a": 2}, "('a', 'b' were unexpected)"),
        ({"patternProperties": {"^x": True}, "additionalProperties": False}, {"xa": 1, "b": 2}, "'b' does not match"),
        ({"additionalProperties": {"type": "string"}}, {"a": 1}, "1 is not of type 'string'"),
        ({"patternProperties": {"^x": {"type": "string"}}}, {"y": 1, "x": 2}, "2 is not of type 'string'"),
        ({"properties": {"a": {"pattern": r"^\d{3}(?=-)"}}}, {"a": "12-"}, "'12-' does not match"),
    ],
)
def test_keywords_of_our_own_say_what_the_library_says(schema: dict[str, Any], args: Any, reason: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_fit(json.dumps(args), json.dumps(schema))
    assert reason in refused.value.message
    [error] = Draft202012Validator(schema).iter_errors(args)
    assert refused.value.message.endswith(error.message)


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"properties": {"a": {"pattern": "("}}}, "is no JSON schema"),
        ({"patternProperties": {"[": True}}, "is no JSON schema"),
        ({"patternProperties": {"a": True}, "unevaluatedProperties": False}, "beside patternProperties"),
    ],
)
def test_a_schema_that_cannot_be_bounded_is_refused(schema: dict[str, Any], reason: str) -> None:
    with pytest.raises(Invalid, match=reason):
        check_schema(json.dumps(schema), "argsSchema")
    check_schema('{"default": {"unevaluatedProperties": 1}, "patternProperties": {"a": true}}', "argsSchema")
