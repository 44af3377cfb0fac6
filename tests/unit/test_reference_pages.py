"""The pages made from data are as the data says, and every event that the code emits is in the list."""

from __future__ import annotations

import ast
import fnmatch
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from docs import rest_notes, rest_page
from docs.generate import PAGES
from rota.engine.telling import Told
from rota.logs import COMMON_FIELDS, EVENTS
from rota.settings import SETTINGS
from tools.openapi import description

ROOT = Path(__file__).parents[2]
OPTIONS = {"level", "exc_info"}
SPREAD = {"runner", "runnerPid", "queues", "slots", "labels"}
"""Fields that are given together, behind ``**``."""


@pytest.mark.parametrize("name", sorted(PAGES))
def test_the_committed_page_is_the_generated_one(name: str) -> None:
    committed = (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8")
    assert committed == PAGES[name](), "run make docs"


def test_every_setting_and_every_event_is_on_its_page() -> None:
    assert [setting.name for setting in SETTINGS if f"| `{setting.name}` |" not in PAGES["settings.md"]()] == []
    assert [name for name in EVENTS if f"| `{name}` |" not in PAGES["events.md"]()] == []


def test_every_field_that_is_sent_is_explained_and_no_note_is_left_over() -> None:
    described = description()
    schemas = described["components"]["schemas"]
    sent = rest_page.sent(described)
    fields = {(name, field) for name in schemas for field in schemas[name]["properties"]}
    unexplained = [each for each in fields if each[0] in sent and not rest_notes.note(*each, sent=True)]
    assert unexplained == []
    queries = {parameter["name"] for parameter in rest_page.parameters(described)}
    for notes, among in ((rest_notes.SENT, sent), (rest_notes.ANSWERED, schemas.keys() - sent)):
        known = {name for struct, field in fields if struct in among for name in (field, f"{struct}.{field}")}
        assert notes.keys() - known - queries == set()


@cache
def trees() -> dict[Path, ast.Module]:
    """All code, parsed."""
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted((ROOT / "src").rglob("*.py"))}


def calls(*names: str) -> Iterator[tuple[str, ast.Call, int]]:
    """Every call of one of these functions in the code, with the position of the event's name."""
    for path, tree in trees().items():
        if path.parent.name == "logs":
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func).removeprefix("logs.")
                if called in names:
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", node, int(called == "event_limited")


def names_in(node: ast.expr) -> Iterator[str]:
    """The names of events in an expression; a part that is filled in reads ``*``."""
    if isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "*" for part in node.values)
    elif isinstance(node, ast.Constant) and "/" in str(node.value):
        yield str(node.value)
    elif isinstance(node, ast.IfExp):
        yield from names_in(node.body)
        yield from names_in(node.orelse)


def test_every_event_in_the_code_is_listed_with_its_fields() -> None:
    found, wrong = 0, []
    for place, call, position in calls("event", "event_limited"):
        fields = {keyword.arg for keyword in call.keywords if keyword.arg} - OPTIONS
        for pattern in names_in(call.args[position]):
            found += 1
            listed = fnmatch.filter(EVENTS, pattern)
            known = {field for name in listed for field in EVENTS[name].fields} | COMMON_FIELDS.keys()
            if not listed or fields - known:
                wrong.append(f"{place}: {pattern} {sorted(fields - known)}")
    assert found > 0
    assert wrong == []


def test_names_and_fields_of_events_are_well_formed() -> None:
    for name, event in EVENTS.items():
        noun, _, verb = name.partition("/")
        assert noun.replace("-", "").isalpha(), name
        assert verb == "*" or verb.replace("-", "").isalpha(), name
        assert name == name.lower()
        assert COMMON_FIELDS.keys().isdisjoint(event.fields), name
        assert all(re.fullmatch("[a-z][A-Za-z]*", field) for field in event.fields), name
        assert event.meaning.endswith("."), name


def given_to(call: ast.Call) -> set[str]:
    """The fields that a call gives: by name, and those of what stands behind ``**``, or of the record."""
    fields = {keyword.arg for keyword in call.keywords if keyword.arg} - OPTIONS
    if ast.unparse(call.func).endswith("record"):
        return fields | set(Told.__struct_fields__)
    return fields


def test_every_event_that_is_listed_is_emitted_with_every_field() -> None:
    """The other direction: no line of the list promises what never comes."""
    # By the log itself:
    emitted: dict[str, set[str]] = {"log/dropped": {"count"}, "log/*": set(), "process/crashed": {"thread"}}
    for place, call, position in calls("event", "event_limited", "record"):
        patterns = list(names_in(call.args[position])) if len(call.args) > position else []
        names = {name for pattern in patterns for name in fnmatch.filter(EVENTS, pattern)}
        for name in names or texts(place.partition(":")[0]) & EVENTS.keys():  # one that was put into a variable
            emitted.setdefault(name, set()).update(given_to(call))
    assert sorted(EVENTS.keys() - emitted.keys()) == []
    missing = {name: sorted(set(event.fields) - emitted[name] - SPREAD) for name, event in EVENTS.items()}
    assert {name: fields for name, fields in missing.items() if fields} == {}


def texts(place: str) -> set[str]:
    """Every text in a file of the code."""
    nodes = ast.walk(trees()[ROOT / place])
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
