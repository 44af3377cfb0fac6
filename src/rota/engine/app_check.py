"""Whether the application that a worker is to load can be there at all; nothing of it is run, which is a runner's part.

What its code does when it is loaded shows only then: that is told in the log, and its jobs wait until it is mended.
"""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path

from rota.errors import SettingInvalid

_MAKES_NAMES = frozenset(("__getattr__", "globals", "vars", "exec", "setattr", "modules", "__dict__"))
"""A module in which one of these occurs may have names that its text does not show."""
_MOST_SHOWN = 5


def check_app(app: str | None) -> None:
    """Raise SettingInvalid where there is no such module, or its text has no such name."""
    if app is None:
        return
    module, _, attribute = app.partition(":")
    folder = os.getcwd()
    spec = _find(module, folder)
    if spec is None:
        hint = "start in its folder, or set PYTHONPATH"
        raise SettingInvalid("ROTA_APP", f"there is no module {module} in {folder} or among the installed", hint=hint)
    name = attribute.partition(".")[0]
    tree = _parsed(spec)
    if tree is None or _may_have(tree, name) or _within(spec, name) is not None:
        return
    made = _applications(tree)
    shown = ", ".join((made or _names(tree))[:_MOST_SHOWN]) or "no name at all"
    hint = f"did you mean {module}:{made[0]}?" if made else "write rota = Rota() in it, and name that"
    raise SettingInvalid("ROTA_APP", f"module {module} has no {name}, it has {shown}", hint=hint)


def _find(module: str, folder: str) -> ModuleSpec | None:
    first, *others = module.split(".")
    with _in_path(folder):  # runners look there first
        spec = find_spec(first)
    for part in others:
        # Without the names before it, since a package of several folders would look for its parent among the loaded.
        spec = _within(spec, part) if spec is not None else None
    return spec


def _within(spec: ModuleSpec, part: str) -> ModuleSpec | None:
    places = spec.submodule_search_locations
    return PathFinder.find_spec(part, [*places]) if places is not None else None


@contextmanager
def _in_path(folder: str) -> Iterator[None]:
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)


def _parsed(spec: ModuleSpec) -> ast.Module | None:
    """Return the module's text as Python reads it; None where there is none, or it is no Python."""
    if spec.origin is None or not spec.origin.endswith(".py"):
        return None
    try:
        return ast.parse(Path(spec.origin).read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return None  # what is wrong with it is told when it is loaded


def _may_have(tree: ast.Module, name: str) -> bool:
    """Tell whether anything in the text could make the name one of the module's, be it in a branch or a function."""
    for node in ast.walk(tree):
        found: tuple[str | None, ...] = ()
        if isinstance(node, ast.Name):
            found = (node.id,) if isinstance(node.ctx, ast.Store) or node.id in _MAKES_NAMES else ()
        elif isinstance(node, ast.Attribute):
            found = (node.attr,) if node.attr in _MAKES_NAMES else ()
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found = (node.name,)
        elif isinstance(node, ast.alias):
            found = (node.asname or node.name.partition(".")[0],)
        elif isinstance(node, ast.Global):
            found = tuple(node.names)
        elif isinstance(node, (ast.MatchAs, ast.MatchStar, ast.ExceptHandler)):
            found = (node.name,)
        if name in found or "*" in found or not _MAKES_NAMES.isdisjoint(found):
            return True
    return False


def _applications(tree: ast.Module) -> list[str]:
    """Return the names to which the module's own statements give a ``Rota(…)``."""
    found: list[str] = []
    for node in tree.body:
        if not isinstance(node, (ast.Assign, ast.AnnAssign)) or not isinstance(node.value, ast.Call):
            continue
        if ast.unparse(node.value.func).rpartition(".")[2] == "Rota":
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found += [target.id for target in targets if isinstance(target, ast.Name)]
    return found


def _names(tree: ast.Module) -> list[str]:
    """Return the public names that the module's own statements make."""
    found: list[str] = []
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.append(node.name)
        elif isinstance(node, ast.Assign):
            found += [target.id for target in node.targets if isinstance(target, ast.Name)]
    return [name for name in found if not name.startswith("_")]
