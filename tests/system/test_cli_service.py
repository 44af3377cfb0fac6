"""Commands and a running ``rota up``, on both databases: by the settings, and by the address of the service."""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.store import builders
from tests.support import procs
from tests.support.cli import Cli, assert_one_line
from tests.support.postgres import fresh_database
from tests.support.processes import ROTA, Finished, KeptProcess, RotaProcesses
from tests.support.waiting import free_port, wait_until

WAITS = 'echo first; echo second; while [ ! -e "$0" ]; do sleep 0.05; done; echo last'
PROCESSES = ("exec", "up")
STUBBORN = 'trap "" TERM; sh -c \'trap "" TERM; echo grandchild $$; sleep 100\' & echo child $$; sleep 100; wait'


@dataclass
class Running:
    """A running service."""

    url: str
    up: KeptProcess
    env: dict[str, str]


@dataclass
class Service:
    """A running service, and the command line with its settings."""

    url: str
    up: KeptProcess
    env: dict[str, str]
    started: RotaProcesses
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def rota(self, *arguments: str, **env: str) -> Finished:
        """Run a command to its end: as a process when signals or bytes are its matter, else in this process."""
        if arguments[0] in PROCESSES:
            return self.started.run(*arguments, env={**self.env, **env})
        with self.monkeypatch.context() as patch:
            patch.chdir(self.env["HOME"])
            for name, value in {**self.env, **env}.items():
                patch.setenv(name, value)
            return Cli(patch, self.capsys)(*arguments)

    def start(self, *arguments: str, **env: str) -> KeptProcess:
        """Start a command."""
        return self.started(*arguments, env={**self.env, **env})

    def json(self, *arguments: str) -> object:
        """Return what a command prints with ``--json``."""
        done = self.rota(*arguments, "--json")
        assert done.code == 0, done
        return json.loads(done.stdout)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """``rota up`` on each kind of database; one for all tests of this file."""
    folder = tmp_path_factory.mktemp("service")
    port = free_port()
    processes = RotaProcesses(folder)
    with ExitStack() as held:
        url = f"sqlite:///{folder}/rota.db"
        if request.param == "postgresql":
            url = held.enter_context(fresh_database(request.getfixturevalue("postgres")))
        env = {"ROTA_DATABASE_URL": url, "ROTA_PORT": str(port), "ROTA_GRACE": "2s"}
        try:
            up = processes("up", "--demo", env=env)
            up.wait_for_output("Log in with")
            for role in ("worker", "scheduler"):
                up.wait_for_output(f'"event":"{role}/started"')
            wait_until(lambda: declared(url), 60, lambda: f"the schedules of {up}")
            home = {"HOME": str(folder / "work")}  # where the local token of PostgreSQL is kept
            yield Running(f"http://127.0.0.1:{port}", up, env | home)
        finally:
            processes.finish()


def declared(url: str) -> bool:
    """Whether the worker has written what its application declares, the schedules last."""
    database = builders.opened(url)
    found = database.read(lambda tx: tx.value("SELECT count(*) FROM rota_schedules WHERE id = 'demo-checksum'"))
    database.close()
    return bool(found)


@pytest.fixture
def service(
    running: Running,
    rota_process: RotaProcesses,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Service:
    """The service with commands that end with the test."""
    return Service(running.url, running.up, running.env, rota_process, monkeypatch, capsys)


Shell = Callable[[str], Finished]


@pytest.fixture
def shell(service: Service, tmp_path: Path) -> Iterator[Shell]:
    """Runs a line of a shell that finds ``rota``."""
    path = {"PATH": f"{Path(ROTA).parent}:{os.environ.get('PATH', os.defpath)}"}
    started: list[KeptProcess] = []

    def run(line: str) -> Finished:
        place = tmp_path / f"shell-{len(started)}"
        place.mkdir()
        process = KeptProcess("sh", "-c", line, directory=place, env={**service.env, **path})
        started.append(process)
        return Finished(process.wait(), process.stdout, process.stderr)

    yield run
    for process in started:
        process.close()


@pytest.fixture(params=["settings", "url"])
def env(request: pytest.FixtureRequest, service: Service) -> dict[str, str]:
    """By the settings on the database, or by the address of the service."""
    return {"ROTA_URL": service.url} if request.param == "url" else {}


class TestExec:
    def test_streams_and_exit_code(self, service: Service, env: dict[str, str]) -> None:
        done = service.rota("exec", "--", "sh", "-c", "echo hi; echo err >&2; exit 3", **env)
        assert done == Finished(3, "hi\n", "err\n")

    def test_exit_codes_are_those_of_a_shell(self, service: Service) -> None:
        failing = 'echo \'::rota result {"success": false, "error": "half"}\''
        expected: dict[tuple[str, ...], tuple[int, str]] = {
            ("true",): (0, ""),
            ("sh", "-c", "exit 255"): (255, ""),
            ("sh", "-c", "exit 75"): (75, ""),
            ("sh", "-c", "kill -9 $$"): (137, "killed by SIGKILL"),
            ("sh", "-c", "kill -15 $$"): (143, "killed by SIGTERM"),
            ("no-such-program",): (127, "command not found: no-such-program"),
            ("/etc/passwd",): (126, "permission denied: /etc/passwd"),
            ("sh", "-c", failing): (1, "failed: half"),
        }
        started = {command: service.start("exec", *command) for command in expected}
        for command, (code, said) in expected.items():
            process = started[command]
            assert (process.wait(), process.stdout) == (code, ""), str(process)
            assert said in process.stderr
            assert bool(process.stderr) == bool(said), str(process)

    def test_many_lines_come_whole_and_in_order(self, service: Service, env: dict[str, str]) -> None:
        count = 'i=0; while [ $i -lt 10000 ]; do echo "line $i"; i=$((i+1)); done'
        done = service.rota("exec", "--", "sh", "-c", count, **env)
        assert (done.code, done.stderr) == (0, "")
        assert done.stdout == "".join(f"line {number}\n" for number in range(10_000))

    def test_bytes_that_are_no_text(self, service: Service) -> None:
        done = service.rota("exec", "--", "printf", r"\377\000 \033[31mred\033[0m\n")
        assert done == Finished(0, "\\xff\\x00 \x1b[31mred\x1b[0m\n", "")

    def test_standard_input_is_passed_on_when_asked(self, service: Service, shell: Shell) -> None:
        assert shell(r"printf 'b\na\n' | rota exec --stdin -- sort") == Finished(0, "a\nb\n", "")
        assert shell("echo lost | rota exec -- cat") == Finished(0, "", "")
        assert_one_line(shell(r"printf '\377' | rota exec --stdin -- cat"), 2, "--stdin: is not UTF-8 (byte 0)")

    def test_a_name_is_a_tag(self, service: Service) -> None:
        assert service.rota("exec", "--name", "nightly", "true").code == 0
        found = service.json("jobs", "list", "--tag", "nightly")
        assert isinstance(found, list)
        assert found[0]["origin"] == "exec"

    def test_time_over_ends_a_shell_with_its_grandchildren(self, service: Service, env: dict[str, str]) -> None:
        began = time.monotonic()
        done = service.rota("exec", "--timeout", "1s", "--", "sh", "-c", STUBBORN, **env)
        assert done.code == 124, done
        assert time.monotonic() - began < 30
        assert "timed out after 1s" in done.stderr
        pids = [int(pid) for pid in re.findall(r"^(?:grand)?child (\d+)$", done.stdout, re.MULTILINE)]
        assert len(pids) == 2
        wait_until(lambda: not any(map(procs.alive, pids)), what="both are gone")

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    def test_a_signal_cancels_the_job(self, service: Service, env: dict[str, str], number: signal.Signals) -> None:
        process = service.start("exec", "--", "sh", "-c", "echo started $$; exec sleep 100", **env)
        process.wait_for_output("started")
        pid = int(process.stdout.split()[1])
        process.send(number)
        assert process.wait() == 128 + number
        assert "rota: cancelling job" in process.stderr
        wait_until(lambda: not procs.alive(pid), what="the command is gone")

    def test_the_second_signal_leaves_the_job_alone(self, service: Service) -> None:
        process = service.start("exec", "--name", "stubborn", "--", "sh", "-c", 'trap "" TERM; echo started; sleep 100')
        process.wait_for_output("started")
        process.send(signal.SIGINT)
        process.wait_for_output("cancelling job")
        process.send(signal.SIGINT)
        assert process.wait(1.9) == 130, "before the grace time of the command"

    def test_a_reader_that_has_gone_cancels_the_job(self, service: Service, shell: Shell) -> None:
        done = shell('rota exec --name endless -- sh -c "while :; do echo y; sleep 0.05; done" | head -2')
        assert done == Finished(0, "y\ny\n", "")
        wait_until(lambda: self.status(service, "endless") == "cancelled", what="the job was cancelled")

    def status(self, service: Service, tag: str) -> str:
        found = service.json("jobs", "list", "--tag", tag)
        assert isinstance(found, list)
        return str(found[0]["status"])


class TestFollow:
    def test_lines_appear_while_the_job_runs(self, service: Service, env: dict[str, str], tmp_path: Path) -> None:
        go, tag = tmp_path / "go", secrets.token_hex(4)
        running = service.start("exec", "--name", tag, "--", "sh", "-c", WAITS, str(go))
        running.wait_for_output("second")
        found = service.json("jobs", "list", "--tag", tag, "--status", "running")
        assert isinstance(found, list)
        job_id = found[0]["id"]
        follower = service.start("jobs", "logs", "-f", job_id, **env)
        follower.wait_for_output("second")
        assert (running.exit_code, follower.exit_code) == (None, None)
        go.touch()
        assert (follower.wait(), running.wait()) == (0, 0)
        lines = follower.stdout.splitlines()
        assert lines[:3] == ["first", "second", "last"]
        assert lines[3].startswith("exit code 0 after ")
        assert service.rota("jobs", "logs", "--tail", "2", job_id).stdout.splitlines() == lines[-2:]
        numbered = service.rota("jobs", "logs", "--after", "2", "--numbers", job_id).stdout
        assert re.match(r"     3  \d\d:\d\d:\d\d  stdout  last\n", numbered)

    def test_a_job_of_a_type_with_its_end(self, service: Service, env: dict[str, str]) -> None:
        done = service.rota("enqueue", "demo-primes", "--args", '{"limit": 100}', "--wait", **env)
        assert (done.code, done.stderr) == (0, "")
        assert re.fullmatch(r"[0-9a-f-]{36}  ✓ completed\n", done.stdout)
        shown = service.rota("jobs", "show", done.stdout.split()[0], **env).stdout
        assert 'result      {"success":true,"itemsProcessed":25,"errors":[]}' in shown
        assert service.rota("jobs", "logs", done.stdout.split()[0], **env).stdout.startswith("25 primes below 100 in ")

    def test_a_job_that_fails(self, service: Service) -> None:
        done = service.rota("enqueue", "demo-checksum", "--args", '{"folder": 1}', "--wait")
        assert_one_line(done, 2, "args.folder")
        done = service.rota(
            "enqueue", "demo-disk-use", "--args", '{"path": "/nosuch"}', "--max-attempts", "1", "--wait"
        )
        assert done.code == 1
        assert "✗ failed  " in done.stdout


class TestSelftest:
    def test_proves_the_service(self, service: Service, env: dict[str, str]) -> None:
        done = service.rota("selftest", "5", **env)
        assert done.code == 0, done
        assert done.stdout.startswith("✓ 5 of 5 test jobs ran and were verified with their logs\n")
        assert re.search(r"until the end: p50 [0-9.]+ ms, p95 [0-9.]+ ms, max [0-9.]+ ms", done.stdout)
        assert done.stderr == "test jobs: 5 of 5\n"

    def test_by_http(self, service: Service) -> None:
        report = service.json("selftest", "3", "--callback-url", f"{service.url}/demo/echo")
        assert isinstance(report, dict)
        assert (report["verified"], report["failed"]) == (3, [])

    def test_says_what_did_not_work(self, service: Service, dead_port: int) -> None:
        done = service.rota("selftest", "2", "--callback-url", f"http://127.0.0.1:{dead_port}/")
        assert done.code == 1
        assert done.stdout.startswith("✗ 0 of 2 test jobs")
        assert done.stderr.count("connection refused") == 2


class TestAccess:
    def test_tokens_open_what_their_role_says(self, service: Service) -> None:
        made = {role: service.rota("token", "create", "--role", role).stdout.strip() for role in ("viewer", "operator")}
        at = ("--url", service.url, "--token")
        assert service.rota(*at, made["viewer"], "jobs", "list").code == 0
        done = service.rota("exec", *at, made["viewer"], "--", "true")
        assert_one_line(done, 1, "Admin access required (this takes the role operator; the token has viewer)")
        done = service.rota("exec", *at, made["operator"], "--", "true")
        assert_one_line(done, 1, "Admin access required (this takes the role admin; the token has operator)")
        assert service.rota("enqueue", "demo-primes", *at, made["operator"]).code == 0
        assert_one_line(service.rota(*at, "rota_wrong", "jobs", "list"), 1, "Invalid token (look at --token")
        tokens = service.json("token", "list")
        assert isinstance(tokens, list)
        for one in tokens:
            assert service.rota("token", "revoke", one["id"], "--yes", "--url", service.url).code == 0
        assert_one_line(service.rota(*at, made["viewer"], "jobs", "list"), 1, "Invalid token")

    def test_who_has_no_token_is_told(self, service: Service, tmp_path: Path) -> None:
        elsewhere = {"ROTA_DATABASE_URL": f"sqlite:///{tmp_path}/other.db"}
        done = service.rota("jobs", "list", "--url", service.url, **elsewhere)
        assert_one_line(done, 1, "Missing authorization (give --token, or set ROTA_TOKEN)")

    def test_the_login_link_works_once(self, service: Service) -> None:
        found = re.search(r"Log in with (\S+) ", service.up.stdout)
        assert found is not None
        with httpx.Client(trust_env=False) as browser:
            assert browser.get(f"{service.url}/api/me").status_code == 401
            assert browser.get(found[1]).status_code == 303
            assert browser.get(f"{service.url}/api/me").json()["role"] == "admin"
        with httpx.Client(trust_env=False) as other:
            assert other.get(found[1]).status_code == 401


class TestDoctor:
    def test_all_is_well(self, service: Service) -> None:
        wait_until(lambda: service.rota("doctor").code == 0, 60, lambda: str(service.rota("doctor")))
        done = service.rota("doctor")
        assert "✗" not in done.stdout
        for name in ("settings", "zone data", "database", "schema", "clock", "service", "tokens", "address", "access"):
            assert f"✓ {name}: " in done.stdout
        assert f"a Rota listens on {service.url.removeprefix('http://')} and is healthy" in done.stdout

    def test_all_is_well_at_the_service(self, service: Service) -> None:
        at = ("doctor", "--url", service.url)
        wait_until(lambda: service.rota(*at).code == 0, 60, lambda: str(service.rota(*at)))
        done = service.rota(*at)
        assert done.code == 0, done
        assert "✓ token: taken as admin (local)" in done.stdout
        done = service.rota("doctor", "--url", service.url, "--token", "rota_wrong")
        assert done.code == 1
        assert "✗ token: Invalid token\n    → make another: rota token create" in done.stdout


def test_lists_of_a_service_that_works(service: Service, env: dict[str, str]) -> None:
    schedules = service.rota("schedules", "list", **env).stdout
    assert re.search(r"^demo-checksum +every 2 minutes, Europe/Paris +demo-checksum ", schedules, re.MULTILINE)
    workers = service.rota("workers", "list", **env).stdout
    assert sorted(line.split()[1] for line in workers.splitlines()[1:]) == ["api", "scheduler", "worker"]
    assert "demo-primes " in service.rota("types", "list", **env).stdout
    assert '"limit"' in service.rota("types", "show", "demo-primes", **env).stdout


def test_a_job_is_watched_stopped_and_goes_on(service: Service, env: dict[str, str]) -> None:
    script = (
        'echo "began at ${ROTA_CHECKPOINT:-nothing}"; echo "::rota checkpoint 7"; echo "::rota progress 0.5 half";'
        'echo Trouble >&2; trap "exit 3" TERM; while [ "$ROTA_ATTEMPT" -lt 3 ]; do sleep 0.05; done'
    )
    first = service.start("exec", "--name", "watched", "--", "sh", "-c", script, **env)
    first.wait_for_output("began at nothing")
    (job_id,) = [job["id"] for job in service.json("jobs", "list", "--tag", "watched", "--status", "running")]  # type: ignore[attr-defined]
    wait_until(lambda: "50 %  half" in service.rota("jobs", "show", job_id, **env).stdout, 30, "progress")
    assert lines_of(service, env, job_id, "--grep", "TROUBLE", "--stream", "stderr") == "Trouble\n"
    stopped = service.rota("jobs", "cancel", job_id, "--wait", **env)
    assert stopped.stdout == f"{job_id}  cancelled: ended by itself after SIGTERM, with exit code 3\n"
    assert first.wait() == 1
    assert "checkpoint" in service.rota("jobs", "show", job_id, **env).stdout
    for number, (options, began) in enumerate(((("--fresh",), "nothing"), ((), "7")), 2):
        assert service.rota("jobs", "retry", job_id, *options, **env).code == 0
        wait_until(lambda: service.rota("jobs", "show", job_id, **env).stdout.count("50 %  half"), 30, "progress")
        assert lines_of(service, env, job_id, "--attempt", str(number), "--grep", "began") == f"began at {began}\n"
        if number == 2:
            service.rota("jobs", "cancel", "--wait", "--yes", "--tag", "watched", **env)


def lines_of(service: Service, env: dict[str, str], job_id: str, *options: str) -> str:
    """The lines of a log that are asked for, when there are any: they are stored apart from progress."""
    words = ("jobs", "logs", job_id, *options)
    return wait_until(lambda: service.rota(*words, **env).stdout, what=f"lines by rota {' '.join(words)}")


def test_a_second_up_on_the_same_port_ends_at_once(service: Service) -> None:
    done = service.rota("up")
    port = service.url.rpartition(":")[2]
    assert_one_line(done, 2, f"ROTA_PORT: port {port} of 127.0.0.1 is in use", "--port")


def test_status_of_a_service_that_works(service: Service) -> None:
    at = ("status", "--url", service.url)
    wait_until(lambda: service.rota(*at).code == 0, 60, lambda: str(service.rota(*at)))
    shown = service.rota(*at).stdout
    assert f"✓ rota is healthy (at {service.url})" in shown
    for role in ("schedulers", "workers", "apis"):
        assert re.search(rf"^{role} +1 alive, last seen ", shown, re.MULTILINE)
