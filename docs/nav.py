"""The menu of the pages is their index, ``docs/README.md``: its headings and links, and the decisions in a section."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
DECISIONS = "decisions/README.md"
LINK = re.compile(r"^- \[([^\]]+)\]\(([^)#]+\.md)\)", re.MULTILINE)


def on_config(config: Any) -> Any:
    """Give mkdocs the menu."""
    config.nav = menu()
    return config


def menu() -> list[dict[str, Any]]:
    """Return the menu as mkdocs wants it."""
    found: list[dict[str, Any]] = [{"Rota": "README.md"}]
    for section in (DOCS / "README.md").read_text(encoding="utf-8").split("\n## ")[1:]:
        title, _, text = section.partition("\n")
        found.append({title: [{name: path} for name, path in LINK.findall(text) if path != DECISIONS]})
    decisions = LINK.findall((DOCS / DECISIONS).read_text(encoding="utf-8"))
    found.append({"Decisions": [{"Overview": DECISIONS}, *({name: f"decisions/{path}"} for name, path in decisions)]})
    return found
