"""What is built from this tree: a package that has all its files."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "rota"


def test_the_wheel_has_every_file_of_the_package(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    built = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("rota/")}
    files = (file for file in PACKAGE.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
    assert built == {str(Path("rota") / file.relative_to(PACKAGE)) for file in files}
    assert "rota/py.typed" in built
    assert any(name.startswith("rota/store/migrations/") and name.endswith(".sql") for name in built)


def test_every_folder_with_code_is_a_package() -> None:
    """A folder without ``__init__.py`` works, but neither the import contracts nor the type checker see into it."""
    folders = {file.parent for file in PACKAGE.rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []
