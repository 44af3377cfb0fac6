"""Body templates."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rota.errors import Invalid
from rota.executors.template import NoValue, TooLong, compile_json, compile_text

ROOTS = frozenset(("args", "jobId"))
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
    max_leaves=10,
)


def render(body: object, values: dict[str, Any]) -> Any:
    return msgspec.json.decode(compile_json(body, ROOTS).render(values))


def test_a_text_that_is_one_placeholder_keeps_the_type() -> None:
    args = {"n": 5, "f": 1.5, "t": True, "none": None, "list": [1, "a"], "big": 1 << 80}
    for name, value in args.items():
        assert render({"x": f"{{{{args.{name}}}}}"}, {"args": args}) == {"x": value}
    assert render("{{ args }}", {"args": args}) == args


def test_inside_a_longer_text_values_are_written_out() -> None:
    args = {"n": 5, "t": False, "none": None, "list": [1, "a"], "s": 'q"\\\n'}
    body = {"x": "{{args.n}}/{{args.t}}/{{args.none}}/{{args.list}}/{{args.s}}"}
    assert render(body, {"args": args}) == {"x": '5/false//[1,"a"]/q"\\\n'}


@given(JSON)
def test_a_value_is_never_anything_but_a_value(value: object) -> None:
    assert render({"x": ["{{args}}"]}, {"args": value}) == {"x": [value]}


@given(TEXTS)
def test_a_text_never_leaves_its_quotes(text: str) -> None:
    assert render({"x": "<{{args}}>"}, {"args": text}) == {"x": f"<{text}>"}


@given(JSON)
def test_a_body_without_placeholders_stays_as_it_is(value: object) -> None:
    if "{{" not in msgspec.json.encode(value).decode():
        assert render(value, {}) == value


def test_values_are_not_looked_into_for_placeholders() -> None:
    assert render({"x": "{{args}}!"}, {"args": "{{jobId}}", "jobId": "secret"}) == {"x": "{{jobId}}!"}


def test_elements_of_lists_are_found_by_number() -> None:
    values = {"args": {"a": [{"b": 1}, {"b": 2}]}}
    assert render("{{args.a.1.b}}", values) == 2
    for path in ("args.a.2.b", "args.a.-1", "args.a.x", "args.a.99999999999999999999", "args.missing", "args.a.0.b.c"):
        with pytest.raises(NoValue, match="args"):
            render(f"{{{{{path}}}}}", values)


def test_texts_and_forms() -> None:
    values = {"args": {"q": "a&b=c d/ü", "n": None}}
    assert compile_text("q={{args.q}}{{args.n}};", ROOTS, "text").render(values) == "q=a&b=c d/ü;"
    assert compile_text("q={{args.q}}{{args.n}}", ROOTS, "form").render(values) == "q=a%26b%3Dc+d%2F%C3%BC"


@pytest.mark.parametrize(
    "text",
    ["{{", "a {{args", "{{}}", "{{args..x}}", "{{args[0]}}", "{{__class__}}", "{{other}}", "{{args.a b}}", "{{5}}"],
)
def test_placeholders_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        compile_json({"a": [text]}, ROOTS, "target.body")
    assert caught.value.field == "target.body.a.0"


def test_there_is_no_access_to_anything_but_the_values() -> None:
    for path in ("args.__class__", "args.keys", "args.a.real"):
        with pytest.raises(NoValue):
            render(f"{{{{{path}}}}}", {"args": {"a": 1}})


def test_a_body_never_grows_beyond_its_limit() -> None:
    template = compile_json(["{{args}}"] * 10_000, ROOTS)
    with pytest.raises(TooLong):
        template.render({"args": "x" * 100_000})


def test_a_body_that_is_nested_too_deep_is_refused() -> None:
    body: object = "x"
    for _ in range(100_000):
        body = [body]
    with pytest.raises(Invalid, match="deeper"):
        compile_json(body, ROOTS)
