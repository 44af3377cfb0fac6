"""Secrets do not show."""

from __future__ import annotations

import pytest

from rota.executors.http_mask import Mask, is_secret_name, mask_url


@pytest.mark.parametrize(
    "name",
    [
        "Authorization",
        "X-Api-Key",
        "api_key",
        "apikey",
        "cookie",
        "X-Auth",
        "access_token",
        "sig",
        "password",
        "PWD",
        "key",
    ],
)
def test_names_of_secrets(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name", ["X-Team", "Accept", "Content-Type", "page", "monkey", "design", "Idempotency", "keyboard"]
)
def test_names_that_are_none(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://example.com/a?page=2", "https://example.com/a?page=2"),
        ("https://me:pw@example.com/a@b", "https://***@example.com/a@b"),
        ("https://tok@example.com", "https://***@example.com"),
        ("/a?x=1&access_token=abc&sig=d;key=e#f", "/a?x=1&access_token=***&sig=***;key=***#f"),
    ],
)
def test_addresses(url: str, shown: str) -> None:
    assert mask_url(url) == shown


def test_secrets_are_hidden_plain_and_as_json_writes_them() -> None:
    mask = Mask(['pass"word', "password-longer", "short", "", "123456"])
    assert mask('a pass"word, b') == "a ***, b"
    assert mask('{"a":"pass\\"word"}') == '{"a":"***"}'
    assert mask("password-longer") == "***"
    assert mask("short 123456") == "short 123456"
