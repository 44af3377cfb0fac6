"""Every link in the documentation leads somewhere, and every page can be found."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
INDEX = DOCS / "README.md"
CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!\\)\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^()\s]*(?:\([^()]*\)[^()\s]*)*)\)")


def links(page: Path) -> list[str]:
    """The targets of the links of a page; what stands in code is none."""
    return LINK.findall(CODE.sub(lambda found: "\n" if found[0].startswith("```") else "x", page.read_text("utf-8")))


@cache
def anchors(page: Path) -> set[str]:
    """The anchors of the headings of a page, as the generator of the pages makes them."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        slug = re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower())
        place, free = 0, slug
        while free in found:
            place += 1
            free = f"{slug}_{place}"
        found.add(free)
    return found


def trouble(page: Path, link: str) -> str | None:
    """What is wrong with a link; links to other hosts are not followed."""
    parts = urlsplit(link)
    if parts.scheme in ("https", "mailto"):
        return None
    if parts.scheme or parts.netloc:
        return f"{link}: not https"
    target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if not target.exists() or not target.is_relative_to(ROOT):
        return f"{link}: no such file"
    if parts.fragment and parts.fragment not in anchors(target):
        return f"{link}: no such heading"
    return None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    assert [found for link in links(page) if (found := trouble(page, link))] == []


def test_every_page_is_in_the_index() -> None:
    decisions = DOCS / "decisions" / "README.md"
    linked = {(index.parent / urlsplit(link).path).resolve() for index in (INDEX, decisions) for link in links(index)}
    pages = {page for page in DOCS.rglob("*.md") if page != INDEX}
    assert sorted(str(page.relative_to(DOCS)) for page in pages - linked) == [], "add it to docs/README.md"


def test_links_and_anchors_are_found() -> None:
    assert [*map(len, (links(INDEX), anchors(DOCS / "reference" / "rest.md")))] > [10, 40]
    assert trouble(INDEX, "reference/none.md") and trouble(INDEX, "reference/rest.md#none")
    assert trouble(INDEX, "reference/rest.md#get-apijobs") is None
