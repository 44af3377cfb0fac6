"""``--reload``: which files are watched, and when a change is told."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from rota.engine.reloading import folders_of, state_of, watch
from tests.support.waiting import wait_until_async


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_python_files_are_watched_but_no_environments(tmp_path: Path) -> None:
    for name in ("a.py", "inner/b.py", "c.txt", ".hidden/d.py", "__pycache__/e.py", "env/pyvenv.cfg", "env/f.py"):
        write(tmp_path / name, "1")
    assert sorted(Path(path).name for path in state_of([tmp_path])) == ["a.py", "b.py"]
    assert state_of([tmp_path / "nowhere"]) == {}


def test_the_folder_of_an_application_elsewhere_is_watched_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "elsewhere" / "shop_to_reload" / "__init__.py", "")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.syspath_prepend(str(tmp_path / "elsewhere"))
    package = tmp_path / "elsewhere" / "shop_to_reload"
    assert folders_of(["shop_to_reload.jobs:rota", "not_there:rota", "rota.demo:rota"]) == [tmp_path / "here", package]
    monkeypatch.chdir(tmp_path)
    assert folders_of(["shop_to_reload:rota"]) == [tmp_path]


async def test_a_change_is_told_once(tmp_path: Path) -> None:
    write(tmp_path / "a.py", "1")
    told: list[int] = []
    task = asyncio.create_task(watch([tmp_path], state_of([tmp_path]), [lambda: told.append(1)]))
    for number, (name, text) in enumerate((("a.py", "22"), ("b.py", "3"), ("a.py", "333"))):
        write(tmp_path / name, text)
        await wait_until_async(lambda: len(told), what="a change is told")
        assert len(told) == 1, number
        told.clear()
    task.cancel()
