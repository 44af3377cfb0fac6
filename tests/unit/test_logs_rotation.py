"""A log file that has grown is set aside, by one of the processes that write to it, and no line is lost or torn."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from rota.logs import sink as module
from rota.logs.sink import Sink

WRITE = """
import sys
from rota.logs import sink
sink._LOOK_AT_FILE_S = 0.0
written = sink.Sink(sys.argv[1], largest=9_000, kept=1000)
for number in range(3000):
    written.put(f"{sys.argv[2]}:{number:06d}\\n", number % 40 == 0)
written.close()
assert written.dropped == 0
"""


def test_several_processes_write_and_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "rota.log"
    writers = [subprocess.Popen([sys.executable, "-c", WRITE, str(path), str(name)]) for name in range(3)]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    files = list(tmp_path.iterdir())
    assert len(files) > 1
    lines = [line for file in files for line in file.read_text().splitlines()]
    assert sorted(lines) == sorted(f"{name}:{number:06d}" for name in range(3) for number in range(3000))


@pytest.mark.parametrize("kept", [0, 2])
def test_the_newest_are_kept(tmp_path: Path, kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LOOK_AT_FILE_S", 0.0)
    path = tmp_path / "rota.log"
    sink = Sink(str(path), largest=1000, kept=kept)
    for number in range(5):
        sink.put(f"{number}" * 1100 + "\n", True)
    sink.put("last\n", True)
    sink.close()
    names = ["rota.log", "rota.log.1", "rota.log.2"][: kept + 1]
    assert sorted(file.name for file in tmp_path.iterdir()) == names
    assert [(tmp_path / name).read_text()[0] for name in names] == ["l", "4", "3"][: kept + 1]
