"""References to secrets: where they may stand, what they look like, and what is shown of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rota.errors import Invalid
from rota.executor import Secrets
from rota.executors import command_target, http_target
from rota.executors.secret_refs import fill, names_of, references, shows_nothing

HTTP = {"kind": "http", "url": "http://x/"}
COMMAND = {"kind": "command", "command": ["true"]}


@pytest.mark.parametrize(
    ("target", "found"),
    [
        ({**HTTP, "headers": {"X": "a {{secret.one}}{{ secret.two }}"}}, {"one": "headers.X", "two": "headers.X"}),
        ({**HTTP, "auth": {"type": "signature", "secrets": ["{{secret.a}}"]}}, {"a": "auth.secrets.0"}),
        ({**HTTP, "body": {"a": [{"b": "{{secret.a-b_1}}"}]}}, {"a-b_1": "body.a.0.b"}),
        ({**COMMAND, "env": {"A": "{{secret.x}}"}, "stdin": "{{secret.x}}"}, {"x": "env.A"}),
        ({"kind": "function", "function": "a:b", "secrets": ["x", "y"]}, {"x": "secrets.0", "y": "secrets.1"}),
        ({**COMMAND, "shell": "docker inspect -f '{{.Name}}' {{secrets}}"}, {}),
    ],
)
def test_where_they_may_stand(target: dict[str, Any], found: dict[str, str]) -> None:
    assert references(target) == {name: f"target.{field}" for name, field in found.items()}
    assert names_of(json.dumps(target)) == tuple(found)


@pytest.mark.parametrize(
    ("target", "field", "words"),
    [
        ({**HTTP, "url": "http://x/{{secret.a}}"}, "url", "headers, auth or body"),
        ({**HTTP, "headers": {"X": "{{secret.a.b}}"}}, "headers.X", "{{secret.NAME}}"),
        ({**HTTP, "headers": {"X": "{{secret}}"}}, "headers.X", "{{secret.NAME}}"),
        ({**HTTP, "headers": {"X": "{{secret.a"}}, "headers.X", "{{secret.NAME}}"),
        ({**HTTP, "headers": {"X": "{{secret.1}} {{secret.a}}"}}, "headers.X", "{{secret.NAME}}"),
        ({**HTTP, "body": {"{{secret.a}}": 1}}, "body.{{secret.a}}", "cannot be here"),
        ({**COMMAND, "command": ["echo", "{{secret.a}}"]}, "command.1", "everybody on the machine"),
        ({**COMMAND, "shell": "echo {{secret.a}}"}, "shell", "put it into env"),
        ({**COMMAND, "cwd": "/{{secret.a}}"}, "cwd", "env or stdin"),
        ({"kind": "function", "function": "{{secret.a}}"}, "function", "ctx.secret"),
        ({"kind": "function", "secrets": "a"}, "secrets", "list of names"),
        ({"kind": "function", "secrets": ["a b"]}, "secrets.0", "not a name"),
    ],
)
def test_where_they_may_not(target: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(Invalid) as caught:
        references(target)
    assert caught.value.field == f"target.{field}"
    assert words in str(caught.value)


def test_values_take_their_place_and_are_not_read_again() -> None:
    secrets = Secrets(a="{{secret.b}}", b="\\1")
    assert fill("<{{secret.a}} {{ secret.b }}>", secrets, "x") == "<{{secret.b}} \\1>"
    assert fill("{{other}}", None, "x") == "{{other}}"
    for given in (None, secrets):
        with pytest.raises(Invalid, match="was not given"):
            fill("{{secret.c}}", given, "x")
    assert repr(secrets) == "Secrets(a, b)"


def test_a_reference_is_shown_and_what_stands_beside_it_is_not() -> None:
    for text in ("{{secret.a}}", "Bearer {{secret.a}}", "Token {{ secret.a }}"):
        assert shows_nothing(text)
    for other in ("Bearer x", "", "pass{{secret.a}}", None):
        assert not shows_nothing(other)
    headers = {"Authorization": "Bearer {{secret.a}}", "X-Key": "salt-{{secret.a}}", "X-Token": "plain"}
    auth = {"type": "signature", "secrets": ["{{secret.a}}", "{{secret.b}}"]}
    shown = http_target.masked_target({**HTTP, "headers": headers, "auth": auth})
    assert shown["headers"] == {"Authorization": "Bearer {{secret.a}}", "X-Key": "***", "X-Token": "***"}
    assert shown["auth"] == auth
    assert http_target.masked_target({"auth": {"secrets": ["{{secret.a}}", "whsec_x"]}})["auth"] == {"secrets": ["***"]}
    env = {"TOKEN": "{{secret.a}}", "PASSWORD": "x"}
    assert command_target.masked_target({**COMMAND, "env": env})["env"] == {"TOKEN": "{{secret.a}}", "PASSWORD": "***"}


def test_a_target_with_references_is_sound() -> None:
    http_target.parse_target({**HTTP, "auth": {"type": "signature", "secrets": ["{{secret.a}}"]}})
    http_target.parse_target({**HTTP, "body": {"a": "{{secret.a}}"}})
    with pytest.raises(Invalid, match="whsec_"):
        http_target.parse_target({**HTTP, "auth": {"type": "signature", "secrets": ["x{{secret.a}}"]}})
