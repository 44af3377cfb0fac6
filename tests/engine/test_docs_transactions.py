"""Every recipe of the page on transactions does what the page says, each with its real library."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import asyncpg
import psycopg
import pytest

from rota.settings import load_settings
from rota.store.opening import open_database

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "enqueue-in-a-transaction.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
ORDERS = "CREATE TABLE orders (id integer PRIMARY KEY)"


def blocks(language: str) -> list[str]:
    return [text for kind, text in BLOCK.findall(PAGE) if kind == language]


APP, *RECIPES = blocks("python")


def run(code: str, folder: Path, url: str) -> None:
    (folder / "shop.py").write_text(APP)
    env = {**os.environ, "ROTA_DATABASE_URL": url, "DATABASE_URL": url}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=folder, env=env, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def args_of_jobs(url: str) -> list[dict[str, int]]:
    db = open_database(load_settings({}, database_url=url).database_url)
    rows = db.read(lambda tx: tx.rows("SELECT args FROM rota_jobs WHERE queue = 'mail' ORDER BY id"))
    db.close()
    return [json.loads(args) for (args,) in rows]


def orders(url: str) -> list[int]:
    db = open_database(load_settings({}, database_url=url).database_url)
    rows = db.read(lambda tx: tx.rows("SELECT id FROM orders"))
    db.close()
    return [row[0] for row in rows]


def ready(folder: Path, url: str) -> None:
    run("import shop", folder, url)
    db = open_database(load_settings({}, database_url=url).database_url)
    db.run(lambda tx: tx.run(ORDERS))
    db.close()


def test_the_table_of_the_page_is_the_one_used_here() -> None:
    assert ORDERS in PAGE


@pytest.mark.parametrize("recipe", range(len(RECIPES)))
@pytest.mark.parametrize("fails", [False, True])
def test_a_recipe_stores_the_job_with_the_order(
    recipe: int, fails: bool, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    code = RECIPES[recipe]
    url: str = request.getfixturevalue("sqlite_url" if "import sqlite3" in code else "pg_database")
    ready(tmp_path, url)
    found = re.search(r"(?:order\(|VALUES \()(\d+)\)", code)
    assert found is not None
    number = int(found[1])
    if fails:  # the order is there already: its transaction fails, so no job may be stored
        db = open_database(load_settings({}, database_url=url).database_url)
        db.run(lambda tx: tx.run(f"INSERT INTO orders VALUES ({number})"))
        db.close()
        with pytest.raises(AssertionError, match=r"(?i)unique"):
            run(code, tmp_path, url)
        assert args_of_jobs(url) == []
    else:
        run(code, tmp_path, url)
        assert orders(url) == [number]
        assert {one["order"] for one in args_of_jobs(url)} == {number}


async def test_sql_and_what_other_languages_send_work_with_those_rights(tmp_path: Path, pg_database: str) -> None:
    ready(tmp_path, pg_database)
    run("from shop import *; send_receipt.enqueue(order=1)", tmp_path, pg_database)
    role = f"shop_{os.getpid()}"
    grants, calls = blocks("sql")[-1].replace("shop", role), blocks("sql")[:-1]
    with psycopg.connect(pg_database, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role}; {grants}; GRANT ALL ON orders TO {role}".encode())
        try:
            connection.execute(f"SET ROLE {role}".encode())
            made = [connection.execute(text.encode()).fetchone() for text in calls]
            assert connection.execute(calls[-1].encode()).fetchone() == made[-1]
            await node(pg_database, role)
        finally:
            connection.execute(f"RESET ROLE; DROP OWNED BY {role}; DROP ROLE {role}".encode())
    assert [one["order"] for one in args_of_jobs(pg_database)] == [1, 8, 9, 10]


async def node(url: str, role: str) -> None:
    """Send what the block for Node sends, by the same protocol."""
    (block,) = blocks("js")
    connection = await asyncpg.connect(url)
    await connection.execute(f"SET ROLE {role}")
    values: dict[str, list[object]] = {"[10]": [10], '["send_receipt"': ["send_receipt", '{"order":10}', "receipt 10"]}
    for text, rest in re.findall(r'query\("(.*?)"(?:, (.*))?\);', block):
        given = next((found for start, found in values.items() if rest.startswith(start)), list[object]())
        await connection.execute(text, *given)
    await connection.close()
