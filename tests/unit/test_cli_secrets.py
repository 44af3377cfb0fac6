"""``rota secrets`` on the database of the settings, on both kinds."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from rota.sealing import key_bytes, new_key
from tests.support.cli import Cli, assert_one_line

KEY = new_key()


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, database_url: str) -> Cli:
    """The command line on a database that is ready."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROTA_DATABASE_URL", database_url)
    monkeypatch.setenv("ROTA_SECRET_KEY", KEY)
    cli = Cli(monkeypatch, capsys)
    cli.ok("db", "migrate")
    return cli


def given(monkeypatch: pytest.MonkeyPatch, text: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))


def test_set_list_rotate_remove(cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cli.ok("secrets", "list") == "No secrets.  Make one: rota secrets set NAME\n"
    given(monkeypatch, b"sk_live_1\n")
    said = cli.ok("secrets", "set", "stripe", "--value-stdin", "--note", "payments")
    assert said == "stripe set (version 1); refer to it as {{secret.stripe}}\n"
    file = tmp_path / "key.pem"
    file.write_bytes(b"-----BEGIN\nlines\n")
    assert cli.json("secrets", "set", "pem", "--from-file", str(file))["version"] == 1
    listed = cli.ok("secrets", "list")
    assert "payments" in listed and "sk_live" not in listed

    new = new_key()
    monkeypatch.setenv("ROTA_SECRET_KEY", f"{new},{KEY}")
    assert cli.ok("secrets", "rotate") == "2 secrets encrypted anew, 0 left as they were\n"
    monkeypatch.setenv("ROTA_SECRET_KEY", new)
    assert cli.json("secrets", "rotate") == {"rotated": 0, "left": 0, "unreadable": []}
    assert all(one["keyKnown"] for one in cli.json("secrets", "list"))
    assert cli.ok("secrets", "remove", "stripe", "--yes") == "stripe removed\n"
    assert_one_line(cli("secrets", "remove", "stripe", "--yes"), 1, "there is no secret stripe")

    monkeypatch.setenv("ROTA_SECRET_KEY", KEY)
    done = cli("secrets", "rotate")
    assert done.code == 1 and "no key of ROTA_SECRET_KEY opens pem" in done.stderr
    doctor = cli("doctor")
    assert "ROTA_SECRET_KEY is not set or does not open pem" in doctor.stdout
    assert "rota secrets set NAME" in doctor.stdout


def test_what_is_wrong(cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given(monkeypatch, b"value")
    assert_one_line(cli("secrets", "set", "a"), 2, "there is no terminal to ask", "--value-stdin")
    assert_one_line(cli("secrets", "set", "a", "--value-stdin", "--from-file", "x"), 2, "either")
    assert_one_line(cli("secrets", "set", "a.b", "--value-stdin"), 2, "NAME: 'a.b' is not a name")
    assert_one_line(cli("secrets", "set", "a", "the-value"), 2, "the-value")
    given(monkeypatch, b"\xff\xfe\n")
    assert_one_line(cli("secrets", "set", "a", "--value-stdin"), 2, "is not UTF-8")
    monkeypatch.delenv("ROTA_SECRET_KEY")
    given(monkeypatch, b"value")
    assert_one_line(cli("secrets", "set", "a", "--value-stdin"), 1, "ROTA_SECRET_KEY is not set", "rota secrets key")
    monkeypatch.setenv("ROTA_SECRET_KEY", "short")
    done = cli("secrets", "list")
    assert_one_line(done, 2, "ROTA_SECRET_KEY", "32 bytes", "rota secrets key")
    assert "short" not in done.stderr


def test_a_new_key_each_time(cli: Cli) -> None:
    first, second = cli.ok("secrets", "key").strip(), cli.ok("secrets", "key").strip()
    assert first != second and len(key_bytes(first)) == 32
