"""``rota ping`` around a command: real processes, as a crontab starts them, whatever the network does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.calls import good
from tests.api.live import Live
from tests.support import procs
from tests.support.processes import ROTA
from tests.support.waiting import free_port, wait_until


@pytest.fixture
def key(live: Live) -> Iterator[str]:
    """A check; its key."""
    with live.client() as client:
        yield good(client.put("/api/checks/backup", json={"every": "1d", "longest": "1h"}))["key"]


def environment(live: Live) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "ROTA_URL": live.url, "LANG": "C.UTF-8"}


def ping(live: Live, *arguments: str, text: str = "", **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROTA, "ping", *arguments],
        input=text, capture_output=True, text=True, env=environment(live), timeout=60, check=False, **options,
    )  # fmt: skip


def history(live: Live) -> list[dict[str, Any]]:
    """What was told, the first first."""
    with live.client() as client:
        return list(reversed(good(client.get("/api/checks/backup/pings"))["pings"]))


def test_a_command_is_run_as_if_it_were_called_itself(live: Live, key: str) -> None:
    script = "import sys; print(sys.stdin.read().upper()); print('to err', file=sys.stderr); sys.exit(3)"
    done = ping(live, key, "--", sys.executable, "-c", script, text="input")
    assert (done.returncode, done.stdout, done.stderr) == (3, "INPUT\n", "to err\n")
    begun, ended = history(live)
    assert (begun["kind"], ended["kind"], ended["exitCode"]) == ("start", "fail", 3)
    assert begun["rid"] == ended["rid"] and len(begun["rid"]) == 36
    assert sorted(ended["body"].splitlines()) == ["INPUT", "to err"]
    assert 0 < ended["durationMs"] < 60_000


def test_the_end_of_much_output_is_sent_and_all_of_it_passed_on(live: Live, key: str) -> None:
    script = "for n in range(200_000): print(f'line {n} é')"
    done = ping(live, f"{live.url}/ping/{key}", "--no-output", "--", sys.executable, "-c", script)
    assert (done.returncode, done.stdout.count("\n")) == (0, 200_000)
    done = ping(live, f"{live.url}/ping/{key}", "--rid", "second", "--", sys.executable, "-c", script)
    assert (done.returncode, done.stdout.count("\n")) == (0, 200_000)
    first, second = (one for one in history(live) if one["kind"] == "success")
    assert (first["body"], second["rid"]) == (None, "second")
    assert second["body"].startswith("… [what came before is left out]\nline ")
    assert second["body"].endswith("line 199999 é\n")


@pytest.mark.parametrize(
    ("command", "code", "note"),
    [
        (("sh", "-c", "kill -9 $$"), 137, ""),
        (("/no/such/command",), 127, "rota: /no/such/command: No such file or directory\n"),
        (("/",), 126, "rota: /: Permission denied\n"),
    ],
)
def test_every_end_has_its_code(live: Live, key: str, command: tuple[str, ...], code: int, note: str) -> None:
    done = ping(live, key, "--", *command)
    assert (done.returncode, done.stderr) == (code, note)
    assert [one["exitCode"] for one in history(live)] == [None, code]


def test_signals_go_to_the_whole_command(live: Live, key: str) -> None:
    script = "trap 'echo stopped; exit 7' TERM; echo $$; sleep 600 & wait"
    process = subprocess.Popen(
        [ROTA, "ping", key, "--", "sh", "-c", script], stdout=subprocess.PIPE, text=True, env=environment(live)
    )
    assert process.stdout is not None
    session = int(process.stdout.readline())
    assert os.getsid(session) == session, "a session of its own"
    process.send_signal(signal.SIGTERM)
    rest, _ = process.communicate(timeout=60)
    assert (process.returncode, rest) == (7, "stopped\n")
    wait_until(lambda: not procs.alive(session), what="the command to be gone")
    assert history(live)[-1]["exitCode"] == 7


def test_no_network_hinders_no_command(live: Live, key: str) -> None:
    away = f"http://127.0.0.1:{free_port()}/ping/{key}"
    begun = time.monotonic()
    process = subprocess.Popen(
        [ROTA, "ping", away, "--", "sh", "-c", "echo done; exit 5"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(live),
    )  # fmt: skip
    wrong = [
        ping(live, "0" * 32, "--", "echo", "done"),
        ping(live, "nokey", "--", "echo", "done"),
        ping(live, "@/no/such/file", "--", "echo", "done"),
    ]
    assert [(one.returncode, one.stdout) for one in wrong] == [(0, "done\n")] * 3
    assert [one.stderr.count("\n") for one in wrong] == [1, 1, 1], "one line of it, to standard error"
    assert "no check has this key (404)" in wrong[0].stderr
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (5, "done\n")
    assert err == "rota: Rota cannot be reached: Connection refused\n"
    assert time.monotonic() - begun < 60


def test_who_reads_no_more_ends_the_command_as_always(live: Live, key: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f'"{ROTA}" ping {key} -- yes | head -n 1'],
        capture_output=True, text=True, env=environment(live), timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "y\n", "")
    wait_until(lambda: len(history(live)) == 2, what="the end to be told")
    assert history(live)[-1]["exitCode"] == 128 + signal.SIGPIPE


def test_what_is_left_behind_holds_nothing_up(live: Live, key: str) -> None:
    done = ping(live, key, "--", "sh", "-c", "sleep 600 & echo $!")
    assert done.returncode == 0
    os.kill(int(done.stdout), signal.SIGKILL)
    assert history(live)[-1]["body"] == done.stdout
