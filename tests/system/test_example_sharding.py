"""The example of queues over several databases: what it says is stored, and a further database only takes keys."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from types import ModuleType

from hypothesis import given
from hypothesis import strategies as st

from rota.settings.database_url import parse_database_url
from rota.store.opening import open_database

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/sharding/main.py"


def loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sharding_example", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


sharding = loaded()
names = st.lists(st.text(min_size=1, max_size=10), min_size=1, max_size=6, unique=True)


@given(shards=names, more=st.text(min_size=1, max_size=10), key=st.text(max_size=20))
def test_a_further_database_only_takes_keys(shards: list[str], more: str, key: str) -> None:
    before, after = sharding.shard_of(key, shards), sharding.shard_of(key, [*shards, more])
    assert after in (before, more)


def test_its_numbers_are_those_of_the_databases(tmp_path: Path, database_url: str) -> None:
    urls = [database_url, f"sqlite:///{tmp_path / 'b.db'}", f"sqlite:///{tmp_path / 'c.db'}"]
    command = [sys.executable, str(EXAMPLE), *urls, "--jobs", "90", "--keys", "30"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    told = [int(count) for count in re.findall(r"database \d: (\d+) jobs", done.stdout)]
    where: dict[str, set[str]] = defaultdict(set)
    stored = []
    for url in urls:
        db = open_database(parse_database_url(url))
        with db.statement() as tx:
            keys = [row[0] for row in tx.rows("SELECT concurrency_key FROM rota_jobs WHERE type = 'bill'")]
        db.close()
        stored.append(len(keys))
        for key in keys:
            where[key].add(url)
    assert told == stored
    assert sum(stored) == 90
    assert all(len(places) == 1 for places in where.values())
    assert len(where) == 30
