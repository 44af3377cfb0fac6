"""Files of schedules: three formats that say the same, and what is wrong with them in one line."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rota.cli import definitions
from rota.errors import Invalid
from rota.importers import bounded_yaml

SAID: dict[str, Any] = {
    "source": "ops",
    "schedules": {
        "nightly.eu": {"cron": "0 3 * * *", "startAt": "2026-12-01T00:00:00+00:00", "args": {"a b": [1, 2.5, True]}},
        "ünï": {"every": "10m", "note": 'a "quoted" \\ text\nof two lines \x7f', "tags": []},
    },
    "calendars": {"days": {"dates": ["2026-12-24"]}},
}
TOML = """
source = "ops"
[schedules."nightly.eu"]
cron = "0 3 * * *"
startAt = 2026-12-01T00:00:00Z
args = { "a b" = [1, 2.5, true] }
[schedules."ünï"]
every = "10m"
note = "a \\"quoted\\" \\\\ text\\nof two lines \\u007f"
tags = []
[calendars.days]
dates = [2026-12-24]
"""
YAML = """
source: ops
schedules:
  nightly.eu: {cron: "0 3 * * *", startAt: 2026-12-01T00:00:00Z, args: {a b: [1, 2.5, true]}}
  "ünï":
    every: 10m
    note: "a \\"quoted\\" \\\\ text\\nof two lines \\x7f"
    tags: []
calendars: {days: {dates: [2026-12-24]}}
"""
values = st.recursive(
    st.booleans() | st.integers(-(10**15), 10**15) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
documents = st.fixed_dictionaries(
    {"schedules": st.dictionaries(st.text(), st.dictionaries(st.text(), values, max_size=4), max_size=3)}
)


def read(text: str, form: str) -> dict[str, Any]:
    return definitions.parse(text.encode(), form)


def test_three_formats_say_the_same() -> None:
    assert read(TOML, "toml") == read(YAML, "yaml") == SAID


@pytest.mark.parametrize("form", definitions.FORMATS)
def test_what_is_written_is_read_again(form: str) -> None:
    assert read(definitions.write(SAID, form), form) == SAID


@given(documents)
def test_whatever_is_written_as_toml_is_read_again(document: dict[str, Any]) -> None:
    assert read(definitions.write(document, "toml"), "toml") == document


def test_aliases_and_merges_of_yaml() -> None:
    text = """
    base: &base {timezone: Europe/Paris, queue: mail}
    schedules:
      a: {<<: *base, cron: "0 3 * * *", queue: other}
      b: *base
    """
    found = read(text, "yaml")["schedules"]
    assert found["a"] == {"timezone": "Europe/Paris", "queue": "other", "cron": "0 3 * * *"}
    assert found["b"] == {"timezone": "Europe/Paris", "queue": "mail"}


LAUGHS = "\n".join(["a0: &a0 [lol]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10))])
MERGES = "\n".join(
    ["a0: &a0 {" + ", ".join(f"k{n}: 1" for n in range(100)) + "}"]
    + [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}" for n in range(1, 12)]
)


@pytest.mark.parametrize(
    ("form", "text", "said"),
    [
        ("toml", "a = ", "is not TOML: invalid value"),
        ("toml", "[schedules.a]\n[schedules.a]", "is not TOML: "),
        ("json", "{", "is not JSON: "),
        ("json", '{"a": 1, "a": 2}', "is not JSON: 'a' is given twice"),
        ("json", '{"a": NaN}', "is not JSON: naN is no number"),
        ("json", "[1]", "is not a table"),
        ("json", "[" * 100_000, "is nested too deep"),
        ("json", '{"a":' * 150 + "1" + "}" * 150, "is nested too deep"),
        ("yaml", "a: [", "is not YAML: while parsing"),
        ("yaml", "a: 1\na: 2", "is not YAML: 'a' is given twice"),
        ("yaml", "a: !!python/object/apply:os.system [ls]", "is not YAML: could not determine a constructor"),
        ("yaml", "a: &a [*a]", "is nested too deep"),
        ("yaml", "1: x", "the name 1 is no text"),
        ("yaml", "calendars: {off: {}}", "calendars: the name False is no text (write it in quotes)"),
        ("yaml", "a: 2026-13-45", "is not YAML: "),
        ("yaml", "just text", "is not a table"),
        ("yaml", LAUGHS, "has more than 1,000,000 values"),
        ("yaml", MERGES, "is merged of more than 10000 names"),
        ("yaml", "a: &a 1\nb: [" + ", ".join(["*a"] * 1001) + "]", "it has more than 1000 aliases"),
        ("toml", "a = 2026-12-01T00:00:00", "a: 2026-12-01 00:00:00 has no zone (write 2026-12-01T00:00:00Z for UTC)"),
        ("toml", "a = [{ b = 07:32:00 }]", "a.0.b: "),
    ],
)
def test_what_is_wrong(form: str, text: str, said: str) -> None:
    began = time.process_time()
    with pytest.raises(Invalid) as refused:
        read(text, form)
    assert time.process_time() - began < 5
    assert str(refused.value).startswith("FILE: ")
    assert said in str(refused.value)


def test_what_aliases_repeat_is_not_walked_to_be_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(definitions, "MOST_VALUES", 10**8)
    test_what_is_wrong("yaml", LAUGHS, "has more than 100,000,000 values")


def test_bytes_that_are_no_text() -> None:
    with pytest.raises(Invalid, match="is not UTF-8: invalid start byte at byte 1"):
        definitions.parse(b"a\xff", "toml")
    assert definitions.parse(b'\xef\xbb\xbf{"a": 1}', "json") == {"a": 1}


def test_toml_has_no_null() -> None:
    with pytest.raises(Invalid, match=r"schedules\.a\.args holds null, which TOML cannot say"):
        definitions.write({"schedules": {"a": {"args": {"x": None}}}}, "toml")


def test_the_name_says_the_format() -> None:
    found = [definitions.format_of(name, None) for name in ("a.toml", "b/c.JSON", "d.yaml", "e.yml")]
    assert found == ["toml", "json", "yaml", "yaml"]
    assert definitions.format_of("-", "json") == "json"
    with pytest.raises(Invalid, match="the name - does not say what is in it"):
        definitions.format_of("-", None)


def test_yaml_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(bounded_yaml, "import_module", gone)
    with pytest.raises(Invalid, match=r"YAML needs the package PyYAML \(pip install 'rota\[yaml\]'"):
        read("a: 1", "yaml")
