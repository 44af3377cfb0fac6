"""The dashboard of Grafana: it is as its source says, whole by a schema, and names numbers that exist."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema

from rota.insight.metrics import METRICS
from tools.dashboard import PATH, dashboard, main

DASHBOARD = json.loads(PATH.read_text(encoding="utf-8"))
NUMBER, TEXT = {"type": "integer", "minimum": 0}, {"type": "string", "minLength": 1}
PLACE = {"type": "object", "properties": dict.fromkeys("xywh", NUMBER), "required": list("xywh")}
SOURCE = {
    "type": "object",
    "required": ["type", "uid"],
    "properties": {
        "type": {"enum": ["prometheus", "grafana-postgresql-datasource"]},
        "uid": {"enum": ["${DS_PROMETHEUS}", "${DS_POSTGRESQL}"]},
    },
}
TARGET = {
    "type": "object",
    "required": ["refId", "datasource"],
    "properties": {"refId": {"pattern": "^[A-Z]$"}, "datasource": SOURCE, "expr": TEXT, "rawSql": TEXT},
    "oneOf": [{"required": ["expr"]}, {"required": ["rawSql", "rawQuery", "format"]}],
}
PANEL = {
    "type": "object",
    "required": ["id", "type", "title", "gridPos"],
    "properties": {
        "type": {"enum": ["row", "timeseries", "stat", "table"]},
        "title": TEXT,
        "gridPos": PLACE,
        "targets": {"type": "array", "minItems": 1, "items": TARGET},
    },
    "if": {"properties": {"type": {"const": "row"}}},
    "else": {"required": ["datasource", "description", "targets", "fieldConfig", "options"]},
}
INPUT = {"type": "object", "required": ["name", "label", "type", "pluginId", "pluginName"]}
VARIABLE = {"type": "object", "required": ["name", "type", "datasource", "query", "refresh", "current"]}
SCHEMA = {
    "type": "object",
    "required": ["title", "uid", "schemaVersion", "panels", "templating", "time", "__inputs"],
    "properties": {
        "schemaVersion": {"type": "integer", "minimum": 36},
        "panels": {"type": "array", "items": PANEL},
        "templating": {"type": "object", "properties": {"list": {"type": "array", "items": VARIABLE}}},
        "__inputs": {"type": "array", "items": INPUT},
        "id": {"type": "null"},
    },
}


def expressions() -> Iterator[str]:
    """All queries in PromQL."""
    for panel in DASHBOARD["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()) if "expr" in target)


def test_it_is_as_its_source_says() -> None:
    assert main(["--check"]) == 0
    assert dashboard() == DASHBOARD


def test_it_is_whole() -> None:
    jsonschema.validate(DASHBOARD, SCHEMA)
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    inputs = {f"${{{one['name']}}}" for one in DASHBOARD["__inputs"]}
    assert set(re.findall(r"\$\{DS_\w+\}", json.dumps(DASHBOARD))) == inputs


def test_no_panel_lies_on_another() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place: dict[str, Any] = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells


def test_it_names_numbers_and_labels_that_exist() -> None:
    variables = {one["name"] for one in DASHBOARD["templating"]["list"]}
    for text in expressions():
        assert set(re.findall(r"\$(\w+)", text)) <= variables | {"__rate_interval"}, text
        for name, labels in re.findall(r"\b(rota_\w+)(?:\{([^}]*)\})?", text):
            metric = METRICS.get(name) or METRICS[re.sub("_(bucket|sum|count)$", "", name)]
            assert {one.split("=")[0] for one in labels.split(",") if one} <= set(metric.labels), text
            assert metric.kind == "gauge" or "[" in text, f"a counter is shown as it is: {text}"
