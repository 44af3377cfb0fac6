"""The log of a process: what reaches it, how soon, and that it never stands in anyone's way."""

from __future__ import annotations

import json
import logging
import os
import pty
import re
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rota import logs
from rota.errors import SettingInvalid
from rota.logs.library import LibraryHandler
from rota.settings import load_settings
from tests.support.waiting import wait_until


class LogFile:
    """The log of this process, written to a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def configure(self, role: str = "worker", **environ: str) -> None:
        logs.configure(load_settings({"ROTA_LOG_FILE": str(self.path), **environ}), role)

    def now(self) -> list[dict[str, Any]]:
        """What has been written by itself until now."""
        return [json.loads(line) for line in self.path.read_text().splitlines()]

    def all(self) -> list[dict[str, Any]]:
        logs.flush()
        return self.now()


@pytest.fixture
def log(tmp_path: Path) -> Iterator[LogFile]:
    level, strict = logging.root.level, logs.strict(False)
    yield LogFile(tmp_path / "rota.log")
    logs.close()
    logs.strict(strict)
    assert logging.root.level == level


def run(code: str, *, stderr: int = subprocess.PIPE, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own that has begun its log."""
    begin = "from rota import logs; from rota.settings import load_settings; logs.configure(load_settings(), 'api')\n"
    return subprocess.run(
        [sys.executable, "-c", begin + code],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        timeout=30,
        check=False,
        env={"PATH": os.environ["PATH"], "TERM": "xterm", **environ},
    )


def test_an_event_is_a_line(log: LogFile) -> None:
    log.configure(ROTA_SERVICE_NAME="QueueService")
    logs.event("job/started", "Started", queue="mail", jobId="j-1", attempt=1, priority=5)
    [line] = log.all()
    assert {key: line[key] for key in ("level", "event", "msg", "service", "role", "pid", "queue", "attempt")} == {
        "level": "info",
        "event": "job/started",
        "msg": "Started",
        "service": "QueueService",
        "role": "worker",
        "pid": os.getpid(),
        "queue": "mail",
        "attempt": 1,
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])


class Ended(msgspec.Struct, omit_defaults=True):
    queue: str = ""
    jobId: str = ""
    error: str | None = None
    unheard: str | None = None


def test_a_record_is_an_event(log: LogFile) -> None:
    log.configure()
    logs.record("job/completed", "mail completed", Ended("mail", "2"))
    logs.record("job/failed", "mail failed", Ended("mail", "3", "it did"), "error")
    found = [(each["event"], each["level"], each["queue"], each["jobId"], each.get("error")) for each in log.now()]
    assert found == [("job/completed", "info", "mail", "2", None), ("job/failed", "error", "mail", "3", "it did")]
    log.configure(ROTA_LOG_LEVEL="warning")
    logs.record("job/completed", "mail completed", Ended("mail", "4"))
    assert len(log.all()) == 2
    logs.strict(True)
    logs.record("job/completed", "mail completed", Ended("mail", "5"))
    with pytest.raises(AssertionError, match="unheard"):
        logs.record("job/completed", "mail completed", Ended("mail", "6", unheard="of"))


def test_lines_that_wait_are_written_soon_by_themselves(log: LogFile) -> None:
    log.configure()
    for number in range(50):
        logs.event("job/started", "Started", attempt=number)
    wait_until(lambda: len(log.now()) == 50, timeout=5, what="all lines in the file")
    assert [line["attempt"] for line in log.now()] == list(range(50))


def test_warnings_are_written_at_once(log: LogFile) -> None:
    log.configure()
    logs.event("job/started", "Started")
    logs.event("job/started", "Started")
    logs.event("worker/lost", "Gone", level="warning")
    assert [line["event"] for line in log.now()] == ["job/started", "job/started", "worker/lost"]


@pytest.mark.parametrize(("level", "written"), [("debug", "diwe"), ("info", "iwe"), ("warning", "we"), ("error", "e")])
def test_the_level_leaves_lesser_events_out(log: LogFile, level: str, written: str) -> None:
    log.configure(ROTA_LOG_LEVEL=level)
    for each in ("debug", "info", "warning", "error"):
        logs.event("job/started", each, level=each)
        assert logs.is_on(each) is (each[0] in written)
    assert "".join(line["msg"][0] for line in log.all()) == written


def test_renamed_fields(log: LogFile) -> None:
    log.configure(ROTA_LOG_RENAME="queue=queueName,jobId=messageId")
    logs.event("job/started", "Started", queue="mail", jobId="j-1")
    [line] = log.all()
    assert (line["queueName"], line["messageId"]) == ("mail", "j-1")


@pytest.mark.parametrize(("rename", "word"), [("queueu=q", "queueu"), ("queue=msg", "msg"), ("queue=jobId", "jobId")])
def test_a_wrong_renaming_stops_the_start(log: LogFile, rename: str, word: str) -> None:
    with pytest.raises(SettingInvalid, match=word) as caught:
        log.configure(ROTA_LOG_RENAME=rename)
    assert caught.value.field == "ROTA_LOG_RENAME"


def test_two_fields_may_change_their_names(log: LogFile) -> None:
    log.configure(ROTA_LOG_RENAME="jobType=event,event=what")
    logs.event("job/started", "Started", jobType="digest")
    [line] = log.all()
    assert (line["event"], line["what"]) == ("digest", "job/started")


def test_a_file_that_cannot_be_opened_stops_the_start(log: LogFile) -> None:
    with pytest.raises(SettingInvalid, match="No such file") as caught:
        log.configure(ROTA_LOG_FILE="/nowhere/at/all.log")
    assert caught.value.field == "ROTA_LOG_FILE"


def test_secrets_of_the_settings_and_later_ones_are_masked(log: LogFile) -> None:
    log.configure(SCHEDULER_SHARED_AUTH_SECRET="whateveryouwant", ROTA_DATABASE_URL="postgres://u:db-password@h/d")
    logs.mask("minted-later")
    logs.event("job/failed", "with whateveryouwant", error="db-password", code="minted-later")
    try:
        raise ValueError("whateveryouwant")
    except ValueError:
        logs.event("loop/failed", "Failed", exc_info=True)
    text = json.dumps(log.all())
    assert "***" in text and "ValueError" in text
    assert not any(secret in text for secret in ("whateveryouwant", "db-password", "minted-later"))
    assert logs.masked("a minted-later b") == "a *** b"


def test_tracebacks(log: LogFile) -> None:
    log.configure()
    error = KeyError("given")
    logs.event("loop/failed", "Failed", exc_info=error)
    logs.event("loop/failed", "Failed", exc_info=True)
    given, none = log.all()
    assert given["trace"].strip() == "KeyError: 'given'"
    assert "trace" not in none


def test_repeated_events_are_counted(log: LogFile) -> None:
    log.configure()
    for number in range(100):
        logs.event_limited("lost", "database/lost", f"attempt {number}", loop="mover")
    assert [(line["msg"], line["level"], line.get("repeated")) for line in log.all()] == [
        ("attempt 0", "warning", None)
    ]
    logs.close()
    assert (log.now()[-1]["msg"], log.now()[-1]["repeated"]) == ("attempt 99", 99)


def test_many_threads(log: LogFile) -> None:
    log.configure()

    def write(name: int) -> None:
        for number in range(500):
            logs.event("job/started", "Started", jobId=f"{name}-{number}")

    threads = [threading.Thread(target=write, args=(name,)) for name in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({line["jobId"] for line in log.all()}) == len(log.now()) == 3000


def test_a_forked_child_has_its_own_lines(log: LogFile) -> None:
    log.configure()
    logs.event("job/started", "first")
    logs.event("job/started", "waits while the process forks")
    child = os.fork()
    if child == 0:
        logs.event("job/started", "of the child")
        logs.flush()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    lines = log.all()
    assert sorted(line["msg"] for line in lines) == ["first", "of the child", "waits while the process forks"]
    assert {line["pid"] for line in lines if line["msg"] == "of the child"} == {child}


def test_configuring_again_loses_nothing(log: LogFile, tmp_path: Path) -> None:
    log.configure()
    logs.event("job/started", "one")
    logs.event("job/started", "two")
    second = LogFile(tmp_path / "second.log")
    second.configure(role="api")
    logs.event("job/started", "three")
    assert [line["msg"] for line in log.now()] == ["one", "two"]
    assert [(line["msg"], line["role"]) for line in second.all()] == [("three", "api")]


# Libraries


def test_warnings_of_libraries_are_events(log: LogFile) -> None:
    log.configure()
    logging.getLogger("aiohttp.client").warning("no answer from %s", "host")
    logging.getLogger("uvicorn.error").info("Started server process")
    try:
        raise OSError("broken")
    except OSError:
        logging.getLogger("asyncio").exception("in a callback")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old way", DeprecationWarning, stacklevel=1)
    lines = log.all()
    assert [(line["event"], line["level"]) for line in lines] == [
        ("log/aiohttp.client", "warning"),
        ("log/asyncio", "error"),
        ("log/py.warnings", "warning"),
    ]
    assert lines[0]["msg"] == "no answer from host"
    assert lines[1]["error"] == "OSError: broken"
    assert "in test_warnings_of_libraries" in lines[1]["trace"]
    assert "old way" in lines[2]["msg"]


def test_libraries_may_talk_at_debug(log: LogFile) -> None:
    log.configure(ROTA_LOG_LEVEL="debug")
    logging.getLogger("aiohttp.server").info("Started")  # uvicorn's own loggers get a level in whoever configures it
    logging.getLogger("asyncio").debug("Using selector")
    assert [line["level"] for line in log.all()] == ["info", "debug"]


def test_a_storm_of_a_library_is_counted(log: LogFile) -> None:
    log.configure()
    for number in range(100):
        logging.getLogger("psycopg.pool").warning("error connecting in %r: %s", "pool-1", number)
    assert len(log.all()) == 1


def test_a_record_that_cannot_be_formatted(log: LogFile) -> None:
    log.configure()
    arguments = ("three",)
    LibraryHandler().handle(logging.LogRecord("some.library", 40, "x.py", 1, "%d items of %s", arguments, None))
    assert log.all()[0]["msg"] == "%d items of %s"


def test_after_closing_events_go_to_the_standard_library(log: LogFile, caplog: pytest.LogCaptureFixture) -> None:
    log.configure()
    logs.close()
    with caplog.at_level(logging.INFO, logger="rota"):
        logs.event("job/started", "Started", jobId="j-1")
        logs.event_limited("key", "database/lost", "Lost", level="error")
        logs.event("job/started", "too little", level="debug")
        logs.record("job/completed", "Completed", Ended("mail", "j-1"))
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", "job/started Started jobId=j-1"),
        ("ERROR", "database/lost Lost"),
        ("INFO", "job/completed Completed queue=mail jobId=j-1"),
    ]
    assert log.all() == []
    assert not logs.is_on("error")


# Strict, in tests


def test_what_is_not_listed_is_an_error_in_tests(log: LogFile) -> None:
    log.configure()
    logs.event("job/unheard-of", "written all the same", colour="red")
    assert log.all()[0]["colour"] == "red"
    logs.strict(True)
    with pytest.raises(AssertionError, match="job/unheard-of"):
        logs.event("job/unheard-of", "")
    with pytest.raises(AssertionError, match="colour"):
        logs.event("job/started", "", colour="red")
    with pytest.raises(AssertionError, match="loud"):
        logs.event_limited("key", "job/started", "", level="loud")
    logs.event("log/any.library", "")
    logs.event("job/started", "", jobId="j", waitedMs=1)


# Processes of their own


def test_json_where_no_terminal_is() -> None:
    done = run("logs.event('job/started', 'Started')")
    assert json.loads(done.stderr)["role"] == "api"
    assert done.stdout == ""


def test_text_where_it_is_asked_for() -> None:
    done = run("logs.event('job/started', 'Started', queue='mail')", ROTA_LOG_FORMAT="text")
    assert re.fullmatch(r"\d{4}-\S+Z info    job/started          Started queue=mail\n", done.stderr)


def on_terminal(**environ: str) -> str:
    ours, theirs = pty.openpty()
    try:
        run("logs.event('job/started', 'Started', queue='mail')", stderr=theirs, **environ)
        return os.read(ours, 10_000).decode()
    finally:
        os.close(theirs)
        os.close(ours)


def test_text_in_colours_on_a_terminal() -> None:
    shown = on_terminal()
    assert "\x1b[32minfo" in shown
    assert re.sub(r"\x1b\[\d*m", "", shown)[13:] == " info    job/started          Started queue=mail\r\n"


def test_no_colours_where_they_are_not_wanted() -> None:
    assert "\x1b" not in on_terminal(NO_COLOR="1")
    assert "\x1b" not in on_terminal(TERM="dumb")


def test_json_on_a_terminal_where_it_is_asked_for() -> None:
    assert json.loads(on_terminal(ROTA_LOG_FORMAT="json"))["queue"] == "mail"


def test_the_last_lines_are_written_at_the_end_of_the_process() -> None:
    done = run("for n in range(1000): logs.event('job/started', 'Started', attempt=n)")
    assert [json.loads(line)["attempt"] for line in done.stderr.splitlines()] == list(range(1000))


@pytest.mark.parametrize("close", ["os.close(2)", "sys.stderr.close()", "os.close(1); os.close(2)"])
def test_closed_streams_do_no_harm(close: str) -> None:
    code = f"import os, sys; {close}\nfor n in range(300): logs.event('worker/lost', 'x', level='warning')\nos._exit(7)"
    assert run(code).returncode == 7


def test_a_process_without_standard_error_writes_into_no_strange_file(tmp_path: Path) -> None:
    code = f"""
import os, sys
os.close(2)
from rota import logs
from rota.settings import load_settings
logs.configure(load_settings({{}}), "api")
fd = os.open({str(tmp_path / "database")!r}, os.O_CREAT | os.O_RDWR)
logs.event("worker/lost", "into nowhere", level="warning")
logs.flush()
os._exit(10 + fd)
"""
    done = subprocess.run([sys.executable, "-c", code], timeout=30, check=False)
    assert done.returncode == 12  # the file got the number of standard error
    assert (tmp_path / "database").read_bytes() == b""


def test_lost_lines_are_told_when_there_is_room_again(tmp_path: Path) -> None:
    path = tmp_path / "rota.log"
    code = """
import os
full = os.open("/dev/full", os.O_WRONLY)
sink = logs.service._log._sink
good = os.dup(sink._fd)
os.dup2(full, sink._fd)
logs.event("worker/lost", "lost", level="warning")
os.dup2(good, sink._fd)
logs.event("worker/lost", "kept", level="warning")
logs.close()
"""
    assert run(code, ROTA_LOG_FILE=str(path)).returncode == 0
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["msg"], line.get("count")) for line in lines] == [
        ("kept", None),
        ("lines that could not be written: 1", 1),
    ]


def test_crashes_are_events() -> None:
    done = run(
        "import threading\nt = threading.Thread(target=lambda: 1 / 0, name='sums')\nt.start(); t.join()\n{}['x']"
    )
    assert done.returncode == 1
    thread, main = [json.loads(line) for line in done.stderr.splitlines()]
    assert (thread["event"], thread["thread"], main["event"]) == ("process/crashed", "sums", "process/crashed")
    assert (thread["error"], main["error"]) == ("division by zero", "'x'")
    assert "Traceback" in main["trace"]


def test_beginning_the_log_loads_no_heavy_library() -> None:
    code = (
        "import sys, rota.logs, rota.settings; print([m for m in ('psycopg', 'asyncio', 'rich') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.strip() == "[]"


def test_an_event_is_cheap(log: LogFile) -> None:
    """The aim is 2 µs; ten times as much would be a fault even on a busy machine."""
    log.configure(SCHEDULER_SHARED_AUTH_SECRET="whateveryouwant")
    best = 1.0
    for _ in range(5):
        started = time.thread_time()
        for _ in range(2000):
            logs.event("job/completed", "Completed", queue="mail", jobId="0" * 36, attempt=1, durationMs=12)
        best = min(best, (time.thread_time() - started) / 2000)
    assert best < 20e-6
