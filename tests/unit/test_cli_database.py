"""Commands on the database of the settings, on both kinds, without a service: the same client as over REST."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from rota.cli.in_process import in_process
from rota.ids import new_id
from rota.settings import load_settings
from rota.store.opening import open_database
from tests.store import builders
from tests.support.cli import Cli, assert_one_line

CALL = """{"kind": "http", "url": "http://127.0.0.1:1/x?token=abc", "headers": {"X-Api-Key": "abc", "X-A": "b"},
"auth": {"type": "bearer", "token": "s3cret"}}"""


@pytest.fixture
def empty(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, database_url: str
) -> Cli:
    """The command line where no database was made yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROTA_DATABASE_URL", database_url)
    return Cli(monkeypatch, capsys)


@pytest.fixture
def cli(empty: Cli) -> Cli:
    """The command line on a database that is ready."""
    empty.ok("db", "migrate")
    return empty


@pytest.fixture
def lite(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Cli:
    """The command line in a folder without anything."""
    monkeypatch.chdir(tmp_path)
    return Cli(monkeypatch, capsys)


class TestSchema:
    def test_who_only_looks_makes_no_database(self, lite: Cli, tmp_path: Path) -> None:
        looks = (("jobs", "list"), ("schedules", "show", "x"), ("queues", "list"), ("enqueue", "x"), ("selftest", "1"))
        for arguments in looks:
            assert_one_line(lite(*arguments), 1, f"there is no database {tmp_path}/rota.db", "rota up")
        assert list(tmp_path.iterdir()) == []

    def test_who_adds_makes_it(self, empty: Cli) -> None:
        empty.ok("schedules", "add", "hello", "--every", "10m", "--command", "echo hello")
        assert [one["id"] for one in empty.json("schedules", "list")] == ["hello"]

    def test_migrate_says_what_it_did(self, empty: Cli) -> None:
        assert_one_line(empty("db", "check"), 1, "has schema 0", "run `rota db migrate`")
        assert empty.ok("db", "migrate").startswith("applied 0001_")
        assert "is up to date (schema" in empty.ok("db", "migrate")
        assert "is reached and has schema" in empty.ok("db", "check")

    def test_a_newer_schema_is_not_touched(self, cli: Cli) -> None:
        database = open_database(load_settings().database_url)
        with database.transaction() as tx:
            tx.run("UPDATE rota_meta SET value = '999' WHERE key = 'schema_version'")
        database.close()
        for arguments in (("db", "check"), ("db", "migrate"), ("jobs", "list"), ("schedules", "list")):
            assert_one_line(cli(*arguments), 1, "has schema 999", "install the newer Rota")
        assert "✗ schema: version 999" in cli("doctor").stdout

    def test_the_doctor_counts_what_runs(self, cli: Cli) -> None:
        database = open_database(load_settings().database_url)

        def found() -> str:
            lines = cli("doctor").stdout.splitlines()
            return next(line for line in lines if " service: " in line)

        assert found().startswith("✗ service: nothing runs")
        for role, number in (("worker", 3), ("api", 2)):
            for _ in range(number):
                builders.register(database, lease_us=builders.DAY, role=role)
        assert found().startswith("✗ service: 2 api, 3 workers, but no scheduler")
        builders.register(database, lease_us=builders.DAY, role="scheduler")
        assert found().startswith("✗ service: 2 api, 1 scheduler, 3 workers; no due instant was ever accounted for")
        builders.put_fact(database, "accounted_to", str(database.read(lambda tx: tx.now())))
        assert found().startswith("✓ service: 2 api, 1 scheduler, 3 workers; every due instant up to ")
        database.close()


class TestSchedules:
    def test_add_show_edit_pause_resume_trigger_remove(self, cli: Cli) -> None:
        # Not at half past two, which a change of the clocks leaves out.
        made = cli.ok(
            "schedules", "add", "nightly", "--cron", "30 4 * * *", "--tz", "Europe/Paris", "--command", "true"
        )
        assert made.startswith("nightly: at 04:30 every day, Europe/Paris\n")
        assert len(re.findall(r"04:30:00 CES?T", made)) == 3
        shown = cli.ok("schedules", "show", "nightly")
        assert "runs      true" in shown
        assert re.search(r"next      \S+ 04:30:00 CES?T \(in ", shown)
        edited = cli.ok("schedules", "edit", "nightly", "--note", "why", "--priority", "high")
        assert edited.startswith("  priority: nothing → high\n  note: nothing → why\nnightly: at 04:30")
        one = cli.json("schedules", "show", "nightly")
        assert (one["note"], one["cron"], one["timezone"], one["version"]) == ("why", "30 4 * * *", "Europe/Paris", 2)
        until = "2999-01-01T00:00:00Z"
        assert cli.ok("schedules", "pause", "nightly", "--note", "moving", "--until", until) == (
            "nightly paused until 2999-01-01 01:00:00 CET\n"
        )
        assert "‖ paused" in cli.ok("schedules", "list", "--paused")
        assert "No schedule matches." in cli.ok("schedules", "list", "--not-paused")
        assert ": moving" in cli.ok("schedules", "show", "nightly")
        assert cli.ok("schedules", "resume", "nightly").startswith("nightly resumed, next in ")
        job_id = cli.ok("schedules", "trigger", "nightly").strip()
        assert cli.json("jobs", "show", job_id)["scheduleId"] == "nightly"
        assert cli.ok("schedules", "history", "nightly") == "Nothing was due yet.\n"
        assert_one_line(cli("schedules", "remove", "nightly"), 2, "remove the schedule nightly? Say so with --yes")
        assert cli.ok("schedules", "remove", "nightly", "--yes") == "nightly removed\n"
        assert_one_line(cli("schedules", "show", "nightly"), 1, "there is no schedule nightly")
        assert cli.json("schedules", "list") == []

    def test_an_interval_shows_the_instants_that_will_be(self, cli: Cli) -> None:
        made = cli.ok("schedules", "add", "often", "--every", "90m", "--command", "true")
        next_at = cli.json("schedules", "show", "often")["nextAt"]
        assert next_at[:19].replace("T", " ") in made
        cli.ok("schedules", "edit", "often", "--note", "x")
        assert next_at == cli.json("schedules", "show", "often")["nextAt"]

    def test_what_is_there_is_not_overwritten(self, cli: Cli) -> None:
        cli.ok("schedules", "add", "x", "--every", "10m", "--command", "echo 1")
        done = cli("schedules", "add", "x", "--every", "5m", "--command", "echo 2")
        assert_one_line(done, 1, "there is a schedule x already", "rota schedules edit x")
        assert_one_line(cli("schedules", "add", "x", "--every", "5q", "--command", "y"), 2, "--every: '5q'")

    def test_an_edit_keeps_secrets_that_are_not_shown(self, cli: Cli) -> None:
        cli.ok("schedules", "add", "call", "--every", "1h", "--target", CALL)
        shown = cli.ok("schedules", "show", "call", "--json")
        assert "s3cret" not in shown
        assert "abc" not in shown
        cli.ok("schedules", "edit", "call", "--every", "2h", "--yes")
        database = open_database(load_settings().database_url)
        with database.statement() as tx:
            stored = str(tx.value("SELECT target FROM rota_schedules WHERE id = 'call'"))
        database.close()
        assert "s3cret" in stored
        assert '"X-Api-Key":"abc"' in stored.replace(" ", "")
        assert "***" not in stored
        elsewhere = json.dumps({**json.loads(shown)["target"], "url": "http://127.0.0.1:7099/thief"})
        done = cli("schedules", "edit", "call", "--target", elsewhere)
        assert_one_line(done, 2, "a secret is kept only while url stays as it is", "give the secret itself")

    def test_what_is_shown_in_place_of_a_secret_is_not_stored(self, cli: Cli) -> None:
        target = CALL.replace('"abc"', '"***"')
        done = cli("schedules", "add", "call", "--every", "1h", "--target", target)
        assert_one_line(done, 2, "target.headers.X-Api-Key", "give the secret itself")

    @pytest.mark.parametrize(
        ("options", "fragments"),
        [
            (("--cron", "* * *", "--command", "x"), ("--cron: 3 fields instead of 5",)),
            (("--cron", "@daily", "--tz", "Mars", "--command", "x"), ("--tz: there is no time zone 'Mars'",)),
            (("--at", "tomorrow", "--command", "x"), ("--at: 'tomorrow' is not a time",)),
            (("--every", "1h", "--type", "nosuch"), ("--type: 'nosuch' was never declared",)),
            (("--every", "1h", "--command", " "), ("--command: is empty",)),
            (("--every", "1h", "--http", "GET", "ftp://x"), ("--http: the scheme 'ftp' is not called",)),
            (("--every", "1h", "--http", "FETCH", "http://x"), ("--http: 'FETCH' is not a method",)),
            (
                ("--every", "1h", "--command", "x", "--priority", "vital"),
                ("--priority: no priority is called 'vital'",),
            ),
            (("--every", "1h", "--command", "x", "--timeout", "soon"), ("--timeout: 'soon'",)),
            (("--every", "1h", "--command", "x", "--queue", "a b"), ("--queue: 'a b' is not a name",)),
            (("--every", "1h", "--command", "x", "--jitter", "9"), ("--jitter: '9' has no unit",)),
            (("--every", "1h", "--target", '{"kind": "ftp"}'), ("target.kind: 'ftp' is unknown",)),
            (("--every", "1h", "--target", '{"kind": "http", "url": "x"}'), ("target.url",)),
        ],
    )
    def test_wrong_values_name_their_option(
        self, lite: Cli, options: tuple[str, ...], fragments: tuple[str, ...]
    ) -> None:
        assert_one_line(lite("schedules", "add", "x", *options), 2, *fragments)

    @pytest.mark.parametrize(
        ("schedule_id", "reason"),
        [("a/b", "is not a name"), ("..", "is not a name"), ("a\nb", "is not a name"), ("", "schedule's id is empty")],
    )
    def test_an_id_that_is_none(self, lite: Cli, schedule_id: str, reason: str) -> None:
        done = lite("schedules", "add", schedule_id, "--every", "1h", "--command", "x")
        assert_one_line(done, 2, "ID: ", reason)

    def test_preview_is_next_in_other_words(self, cli: Cli) -> None:
        rule = ("0 9 * * MON", "--tz", "Europe/Paris", "-n", "2", "--after", "2026-11-21T00:00:00Z")
        by_next = cli.json("next", *rule)
        assert cli.json("schedules", "preview", "--cron", *rule) == by_next
        assert by_next["instants"] == ["2026-11-23T08:00:00.000Z", "2026-11-30T08:00:00.000Z"]

    def test_next_of_several_expressions_is_that_of_any(self, cli: Cli) -> None:
        found = cli.json("next", "0 9 * * *", "0 8 * * *", "--cron", "0 9 21 * *", "--after", "2026-11-21T00:00:00Z")
        assert [text[8:13] for text in found["instants"][:3]] == ["21T08", "21T09", "22T08"]
        assert found["description"].count(";") == 2


class TestJobs:
    @pytest.fixture
    def job_id(self, cli: Cli) -> str:
        """A job that waits, of a schedule."""
        cli.ok("schedules", "add", "hello", "--every", "1h", "--command", "echo hello")
        return cli.ok("schedules", "trigger", "hello").strip()

    def test_one_by_its_id(self, cli: Cli, job_id: str) -> None:
        assert cli.ok("jobs", "why", job_id) == "no worker lives\n"
        assert "waits       no worker lives" in cli.ok("jobs", "show", job_id)
        assert cli.ok("jobs", "logs", job_id) == ""
        assert cli.ok("jobs", "cancel", job_id) == f"{job_id}  cancelled\n"
        assert_one_line(cli("jobs", "cancel", job_id), 1, f"job {job_id} was cancelled already")
        assert cli.ok("jobs", "retry", job_id) == f"{job_id}  waiting again\n"
        assert cli.ok("jobs", "delete", job_id) == f"{job_id}  deleted\n"
        assert_one_line(cli("jobs", "show", job_id), 1, f"there is no job {job_id}")

    def test_several_of_which_one_is_not_there(self, cli: Cli, job_id: str) -> None:
        other = new_id()
        done = cli("jobs", "cancel", other, job_id)
        assert (done.code, done.stdout) == (1, f"{job_id}  cancelled\n")
        assert done.stderr == f"rota: error: there is no job {other}\n"

    def test_by_filter(self, cli: Cli, job_id: str) -> None:
        for _ in range(2):
            cli.ok("schedules", "trigger", "hello")
        found = cli.json("jobs", "list", "--schedule", "hello", "--status", "pending", "--since", "1h")
        assert (len(found), found[-1]["id"]) == (3, job_id)
        assert len(cli.json("jobs", "list", "--limit", "2")) == 2
        assert cli.json("jobs", "list", "--until", "1h") == []
        assert cli.json("jobs", "list", "-q", job_id)[0]["id"] == job_id
        assert_one_line(cli("jobs", "cancel", "--schedule", "hello"), 2, "cancel 3 jobs? Say so with --yes")
        assert cli.ok("jobs", "cancel", "--schedule", "hello", "--yes") == "3 jobs cancelled\n"
        assert cli.ok("jobs", "cancel", "--schedule", "hello", "--yes") == "No job matches.\n"
        assert cli.ok("queues", "delete-failed", "default", "--yes") == "No job matches.\n"
        assert cli.ok("jobs", "delete", "--queue", "default", "--yes") == "3 jobs deleted\n"
        assert cli.ok("jobs", "list") == "No jobs.  Run one: rota exec -- echo hello\n"
        assert cli.ok("jobs", "list", "--tag", "x") == "No job matches.\n"

    @pytest.mark.parametrize(
        ("options", "fragments"),
        [
            (("--status", "done"), ("--status: 'done' is unknown", "completed")),
            (("--since", "yesterday"), ("--since: 'yesterday' is not a time",)),
            (("--since", "5 h x"), ("--since",)),
            (("--tag", "x" * 501), ("--tag",)),
            (("-q", "x" * 501), ("--search",)),
        ],
    )
    def test_wrong_filters_name_their_option(
        self, cli: Cli, options: tuple[str, ...], fragments: tuple[str, ...]
    ) -> None:
        assert_one_line(cli("jobs", "list", *options), 2, *fragments)
        assert_one_line(cli("jobs", "delete", *options), 2, *fragments)

    def test_an_id_that_is_none(self, cli: Cli) -> None:
        assert_one_line(cli("jobs", "show", "xx"), 1, "there is no job xx")
        assert_one_line(cli("jobs", "logs", "../tokens"), 2, "'../tokens' is not a name")


class TestEnqueue:
    @pytest.fixture(autouse=True)
    def declared(self, cli: Cli) -> None:
        """A job type to name."""
        with in_process(makes_database=False) as client:
            client.request("PUT", "/api/job-types/hello", {"target": {"kind": "command", "command": ["echo", "hi"]}})

    def test_prints_the_id(self, cli: Cli) -> None:
        job_id = cli.ok("enqueue", "hello", "--priority", "high", "--tag", "a", "--tag", "b", "--delay", "1h").strip()
        job = cli.json("jobs", "show", job_id)
        assert (job["status"], job["tags"], job["jobType"]) == ("scheduled", ["a", "b"], "hello")
        assert job["priority"] > 0
        assert re.search(r"^due +\S+ \S+ \S+ \(in 60 min\)$", cli.ok("jobs", "show", job_id), re.MULTILINE)
        assert cli.json("types", "list")[0]["name"] == "hello"
        assert 'target    {"kind":"command","command":["echo","hi"]}' in cli.ok("types", "show", "hello")

    def test_a_unique_key_that_is_held(self, cli: Cli) -> None:
        first = cli.ok("enqueue", "hello", "--unique-key", "k")
        again = cli("enqueue", "hello", "--unique-key", "k")
        assert (again.code, again.stdout) == (0, first)
        assert again.stderr == f"existing job {first.strip()} has this unique key already\n"

    def test_arguments_of_a_file_stay_as_they_are(self, cli: Cli, tmp_path: Path) -> None:
        (tmp_path / "args.json").write_text('{"big": 12345678901234567890123, "text": "é\\u0001"}')
        job_id = cli.ok("enqueue", "hello", "--args", f"@{tmp_path}/args.json").strip()
        assert cli.json("jobs", "show", job_id)["args"] == {"big": 12345678901234567890123, "text": "é\x01"}
        assert 'arguments   {"big":12345678901234567890123,"text":"é\\u0001"}' in cli.ok("jobs", "show", job_id)

    @pytest.mark.parametrize(
        ("options", "fragments"),
        [
            (("--at", "2026-11-21T10:00"), ("--at: 2026-11-21T10:00:00 does not say which offset",)),
            (("--delay", "5m", "--at", "2027-01-01T00:00:00Z"), ("--at: ", "exclude each other")),
            (("--max-attempts", "0"), ("--max-attempts: expected a whole number of at least 1",)),
            (("--timeout", "soon"), ("--timeout: 'soon' is not a duration",)),
            (("--queue", "a b"), ("--queue: 'a b' is not a name",)),
            (("--unique-key", ""), ("--unique-key",)),
            (("--tag", ""), ("--tag",)),
        ],
    )
    def test_wrong_values_name_their_option(
        self, cli: Cli, options: tuple[str, ...], fragments: tuple[str, ...]
    ) -> None:
        assert_one_line(cli("enqueue", "hello", *options), 2, *fragments)

    def test_a_type_that_was_never_declared(self, cli: Cli) -> None:
        assert_one_line(cli("enqueue", "nosuch"), 2, "TYPE: 'nosuch' was never declared", "start a worker")
        assert_one_line(cli("enqueue", "helo"), 2, "TYPE: 'helo' was never declared", "did you mean hello?")
        add = ("schedules", "add", "x", "--every", "1h", "--type")
        assert_one_line(cli(*add, "Hello"), 2, "--type: 'Hello' was never declared", "did you mean hello?")
        assert cli.json("jobs", "list") == []


class TestQueues:
    def test_set_pause_resume(self, cli: Cli) -> None:
        assert cli.ok("queues", "list") == "No queues.  A queue is made by its first job.\n"
        assert re.search(r"^concurrency +5$", cli.ok("queues", "set", "mail", "--concurrency", "5"), re.MULTILINE)
        assert cli.ok("queues", "pause", "mail", "--note", "the host moves") == "mail paused\n"
        listed = cli.ok("queues", "list")
        assert re.search(r"^mail +0 +0 +0 +0 +— +5 at once +‖ paused +the host moves$", listed, re.MULTILINE)
        assert cli.json("queues", "list")[0]["pausedNote"] == "the host moves"
        assert cli.ok("queues", "resume", "mail") == "mail resumed\n"
        assert "without limit" in cli.ok("queues", "set", "mail", "--concurrency", "none")
        assert cli.ok("queues", "retry-failed", "mail") == "No job matches.\n"

    def test_what_is_wrong(self, cli: Cli) -> None:
        assert_one_line(cli("queues", "pause", "nosuch"), 1, "there is no queue nosuch")
        assert_one_line(cli("queues", "retry-failed", "nosuch"), 1, "there is no queue nosuch")
        assert_one_line(cli("queues", "set", "a b", "--concurrency", "1"), 2, "NAME: 'a b' is not a name")
        assert_one_line(cli("queues", "set", "mail", "--concurrency", "0"), 2, "--concurrency: 0 is out of range")
        assert_one_line(cli("queues", "set", "mail", "--concurrency", "-1"), 2, "--concurrency: '-1'")


class TestTokens:
    def test_create_list_revoke(self, cli: Cli) -> None:
        made = cli("token", "create", "--role", "operator", "--name", "deploy", "--expires-in", "30d")
        assert (made.code, made.stderr) == (0, "Keep it now: it is not shown again.\n")
        assert made.stdout.startswith("rota_")
        listed = cli.ok("token", "list")
        assert made.stdout.strip() not in listed
        assert re.search(r"deploy +operator +\S+ +(now|\d+ s ago) +— +in 30 d$", listed, re.MULTILINE)
        (one,) = cli.json("token", "list")
        assert_one_line(cli("token", "revoke", one["id"]), 2, "Say so with --yes")
        assert cli.ok("token", "revoke", one["id"], "--yes") == f"{one['id']} revoked\n"
        assert "revoked" in cli.ok("token", "list")
        assert_one_line(cli("token", "revoke", one["id"], "--yes"), 1, "no token")

    def test_what_is_wrong(self, cli: Cli) -> None:
        done = cli("token", "create", "--role", "viewer", "--expires-in", "soon")
        assert_one_line(done, 2, "--expires-in: 'soon' is not a duration")


def test_a_worker_and_what_it_does_with_its_queues(cli: Cli, database_url: str) -> None:
    database = builders.opened(database_url)
    detail = '{"slots":{"command":{"taken":1,"of":2}},"loops":[],"loopLagMs":3,"sleeping":{}}'
    worker = builders.register(database, lanes='{"command":2}', labels='["gpu"]', detail=detail)
    builders.insert(database, builders.new_job(lane="command", queue="mail"))
    cli.ok("queues", "set", "mail", "--concurrency", "1")
    assert builders.claim(database, worker)
    builders.insert(database, builders.new_job(lane="command", queue="mail"))
    database.close()
    said = cli.ok("workers", "show", worker[-6:])
    assert f"process         {worker}\n" in said and "slots taken     command 1 of 2\n" in said
    assert "labels          gpu\n" in said
    assert "mail   1        full    —" in said
    (consumer,) = cli.json("workers", "show", worker)["consumers"]
    assert consumer == {"queue": "mail", "numRunningLoops": 1, "sleeping": {"reason": "full", "until": None}}
    assert "gpu" in cli.ok("workers", "list")
    assert_one_line(cli("workers", "show", "nosuch"), 1, "there is no process nosuch")


def test_there_is_nothing_to_see_at_first(cli: Cli) -> None:
    assert cli.ok("types", "list").startswith("No job types.  Decorate a function with @rota.job")
    assert cli.ok("workers", "list") == "Nothing runs.  Start it: rota up\n"
    assert cli.ok("schedules", "list").startswith("No schedules.  Add one: rota schedules add ")
    assert cli.ok("token", "list").startswith("No tokens.  Make one: ")
    assert_one_line(cli("types", "show", "nosuch"), 1, "there is no job type nosuch")
    assert_one_line(cli("schedules", "history", "nosuch"), 1, "nosuch")
