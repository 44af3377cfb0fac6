"""The page of errors lists every code that the code can give, and no other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from rota.api.reply import Problem

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "errors.md").read_text(encoding="utf-8")
REQUESTS, _, ATTEMPTS = PAGE.partition("## A failed attempt")
OF_ATTEMPTS = ("executors", "engine")


def nodes(folders: tuple[str, ...] = ("",)) -> Iterator[ast.AST]:
    """Everything in the code below these folders."""
    for folder in folders:
        for path in sorted((ROOT / "src" / "rota" / folder).rglob("*.py")):
            yield from ast.walk(ast.parse(path.read_text(encoding="utf-8")))


def texts(node: ast.expr | None) -> Iterator[str]:
    """The code that an expression stands for, as far as it is written there; a status that is filled in reads NNN."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "NNN" for part in node.values)
    elif isinstance(node, ast.Tuple):
        yield from texts(node.elts[0])


def refusals() -> Iterator[str]:
    """Codes of errors, and of problems that are made without one."""
    for node in nodes():
        if isinstance(node, ast.ClassDef):
            for line in node.body:
                if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == "code":
                    yield from texts(line.value)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "problem" and len(node.args) > 2:
            yield from texts(node.args[2])


def failures() -> Iterator[str]:
    """Codes of the details of failed attempts."""
    for node in nodes(OF_ATTEMPTS):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("ErrorDetail", "Trouble", "_failed", "failed"):
            named = next((keyword.value for keyword in node.keywords if keyword.arg == "code"), None)
            found = [*texts(named or (node.args[0] if node.args else None))]
            yield from (text for text in found if re.fullmatch(r"[a-zN-]+", text))
        elif isinstance(node, ast.Assign):
            target = node.targets[0]
            first = target.elts[0] if isinstance(target, ast.Tuple) else target
            if isinstance(first, ast.Name) and first.id == "code":
                yield from texts(node.value)


def listed(text: str) -> set[str]:
    return set(re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE))


def test_every_code_of_a_refusal_is_listed() -> None:
    assert listed(REQUESTS) == {*refusals(), *Problem.__struct_fields__}


def test_every_code_of_a_failed_attempt_is_listed() -> None:
    found = {*failures()}
    assert "exit-code" in found and "http-NNN" in found and "signal" in found and "dns" in found
    assert listed(ATTEMPTS) == found
