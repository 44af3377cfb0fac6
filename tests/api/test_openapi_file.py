"""The committed description of the API, which the pages and other clients are made from."""

from __future__ import annotations

import json
from pathlib import Path

import tools.openapi


def test_the_committed_description_is_that_of_the_service() -> None:
    committed = tools.openapi.PATH.read_text(encoding="utf-8")
    assert committed == tools.openapi.text(), f"web/openapi.json is stale; run {tools.openapi.COMMAND}"


def test_it_is_the_same_wherever_it_is_written() -> None:
    text = tools.openapi.text()
    assert text == tools.openapi.text()
    for of_this_machine in (str(Path.home()), str(tools.openapi.PATH.parents[1]), "127.0.0.1:"):
        assert of_this_machine not in text


def test_it_leaves_out_what_only_a_demo_has() -> None:
    assert not [path for path in json.loads(tools.openapi.text())["paths"] if path.startswith("/demo")]
