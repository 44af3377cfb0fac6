"""``rota …`` as real processes, in an environment of their own, with nothing left alive behind them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import procs
from tests.support.waiting import wait_until

ROTA = str(Path(sys.executable).with_name("rota"))
ROOT = Path(__file__).parents[2]
KEEPER = f"import sys; sys.path.append({str(ROOT)!r}); from tests.support.keeper import main; main()"
INHERITED = ("PATH", "LANG", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "ROTA_TEST_STRICT_EVENTS")


class KeptProcess:
    """A running program whose whole family ends with the test, whatever happens to the test.

    It works in ``directory/work`` with a clean environment; its output goes to files that can be read at any time.
    """

    def __init__(self, *command: str, directory: Path, env: Mapping[str, str] | None = None, cwd: Path | None = None):
        self.command = command
        self.directory = directory
        work = cwd or directory / "work"
        work.mkdir(parents=True, exist_ok=True)
        inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
        # The keeper's standard input is the thread on which everything hangs: it closes when this process ends.
        self._keeper = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", KEEPER, str(directory), *command],
            stdin=subprocess.PIPE,
            cwd=work,
            env=inherited | {"HOME": str(work)} | dict(env or {}),
            start_new_session=True,
        )
        wait_until(lambda: (directory / "pid").exists() or self._keeper.poll() is not None, what="the process started")
        if self._keeper.poll() is not None:
            pytest.fail(f"could not start {command}")
        self.pid = int((directory / "pid").read_text())

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative when a signal ended it."""
        try:
            return int((self.directory / "exit").read_text())
        except FileNotFoundError:
            return None

    @property
    def stdout(self) -> str:
        """What it has written so far."""
        return (self.directory / "stdout").read_text(errors="replace")

    @property
    def stderr(self) -> str:
        """What it has written there so far."""
        return (self.directory / "stderr").read_text(errors="replace")

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process alone."""
        os.kill(self.pid, number)

    def send_group(self, number: signal.Signals) -> None:
        """Send a signal to its process group, as a terminal does."""
        os.killpg(self.pid, number)

    def wait(self, timeout: float = 60) -> int:
        """Return the exit code; fail the test with the end of the output when it does not come."""
        wait_until(lambda: self.exit_code is not None, timeout, lambda: f"the end of {self}")
        code = self.exit_code
        assert code is not None
        return code

    def wait_for_output(self, text: str, timeout: float = 60) -> None:
        """Return when the text has appeared on either stream; fail when the process ends without it."""
        wait_until(
            lambda: text in self.stdout or text in self.stderr or self.exit_code is not None,
            timeout,
            lambda: f"{text!r} from {self}",
        )
        if text not in self.stdout and text not in self.stderr:
            pytest.fail(f"{text!r} never came from {self}")

    def stop(self, timeout: float = 60) -> int:
        """Ask it to end by SIGTERM, unless it has ended, and return the exit code."""
        if self.exit_code is None:
            self.send(signal.SIGTERM)
        return self.wait(timeout)

    def family(self) -> dict[int, str]:
        """All living processes that come from it, itself included if it lives, with their command lines."""
        return {pid: procs.command(pid) for pid in procs.descendants(self._keeper.pid)}

    def assert_nothing_left(self, timeout: float = 5) -> None:
        """Fail if after the end of the process anything lives that it started, in whatever session or group."""
        assert self.exit_code is not None, f"still running: {self}"
        wait_until(lambda: not self.family(), timeout, lambda: f"the end of {self.family()}, started by {self}")

    def close(self) -> None:
        """Kill everything that still lives."""
        assert self._keeper.stdin is not None
        self._keeper.stdin.close()
        self._keeper.wait(30)

    def __str__(self) -> str:
        tail = f"\nstdout: {self.stdout[-2000:]}\nstderr: {self.stderr[-2000:]}"
        return f"{' '.join(self.command)} (pid {self.pid}, exit code {self.exit_code}){tail}"


@dataclass
class Finished:
    """What a finished command left."""

    code: int
    stdout: str
    stderr: str


class RotaProcesses:
    """Starts ``rota …`` processes for one test; all of them work in one directory, unless told otherwise."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.started: list[KeptProcess] = []

    def __call__(self, *arguments: str, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> KeptProcess:
        """Start ``rota`` with these arguments and return at once."""
        place = self.directory / f"process-{len(self.started)}"
        place.mkdir(parents=True)
        process = KeptProcess(ROTA, *arguments, directory=place, env=env, cwd=cwd or self.directory / "work")
        self.started.append(process)
        return process

    def run(
        self, *arguments: str, env: Mapping[str, str] | None = None, cwd: Path | None = None, timeout: float = 60
    ) -> Finished:
        """Run ``rota`` with these arguments to its end."""
        process = self(*arguments, env=env, cwd=cwd)
        code = process.wait(timeout)
        return Finished(code, process.stdout, process.stderr)

    def finish(self) -> None:
        """Stop what still runs, the last first, and fail if anything survives that these processes started."""
        try:
            for process in reversed(self.started):
                process.stop()
            for process in self.started:
                process.assert_nothing_left()
        finally:
            for process in self.started:
                process.close()
