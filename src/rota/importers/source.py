"""Reads Python files by their syntax tree: nothing of them is run, imported or looked up."""

from __future__ import annotations

import ast
import warnings
from collections import Counter
from collections.abc import Iterator
from typing import Any

from rota.errors import Invalid
from rota.importers.found import decoded

LONGEST_FILE = 2 << 20
MOST_NODES = 200_000
"""Looked at for values of one file: names may stand for lists of names, and so on."""
DEEPEST = 50
LARGEST = 10**15
LONGEST_TEXT = 1 << 20


class Unknown(Invalid):
    """A value that only running the file would tell."""

    def __init__(self, node: ast.AST, what: str | None = None) -> None:
        super().__init__("", what or f"{shown(node)} is not written out, and nothing of the file is run")


class Source:
    """A parsed file."""

    def __init__(self, raw: bytes) -> None:
        """Raises Invalid for what is no Python, or beyond the bounds."""
        if len(raw) > LONGEST_FILE:
            raise Invalid("FILE", f"is larger than {LONGEST_FILE >> 20} MiB, the most of a Python file")
        self.tree = _parsed(decoded(raw))
        self.nodes = list(_walk(self.tree))
        self.constants = _constants(self.tree, self.nodes)
        self.imports = _imports(self.nodes)
        self.defined = {
            node.name for node in self.nodes if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        }
        self._left = MOST_NODES
        self._spread: dict[int, list[ast.AST]] = {}
        self._looked: dict[int, tuple[set[str | None], list[ast.AST]]] = {}

    def value(self, node: ast.AST, depth: int = 0) -> Any:
        """Return a value that is written out: texts, numbers, lists, mappings, and names of such; raises Unknown."""
        self._left -= 1
        if self._left < 0 or depth > DEEPEST:
            raise Unknown(node, "is too deep or too large")
        if isinstance(node, ast.Constant):
            return _plain(node)
        if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
            return [self.value(item, depth + 1) for item in node.elts]
        if isinstance(node, ast.Dict):
            return self._mapping(node, depth)
        if isinstance(node, ast.Name) and node.id in self.constants:
            return self.value(self.constants[node.id], depth + 1)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
            number = _number(node, self.value(node.operand, depth + 1))
            return -number if isinstance(node.op, ast.USub) else number
        if isinstance(node, ast.BinOp):
            return self._computed(node, depth)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if is_mapping(node):
                return self._mapping(node, depth)
            if node.func.id == "range" and 1 <= len(node.args) <= 3 and not node.keywords:
                return self._range(node, depth)
        raise Unknown(node)

    def _mapping(self, node: ast.AST, depth: int) -> dict[str, Any]:
        return {name: self.value(item, depth + 1) for name, item in self.items(node, depth)}

    def _range(self, node: ast.Call, depth: int) -> list[int]:
        bounds = [self.value(one, depth + 1) for one in node.args]
        if not all(type(one) is int for one in bounds) or (len(bounds) == 3 and not bounds[2]):
            raise Unknown(node)
        found = range(*bounds)
        self._left -= min(len(found), MOST_NODES)
        if self._left < 0:
            raise Unknown(node, "is too deep or too large")
        return list(found)

    def items(self, node: ast.AST, depth: int = 0) -> Iterator[tuple[str, ast.expr]]:
        """Yield names and values of a mapping, and of those that are spread out in it; raises Unknown."""
        if depth > DEEPEST or self._left < 0:
            raise Unknown(node, "is too deep or too large")
        for key, item in members(self.resolved(node)):
            self._left -= 1
            if self._left < 0:
                raise Unknown(node, "is too deep or too large")
            if key is None:
                yield from self.items(item, depth + 1)
                continue
            name = self.value(key, depth + 1)
            if not isinstance(name, str):
                raise Unknown(node, "a mapping has a name that is no text")
            yield name, item

    def spread(self, node: ast.AST) -> list[ast.AST]:
        """Return a mapping and those that are spread out in it, as far as they are written out."""
        if id(node) not in self._spread:
            found: list[ast.AST] = []
            left = [node]
            while left and len(found) < DEEPEST:
                one = self.resolved(left.pop())
                if is_mapping(one):
                    found.append(one)
                    left += self._look(one)[1]
            self._spread[id(node)] = found
        return self._spread[id(node)]

    def names(self, node: ast.AST) -> set[str | None]:
        """Return the names of a mapping that are texts; None among them for one that cannot be seen."""
        return self._look(node)[0]

    def _look(self, node: ast.AST) -> tuple[set[str | None], list[ast.AST]]:
        """Return the names of a mapping and what is spread out in it: each mapping is walked through once."""
        if id(node) not in self._looked:
            names: set[str | None] = set()
            inner: list[ast.AST] = []
            for key, item in members(node):
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    names.add(key.value)
                elif key is not None or not is_mapping(self.resolved(item)):
                    names.add(None)
                if key is None and len(inner) < DEEPEST:
                    inner.append(item)
            self._looked[id(node)] = (names, inner)
        return self._looked[id(node)]

    def called(self, node: ast.Call) -> str:
        """Return the last name of what is called, also where it was imported by another."""
        name = called(node)
        return self.imports.get(name, name).rpartition(".")[2] if isinstance(node.func, ast.Name) else name

    def _computed(self, node: ast.BinOp, depth: int) -> Any:
        left, right = self.value(node.left, depth + 1), self.value(node.right, depth + 1)
        if isinstance(node.op, ast.Add) and isinstance(left, str) and isinstance(right, str):
            if len(left) + len(right) > LONGEST_TEXT:
                raise Unknown(node, "is too long")
            return left + right
        one, other = _number(node, left), _number(node, right)
        if isinstance(node.op, (ast.Div, ast.FloorDiv)) and not other:
            raise Unknown(node, "divides by zero")
        if isinstance(node.op, ast.Add):
            found = one + other
        elif isinstance(node.op, ast.Sub):
            found = one - other
        elif isinstance(node.op, ast.Mult):
            found = one * other
        elif isinstance(node.op, ast.Div):
            found = one / other
        elif isinstance(node.op, ast.FloorDiv):
            found = one // other
        else:
            raise Unknown(node)
        return _number(node, found)

    def resolved(self, node: ast.AST) -> ast.AST:
        """Return what a name of a constant stands for; any other node as it is."""
        for _ in range(DEEPEST):
            if not (isinstance(node, ast.Name) and node.id in self.constants):
                break
            node = self.constants[node.id]
        return node

    def path(self, node: ast.AST, module: str | None) -> str:
        """Return the dotted path of a function; ``module`` is where those live that the file defines.

        Raises Unknown.
        """
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return node.value
        names = dotted(node)
        if names is None:
            raise Unknown(node)
        first = names[0]
        if first in self.imports:
            return ".".join((self.imports[first], *names[1:]))
        if module is not None:
            return ".".join((module, *names))
        if first in self.defined:
            raise Unknown(node, f"{first} is defined in this file: say which module that is, --module NAME")
        raise Unknown(node, f"nothing says where {first[:60]} comes from: say it with --module NAME")


def _parsed(text: str) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about escapes in texts: they are not ours to mend
            return ast.parse(text)
    except SyntaxError as error:
        raise Invalid("FILE", f"is not Python: {error.msg} in line {error.lineno}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise Invalid("FILE", f"is not Python that can be read: {type(error).__name__}: {str(error)[:100]}") from None


def _walk(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield all nodes in the order of the file, without recursion."""
    stack: list[ast.AST] = [tree]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(reversed(list(ast.iter_child_nodes(node))))


def _constants(tree: ast.Module, nodes: list[ast.AST]) -> dict[str, ast.expr]:
    """Return what names of the module stand for: those to which nothing else in the file gives a value."""
    found: dict[str, ast.expr] = {}
    for node in tree.body:
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AnnAssign):
            targets = [node.target]
        value = node.value if isinstance(node, (ast.Assign, ast.AnnAssign)) else None
        for target in targets:
            if isinstance(target, ast.Name) and value is not None:
                found[target.id] = value
    bound = Counter(name for node in nodes for name in _bound(node))
    changed = {name for node in nodes for name in _changed(node)}
    return {name: node for name, node in found.items() if bound[name] == 1 and name not in changed}


def _bound(node: ast.AST) -> Iterator[str]:
    """Yield the names to which a node gives a value."""
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        yield node.id
    elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield node.name
    elif isinstance(node, (ast.Import, ast.ImportFrom)):
        yield from (one.asname or one.name.partition(".")[0] for one in node.names)
    elif isinstance(node, ast.arg):
        yield node.arg
    elif isinstance(node, ast.ExceptHandler) and node.name:
        yield node.name


def _changed(node: ast.AST) -> Iterator[str]:
    """Yield the names of lists and mappings that a node may change."""
    if isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load) and isinstance(node.value, ast.Name):
        yield node.value.id
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
        yield node.func.value.id


def is_mapping(node: ast.AST) -> bool:
    """Whether a node is a mapping, or a call of ``dict``."""
    return isinstance(node, ast.Dict) or (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict" and len(node.args) < 2
    )


def members(node: ast.AST) -> list[tuple[ast.expr | None, ast.expr]]:
    """Return keys and values of a mapping, no key for one that is spread out; raises Unknown for anything else."""
    if isinstance(node, ast.Dict):
        return list(zip(node.keys, node.values, strict=True))
    if isinstance(node, ast.Call) and is_mapping(node):
        named = [(ast.Constant(one.arg) if one.arg else None, one.value) for one in node.keywords]
        return [*((None, one) for one in node.args), *named]
    raise Unknown(node)


def _imports(nodes: list[ast.AST]) -> dict[str, str]:
    """Return the paths of imported names."""
    found: dict[str, str] = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            for one in node.names:
                found[one.asname or one.name.partition(".")[0]] = one.name if one.asname else one.name.partition(".")[0]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for one in node.names:
                found[one.asname or one.name] = f"{node.module}.{one.name}"
    return found


def _plain(node: ast.Constant) -> Any:
    value = node.value
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, (int, float)):
        return _number(node, value)
    raise Unknown(node)


def _number(node: ast.AST, value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not -LARGEST <= value <= LARGEST:
        raise Unknown(node, f"{shown(node)} is no number of a use")
    return value


def dotted(node: ast.AST) -> tuple[str, ...] | None:
    """Return the names of ``a.b.c``; None for anything else."""
    names: list[str] = []
    while isinstance(node, ast.Attribute) and len(names) < DEEPEST:
        names.append(node.attr)
        node = node.value
    return (node.id, *reversed(names)) if isinstance(node, ast.Name) else None


def called(node: ast.Call) -> str:
    """Return the last name of what is called."""
    return last_name(node.func)


def last_name(node: ast.AST) -> str:
    """Return ``c`` of ``a.b.c``; an empty text for anything that has no name."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def shown(node: ast.AST) -> str:
    """Return a node in a few words, without reading into it."""
    names = dotted(node.func) if isinstance(node, ast.Call) else dotted(node)
    if names is None:
        return f"an expression ({type(node).__name__})"
    return ".".join(names)[:60] + ("(…)" if isinstance(node, ast.Call) else "")
