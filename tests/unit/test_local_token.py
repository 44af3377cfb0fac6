"""The local admin token and its login codes."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rota.errors import RotaError
from rota.local_token import (
    CODE_VALID_S,
    ensure_local_token,
    is_login_code,
    new_login_code,
    read_local_token,
    token_path,
)
from rota.settings import DatabaseUrl, parse_database_url


@pytest.fixture
def url(sqlite_url: str) -> DatabaseUrl:
    return parse_database_url(sqlite_url)


def test_lies_beside_a_sqlite_file(url: DatabaseUrl, sqlite_path: Path) -> None:
    assert token_path(url) == Path(f"{sqlite_path}-token")


def test_of_a_server_lies_in_the_state_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    one = token_path(parse_database_url("postgresql://me:first@db/one"))
    assert one.parent == tmp_path / "rota"
    assert one == token_path(parse_database_url("postgresql://me:second@db/one")), "the password is not part of it"
    assert one != token_path(parse_database_url("postgresql://me:first@db/two"))
    ensure_local_token(parse_database_url("postgresql://me:first@db/one"))
    assert stat.S_IMODE(one.parent.stat().st_mode) == 0o700


def test_is_made_once_for_its_user_only(url: DatabaseUrl) -> None:
    assert read_local_token(url) is None
    token = ensure_local_token(url)
    assert stat.S_IMODE(token_path(url).stat().st_mode) == 0o600
    assert ensure_local_token(url) == token == read_local_token(url)
    assert os.listdir(token_path(url).parent) == [token_path(url).name]


def test_made_by_many_at_once_is_one(url: DatabaseUrl) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: ensure_local_token(url), range(32)))) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o660])
def test_open_to_others_is_refused(url: DatabaseUrl, mode: int) -> None:
    ensure_local_token(url)
    token_path(url).chmod(mode)
    with pytest.raises(RotaError, match="may be read or written by others"):
        ensure_local_token(url)


def test_a_link_is_not_followed(url: DatabaseUrl, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("rota_local_" + "x" * 50)
    elsewhere.chmod(0o600)
    token_path(url).symlink_to(elsewhere)
    with pytest.raises(RotaError, match="cannot be read"):
        read_local_token(url)


@pytest.mark.parametrize(
    "content", ["", "rota_local_short", "something else that is quite long, but is no token at all"]
)
def test_a_file_without_a_token_is_refused(url: DatabaseUrl, content: str) -> None:
    token_path(url).write_text(content)
    token_path(url).chmod(0o600)
    with pytest.raises(RotaError, match="holds no token"):
        read_local_token(url)


def test_a_folder_that_cannot_be_written_says_so() -> None:
    with pytest.raises(RotaError, match="cannot be kept"):
        ensure_local_token(parse_database_url("sqlite:////proc/nowhere/rota.db"))


def test_a_code_holds_for_ten_minutes(url: DatabaseUrl) -> None:
    token = ensure_local_token(url)
    code = new_login_code(token, now_s=1000.0)
    assert token not in code
    assert is_login_code(token, code, now_s=1000.0)
    assert is_login_code(token, code, now_s=1000.0 + CODE_VALID_S)
    assert not is_login_code(token, code, now_s=1001.0 + CODE_VALID_S)


@pytest.mark.parametrize("code", ["", ".", "..", "x", "1.2.3", "ffffffffff.00.00", "é.é.é", "zz.zz." + "0" * 32])
def test_a_made_up_code_is_refused(url: DatabaseUrl, code: str) -> None:
    assert not is_login_code(ensure_local_token(url), code)


def test_a_changed_code_is_refused(url: DatabaseUrl) -> None:
    token = ensure_local_token(url)
    until, nonce, signature = new_login_code(token).split(".")
    assert not is_login_code(token, f"{int(until, 16) + 60:x}.{nonce}.{signature}")
    assert not is_login_code(token + "x", f"{until}.{nonce}.{signature}")
