"""Channels as addresses name them, and what is hidden of those."""

from __future__ import annotations

import pytest

from rota.masking import Mask
from rota.settings.notify_url import channels_of, parse_notify_urls, pieces_of, secrets_of
from rota.settings.values import Wrong

HOOK = "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"


def test_channels_have_names_and_kinds() -> None:
    found = channels_of([HOOK, "slack://a/b/c", "mailtos://me:pw@x.org?to=a&rota_name=on%20call&rota_min=error&x=1"])
    assert [(one.name, one.kind, one.least) for one in found] == [
        ("slack #1", "slack", "warning"),
        ("slack #2", "slack", "warning"),
        ("on call", "mail", "error"),
    ]
    assert [one.address for one in found] == [HOOK, "slack://a/b/c", "mailtos://me:pw@x.org?to=a&x=1"]
    assert "hooks" not in repr(found)
    assert channels_of(["json://x?rota_min=error"])[0].address == "json://x"


@pytest.mark.parametrize(
    "url", ["json://hunter2?rota_min=info", "json://hunter2?rota_name=-", "json://hunter2?rota_to=x"]
)
def test_what_is_wrong_is_said_without_the_address(url: str) -> None:
    with pytest.raises(Wrong) as caught:
        parse_notify_urls(url)
    assert "hunter2" not in caught.value.expected


@pytest.mark.parametrize(
    ("address", "said", "hidden"),
    [
        (HOOK, "Max retries exceeded with url: /services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ (", "TIiaj"),
        (HOOK, "token TIiajkdnlazkcOXrIdevi7FQ is bad", "TIiaj"),
        ("mailtos://me:hunter2@smtp.example.org", "login of me with hunter2 failed", "hunter2"),
        ("json://me:hunt%20er2@x/", "'hunt er2'", "er2"),
        ("pagerduty://abcdefgh12345678@zyxwvuts87654321", "zyxwvuts87654321", "zyx"),
    ],
)
def test_what_is_secret_of_an_address_is_hidden_everywhere(address: str, said: str, hidden: str) -> None:
    assert hidden not in Mask(secrets_of(address))(said)


def test_short_parts_are_hidden_in_what_is_said_of_the_channel() -> None:
    mask = Mask(pieces_of("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#ops-room?x=abcde"))
    text = mask("T1JJ3T3L2 A1BRTD4JD abcde: error=403")
    assert text == "*** *** ***: error=403"
    assert "x.example.org" in Mask(pieces_of("json://x.example.org/path"))("no such host x.example.org")
