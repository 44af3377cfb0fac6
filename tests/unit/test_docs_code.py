"""The Python code in the documentation runs as it is written."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


def blocks(page: str) -> list[str]:
    return BLOCK.findall((DOCS / page).read_text())


def run(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    "page", ["how-to/python.md", "how-to/test-your-jobs.md", "how-to/move-from-rq.md", "how-to/web-frameworks.md"]
)
def test_a_page_runs_from_top_to_bottom(page: str, tmp_path: Path) -> None:
    done = run("\n".join(blocks(page)), tmp_path)
    assert done.returncode == 0, done.stderr


def test_the_tutorial_declares_what_it_says(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(blocks("tutorial/first-steps.md")[0])
    code = "import shop; print(sorted(shop.rota.jobs), len(shop.rota.schedules)); "
    done = run(code + "print(shop.weekly_digest.enqueue(limit=3).status)", tmp_path)
    assert done.stdout.splitlines() == ["['clean_up', 'weekly_digest'] 1", "pending"], done.stderr
