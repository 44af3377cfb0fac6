"""CMD: commands that misbehave in forty ways, all at once, at one worker."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.conftest import Figures
from tests.support.misbehaving import Case, Stage
from tests.support.roles import Roles

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a command is its process group")

SLOTS = 60
HANG = {"timeout": "1s"}
TIMED_OUT = "^timed out after 1s$"
COMET = """
import os
if not os.fork():
    os.setsid()
    while True:
        if os.fork():
            os._exit(0)
"""
ODD = ["a'b\"c", "$HOME `id` \\", "line\nbreak", "é ☃", "", "-n", "*"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Programs that are none."""
    (tmp_path / "plain").write_text("echo hello\n")
    for name, text in (("strange", "#!/no/such/interpreter\n"), ("headless", "echo hello\n"), ("binary", "\x7fELF")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    return tmp_path


def sh(name: str, script: str, status: str = "failed", error: str = "", log: str = "", **spec: Any) -> Case:
    own: dict[str, Any] = {key: spec.pop(key) for key in ("limits", "exitCodes", "stdin", "env", "cwd") if key in spec}
    return Case(name, {"kind": "command", "shell": script, **own}, status, error, log, spec)


def run(name: str, *argv: str, status: str = "failed", error: str = "", **own: Any) -> Case:
    return Case(name, {"kind": "command", "command": [*argv], **own}, status, error)


def python(name: str, code: str, status: str = "failed", error: str = "", log: str = "", **own: Any) -> Case:
    return Case(name, {"kind": "command", "command": [sys.executable, "-c", code], **own}, status, error, log)


def what_it_starts() -> list[Case]:
    bomb = "bomb() { [ $1 = 0 ] || { bomb $(($1-1)) & bomb $(($1-1)) & }; sleep 600; }; bomb 5"
    left = r"^killed \d+ process"
    return [
        sh("a fork bomb", bomb, error=TIMED_OUT, **HANG),
        sh("setsid", "setsid sleep 600 & sleep 0.2", "completed", log=left),
        sh("a double fork", "(setsid sh -c 'sleep 600 & exit' &); sleep 0.3; exit 3", error="^exit code 3$", log=left),
        sh("nohup", "nohup sleep 600 >/dev/null 2>&1 & echo left", "completed", log=left),
        sh("a process group of its own", "set -m; sleep 600 & exit 0", "completed", log=left),
        sh("no environment and no name", "exec -a '' env -i setsid sleep 600 & sleep 0.2", "completed"),
        python("a comet of forks", COMET, "completed"),
        sh("a child that keeps stdout", "sleep 600 & echo done", "completed", log="^done$"),
        sh("a child that floods", "yes & sleep 0.3; exit 6", error="^exit code 6$"),
        sh("ignored TERM", "trap '' TERM; sleep 600; sleep 600", error=TIMED_OUT, **HANG),
        sh("all signals ignored", "trap '' TERM INT HUP QUIT USR1 PIPE; while :; do sleep 1; done", error=TIMED_OUT,
           **HANG),
        # Its time must be long enough for it to begin to listen, with all the others beside it.
        sh("work done at TERM", "trap 'echo \"::rota result 7\"; exit 0' TERM; sleep 600 & wait", "completed",
           timeout="10s"),
        *([sh("chroot", "chroot / setsid sleep 600 & sleep 0.3; exit 5", error="^exit code 5$", log=left)]
          if os.geteuid() == 0 else []),
    ]  # fmt: skip


def what_it_says(size: int) -> list[Case]:
    line = f"head -c {size} /dev/zero | tr '\\0' x; echo; echo end"
    result = f"printf '::rota result \"'; head -c {size // 2} /dev/zero | tr '\\0' x; echo '\"'"
    return [
        sh("a flood", f"echo first; yes $(printf %0999d 0) | head -c {size}; echo; echo last", "completed",
           log="(?s)^first$.*^last$"),
        sh("a flood of short lines", f"yes | head -c {size // 4}", "completed"),
        sh("a long line", line, "completed", log="(?s)^xxx.*^end$"),
        sh("no newline", "printf half", "completed", log="^half$"),
        sh("bad UTF-8", r"printf '\377\376 ok\n'", "completed", log=r"^\\xff\\xfe ok$"),
        sh("markup", r"printf '<script>alert(1)</script>\033]0;x\007\n'", "completed", log="<script>"),
        sh("NULs", r"printf 'a\0b\n'", "completed", log=r"^a\\x00b$"),
        sh("a closed stdout", "exec >&- 2>&-; sleep 0.5; exit 4", error="^exit code 4$"),
        sh("stderr alone", "yes >&2 | true & sleep 0.3; kill $!; exit 7", error="^exit code 7$"),
        sh("directives that are none", "echo '::rota'; echo '::rota explode'; echo '::rota progress often'; "
           "echo '::rota result {'", error="^the result is not JSON", log="progress is a number"),
        Case("a huge result", {"kind": "command", "shell": result}, "completed",
             check=lambda job: job.result_truncated is not None and json.loads(job.result or "")["bytes"] > size // 2),
    ]  # fmt: skip


def how_it_ends() -> list[Case]:
    return [
        sh("SIGSEGV", "kill -SEGV $$", error="^killed by SIGSEGV$"),
        sh("SIGSTOP of itself", "kill -STOP $$; sleep 600", error=TIMED_OUT, **HANG),
        sh("SIGKILL of its group", "kill -9 0", error="^killed by SIGKILL"),
        sh("SIGKILL of its keeper", "kill -9 $PPID; sleep 600", error="watched over the command was killed"),
        sh("SIGSTOP of its keeper", "kill -STOP $PPID; sleep 600", error=TIMED_OUT, **HANG),
        sh("EX_TEMPFAIL", "exit 75", "scheduled"),
        sh("an exit code of its own", "exit 9", error="^exit code 9$", exitCodes={"9": "fail"}, maxAttempts=3),
        sh("a good exit code", "exit 10", "completed", exitCodes={"10": "complete"}),
        sh("exit code 255", "exit 255", error="^exit code 255$"),
        python("too much memory", "bytearray(1 << 30)", error="^exit code 1$", log="MemoryError",
               limits={"memory": "200M"}),
        sh("too much CPU time", "while :; do :; done", error="^used up its 1s of CPU time$", limits={"cpu": "1s"}),
        python("too many files", "f = [open('/dev/null') for _ in range(99)]", error="^exit code 1$",
               log="Too many open files", limits={"files": 32}),
    ]  # fmt: skip


def what_it_is(folder: Path) -> list[Case]:
    shown = "printf '<%s>' \"$@\""
    return [
        run("a missing program", "no-such-program-anywhere", error="^command not found: no-such-program"),
        run("no right to run it", str(folder / "plain"), error="^permission denied: .*plain$"),
        run("a missing interpreter", str(folder / "strange"), error="interpreter"),
        run("no program", str(folder / "headless"), error="^no program: "),
        run("a broken program", str(folder / "binary"), error="^no program: "),
        run("a directory", str(folder), error="is a directory$"),
        run("a missing directory", "true", error="^working directory /no/such: ", cwd="/no/such"),
        run("two hundred kilobytes of arguments", "true", *["x" * 100_000] * 2, status="completed"),
        sh("job arguments as long as may be", "printf %s \"$ROTA_ARGS\" | wc -c", "completed", log="^119999$",
           args={"text": "x" * 119_988}),
        Case("odd arguments", {"kind": "command", "command": ["sh", "-c", shown, "sh", *ODD]}, "completed",
             log="(?s)" + "".join(f"<{each}>" for each in map(_escaped, ODD))),
        run("stdin read for ever", "cat", status="completed"),
        run("stdin never read", "true", status="completed", stdin="x" * 200_000),
    ]  # fmt: skip


def _escaped(text: str) -> str:
    return "".join("\\" + each if each in "\\$*^.[]{}()?+|" else each for each in text)


@pytest.mark.chaos("CMD")
def test_commands_that_misbehave(lite_roles: Roles, folder: Path, full_size: bool, figures: Figures) -> None:
    stage = Stage(lite_roles, slots=SLOTS, ROTA_LEASE="10m")
    stage.warm_up()
    cases = [
        *what_it_starts(), *what_it_says(200_000_000 if full_size else 10_000_000), *how_it_ends(), *what_it_is(folder),
    ]  # fmt: skip
    if full_size:
        cases.append(
            sh(
                "a gigabyte of output",
                "yes $(printf %0999d 0) | head -c 1000000000; echo; echo last",
                "completed",
                log="^last$",
            )
        )
    stage.put(cases)
    quick = [lite_roles.shop.shell("exit 0") for _ in range(1000 if full_size else 100)]
    stage.honest()
    stage.wait(100)
    for job_id in quick:
        lite_roles.shop.wait(job_id)
    figures |= {"kinds": len(cases), "growth MB": stage.growth_bytes() / 1e6}
    stage.assert_well(margin_s=7 if full_size else 20)


@pytest.mark.chaos("CMD")
def test_a_command_that_kills_the_shepherd_is_found_out(lite_roles: Roles, full_size: bool) -> None:
    lite_roles.start("scheduler")
    stage, shop = Stage(lite_roles, slots=4, ROTA_LEASE="10m"), lite_roles.shop
    shepherd = "$(cut -d ' ' -f 4 /proc/$PPID/stat)"
    killer = shop.shell(f"kill -9 {shepherd}; sleep 600")
    job = shop.wait(killer, "failed")
    assert job.error == "the process that starts commands was killed three times while this one ran"
    assert shop.outcomes(killer).count("interrupted") == 2
    assert stage.honest().status == "completed"
