"""The threat model names tests that there are, and none of its rows is without one."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def functions(path: Path) -> set[str]:
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return {node.name for node in nodes if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}


def test_every_named_test_is_there() -> None:
    named = NAMED.findall(PAGE)
    assert len(named) > 40
    missing = [f"{path}::{name}" for path, name in named if name not in functions(ROOT / path)]
    assert missing == []


def test_every_row_names_its_test() -> None:
    tried = PAGE.partition("## What was tried")[2].partition("\n## ")[0]
    rows = [line for line in tried.splitlines() if line.startswith("| ") and not line.startswith("| tried |")]
    assert len(rows) > 30
    assert [row for row in rows if not NAMED.search(row)] == []


def test_readers_find_it() -> None:
    for page in ("README.md", "docs/explanation/security.md", "CONTRIBUTING.md"):
        assert "SECURITY.md" in (ROOT / page).read_text(encoding="utf-8"), page
