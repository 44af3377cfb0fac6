"""Crontabs of users and of the system, read as Vixie's cron reads them."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rota.importers import crontab
from rota.importers.crontab import divided, variable
from rota.importers.found import Entry, Found, Options


def read(text: str | bytes, **options: str) -> Found:
    raw = text if isinstance(text, bytes) else text.encode()
    return crontab.read(raw, Options(**options))  # type: ignore[arg-type]  # texts are all that is given here


def only(text: str | bytes, **options: str) -> Entry:
    found = read(text, **options)
    assert found.errors == []
    (one,) = found.entries
    return one


def refused(text: str) -> str:
    found = read(text)
    assert found.entries == []
    ((line, reason),) = [(one.line, one.reason) for one in found.errors]
    assert line == 1
    return reason


@pytest.mark.parametrize(
    ("when", "schedule"),
    [
        ("*/5 * * * *", "*/5 * * * *"),
        ("  0\t5  1,15 \t* mon-fri", "0 5 1,15 * mon-fri"),
        ("0 22 * * 1-5", "0 22 * * 1-5"),
        ("23 0-23/2 * * *", "23 0-23/2 * * *"),
        ("5 4 * * sun", "5 4 * * sun"),
        ("0 0 * * 7", "0 0 * * 7"),
        ("00 04 * JAN,Feb *", "00 04 * JAN,Feb *"),
        ("0 4 8-14 * *", "0 4 8-14 * *"),
        ("10-59/10 * * * *", "10-59/10 * * * *"),
        ("@daily", "@daily"),
        ("@hourly", "@hourly"),
        ("@annually", "@annually"),
        ("@midnight", "@midnight"),
        ("-0 3 * * *", "0 3 * * *"),
    ],
)
def test_times_of_every_kind(when: str, schedule: str) -> None:
    one = only(f"{when} \t run  it ")
    assert (one.line, one.schedule, one.command) == (1, schedule, "run  it ")
    assert one.definition["cron"] == schedule


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("@reboot /usr/bin/start", "@reboot names no time"),
        ("@every_minute x", "there is no @every_minute"),
        ("60 * * * * x", "minute '60': not in 0-59"),
        ("* 24 * * * x", "hour '24'"),
        ("* * 0 * * x", "day-of-month '0'"),
        ("* * * 13 * x", "month '13'"),
        ("* * * * 8 x", "day-of-week '8'"),
        ("*/0 * * * * x", "a step of 0 goes nowhere"),
        ("5-1 * * * * x", "the range runs backwards"),
        ("0 0 30 2 * x", "it can never fire"),
        ("H 1 * * * x", "cron does not read the field 'H'"),
        ("0 0 L * * x", "cron does not read the field 'L'"),
        ("0 0 * * 5L x", "cron does not read the field '5L'"),
        ("0 0 * * MON#2 x", "cron does not read the field 'MON#2'"),
        ("0~30 1 * * * x", "a random time within a range"),
        ("0 0~3 * * * x", "a random time within a range"),
        ("5/15 * * * * x", "crons do not agree on a step without a range (say 5-59/15, or 5)"),
        ("0 1,MON/2 * * * x", "crons do not agree"),
        ("0 1 * * *", "has no command"),
        ("0 1 * * * %only input", "has no command"),
        ("hello", "is neither a variable nor an entry"),
        ("* * * * x", "has no command"),
    ],
)
def test_what_is_refused_has_its_line_and_a_reason(line: str, reason: str) -> None:
    assert reason in refused(line)


def test_one_bad_line_does_not_keep_the_others() -> None:
    found = read("0 1 * * * a\nnonsense\n\n# c\n0 2 * * * b\n@reboot c\n")
    assert [(one.line, one.command) for one in found.entries] == [(1, "a"), (5, "b")]
    assert [one.line for one in found.errors] == [2, 6]


@pytest.mark.parametrize(
    ("text", "name_and_value"),
    [
        ("A=b", ("A", "b")),
        ("A = b c  ", ("A", "b c")),
        ("A='b c '", ("A", "b c ")),
        ('A="b # c"', ("A", "b # c")),
        ('"A B"="c"', ("A B", "c")),
        ("PATH=$HOME/bin:/usr/bin", ("PATH", "$HOME/bin:/usr/bin")),
        ("A=", ("A", "")),
        ('A=""', ("A", "")),
        ("A=b=c", ("A", "b=c")),
        ("A='b' c", None),
        ("A='b", None),
        ("0 1 * * * A=b run", None),
        ("A b=c", None),
        ("=b", None),
    ],
)
def test_variables(text: str, name_and_value: tuple[str, str] | None) -> None:
    assert variable(text) == name_and_value


@pytest.mark.parametrize(
    ("text", "command", "stdin"),
    [
        ("mail ann%Hello%%bye", "mail ann", "Hello\n\nbye\n"),
        ("date +\\%F", "date +%F", None),
        ("date '+\\%H:\\%M'%in \\% put", "date '+%H:%M'", "in % put\n"),
        ("echo a\\\\b", "echo a\\\\b", None),
        ("echo a\\\\%b", "echo a\\\\", "b\n"),
        ("cat%", "cat", ""),
        ("cat%line%", "cat", "line\n"),
        ("x\\", "x\\", None),
        # Debian's cron 3.0pl1-162 gave these to a command:
        ("cat%x\\%y\\\\z\\\\%w\\q%%end\\", "cat", "x%y\\\\z\\%w\\q\n\nend\\\n"),
        ("echo 'a\\\\\\%b'", "echo 'a\\\\%b'", None),
    ],
)
def test_percent_signs(text: str, command: str, stdin: str | None) -> None:
    assert divided(text) == (command, stdin)


def test_the_environment_is_that_above_an_entry() -> None:
    found = read("A=1\n0 1 * * * a\nA=2\nMAILTO=ops@example.com\n0 2 * * * b\n")
    assert [one.env for one in found.entries] == [{"A": "1"}, {"A": "2", "MAILTO": "ops@example.com"}]
    assert found.entries[1].definition["target"]["env"] == {"A": "2", "MAILTO": "ops@example.com"}
    assert any("MAILTO" in note for note in found.notes)


def test_shell_home_and_zone_are_used() -> None:
    one = only("SHELL=/bin/bash\nHOME=/srv\nCRON_TZ=Europe/Paris\n0 1 * * * [[ a ]]\n")
    assert one.definition["target"]["command"] == ["/bin/bash", "-c", "[[ a ]]"]
    assert (one.definition["target"]["cwd"], one.timezone) == ("/srv", "Europe/Paris")
    assert one.command == "[[ a ]]"
    assert only("0 1 * * * a", timezone="Asia/Tokyo").definition["timezone"] == "Asia/Tokyo"
    assert "TZ is for the command alone" in only("TZ=Asia/Tokyo\n0 1 * * * a").warnings[0]
    assert "CRON_TZ" not in only("0 1 * * * a").env
    assert "timezone" in refused_after("CRON_TZ=Nowhere/Land\n0 1 * * * a")


def refused_after(text: str) -> str:
    found = read(text)
    assert found.entries == []
    return found.errors[0].reason


def test_a_comment_is_a_note_and_an_entry_commented_out_is_none() -> None:
    found = read("# backs up\n# every night\n0 1 * * * a\n\n# old\n\n#0 2 * * * b\n0 3 * * * c # not a comment\n")
    assert [one.note for one in found.entries] == ["backs up every night", None]
    assert found.entries[1].command == "c # not a comment"


def test_the_heading_of_the_columns_is_no_note() -> None:
    found = read("# Edit this file\n#\n# m h  dom mon dow   command\n0 1 * * * a\n# mon h: command\n0 2 * * * b\n")
    assert [one.note for one in found.entries] == [None, "mon h: command"]


SYSTEM = """# /etc/crontab
17 *\t* * *\troot    cd / && run-parts --report /etc/cron.hourly
@daily www-data php /var/www/cron.php
"""


def test_the_system_form_is_recognised() -> None:
    found = read(SYSTEM)
    assert [(one.user, one.command) for one in found.entries] == [
        ("root", "cd / && run-parts --report /etc/cron.hourly"), ("www-data", "php /var/www/cron.php")
    ]  # fmt: skip
    assert found.entries[0].definition["target"]["user"] == "root"
    said = read("# m h dom mon dow user\tcommand\n0 1 * * * alice make\n")
    assert said.entries[0].user == "alice"
    named = crontab.read(b"0 1 * * * alice make\n", Options(), place="/etc/cron.d/make")
    assert named.entries[0].user == "alice"


def test_a_command_is_not_taken_for_a_user() -> None:
    assert [one.user for one in read("0 1 * * * echo hi\n0 2 * * * backup now\n").entries] == [None, None]
    forced = crontab.read(b"0 1 * * * alice make\n", Options(keep_user=False), form="system").entries[0]
    assert (forced.user, forced.command, "user" in forced.definition["target"]) == ("alice", "make", False)


@pytest.mark.parametrize("command", ["nginx -s reload", "nginx reload", "rails runner x", "jenkins start", "list all"])
def test_a_program_is_not_taken_for_a_user(command: str) -> None:
    first = command.partition(" ")[0]
    found = read(f"0 0 * * * {command}\n30 1 * * * backup now\n")
    assert [(one.user, one.command) for one in found.entries] == [(None, command), (None, "backup now")]
    assert any(f"{first} taken for a program: --system" in note for note in found.notes) == (
        "-s" not in command  # which no user stands before
    )
    said = crontab.read(f"0 0 * * * {command}\n".encode(), Options(), form="system")
    assert said.entries[0].user == first and said.notes == read("0 0 * * * x").notes


def test_a_guess_names_the_way_out() -> None:
    assert any("--user if it is the command" in note for note in read("0 1 * * * root make all\n").notes)
    assert read("0 1 * * * root -b -q macro.C\n").entries[0].user is None  # no command begins with a minus


def test_a_random_delay_is_told() -> None:
    assert any("RANDOM_DELAY" in note for note in read("RANDOM_DELAY=45\n0 1 * * * a\n").notes)
    assert not any("RANDOM_DELAY" in note for note in read("RANDOM_DELAY=0\n0 1 * * * a\n").notes)


def test_an_empty_zone_is_none() -> None:
    found = read("CRON_TZ=\nTZ=Asia/Tokyo\n0 1 * * * a\n")
    assert found.entries[0].timezone == "UTC" and any("taken for UTC" in note for note in found.notes)
    assert "TZ is for the command alone" in found.entries[0].warnings[0]
    assert only("CRON_TZ=\n0 1 * * * a", timezone="Asia/Tokyo").timezone == "Asia/Tokyo"


def test_odd_bytes() -> None:
    found = read(b"0 1 * * * caf\xc3\xa9 \xe2\x82\xac\n0 2 * * * \xff\n0 3 * * * a\0b\n0 4 * * * last")
    assert [one.command for one in found.entries] == ["café €", "last"]
    assert [(one.line, one.reason) for one in found.errors] == [(2, "is not UTF-8"), (3, "holds NUL")]
    assert only(b"\xef\xbb\xbf0 1 * * * a\r\n").command == "a"
    assert read(b"0 1 * * * a\r\n0 2 * * * b\n").entries[0].command == "a\r"


def test_secrets_of_rota_are_not_filled_in() -> None:
    assert "{{" in refused_after("A={{ secrets.TOKEN }}\n0 1 * * * a\n")


def test_ids_stay_when_times_and_neighbours_change() -> None:
    before = {one.command: one.id for one in read("0 1 * * * /opt/a.sh -x\n0 2 * * * b\n").entries}
    after = {one.command: one.id for one in read("0 9 * * * new\nX=1\n5 2 * * * b\n7 1 * * * /opt/a.sh -x\n").entries}
    assert {name: after[name] for name in before} == before
    once = only("0 1 * * * a").id
    twice = {one.schedule: one.id for one in read("0 1 * * * a\n0 2 * * * a\n").entries}
    assert twice == {one.schedule: one.id for one in read("0 2 * * * a\n0 1 * * * a\n").entries}
    assert len({once, *twice.values()}) == 3
    assert only("0 1 * * * a", prefix="web1-").id == f"web1-{once}"


def test_2000_lines_take_seconds_at_most() -> None:
    lines = [f"{place % 60} {place % 24} * * * /opt/job{place} --n {place}" for place in range(2000)]
    begin = time.process_time()
    assert len(read("\n".join(lines)).entries) == 2000
    assert time.process_time() - begin < 5


@given(st.one_of(st.binary(max_size=300), st.text(max_size=300).map(lambda text: text.encode("utf-8", "replace"))))
def test_whatever_stands_there_it_does_not_raise(raw: bytes) -> None:
    found = read(raw)
    assert all(one.command for one in found.entries)


@given(
    st.lists(
        st.sampled_from(
            ["0", "*", "*/5", "1-3", "@daily", "root", "a", "%", "\\%", "=", "'", '"', " ", "\t", "\n", "#"]
        ),
        max_size=25,
    )
)
def test_whatever_looks_like_a_crontab_does_not_raise(parts: list[str]) -> None:
    found = read("".join(parts))
    assert all(one.reason for one in found.errors)
