"""``rota ping``: where it pings, what it says, and how often it tries."""

from __future__ import annotations

from pathlib import Path

import pytest

from rota.cli import sending
from rota.cli.sending import Sender, address_of
from rota.cli.wrapping import Tail
from rota.errors import Invalid
from tests.support.cli import Cli, assert_one_line
from tests.support.target import Answer, TargetServer

KEY = "3f0c9a51be5d4b6d9c1f6a2e8d7b4c10"


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    monkeypatch.delenv("ROTA_URL", raising=False)
    return Cli(monkeypatch, capsys)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "PAUSES_S", (0.0, 0.0))
    monkeypatch.setattr(sending, "LONGEST_PAUSE_S", 0.0)


@pytest.mark.parametrize(
    ("key", "base", "expected"),
    [
        (KEY, "http://rota:7005", f"http://rota:7005/ping/{KEY}"),
        (KEY, "https://example.org/scheduler/", f"https://example.org/scheduler/ping/{KEY}"),
        (f"https://example.org/x/ping/{KEY}", None, f"https://example.org/x/ping/{KEY}"),
    ],
)
def test_where_it_pings(key: str, base: str | None, expected: str) -> None:
    assert address_of(key, base) == expected


@pytest.mark.parametrize(
    ("key", "base", "field"),
    [
        (KEY, None, "KEY"),
        (KEY.upper(), "http://rota", "KEY"),
        ("", "http://rota", "KEY"),
        (KEY, "rota:7005", "ROTA_URL"),
        (KEY, "ftp://rota", "ROTA_URL"),
        ("file:///etc/passwd", None, "KEY"),
        (f"http://rota/ping/{KEY}?rid=1", None, "KEY"),
        ("http://ro ta/ping", None, "KEY"),
        ("http://[::1/ping", None, "KEY"),
    ],
)
def test_where_it_cannot_ping(key: str, base: str | None, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        address_of(key, base)
    assert caught.value.field == field


def test_what_it_says(cli: Cli, target_server: TargetServer, tmp_path: Path) -> None:
    url = target_server.url()
    key = tmp_path / "key"
    key.write_text(f"{KEY}\n")
    target_server.answer(f"/ping/{KEY}", Answer(200))
    assert cli.ok("ping", f"@{key}", "--url", url) == ""
    assert cli.ok("--url", url, "ping", KEY) == ""
    for arguments, path in (
        (("--start", "--rid", "a b"), "start"),
        (("--fail", "--message", "disk full"), "fail"),
        (("--exit-code", "255"), "255"),
        (("--log", "--message", "é"), "log"),
    ):
        target_server.answer(f"/ping/{KEY}/{path}", Answer(200))
        assert cli.ok("ping", KEY, "--url", url, *arguments) == ""
    said = [(one.method, one.path, one.body) for one in target_server.requests]
    assert said[0] == said[1] == ("POST", f"/ping/{KEY}", b"")
    assert [one[2] for one in said[2:]] == [b"", b"disk full", b"", "é".encode()]
    assert target_server.requests[0].headers["user-agent"].startswith("rota/")


@pytest.mark.parametrize(
    ("arguments", "fragments"),
    [
        (("--fail", "--exit-code", "1"), ("--exit-code says how a run ended",)),
        (("--exit-code", "256"), ("--exit-code", "from 0 to 255")),
        (("--start", "--", "true"), ("with a command",)),
    ],
)
def test_what_goes_not_together(cli: Cli, arguments: tuple[str, ...], fragments: tuple[str, ...]) -> None:
    assert_one_line(cli("ping", KEY, "--url", "http://127.0.0.1:1", *arguments), 2, *fragments)


@pytest.mark.parametrize("broken", [Answer(503), Answer(429), Answer(drop=True)], ids=["503", "429", "closed"])
def test_it_tries_again(target_server: TargetServer, broken: Answer, quick: None) -> None:
    path = f"/ping/{KEY}"
    target_server.answer(path, broken, broken, Answer(200))
    assert Sender(target_server.url(path)).send("") is None
    assert len(target_server.requests_to(path)) == 3


@pytest.mark.parametrize(("status", "tries", "text"), [(404, 1, "no check"), (422, 1, "(422)"), (500, 3, "(500)")])
def test_it_gives_up(target_server: TargetServer, quick: None, status: int, tries: int, text: str) -> None:
    path = f"/ping/{KEY}"
    target_server.answer(path, Answer(status))
    assert text in (Sender(target_server.url(path)).send("") or "")
    assert len(target_server.requests_to(path)) == tries


def test_a_short_command_does_not_wait_twice(target_server: TargetServer, quick: None) -> None:
    path = f"/ping/{KEY}"
    target_server.answer(path, Answer(500))
    sender = Sender(target_server.url(path))
    sender.send("")
    sender.send("")
    assert len(target_server.requests_to(path)) == 3 + 1


def test_an_answer_that_never_comes_is_not_waited_for(
    target_server: TargetServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "GIVE_UP_S", 0.3)
    path = f"/ping/{KEY}"
    target_server.answer(path, Answer(200, delay=5))
    assert Sender(target_server.url(path)).send("") == "Rota did not answer in time"


def test_the_tail_begins_with_a_whole_line_or_character() -> None:
    tail = Tail(20)
    tail.add(b"0123456789\n")
    assert tail.text() == b"0123456789\n"
    tail.add(b"abcdefghi\njkl\n")
    assert tail.text().split(b"\n")[1:] == [b"abcdefghi", b"jkl", b""]
    wide = Tail(7)
    wide.add("ééééé".encode())
    assert wide.text().decode().endswith("\nééé")
