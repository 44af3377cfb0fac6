"""Results of foreign workers as JSON, without running what they may contain.

RQ pickles results.  To unpickle is to run what the bytes say, and whoever can write into that Redis would run it in
the process that holds leases.  So plain data alone is read: numbers, texts, lists, times and the like.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

import msgspec

from rota.executor import Outcome
from rota.executors import answer

PLAIN: dict[str, frozenset[str]] = {
    "builtins": frozenset(("bytearray", "frozenset", "set")),
    "collections": frozenset(("OrderedDict",)),
    "datetime": frozenset(("date", "datetime", "time", "timedelta", "timezone")),
    "decimal": frozenset(("Decimal",)),
    "uuid": frozenset(("SafeUUID", "UUID")),
}


class NotPlainError(Exception):
    """The data holds an object that is no plain data."""


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if name not in PLAIN.get(module, ()):
            raise NotPlainError(f"{module}.{name}")
        return super().find_class(module, name)


class PlainPickle:
    """A serializer as RQ wants one: writes like its own, and reads plain data only."""

    @staticmethod
    def dumps(value: Any) -> bytes:
        """Pickle, as RQ's own serializer does."""
        return pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)

    @staticmethod
    def loads(data: bytes) -> Any:
        """Unpickle plain data; raises NotPlainError for anything else."""
        return _Reader(io.BytesIO(data)).load()


class PlainJson:
    """The same for workers that were started with RQ's serializer for JSON."""

    @staticmethod
    def dumps(value: Any) -> bytes:
        """Return JSON."""
        return msgspec.json.encode(value)

    @staticmethod
    def loads(data: bytes) -> Any:
        """Read JSON."""
        return msgspec.json.decode(data)


def judge(value: Any, *, max_bytes: int, max_depth: int) -> tuple[Outcome, str | None]:
    """Return the outcome that a result stands for, and a word on one that is no JSON.

    The fleet says that the work is done, and it is: a value that cannot be kept is left out, with a word on it.
    """
    try:
        text = msgspec.json.encode(value).decode()
    except (TypeError, ValueError, RecursionError, UnicodeError, msgspec.MsgspecError) as error:
        return Outcome("completed", result="null"), f"its result cannot be kept: {answer.one_line(str(error), 200)}"
    outcome = answer.judge(text, max_bytes=max_bytes, max_depth=max_depth)
    if outcome.detail is not None and outcome.detail.code == "result-not-json":
        return Outcome("completed", result="null"), f"its result cannot be kept: {outcome.error}"
    return outcome, None
