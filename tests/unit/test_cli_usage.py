"""Whatever is typed wrong is told in one line that names it and says what would help, at once."""

from __future__ import annotations

import io
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from rota.cli.command import ClientCommand
from rota.cli.main import GROUPS, rota
from rota.version import __version__
from tests.support.cli import Cli, assert_one_line
from tests.support.processes import ROTA

HEAVY = (
    "celery",
    "redis",
    "rq",
    "cryptography",
    "psycopg",
    "fastapi",
    "pydantic",
    "starlette",
    "httpx",
    "rich",
    "asyncio",
    "sqlite3",
    "uvicorn",
    "aiohttp",
)
DEEP = "[" * 10_000
ADD = ("schedules", "add", "x")


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Cli:
    monkeypatch.chdir(tmp_path)
    return Cli(monkeypatch, capsys)


WRONG: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "a command": (("bar",), ("no command 'bar'", "rota --help")),
    "nearly a command": (("job",), ("did you mean jobs?",)),
    "a subcommand": (("jobs", "lst"), ("no command 'lst'; did you mean list?", "rota jobs --help")),
    "one of a later version": (("jobs", "archive", "x"), ("no command 'archive'",)),
    "an option": (("jobs", "list", "--limt", "3"), ("no option --limt", "did you mean --limit?")),
    "an option of a later version": (("queues", "set", "mail", "--burst", "5"), ("no option --burst",)),
    "an option before the command of exec": (("exec", "--nmae", "x", "ls"), ("no option --nmae", "--name")),
    "no argument": (("jobs", "show"), ("ID is missing",)),
    "no command to run": (("exec",), ("COMMAND… is missing",)),
    "a number": (("jobs", "list", "--limit", "x"), ("--limit", "whole number of at least 1", "'x'")),
    "a number out of range": (("next", "@daily", "-n", "1001"), ("--count", "from 1 to 1000", "'1001'")),
    "a number in other digits": (("jobs", "list", "--limit", "٣"), ("--limit", "whole number")),
    "a port": (("up", "--port", "70000"), ("--port", "from 0 to 65535", "'70000'")),
    "a choice": (("token", "create", "--role", "boss"), ("--role: 'boss'", "viewer, operator, admin")),
    "no choice": (("token", "create"), ("--role is missing", "viewer, operator, admin")),
    "a value that is missing": (("enqueue", "x", "--args"), ("--args", "requires an argument")),
    "JSON": (("enqueue", "x", "--args", "{bad"), ("--args: is not JSON", "quote it")),
    "JSON too deep": (("enqueue", "x", "--args", DEEP), ("--args: is nested too deep", "64")),
    "a file of JSON": (("enqueue", "x", "--args", "@/nosuch"), ("--args: /nosuch cannot be read: No such file",)),
    "a folder of JSON": (("enqueue", "x", "--args", "@/"), ("--args: / cannot be read",)),
    "a duration": (("enqueue", "x", "--delay", "5 parsecs"), ("--delay: '5 parsecs' is not a duration", "500ms")),
    "a duration without a unit": (("enqueue", "x", "--delay", "5"), ("--delay: '5' has no unit", "5s")),
    "no queue to serve": (("worker", "--queues", ""), ("--queues: expected names of queues", "leave it out for all")),
    "a time-out": (("selftest", "--timeout", "-1s"), ("--timeout", "duration")),
    "a field to unset": (("schedules", "edit", "x", "--unset", "cron"), ("'cron' is no field that can be taken away",)),
    "no begin of a backfill": (("schedules", "backfill", "x"), ("--from is missing",)),
    "two whats": ((*ADD, "--every", "1m", "--command", "x", "--type", "y"), ("--command, --http", "exclude")),
    "no when": ((*ADD, "--command", "x"), ("say when it is due: --cron, --every, --hourly-at, --daily-at or --at",)),
    "no what": ((*ADD, "--every", "1m"), ("say what to run: --command",)),
    "nothing to edit": (("schedules", "edit", "x"), ("say what to change",)),
    "nothing to set": (("queues", "set", "x"), ("say what to set",)),
    "a concurrency": (("queues", "set", "x", "--concurrency", "many"), ("--concurrency: 'many'", "for example 5")),
    "no jobs": (("jobs", "cancel"), ("name jobs by their ids, or choose them",)),
    "jobs and filters": (("jobs", "cancel", "x", "--queue", "y"), ("name jobs by their ids, or choose them",)),
    "a cron expression": (("next", "61 * * * *"), ("EXPR: minute '61'",)),
    "one of several expressions": (("next", "@daily", "61 * * * *"), ("EXPR '61 * * * *': minute '61'",)),
    "no expression": (("next",), ("EXPR is missing",)),
    "a cron expression of four fields": (("next", "* * * *"), ("EXPR: 4 fields instead of 5",)),
    "a cron expression that never fires": (("next", "0 0 30 2 *"), ("EXPR: it can never fire",)),
    "a hashed field without an id": (("next", "H * * * *"), ("EXPR: H is computed from the schedule's id",)),
    "a zone": (("next", "@daily", "--tz", "Mars/Olympus"), ("--tz: there is no time zone 'Mars/Olympus'", "IANA")),
    "a time": (("next", "@daily", "--after", "tomorrow"), ("--after: 'tomorrow' is not a time", "RFC 3339")),
    "a time without a zone": (("next", "@daily", "--after", "2026-11-21T10:00"), ("--after", "offset", "add Z")),
    "an address": (("--url", "nonsense", "jobs", "list"), ("--url: 'nonsense' is no address", "http://")),
    "a port of an address": (("jobs", "list", "--url", "http://x:99999"), ("--url", "no address")),
    "a token of two lines": (("--url", "http://x", "--token", "a\nb", "jobs", "list"), ("--token: holds",)),
    "a token without an address": (("--token", "x", "jobs", "list"), ("--token: needs --url",)),
    "an address for a role": (("--url", "http://x", "up"), ("--url is not for this command",)),
    "an address for the schema": (("--url", "http://x", "db", "migrate"), ("--url is not for this command",)),
    "an application": (("up", "--app", "nosuch"), ("--app: expected MODULE:ATTRIBUTE", "'nosuch'")),
    "an argument that is not UTF-8": (("enqueue", "a\udcff"), ("argument 2 is not UTF-8",)),
}  # fmt: skip


@pytest.mark.parametrize("kind", WRONG)
def test_a_mistake_is_one_line(kind: str, cli: Cli, tmp_path: Path) -> None:
    arguments, fragments = WRONG[kind]
    assert_one_line(cli(*arguments), 2, *fragments)
    assert list(tmp_path.iterdir()) == [], "nothing was made"


@pytest.mark.parametrize(
    ("name", "value", "fragments"),
    [
        ("ROTA_NOSUCH", "1", ("ROTA_NOSUCH: there is no such setting",)),
        ("ROTA_LEASE", "soon", ("ROTA_LEASE: expected a duration", "'soon'")),
        (
            "ROTA_DATABASE_URL",
            "mysql://u:secret@h/d",
            ("ROTA_DATABASE_URL: expected a sqlite:// or postgresql:// URL",),
        ),
        ("ROTA_AUTH_SECRET", "line\nbreak", ("ROTA_AUTH_SECRET: expected a text on one line, not ***",)),
        ("ROTA_PORT", "http", ("ROTA_PORT: expected a whole number", "'http'")),
    ],
)
@pytest.mark.parametrize("command", [("up",), ("jobs", "list"), ("db", "check")])
def test_a_wrong_setting_is_one_line(
    name: str,
    value: str,
    fragments: tuple[str, ...],
    command: tuple[str, ...],
    cli: Cli,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(name, value)
    done = cli(*command)
    assert_one_line(done, 2, *fragments)
    assert "secret@" not in done.stderr


def test_an_address_in_the_environment_is_named_so(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROTA_URL", "nonsense")
    assert_one_line(cli("jobs", "list"), 2, "ROTA_URL: 'nonsense' is no address")


def test_a_file_for_arguments_has_a_limit(cli: Cli, tmp_path: Path) -> None:
    big = tmp_path / "big.json"
    big.write_bytes(b'"' + b"x" * (17 << 20) + b'"')
    assert_one_line(cli("enqueue", "x", "--args", f"@{big}"), 2, "--args", "larger than 16 MiB")


def test_standard_input_may_hold_the_arguments(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"{not json")))
    assert_one_line(cli("enqueue", "x", "--args", "@-"), 2, "--args: is not JSON")


def test_a_bug_is_one_line_unless_asked_for(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> None:
        raise ZeroDivisionError("of all things")

    monkeypatch.setattr("rota.cli.doctor.tzdata_release", broken)
    assert_one_line(
        cli("doctor"), 1, "this should not happen: ZeroDivisionError: of all things", "ROTA_LOG_LEVEL=debug"
    )
    monkeypatch.setenv("ROTA_LOG_LEVEL", "debug")
    monkeypatch.setattr(sys, "argv", ["rota", "doctor"])
    with pytest.raises(ZeroDivisionError):
        cli("doctor")


def test_help_lists_every_command_in_its_group(cli: Cli) -> None:
    text = cli.ok("--help")
    for title, commands in GROUPS.items():
        section = text.partition(f"{title}:\n")[2].partition("\n\n")[0]
        assert [line.split()[0] for line in section.splitlines()] == [*commands]
    assert cli.ok("--version") == f"rota {__version__}\n"


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, with its whole name."""
    root = click.Context(rota, info_name="rota")
    for name in rota.list_commands(root):
        found = rota.get_command(root, name)
        assert found is not None
        if isinstance(found, click.Group):
            yield from ((f"{name} {inner}", command) for inner, command in found.commands.items())
        else:
            yield name, found


def test_every_command_and_option_says_what_it_is_for() -> None:
    names = [name for name, _ in commands()]
    assert len(names) > 30
    assert [name for name, command in commands() if not (command.help or "").strip().endswith(".")] == []
    silent = [
        f"{name} {parameter.opts}"
        for name, command in commands()
        for parameter in command.params
        if isinstance(parameter, click.Option) and not parameter.help
    ]
    assert silent == []


def test_what_lists_and_shows_prints_json_too() -> None:
    asked = ("list", "show", "history", "why", "preview", "logs", "next", "doctor", "selftest", "enqueue")
    without = [
        name
        for name, command in commands()
        if name.split()[-1] in asked and not any("--json" in each.opts for each in command.params)
    ]
    assert without == []


def test_what_asks_can_be_told_not_to() -> None:
    of_schedules = {"edit", "rollback", "backfill", "go-live"}
    imports = {"crontab", "heroku", "kubernetes", "celery", "rq", "scheduled-jobs"}
    of_jobs = {"delete", "cancel", "retry", "retry-failed", "delete-failed", "move", "reprioritise"}
    asks = {"remove", "revoke", "apply", "new-key"} | of_schedules | of_jobs | imports
    found = {name.split()[-1] for name, command in commands() if any("--yes" in each.opts for each in command.params)}
    assert found == asks


def test_the_address_may_stand_behind_every_command_that_asks_a_service() -> None:
    local = {name for name, command in commands() if not isinstance(command, ClientCommand)}
    assert local == {
        "up",
        "api",
        "scheduler",
        "worker",
        "db archived",
        "db migrate",
        "db check",
        "db move",
        "db stats",
        "start",
        "stop",
        "restart",
        "secrets key",
        "ping",
    }


@pytest.mark.parametrize("arguments", [("--help",), ("jobs", "list", "--help"), ("schedules", "add"), ("foo",)])
def test_help_and_mistakes_load_nothing_heavy(arguments: tuple[str, ...]) -> None:
    code = (
        f"import sys; sys.argv = ['rota', *{arguments!r}]\nfrom rota.cli.main import main\n"
        f"try: main()\nexcept SystemExit: pass\nprint([m for m in {HEAVY!r} if m in sys.modules], file=sys.__stderr__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert done.stderr.splitlines()[-1] == "[]"


def test_help_takes_less_than_a_third_of_a_second() -> None:
    """Of the processor: on a busy machine the clock on the wall tells nothing."""
    least = 9.0
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([ROTA, "--help"], stdout=subprocess.DEVNULL, check=True, timeout=30)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        least = min(least, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert least < 0.3


class TestStreams:
    """What the caller has done to the standard streams is no reason for a traceback."""

    def run(
        self, redirection: str, *arguments: str, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        command = ["sh", "-c", f'exec "$0" "$@" {redirection}', ROTA, *arguments]
        inherited = {name: text for name, text in os.environ.items() if name in ("PATH", "HOME")}
        return subprocess.run(
            command, capture_output=True, text=True, timeout=30, check=False, env={**inherited, **(env or {})},
            errors="surrogateescape",
        )  # fmt: skip

    def test_closed_output(self) -> None:
        done = self.run(">&-", "next", "@daily")
        assert (done.returncode, done.stderr) == (0, "")

    def test_everything_closed(self) -> None:
        assert self.run("<&- >&- 2>&-", "next", "nonsense").returncode == 2

    def test_a_full_disk(self) -> None:
        if not os.path.exists("/dev/full"):
            pytest.skip("there is no /dev/full")
        done = self.run(">/dev/full", "next", "@daily")
        assert done.returncode == 1
        assert done.stderr == "rota: error: No space left on device\n"

    def test_a_reader_that_has_gone(self) -> None:
        done = subprocess.run(
            ["sh", "-c", '"$0" next "* * * * *" -n 1000 --json | head -1', ROTA],
            capture_output=True, text=True, timeout=30, check=True,
        )  # fmt: skip
        assert (done.stdout, done.stderr) == ("{\n", "")

    def test_an_output_that_is_not_unicode(self) -> None:
        done = self.run("", "exec", "--help", env={"PYTHONIOENCODING": "latin-1"})
        assert (done.returncode, done.stderr) == (0, "")
        assert "COMMAND\\u2026" in done.stdout

    def test_an_argument_in_another_encoding(self) -> None:
        done = subprocess.run([ROTA, "enqueue", b"caf\xe9"], capture_output=True, timeout=30, check=False)
        assert done.returncode == 2
        assert b"argument 2 is not UTF-8" in done.stderr
        assert done.stderr.count(b"\n") == 1
