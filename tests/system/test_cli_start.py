"""``rota up`` and the roles: what is wrong at the start is told once, in one line, with the right exit code."""

from __future__ import annotations

import os
import re
import signal
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.support import procs
from tests.support.cli import assert_one_line
from tests.support.postgres import Cluster
from tests.support.processes import Finished, RotaProcesses
from tests.support.roles import cpu_seconds
from tests.support.service import is_ready
from tests.support.waiting import free_port, wait_until

SLOW_JOB = "echo begun; sleep 1; echo finished"


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which something listens that is no Rota."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def up_on(url: str) -> tuple[list[str], dict[str, str]]:
    return ["up"], {"ROTA_DATABASE_URL": url}


# Arguments, environment, and what the one line must say; PORT is taken, SERVER is a PostgreSQL, HERE a folder.
WRONG: dict[str, tuple[tuple[list[str], dict[str, str]], tuple[str, ...]]] = {
    "port in use": ((["up"], {"ROTA_PORT": "PORT"}), ("ROTA_PORT: port PORT of 127.0.0.1 is in use", "--port")),
    "port in use, by option": ((["up", "--port", "PORT"], {}), ("--port: port PORT", "is in use")),
    "no address": ((["up", "--host", "127.0.0.300"], {"ROTA_AUTH_SECRET": "s" * 40}), ("--host: ", "127.0.0.300")),
    "open to all": ((["up", "--host", "0.0.0.0"], {}), ("--host: ", "without access control", "--insecure")),
    "issuer": ((["up"], {"ROTA_AUTH_JWKS_URL": "x/keys"}), ("ROTA_AUTH_JWKS_URL: ", "https:// address")),
    "short secret": ((["up"], {"ROTA_AUTH_SECRET": "short"}), ("ROTA_AUTH_SECRET: ", "openssl rand -hex 32")),
    "no operation": ((["up"], {"ROTA_PERMISSIONS": "cancelJobs=admin"}), ("ROTA_PERMISSIONS: ", "mean cancelJob?")),
    "admins only": ((["api"], {"ROTA_PERMISSIONS": "putSecret=viewer"}), ("ROTA_PERMISSIONS: putSecret", "always")),
    "unknown setting": ((["up"], {"ROTA_LEASES": "5s"}), ("ROTA_LEASES: there is no such setting", "ROTA_LEASE?")),
    "no such module": ((["up", "--app", "nosuch:rota"], {}), ("--app: there is no module nosuch", "PYTHONPATH")),
    "no such submodule": ((["up", "--app", "json.x:rota"], {}), ("--app: there is no module json.x",)),
    "no package": ((["up", "--app", "json.decoder.x:rota"], {}), ("--app: there is no module json.decoder.x",)),
    "no module, worker": ((["worker", "--app", "nosuch:rota"], {}), ("--app: there is no module nosuch",)),
    "no such name": ((["up", "--app", "shop:rota"], {}), ("--app: module shop has no rota", "did you mean shop:app?")),
    "no such name, worker": ((["worker", "--app", "shop:rota"], {}), ("--app: module shop has no rota, it has app",)),
    "folder missing": (up_on("sqlite:////nosuch/x/rota.db"), ("there is no folder /nosuch/x",)),
    "folder not writable": (up_on("sqlite:////proc/rota.db"), ("/proc/rota.db cannot be opened",)),
    "a folder": (up_on("sqlite:////tmp"), ("/tmp cannot be opened: Is a directory",)),
    "a text": (up_on("sqlite:///HERE/text"), ("text is no SQLite database",)),
    "no such database": (up_on("SERVER/nosuch"), ('database "nosuch" does not exist', "ROTA_DATABASE_URL")),
    **{
        f"no such database, {role}": (([role], {"ROTA_DATABASE_URL": "SERVER/nosuch"}), ("nosuch",))
        for role in ("scheduler", "worker", "api")
    },
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_told_once_and_ends_it(
    name: str, tmp_path: Path, taken: int, postgres: str, rota_process: RotaProcesses
) -> None:
    (tmp_path / "text").write_text("this is a text and no database, however long it may become\n" * 20)
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "shop.py").write_text("from rota import Rota\napp = Rota()\n")
    given = {"PORT": str(taken), "SERVER": postgres.rpartition("/")[0], "HERE": str(tmp_path)}

    def filled(text: str) -> str:
        return re.sub(r"\b(PORT|SERVER|HERE)(?=$|\W)", lambda found: given[found[1]], text)

    (arguments, env), fragments = WRONG[name]
    values = {"ROTA_PORT": str(free_port()), **{key: filled(text) for key, text in env.items()}}
    done = rota_process.run(*map(filled, arguments), env=values)
    assert_one_line(done, 2, *map(filled, fragments))


def test_an_application_that_is_there_is_not_refused(tmp_path: Path, rota_process: RotaProcesses) -> None:
    package = tmp_path / "work" / "shop" / "jobs"
    package.mkdir(parents=True)
    (package / "mail.py").write_text("from rota import Rota\nrota = Rota()\n@rota.job\ndef send(): pass\n")
    up = rota_process("up", "--app", "shop.jobs.mail:rota", env={"ROTA_PORT": str(free_port())})
    up.wait_for_output("job type send declared")


def test_a_newer_schema_ends_it(rota_process: RotaProcesses, database_url: str) -> None:
    env = {"ROTA_DATABASE_URL": database_url, "ROTA_PORT": str(free_port())}
    assert rota_process.run("db", "migrate", env=env).code == 0
    change = "UPDATE rota_meta SET value = '999' WHERE key = 'schema_version'"
    execute(database_url, change)
    for role in ("up", "worker", "scheduler", "api"):
        assert_one_line(rota_process.run(role, env=env), 1, "has schema 999", "install the newer Rota")


def execute(url: str, statement: str) -> None:
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as file:
            file.execute(statement)
            file.commit()
    else:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(statement.encode())


def test_a_server_that_is_down_is_waited_for(own_cluster: Cluster, rota_process: RotaProcesses) -> None:
    own_cluster.stop()
    port = free_port()
    up = rota_process("up", env={"ROTA_DATABASE_URL": own_cluster.url(), "ROTA_PORT": str(port)})
    up.wait_for_output("waiting for the database")
    assert "Connection refused" in up.stderr
    own_cluster.start()
    wait_until(lambda: is_ready(port), 60, lambda: f"{up} is ready")
    assert len([line for line in up.stderr.splitlines() if "waiting for the database" in line]) < 3
    assert up.stop() == 0


def test_commands_do_not_wait_for_a_server_that_is_down(rota_process: RotaProcesses, dead_port: int) -> None:
    env = {"ROTA_DATABASE_URL": f"postgresql://postgres@127.0.0.1:{dead_port}/rota"}
    for arguments in (("jobs", "list"), ("exec", "true"), ("db", "check"), ("db", "migrate"), ("selftest",)):
        assert_one_line(rota_process.run(*arguments, env=env), 1, "PostgreSQL: ", "Connection refused")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_end_drains(rota_process: RotaProcesses, database_url: str, number: signal.Signals) -> None:
    """By Ctrl-C, which a terminal sends to the whole group, as by SIGTERM: what runs is finished."""
    env = {"ROTA_DATABASE_URL": database_url, "ROTA_PORT": str(free_port())}
    up = rota_process("up", env=env)
    up.wait_for_output("Stop it with Ctrl-C")
    for role in ("worker", "scheduler"):
        up.wait_for_output(f'"event":"{role}/started"')
    command = rota_process("exec", "--", "sh", "-c", SLOW_JOB, env=env)
    command.wait_for_output("begun")
    if number == signal.SIGINT:
        up.send_group(number)
    else:
        up.send(number)
    assert up.wait() == 0
    assert command.wait() == 0
    assert command.stdout == "begun\nfinished\n"
    assert "Traceback" not in up.stderr + command.stderr


def test_ctrl_c_while_the_roles_start_is_no_crash(rota_process: RotaProcesses) -> None:
    up = rota_process("up", env={"ROTA_PORT": str(free_port())})
    wait_until(lambda: len(procs.children(up.pid)) == 3, 60, "all roles are being started")
    wait_until(lambda: min(map(cpu_seconds, procs.children(up.pid))) > 0.1, 60, "they are at their imports")
    roles = procs.children(up.pid)
    for pid in roles:  # which hear it before the supervisor tells them to end
        os.kill(pid, signal.SIGINT)
    for role in ("worker", "scheduler"):
        up.wait_for_output(f'"event":"{role}/started"')
    assert procs.children(up.pid) == roles
    up.send_group(signal.SIGINT)
    assert up.wait() == 0
    for word in ("Traceback", "KeyboardInterrupt", "child-died"):
        assert word not in up.stderr, up.stderr


def test_the_address_is_told_with_a_login_link(rota_process: RotaProcesses, tmp_path: Path) -> None:
    port = free_port()
    up = rota_process("up", env={"ROTA_PORT": str(port)})
    up.wait_for_output("Stop it with Ctrl-C")
    told = up.stdout.splitlines()
    assert told[0] == f"Rota is running at http://127.0.0.1:{port}"
    link = re.fullmatch(r"Log in with (\S+) \(once, within 10 minutes\)", told[1])
    assert link is not None
    with httpx.Client(trust_env=False) as browser:
        assert browser.get(link[1]).status_code == 303
        assert browser.get(f"http://127.0.0.1:{port}/api/me").json()["source"] == "local"
    token = tmp_path / "work" / "rota.db-token"
    assert token.stat().st_mode & 0o777 == 0o600
    assert token.read_text().strip() not in up.stdout + up.stderr


class TestWithoutWorker:
    """A service of which nothing runs."""

    @pytest.fixture
    def env(self, database_url: str, rota_process: RotaProcesses) -> dict[str, str]:
        env = {"ROTA_DATABASE_URL": database_url}
        assert rota_process.run("db", "migrate", env=env).code == 0
        return env

    def test_exec_says_what_it_waits_for(self, env: dict[str, str], rota_process: RotaProcesses) -> None:
        process = rota_process("exec", "--", "true", env=env)
        process.wait_for_output("waits: no worker lives (start one with `rota up` or `rota worker`")
        assert process.exit_code is None
        process.send(signal.SIGINT)
        assert process.wait() == 130
        assert "no worker" not in rota_process.run("jobs", "list", "--status", "pending", env=env).stdout

    def test_exec_goes_on_when_a_worker_comes(self, env: dict[str, str], rota_process: RotaProcesses) -> None:
        process = rota_process("exec", "--", "echo", "at last", env=env)
        process.wait_for_output("waits: no worker lives")
        worker = rota_process("worker", env=env)
        assert process.wait() == 0
        assert process.stdout == "at last\n"
        assert worker.stop() == 0

    def test_selftest_gives_up_with_the_reason(self, env: dict[str, str], rota_process: RotaProcesses) -> None:
        began = time.monotonic()
        done = rota_process.run("selftest", "3", "--timeout", "1s", env=env)
        assert time.monotonic() - began < 15
        assert (done.code, done.stdout) == (1, "✗ 0 of 3 test jobs ran and were verified with their logs\n")
        assert done.stderr.endswith("rota: error: no worker lives\n")
        listed = rota_process.run("jobs", "list", "--tag", "selftest", env=env).stdout
        assert listed.count("⊘ cancelled") == 3, "nothing is left behind that would run later"


def test_several_may_migrate_at_once(database_url: str, rota_process: RotaProcesses) -> None:
    env = {"ROTA_DATABASE_URL": database_url}
    several = [rota_process("db", "migrate", env=env) for _ in range(4)]
    assert [process.wait() for process in several] == [0] * 4
    written = sorted(process.stdout.split()[0] for process in several)
    assert written.count("applied") == 1, written


def test_the_sql_makes_the_same_schema(pg_database: str, rota_process: RotaProcesses) -> None:
    env = {"ROTA_DATABASE_URL": pg_database}
    script = rota_process.run("db", "migrate", "--sql", env=env)
    assert rota_process.run("db", "check", env=env).code == 1, "printing it did nothing"
    with psycopg.connect(pg_database, autocommit=True) as connection:
        connection.execute(script.stdout.encode())
    assert rota_process.run("db", "check", env=env).code == 0
    assert "is up to date" in rota_process.run("db", "migrate", env=env).stdout


class TestDoctor:
    """Five kinds of trouble, each found and named; the rest is looked at all the same."""

    def doctor(self, rota_process: RotaProcesses, **env: str) -> Finished:
        done = rota_process.run("doctor", env={"ROTA_PORT": str(free_port()), **env})
        assert done.code == 1, done
        assert done.stderr == ""
        assert "✓ version: Rota " in done.stdout
        return done

    def test_a_wrong_setting(self, rota_process: RotaProcesses) -> None:
        assert "✗ settings: ROTA_LEASE: expected a duration" in self.doctor(rota_process, ROTA_LEASE="soon").stdout

    def test_no_database_yet(self, rota_process: RotaProcesses, tmp_path: Path) -> None:
        done = self.doctor(rota_process)
        assert f"✗ database: there is none yet: {tmp_path}/work/rota.db\n    → rota up makes it" in done.stdout
        assert "✓ commands: " in done.stdout
        assert os.listdir(tmp_path / "work") == []

    def test_a_server_that_is_down(self, rota_process: RotaProcesses, dead_port: int) -> None:
        url = f"postgresql://postgres:secret@127.0.0.1:{dead_port}/rota"
        done = self.doctor(rota_process, ROTA_DATABASE_URL=url)
        assert "✗ database: PostgreSQL: connection to server" in done.stdout
        assert "→ is it running, and is ROTA_DATABASE_URL right?" in done.stdout
        assert "secret" not in done.stdout

    def test_an_old_schema_and_nothing_that_runs(self, rota_process: RotaProcesses, pg_database: str) -> None:
        done = self.doctor(rota_process, ROTA_DATABASE_URL=pg_database)
        assert re.search(r"✗ schema: version 0, this Rota needs \d+\n    → rota db migrate", done.stdout)
        assert rota_process.run("db", "migrate", env={"ROTA_DATABASE_URL": pg_database}).code == 0
        done = self.doctor(rota_process, ROTA_DATABASE_URL=pg_database)
        assert "✗ service: nothing runs\n    → start it: rota up" in done.stdout

    def test_a_port_of_somebody_else(self, rota_process: RotaProcesses, taken: int) -> None:
        done = self.doctor(rota_process, ROTA_PORT=str(taken))
        assert f"✗ address: something that is no Rota listens on 127.0.0.1:{taken}" in done.stdout

    def test_a_token_that_others_can_read(self, rota_process: RotaProcesses, tmp_path: Path) -> None:
        work = tmp_path / "work"
        work.mkdir()
        (work / "rota.db-token").write_text("rota_local_" + "x" * 43)
        (work / "rota.db-token").chmod(0o644)
        done = self.doctor(rota_process)
        assert "✗ access: " in done.stdout
        assert "may be read or written by others" in done.stdout

    def test_a_service_that_is_not_there(self, rota_process: RotaProcesses, dead_port: int) -> None:
        done = self.doctor(rota_process, ROTA_URL=f"http://127.0.0.1:{dead_port}")
        assert "✗ service: " in done.stdout
        assert "cannot be reached: Connection refused" in done.stdout
