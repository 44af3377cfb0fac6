"""Secrets are hidden in every form in which they turn up."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, quote_plus

import msgspec
import pytest

from rota.masking import Mask

SECRET = 'sk_live "51H"/x é+\\y'
KEY = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQ\nEFAASCBKcwggSjAgEAAoIBAQ\n-----END KEY-----\n"
mask = Mask([SECRET, KEY, "12345678", "abc"])


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        json.dumps(SECRET),
        msgspec.json.encode(SECRET).decode(),
        json.dumps({"body": json.dumps({"body": json.dumps([SECRET])})}),
        repr(SECRET),
        quote(SECRET),
        quote(SECRET, safe="")
        .replace("%2B", "%2b")
        .replace("%C3%A9", "%c3%a9")
        .replace("%2F", "%2f")
        .replace("%5C", "%5c"),
        quote_plus(SECRET),
        base64.b64encode(SECRET.encode()).decode(),
        base64.urlsafe_b64encode(SECRET.encode()).decode(),
    ],
)
def test_every_form(form: str) -> None:
    masked = mask(f"<{form}>")
    assert "***" in masked
    assert not any(part in masked for part in ("live", "51H", base64.b64encode(SECRET.encode()).decode()[4:12]))


@pytest.mark.parametrize("before", ["", "u:", "me:", "user:"])
def test_inside_of_something_longer_in_base64(before: str) -> None:
    text = base64.b64encode(f"{before}{SECRET}\n".encode()).decode()
    masked = mask(text)
    assert "***" in masked and len(masked.replace("***", "")) <= len(before) * 2 + 12


def test_each_line_of_a_secret_of_several_lines() -> None:
    assert mask("key: EFAASCBKcwggSjAgEAAoIBAQ.") == "key: ***."
    assert mask(" ".join(KEY.split())) == "***"


def test_short_ones_are_left_and_other_text_stays() -> None:
    text = "abc and 1234567"
    assert mask(text) is text


def test_what_a_cut_left_of_a_secret() -> None:
    assert mask.line('token sk_live "51… [900 bytes left out]') == "token ***… [900 bytes left out]"
    assert mask.cut("x" * 300 + "sk_live") == "x" * 300 + "***"
    assert mask.cut("345678" + "x" * 300) == "***" + "x" * 300
    assert mask.cut("a 12345\n… [10 characters left out]\n5678 b") == "a ***\n… [10 characters left out]\n*** b"
    assert mask.cut("the word sk_l") == "the word sk_l"


def test_json_stays_json() -> None:
    text = msgspec.json.encode({SECRET: [SECRET, {"n": 12345678, "f": 1.5}], "ok": True}).decode()
    assert json.loads(mask.json(text)) == {"***": ["***", {"n": "***", "f": 1.5}], "ok": True}
    untouched = '{"a":  1.0}'
    assert mask.json(untouched) is untouched
    assert mask.json("no json 12345678") == "no json ***"
    escaped = json.dumps({"a": SECRET}).replace("s", "\\u0073")
    assert json.loads(mask.json(escaped)) == {"a": "***"}
