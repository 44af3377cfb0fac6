"""Command targets that are refused when they are saved, by field and with the reason."""

from __future__ import annotations

import getpass
import os
from typing import Any

import pytest

from rota.errors import Invalid
from rota.executors.command import check_target
from rota.executors.command_target import MAX_ARGUMENT_BYTES, masked_target, parse_target, unmasked_target


def target(**fields: Any) -> dict[str, Any]:
    return {"kind": "command", **fields}


ECHO = {"command": ["echo", "hi"]}


@pytest.mark.parametrize(
    ("given", "field", "reason"),
    [
        ({}, "target.command", "is missing"),
        ({"command": []}, "target.command", "list of texts"),
        ({"command": [""]}, "target.command.0", "is empty"),
        ({"command": "echo hi"}, "target.command", "list of texts"),
        ({"command": {"a": 1}}, "target.command", "list of texts"),
        ({"command": ["echo", 1]}, "target.command.1", "must be a text"),
        ({"command": ["echo", "a\0b"]}, "target.command.1", "NUL"),
        ({"command": ["echo", "\ud800"]}, "target.command.1", "surrogate"),
        ({"command": ["echo", "é" * MAX_ARGUMENT_BYTES]}, "target.command.1", "longer than"),
        ({**ECHO, "shell": "echo hi"}, "target.shell", "either command or shell"),
        ({"shell": " \n"}, "target.shell", "is empty"),
        ({"shell": ["echo"]}, "target.shell", "must be a text"),
        ({"shell": "a\0"}, "target.shell", "NUL"),
        ({**ECHO, "comand": ["x"]}, "target.comand", "no such field"),
        ({**ECHO, "env": ["A=b"]}, "target.env", "an object"),
        ({**ECHO, "env": {"": "x"}}, "target.env", "not the name"),
        ({**ECHO, "env": {"A=B": "x"}}, "target.env", "not the name"),
        ({**ECHO, "env": {"A": 1}}, "target.env.A", "must be a text"),
        ({**ECHO, "env": {"A": None}}, "target.env.A", "must be a text"),
        ({**ECHO, "env": {"A": "\0"}}, "target.env.A", "NUL"),
        ({**ECHO, "env": {"A\0": "x"}}, "target.env", "NUL"),
        ({**ECHO, "env": {"ROTA_JOB_ID": "x"}}, "target.env.ROTA_JOB_ID", "set by Rota"),
        ({**ECHO, "env": {"A": "x" * MAX_ARGUMENT_BYTES}}, "target.env.A", "longer than"),
        ({**ECHO, "cwd": "app"}, "target.cwd", "absolute"),
        ({**ECHO, "cwd": "/\0"}, "target.cwd", "NUL"),
        ({**ECHO, "stdin": b"x"}, "target.stdin", "must be a text"),
        ({**ECHO, "stdin": "x" * 2_097_153}, "target.stdin", "longer than 2 MiB"),
        ({**ECHO, "user": ""}, "target.user", "is empty"),
        ({**ECHO, "user": 0}, "target.user", "must be a text"),
        ({**ECHO, "user": "no-such-user-here"}, "target.user", "no user 'no-such-user-here'"),
        ({**ECHO, "exitCodes": [75]}, "target.exitCodes", "an object"),
        ({**ECHO, "exitCodes": {"256": "fail"}}, "target.exitCodes", "not an exit code"),
        ({**ECHO, "exitCodes": {"-1": "fail"}}, "target.exitCodes", "not an exit code"),
        ({**ECHO, "exitCodes": {"07": "fail"}}, "target.exitCodes", "not an exit code"),
        ({**ECHO, "exitCodes": {"7": "ignore"}}, "target.exitCodes.7", "one of complete, snooze, retry, fail"),
        ({**ECHO, "exitCodes": {"7": ["fail"]}}, "target.exitCodes.7", "one of complete"),
        ({**ECHO, "limits": {"disk": "1G"}}, "target.limits.disk", "no such limit"),
        ({**ECHO, "limits": {"memory": "lots"}}, "target.limits.memory", "not a size"),
        ({**ECHO, "limits": {"memory": "-5M"}}, "target.limits.memory", "not a size"),
        ({**ECHO, "limits": {"memory": 1000}}, "target.limits.memory", "at least 1048576"),
        ({**ECHO, "limits": {"memory": 1 << 70}}, "target.limits.memory", "too large"),
        ({**ECHO, "limits": {"memory": True}}, "target.limits.memory", "whole number"),
        ({**ECHO, "limits": {"memory": 1e9}}, "target.limits.memory", "whole number"),
        ({**ECHO, "limits": {"cpu": "soon"}}, "target.limits.cpu", "not a duration"),
        ({**ECHO, "limits": {"cpu": "10ms"}}, "target.limits.cpu", "below the least"),
        ({**ECHO, "limits": {"processes": 0}}, "target.limits.processes", "at least 1"),
        ({**ECHO, "limits": {"files": "64"}}, "target.limits.files", "whole number"),
    ],
)
def test_a_wrong_target_is_refused_with_field_and_reason(given: dict[str, Any], field: str, reason: str) -> None:
    with pytest.raises(Invalid) as caught:
        check_target(target(**given))
    assert (caught.value.field, reason in caught.value.reason) == (field, True), caught.value


def test_variables_named_like_secrets_are_not_shown_and_kept_when_sent_back() -> None:
    env = {"LANG": "C", "API_TOKEN": "canary", "DATABASE_URL": "postgresql://ann:canary@db/app"}
    known = target(**{**ECHO, "env": env})
    shown = masked_target(known)
    assert shown["env"] == {"LANG": "C", "API_TOKEN": "***", "DATABASE_URL": "postgresql://***@db/app"}
    assert unmasked_target(shown, known) == known
    changed = {**shown, "env": {**shown["env"], "LANG": "de", "API_TOKEN": "new", "MORE": "x"}}
    assert unmasked_target(changed, known)["env"] == {**env, "LANG": "de", "API_TOKEN": "new", "MORE": "x"}
    for name in ("API_TOKEN", "DATABASE_URL"):
        with pytest.raises(Invalid, match=f"target.env.{name}: is what is shown"):
            check_target({**shown, "env": {name: shown["env"][name]}})
    assert masked_target(target(**ECHO)) == target(**ECHO)


@pytest.mark.parametrize(
    "change",
    [
        {"command": ["thief"]},
        {"command": None, "shell": "thief"},
        {"stdin": "thief"},
        {"cwd": "/home/thief"},
        {"user": "thief"},
    ],
)
def test_another_program_does_not_get_the_secrets_of_variables(change: dict[str, Any]) -> None:
    known = target(**{**ECHO, "env": {"LANG": "C", "API_TOKEN": "canary"}})
    with pytest.raises(Invalid, match=f"target.env.API_TOKEN: .* only while {next(iter(change))} stays") as caught:
        unmasked_target({**masked_target(known), **change}, known)
    assert caught.value.hint == "give the secret itself"
    given = {**known, **change, "env": {"API_TOKEN": "new"}}
    assert unmasked_target(given, known) == given


def test_another_kind_is_refused() -> None:
    with pytest.raises(Invalid, match="target.kind"):
        check_target({"kind": "http", "command": ["echo"]})


def test_what_is_right_passes() -> None:
    check_target(
        target(
            command=["echo", 'it\'s "quoted"\n', "", "$HOME", "é€😀"],
            env={"A": "", "ROTA_URL": "http://127.0.0.1:7005"},
            cwd="/tmp",
            stdin="\0 is a byte like another",
            user=getpass.getuser(),
            exitCodes={"0": "retry", "3": "complete", "4": "fail", "255": "snooze"},
            limits={"memory": "512M", "cpu": "1.5s", "processes": 100, "files": 64},
        )
    )
    check_target(target(shell="echo hi", env=None, cwd=None, stdin=None, user=None, exitCodes=None, limits=None))


def test_sizes_and_times_are_read() -> None:
    limits = parse_target(target(**ECHO, limits={"memory": "2 GiB", "cpu": "90s"})).limits
    assert limits == {"memory": 2 << 30, "cpu": 90}
    assert parse_target(target(**ECHO, limits={"memory": "512m", "cpu": 1.2})).limits == {"memory": 512 << 20, "cpu": 2}


def test_another_user_needs_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(Invalid, match="only root can run commands as root"):
        check_target(target(**ECHO, user="root"))
