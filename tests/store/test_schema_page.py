"""The page of tables names every table and column of the schema, and no other; its questions can be asked."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rota.store.database import Database

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "schema.md").read_text(encoding="utf-8")
QUESTIONS = re.findall(r"^```sql\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def documented(page: str) -> dict[str, set[str]]:
    """The columns in the first cells of the tables below each heading that names a table or the view."""
    found: dict[str, set[str]] = {}
    for section in page.split("\n## ")[1:]:
        title, _, text = section.partition("\n")
        cells = re.findall(r"^\| (`[^|]*) \|", text, re.MULTILINE)
        if cells:
            found[title.rpartition(" ")[2]] = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    return found


def actual(db: Database) -> dict[str, set[str]]:
    """The columns of every table and view."""
    found: dict[str, set[str]] = {}
    with db.statement() as tx:
        if db.dialect == "sqlite":
            for (name,) in tx.rows("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')"):
                found[name] = {row[0] for row in tx.rows("SELECT name FROM pragma_table_info(:name)", {"name": name})}
        else:
            listed = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
            for name, column in tx.rows(listed):
                found.setdefault(name, set()).add(column)
    return found


def test_every_table_and_column_is_on_the_page(db: Database) -> None:
    assert documented(PAGE) == actual(db)


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_can_be_asked(question: str, pg: Database) -> None:
    with pg.statement() as tx:
        assert tx.rows(question) == []
