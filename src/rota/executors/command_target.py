"""What a command target says, checked when it is saved and parsed when it is run."""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, cast

import msgspec

from rota.durations import SECOND, parse_duration
from rota.errors import Invalid
from rota.executors.http_mask import MASK, is_masked, is_secret_name, mask_url
from rota.executors.secret_refs import fill, shows_nothing

if sys.platform != "win32":
    import pwd

Action = Literal["complete", "snooze", "retry", "fail"]

FIELDS = ("kind", "command", "shell", "env", "cwd", "stdin", "user", "exitCodes", "limits")
PLACE = ("command", "shell", "stdin", "cwd", "user")
"""What says which program gets the variables."""
ACTIONS: tuple[Action, ...] = ("complete", "snooze", "retry", "fail")
LIMITS = ("memory", "cpu", "processes", "files")
BY_ROTA = ("ROTA_JOB_ID", "ROTA_ATTEMPT", "ROTA_SCHEDULED_FOR", "ROTA_ARGS", "TRACEPARENT")
"""Variables that every command gets."""
DEFAULT_EXIT_CODES: Mapping[int, Action] = {0: "complete", 75: "snooze"}
MAX_ARGUMENT_BYTES = (1 << 17) - 1
"""The longest argument or variable that Linux passes to a program."""
MAX_STDIN_BYTES = 2 << 20

_SIZE = re.compile(r"([0-9]{1,15})\s*([KMGT]?)(?:i?B)?", re.ASCII | re.IGNORECASE)
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_LEAST = {"memory": 1 << 20, "processes": 1, "files": 16}
_MOST = (1 << 63) - 1
_REMEMBERED_CHARS = 1 << 13


@dataclass(frozen=True, slots=True)
class CommandTarget:
    """A parsed target."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str | None
    stdin: str | None
    user: str | None
    exit_codes: Mapping[int, Action]
    limits: Mapping[str, int]
    """``memory`` in bytes, ``cpu`` in whole seconds, numbers of ``processes`` and open ``files``."""


def check_target(target: Mapping[str, Any]) -> None:
    """Refuse a command target that could not run as it stands.  Raises `Invalid`, naming the field."""
    parsed = parse_target(target)
    for name, value in parsed.env.items():
        if (value == MASK and is_secret_name(name)) or is_masked(value):
            raise _masked(name, "is what is shown in place of a secret, not the secret")
    if parsed.user is not None:
        _check_user(parsed.user)


def masked_target(target: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``target`` as it may be shown: without the values of variables that are named like secrets."""
    env = target.get("env")
    if not isinstance(env, Mapping):
        return dict(target)
    return {**target, "env": {name: _shown(name, value) for name, value in env.items()}}


def _shown(name: str, value: Any) -> Any:
    if shows_nothing(value):
        return value
    return MASK if is_secret_name(name) else mask_url(value)


def unmasked_target(target: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``target`` with the secrets of ``known`` wherever it says what `masked_target` shows of them.

    Raises `Invalid` when another program than before would get them: whoever edits a target need not know them.
    """
    env, before, shown = target.get("env"), known.get("env"), masked_target(known).get("env")
    if not isinstance(env, Mapping) or not isinstance(before, Mapping) or not isinstance(shown, Mapping):
        return dict(target)
    full = {name: before[name] if name in before and env[name] == shown[name] else env[name] for name in env}
    kept = next((name for name, value in full.items() if value != env[name]), None)
    moved = next((name for name in PLACE if target.get(name) != known.get(name)), None)
    if kept is not None and moved is not None:
        raise _masked(kept, f"a secret is kept only while {moved} stays as it is")
    return {**target, "env": full}


def _masked(variable: str, reason: str) -> Invalid:
    return Invalid(f"target.env.{variable}", reason, hint="give the secret itself")


def read_target(text: str) -> CommandTarget:
    """Return the target that JSON ``text`` holds.  Raises `Invalid`."""
    return _remembered(text) if len(text) <= _REMEMBERED_CHARS else _read(text)


def _read(text: str) -> CommandTarget:
    try:
        target = msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Invalid("target", str(error)) from None
    return parse_target(target)


_remembered = lru_cache(maxsize=256)(_read)


def parse_target(target: Mapping[str, Any]) -> CommandTarget:
    """Return the parsed target.  Raises `Invalid`, naming the field."""
    unknown = [name for name in target if name not in FIELDS]
    if unknown:
        raise Invalid(f"target.{unknown[0]}", "a command has no such field", hint=f"it has {', '.join(FIELDS[1:])}")
    if target.get("kind") != "command":
        raise Invalid("target.kind", "must be command")
    cwd = _text(target, "cwd")
    if cwd is not None and not os.path.isabs(cwd):
        raise Invalid("target.cwd", "must be an absolute path", hint="for example /srv/app")
    stdin = _text(target, "stdin", nul=True)
    if stdin is not None and len(stdin.encode()) > MAX_STDIN_BYTES:
        raise Invalid("target.stdin", f"is longer than {MAX_STDIN_BYTES >> 20} MiB")
    user = _text(target, "user")
    if user == "":
        raise Invalid("target.user", "is empty", hint="leave it out to run as the worker's own user")
    return CommandTarget(
        argv=_argv(target),
        env=_env(target),
        cwd=cwd,
        stdin=stdin,
        user=user,
        exit_codes=_exit_codes(target),
        limits=_limits(target),
    )


def _argv(target: Mapping[str, Any]) -> tuple[str, ...]:
    command, shell = target.get("command"), _text(target, "shell")
    if command is not None and shell is not None:
        raise Invalid("target.shell", "a target has either command or shell", hint="leave one of them out")
    if shell is not None:
        if not shell.strip():
            raise Invalid("target.shell", "is empty")
        _check_length("target.shell", shell)
        return ("/bin/sh", "-c", shell)
    if isinstance(command, str):
        hint = 'write "command": ["echo", "hi"] without a shell, or "shell": "echo hi" with one'
        raise Invalid("target.command", "must be a list of texts", hint=hint)
    if command is None:
        raise Invalid("target.command", "is missing", hint='write "command": ["echo", "hi"] or "shell": "echo hi"')
    if not isinstance(command, list) or not command:
        raise Invalid("target.command", "must be a list of texts, the program first")
    for place, each in enumerate(command):
        field = f"target.command.{place}"
        _check_text(field, each)
        _check_length(field, each)
    if not command[0]:
        raise Invalid("target.command.0", "is empty", hint="the first text is the program")
    return tuple(command)


def _env(target: Mapping[str, Any]) -> dict[str, str]:
    env = _object(target, "env")
    for name, value in env.items():
        field = f"target.env.{name}"
        _check_text("target.env", name)
        if not name or "=" in name:
            raise Invalid("target.env", f"{name!r} is not the name of a variable")
        if name in BY_ROTA:
            raise Invalid(field, "is set by Rota itself")
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            raise Invalid(field, "must be a text", hint=f'write "{value}"')
        _check_text(field, value)
        _check_length(field, f"{name}={value}")
    return env


def filled_env(env: Mapping[str, str], secrets: Mapping[str, str] | None) -> Mapping[str, str]:
    """Return the variables with the values of named secrets.  Raises `Invalid`, without the value."""
    if not any("{{" in value for value in env.values()):
        return env
    found = {name: fill(value, secrets, f"target.env.{name}") for name, value in env.items()}
    for name, value in found.items():
        _check_length(f"target.env.{name}", f"{name}={value}")
    return found


def _exit_codes(target: Mapping[str, Any]) -> dict[int, Action]:
    codes = dict(DEFAULT_EXIT_CODES)
    for code, action in _object(target, "exitCodes").items():
        if not re.fullmatch(r"0|[1-9][0-9]{0,2}", code, re.ASCII) or int(code) > 255:
            raise Invalid("target.exitCodes", f"{code!r} is not an exit code", hint="exit codes are 0 to 255")
        if action not in ACTIONS:
            raise Invalid(f"target.exitCodes.{code}", f"must be one of {', '.join(ACTIONS)}")
        codes[int(code)] = cast(Action, action)
    return codes


def _limits(target: Mapping[str, Any]) -> dict[str, int]:
    limits: dict[str, int] = {}
    for name, value in _object(target, "limits").items():
        field = f"target.limits.{name}"
        if name not in LIMITS:
            raise Invalid(field, "there is no such limit", hint=f"there are {', '.join(LIMITS)}")
        if name == "cpu":
            limits[name] = math.ceil(parse_duration(value, field, minimum_us=SECOND) / SECOND)
            continue
        number = _size(field, value) if name == "memory" else value
        if isinstance(number, bool) or not isinstance(number, int):
            raise Invalid(field, "must be a whole number")
        if not _LEAST[name] <= number <= _MOST:
            raise Invalid(field, f"must be at least {_LEAST[name]}" if number < _MOST else "is too large")
        limits[name] = number
    return limits


def _size(field: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    match = _SIZE.fullmatch(value.strip())
    if match is None:
        raise Invalid(field, f"{value!r} is not a size", hint="write for example 512M, 2G or a number of bytes")
    return int(match[1]) * _UNITS[match[2].upper()]


def _object(target: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = target.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Invalid(f"target.{name}", "must be an object")
    return value


def _text(target: Mapping[str, Any], name: str, *, nul: bool = False) -> str | None:
    value = target.get(name)
    if value is None:
        return None
    _check_text(f"target.{name}", value, nul=nul)
    return cast(str, value)


def _check_text(field: str, value: Any, *, nul: bool = False) -> None:
    if not isinstance(value, str):
        raise Invalid(field, "must be a text")
    if "\0" in value and not nul:
        raise Invalid(field, "must not contain NUL")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Invalid(field, "contains half of a character (a lone surrogate)") from None


def _check_length(field: str, value: str) -> None:
    if len(value.encode()) > MAX_ARGUMENT_BYTES:
        hint = "pass long texts as stdin"
        raise Invalid(field, f"is longer than {MAX_ARGUMENT_BYTES} bytes, the most a program can get", hint=hint)


def _check_user(name: str) -> None:
    if sys.platform == "win32":
        raise Invalid("target.user", "commands cannot run as another user on Windows")
    try:
        user = pwd.getpwnam(name)
    except KeyError:
        raise Invalid("target.user", f"there is no user {name!r} on this machine") from None
    if os.geteuid() not in (0, user.pw_uid):
        raise Invalid("target.user", f"only root can run commands as {name}", hint="leave it out, or run Rota as root")
