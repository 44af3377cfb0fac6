"""The command line inside the test's own process: as quick as a call, with the exit code and what was printed."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from rota.cli.main import main
from tests.support.processes import Finished


class Cli:
    """Runs ``rota …`` with the environment of the test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *arguments: str) -> Finished:
        """Run a command to its end."""
        self._capsys.readouterr()
        with self._monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["rota", *arguments])
            with pytest.raises(SystemExit) as ended:
                main()
        written = self._capsys.readouterr()
        code = ended.value.code
        assert isinstance(code, int)
        return Finished(code, written.out, written.err)

    def ok(self, *arguments: str) -> str:
        """Run a command that must end well and return what it printed."""
        done = self(*arguments)
        assert done.code == 0, done
        return done.stdout

    def json(self, *arguments: str) -> Any:
        """Run a command with ``--json`` that must end well and return what it printed."""
        return json.loads(self.ok(*arguments, "--json"))


def assert_one_line(done: Finished, code: int, *fragments: str) -> None:
    """The command refused in one line on stderr that says all of these."""
    assert done.code == code, done
    assert done.stdout == "", done
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done
    assert lines[0].startswith("rota: error: "), done
    missing = [fragment for fragment in fragments if fragment not in lines[0]]
    assert missing == [], done
