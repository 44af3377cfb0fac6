"""The page of targets names everything that a target can have, and its examples are targets."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest

from rota.actions.targets import KINDS, check_target
from rota.executors import celery_target, command_target, http_target, rq_target
from rota.executors.http_sign import AUTH_TYPES
from rota.settings import load_settings

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "targets.md").read_text(encoding="utf-8")
COMMAND, HTTP, FUNCTION, RQ, CELERY = (
    PAGE.partition(f"\n## {kind}\n")[2].partition("\n## ")[0]
    for kind in ("Command", "HTTP", "Function", "RQ", "Celery")
)
EXAMPLES = [text for text in re.findall(r"^```json\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL) if '"kind"' in text]


def missing(names: Iterable[str], text: str) -> list[str]:
    return [name for name in names if f"`{name}`" not in text]


def test_every_field_of_a_command_is_explained() -> None:
    assert missing([name for name in command_target.FIELDS if name != "kind"], COMMAND) == []
    assert missing([*command_target.ACTIONS, *command_target.LIMITS, *command_target.BY_ROTA], COMMAND) == []


def test_every_field_of_an_http_target_is_explained() -> None:
    assert missing([name for name in http_target.FIELDS if name != "kind"], HTTP) == []
    assert missing([*http_target.METHODS, *http_target.ROOTS], HTTP) == []
    assert [kind for kind in AUTH_TYPES if f'"type": "{kind}"' not in HTTP] == []


def test_every_field_of_a_function_is_explained() -> None:
    assert missing(["function", "timeout"], FUNCTION) == []


def test_every_field_of_what_is_handed_over_is_explained() -> None:
    assert missing([name for name in rq_target.FIELDS if name != "kind"], RQ) == []
    assert missing([name for name in celery_target.FIELDS if name != "kind"], CELERY) == []


@pytest.mark.parametrize("text", EXAMPLES)
def test_an_example_is_a_target(text: str) -> None:
    settings = load_settings({"ROTA_FUNCTION_MODULES": "reports", "ROTA_REDIS_URLS": "office=redis://redis/0"})
    assert check_target(msgspec.Raw(text.encode()), settings).lane
    assert json.loads(text)["kind"] in KINDS
