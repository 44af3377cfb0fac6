"""``--reload``: watches the files of an application, and has its functions loaded anew when they change."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from rota import logs

LOOK_S = 0.5
MOST_FILES = 10_000
"""More are not watched: to look at all of them twice a second would cost more than it helps."""
_SKIPPED = frozenset(("__pycache__", "node_modules", "site-packages", "build", "dist"))

State = dict[str, tuple[int, int]]
"""Path → time of its last change (ns), size."""


async def watch(folders: Sequence[Path], before: State, changed: Sequence[Callable[[], None]]) -> None:
    """Call ``changed`` whenever Python files below the folders have changed, from ``before`` on, and are at rest."""
    while True:
        await asyncio.sleep(LOOK_S)
        now = await asyncio.to_thread(state_of, folders)
        if now == before:
            continue
        await asyncio.sleep(LOOK_S / 5)
        if now != await asyncio.to_thread(state_of, folders):
            continue  # somebody still writes: look again
        paths = sorted(path for path in now.keys() | before.keys() if now.get(path) != before.get(path))
        more = f" and {len(paths) - 1} more files" if len(paths) > 1 else ""
        logs.event(
            "app/changed", f"{paths[0]}{more} changed: functions are loaded anew", path=paths[0], count=len(paths)
        )  # fmt: skip
        before = now
        for call in changed:
            call()


def folders_of(apps: Sequence[str]) -> list[Path]:
    """Return where the code of applications lies (``MODULE:ATTR``), and the current folder."""
    found = [Path.cwd()]
    for app in apps:
        name = app.partition(":")[0].partition(".")[0]
        spec = importlib.util.find_spec(name) if name != "rota" else None
        if spec is None or spec.origin is None:
            continue  # it lies in the current folder, or cannot be loaded
        if spec.submodule_search_locations or "site-packages" not in spec.origin:
            found.append(Path(spec.origin).parent)
    inner = [folder.resolve() for folder in found]
    return [folder for folder in dict.fromkeys(inner) if not any(other in folder.parents for other in inner)]


def state_of(folders: Sequence[Path]) -> State:
    """Return the state of the Python files below the folders, those of virtual environments left out."""
    found: State = {}
    for path in _files(folders):
        try:
            status = os.stat(path)
        except OSError:
            continue
        found[path] = (status.st_mtime_ns, status.st_size)
        if len(found) >= MOST_FILES:
            break
    return found


def _files(folders: Sequence[Path]) -> Iterator[str]:
    own = {Path(sys.prefix).resolve()}
    for top in folders:
        for folder, inside, names in os.walk(top):
            inside[:] = [
                name for name in sorted(inside)
                if not name.startswith(".") and name not in _SKIPPED and Path(folder, name) not in own
                and not os.path.exists(os.path.join(folder, name, "pyvenv.cfg"))
            ]  # fmt: skip
            yield from (os.path.join(folder, name) for name in sorted(names) if name.endswith(".py"))
