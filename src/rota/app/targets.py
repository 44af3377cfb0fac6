"""Work that is no function of this program: a call of an address, a command."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from rota.durations import format_duration, parse_duration
from rota.errors import Invalid
from rota.executors import command_target, http_target
from rota.job import Duration

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


@dataclass(frozen=True, kw_only=True)
class HttpJob:
    """A call of an address, to be enqueued or scheduled as a function is.  The fields are those of an HTTP target."""

    url: str | None = None
    service: str | None = None
    path: str | None = None
    method: str = "POST"
    headers: Mapping[str, str] | None = None
    body: Any = None
    answer: str | None = None
    expect: Sequence[int] | None = None
    auth: Mapping[str, Any] | None = None
    timeout: Duration | None = None
    redirects: int | None = None

    def __post_init__(self) -> None:
        with own_names():
            http_target.parse_target(self.document())

    def document(self) -> dict[str, Any]:
        """Return the target."""
        found = {"kind": "http", **given(self)}
        if self.timeout is not None:
            found["timeout"] = format_duration(parse_duration(self.timeout, "timeout"))
        if self.expect is not None:
            found["expect"] = list(self.expect)
        return found


@dataclass(frozen=True, kw_only=True)
class CommandJob:
    """A command, to be enqueued or scheduled as a function is: a list of arguments, or one text for the shell."""

    command: str | Sequence[str]
    env: Mapping[str, str] | None = None
    cwd: str | None = None
    stdin: str | None = None
    user: str | None = None
    exit_codes: Mapping[int, str] | None = None
    limits: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        with own_names():
            command_target.parse_target(self.document())

    def document(self) -> dict[str, Any]:
        """Return the target."""
        found = {"kind": "command", **given(self)}
        command = found.pop("command")
        found |= {"shell": command} if isinstance(command, str) else {"command": list(command)}
        if self.exit_codes is not None:
            del found["exit_codes"]
            found["exitCodes"] = {str(code): action for code, action in self.exit_codes.items()}
        return found


Target = HttpJob | CommandJob


def given(target: DataclassInstance) -> dict[str, Any]:
    """Return the fields of a target that were said."""
    named = {each.name: getattr(target, each.name) for each in fields(target)}
    return {name: value for name, value in named.items() if value is not None}


@contextmanager
def own_names() -> Iterator[None]:
    """Say ``url`` of what the check calls ``target.url``."""
    try:
        yield
    except Invalid as error:
        raise Invalid(error.field.removeprefix("target."), error.reason, hint=error.hint) from None
