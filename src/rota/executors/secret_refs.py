"""References to named secrets in targets: ``{{secret.NAME}}``, where its value is put in as an attempt begins.

They stand where nobody but the target sees the value: in headers, auth and body of an HTTP target, in variables and
standard input of a command.  A function names the secrets that it asks its context for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from rota.errors import Invalid
from rota.jsontext import check_secret

ROOT = "secret"
_REFERENCE = re.compile(r"\{\{\s*secret\.([A-Za-z_][A-Za-z0-9_-]{0,99})\s*\}\}", re.ASCII)
_BEGUN = re.compile(r"\{\{\s*secret\b", re.ASCII)
_SCHEMES = frozenset(("", "apikey", "basic", "bearer", "key", "token"))
"""What beside a reference is no secret itself."""
_AUTH = ("token", "username", "password", "secrets")
_VISIBLE = ("command", "shell")

Path = tuple[str | int, ...]


def refers(text: str) -> bool:
    """Tell whether a text has a reference in it."""
    return "{{" in text and _REFERENCE.search(text) is not None


def is_reference(text: str) -> bool:
    """Tell whether a text is one reference and nothing else."""
    return _REFERENCE.fullmatch(text) is not None


def shows_nothing(text: object) -> bool:
    """Tell whether a text refers to a secret and has no other in it, so that it may be shown."""
    return isinstance(text, str) and refers(text) and _REFERENCE.sub("", text).strip().lower() in _SCHEMES


def fill(text: str, secrets: Mapping[str, str] | None, field: str) -> str:
    """Return a text with the values in place of references.  Raises `Invalid` for ``field`` where one is not given."""
    if "{{" not in text:
        return text

    def value(match: re.Match[str]) -> str:
        if secrets is None or match[1] not in secrets:
            raise Invalid(field, f"the secret {match[1]} was not given to this attempt")
        return secrets[match[1]]

    return _REFERENCE.sub(value, text)


def references(target: Mapping[str, Any]) -> dict[str, str]:
    """Return the secrets that a target refers to, each with the field that does so first.

    Raises `Invalid` for a reference that is none, or stands where a secret cannot be.
    """
    kind = target.get("kind")
    found: dict[str, str] = {}
    if kind == "function":
        for place, name in enumerate(declared(target.get("secrets"), "target.secrets")):
            found.setdefault(name, f"target.secrets.{place}")
    for path, text, is_key in _texts(target, ()):
        if "{{" not in text:
            continue
        begun, whole = _BEGUN.findall(text), _REFERENCE.findall(text)
        if not begun:
            continue
        field = _field(path)
        if is_key or not _may_stand(kind, path):
            reason, hint = _misplaced(kind, path)
            raise Invalid(field, reason, hint=hint)
        if len(begun) != len(whole):
            hint = "write it as {{secret.NAME}}; a name has letters, digits, _ and -"
            raise Invalid(field, "has what begins as a reference to a secret and is none", hint=hint)
        for name in whole:
            found.setdefault(name, field)
    return found


def declared(names: object, field: str) -> tuple[str, ...]:
    """Return the names of secrets that a function asks for.  Raises `Invalid`."""
    if names is None:
        return ()
    if isinstance(names, str) or not isinstance(names, (list, tuple)):
        raise Invalid(field, "must be a list of names of secrets", hint='["stripe"]')
    return tuple(check_secret(name, f"{field}.{place}") for place, name in enumerate(names))


@lru_cache(maxsize=512)
def names_of(document: str) -> tuple[str, ...]:
    """Return the names of the secrets that a stored target (JSON text) refers to; nothing where it is malformed."""
    if '"secrets"' not in document and not _BEGUN.search(document):
        return ()
    try:
        return tuple(references(msgspec.json.decode(document, type=dict[str, Any])))
    except (Invalid, msgspec.MsgspecError, RecursionError):
        return ()


def _may_stand(kind: object, path: Path) -> bool:
    if kind == "http":
        return path[0] in ("headers", "body") or (path[0] == "auth" and len(path) > 1 and path[1] in _AUTH)
    return kind == "command" and path[0] in ("env", "stdin")


def _misplaced(kind: object, path: Path) -> tuple[str, str]:
    if kind == "command" and path[0] in _VISIBLE:
        where = "a secret cannot be among the arguments, which everybody on the machine can see"
        return where, "put it into env, and have the command read the variable"
    if kind == "command":
        return "a secret cannot be here", "put it into env or stdin"
    if kind == "http":
        return "a secret cannot be here", "put it into headers, auth or body"
    if kind == "function":
        return "a secret cannot be here", 'name it in "secrets", and ask ctx.secret("NAME") for it'
    return f"a target of kind {kind} takes no secret of Rota's", "give it to the workers that do the work"


def _texts(value: Any, path: Path) -> Iterator[tuple[Path, str, bool]]:
    """Yield every text in a target with its path, and whether it is a name and no value."""
    if isinstance(value, str):
        yield path, value, False
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield (*path, str(name)), str(name), True
            yield from _texts(item, (*path, str(name)))
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from _texts(item, (*path, place))


def _field(path: Path) -> str:
    return ".".join(["target", *(str(step)[:100] for step in path)])
