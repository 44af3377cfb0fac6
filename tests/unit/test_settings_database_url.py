"""The database URL: every spelling that people bring along, and no password in anything shown."""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict

from rota.errors import SettingInvalid
from rota.settings import DatabaseUrl, load_settings, parse_database_url

WORD = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)


def refused(url: str) -> SettingInvalid:
    with pytest.raises(SettingInvalid) as caught:
        load_settings({"ROTA_DATABASE_URL": url})
    assert caught.value.field == "ROTA_DATABASE_URL"
    return caught.value


def given_to_libpq(url: str) -> Mapping[str, object]:
    return conninfo_to_dict(parse_database_url(url).conninfo)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///rota.db", "rota.db"),
        ("sqlite:///data/rota.db", "data/rota.db"),
        ("sqlite:////var/lib/rota.db", "/var/lib/rota.db"),
        ("sqlite:///a%20b%3F.db", "a b?.db"),
        ("sqlite+aiosqlite:///x.db", "x.db"),
    ],
)
def test_sqlite_files(url: str, path: str) -> None:
    parsed = parse_database_url(url)
    assert (parsed.scheme, parsed.path, parsed.pooled) == ("sqlite", str(Path.cwd() / path), False)


def test_the_path_does_not_move_with_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = parse_database_url("sqlite:///rota.db").path
    assert path == os.path.join(tmp_path, "rota.db")


@pytest.mark.parametrize(
    "url",
    ["sqlite://", "sqlite:///", "sqlite://rota.db", "sqlite:///:memory:", "sqlite:///x.db?mode=ro", "sqlite:///d/"],
)
def test_what_is_no_sqlite_file_is_refused_with_an_example(url: str) -> None:
    assert "sqlite:///rota.db" in (refused(url).hint or "")


def test_one_postgresql_server() -> None:
    assert given_to_libpq("postgresql://mylocaluser:deepfake@host.docker.internal/mydatabase") == {
        "user": "mylocaluser",
        "password": "deepfake",
        "host": "host.docker.internal",
        "dbname": "mydatabase",
    }


def test_several_hosts_with_and_without_ports() -> None:
    found = given_to_libpq("postgres://u@h1:5433,h2,[::1]:5434/db?target_session_attrs=read-write")
    assert found == {
        "user": "u",
        "host": "h1,h2,::1",
        "port": "5433,,5434",
        "dbname": "db",
        "target_session_attrs": "read-write",
    }


@pytest.mark.parametrize("url", ["postgresql:///db?host=/run/postgresql", "postgresql://%2Frun%2Fpostgresql/db"])
def test_a_unix_socket(url: str) -> None:
    assert given_to_libpq(url) == {"host": "/run/postgresql", "dbname": "db"}


def test_prismas_fields_are_ours_or_dropped() -> None:
    url = "postgres://default:pw@ep-x-pooler.neon.tech:5432/verceldb?pgbouncer=true&connect_timeout=15&schema=jobs"
    parsed = parse_database_url(url + "&connection_limit=1&pool_timeout=10&sslmode=require")
    assert (parsed.pooled, parsed.schema) == (True, "jobs")
    found = conninfo_to_dict(parsed.conninfo)
    assert found.pop("connect_timeout") in (15, "15")
    assert found == {
        "user": "default",
        "password": "pw",
        "host": "ep-x-pooler.neon.tech",
        "port": "5432",
        "dbname": "verceldb",
        "sslmode": "require",
    }


def test_pgbouncer_may_be_said_to_be_absent() -> None:
    assert parse_database_url("postgres://h/db?pgbouncer=false").pooled is False


@given(WORD, WORD, WORD)
def test_any_user_password_and_name_reach_libpq(user: str, password: str, name: str) -> None:
    url = f"postgresql://{quote(user, safe='')}:{quote(password, safe='')}@h:5/{quote(name, safe='')}"
    parsed = parse_database_url(url)
    expected = {"user": user, "password": password, "host": "h", "port": "5", "dbname": name}
    assert conninfo_to_dict(parsed.conninfo) == expected
    assert parsed.secrets == (password,)


@given(st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S"), exclude_characters="?#%@"), min_size=1))
def test_a_password_may_stay_as_it_is_where_that_is_clear(password: str) -> None:
    assert given_to_libpq(f"postgresql://u:{password}@h/db")["password"] == password


@pytest.mark.parametrize(
    "url",
    [
        "rota.db",
        "mysql://u:hunter2@h/d",
        "postgres//u:hunter2@h",
        "postgresql:u:hunter2@h",
        "postgresql://u:hunter2",
        "postgresql://u:hunter2@h:99999/d",
        "postgresql://u:hunter2@h:x/d",
        "postgresql://u:hunter2@h:0/d",
        "postgresql://u:hunter2@h,/d",
        "postgresql://u:hunter2#@h/d",
        "postgresql://u:hunter2%@h/d",
        "postgresql://u:hunter2%ff@h/d",
        "postgresql://u:hunter2%00@h/d",
        "postgresql://u@h/d?password=hunter2&colour=red",
        "postgresql://u@h/d?pasword=hunter2",
        "postgresql://u@h/d?sslmode=no-verify&password=hunter2",
        "postgresql://u:hunter2@h/d?pgbouncer=maybe",
        "postgresql://u:hunter2@h/d?schema=%00",
        "postgresql://u:hunter2@h/d?connect_timeout",
        "postgresql://u:p?hunter2@h/d",
    ],
)
def test_malformed_urls_are_refused_without_their_password(url: str) -> None:
    error = refused(url)
    assert "expected" in str(error)
    assert "hunter2" not in str(error)


def test_an_unknown_field_has_a_hint() -> None:
    assert refused("postgres://h/d?ssl=require").hint == "did you mean sslmode?"
    assert refused("postgres://h/d?shema=a").hint == "did you mean schema?"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:////var/lib/rota.db", "sqlite:////var/lib/rota.db"),
        ("postgres://h1,h2:6/db", "postgresql://h1,h2:6/db"),
        ("postgres://u@h/db", "postgresql://u@h/db"),
        ("postgres://u:p@ss@h/db?sslpassword=x&schema=y", "postgresql://u:***@h/db?sslpassword=***&schema=y"),
    ],
)
def test_what_is_shown(url: str, shown: str) -> None:
    parsed = parse_database_url(url)
    assert parsed.display == str(parsed) == shown
    assert repr(parsed) == f"DatabaseUrl({shown!r})"


def test_a_url_travels_between_processes() -> None:
    parsed = parse_database_url("postgres://u:p@h/db?pgbouncer=1")
    copy = pickle.loads(pickle.dumps(parsed))
    assert isinstance(copy, DatabaseUrl)
    assert copy == parsed
