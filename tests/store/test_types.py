"""Job types: declared again and again, changed only when something changed."""

from __future__ import annotations

from typing import Any

import pytest

from rota.model import JobType
from rota.store import types
from rota.store.database import Database


def job_type(name: str = "report", **given: Any) -> JobType:
    fields = {"lane": "async", "target": None, "args_schema": "{}", "defaults": "{}", "owner": "code"}
    return JobType(name=name, **{**fields, **given})


def put(db: Database, *given: JobType) -> list[str]:
    return sorted(db.run(lambda tx: types.put(tx, given)))


def stored(db: Database, name: str = "report") -> JobType:
    found = db.read(lambda tx: types.get(tx, name))
    assert found is not None
    return found


def test_every_field_is_stored(db: Database) -> None:
    given = job_type(
        target='{"a": 1, "a": 2}', args_schema='{ "type":"object" }', defaults='{"q": "\\u0000"}', links='{"x":1}',
        lane="http", owner="api",
    )  # fmt: skip
    assert put(db, given, job_type("other")) == ["other", "report"]
    found = stored(db)
    for name in given.__struct_fields__:
        if name not in ("created_at", "updated_at"):
            assert getattr(found, name) == getattr(given, name), name
    assert [one.name for one in db.read(types.listed)] == ["other", "report"]


def test_the_same_again_changes_nothing(db: Database) -> None:
    put(db, job_type())
    before = stored(db)
    assert put(db, job_type()) == []
    assert stored(db) == before


@pytest.mark.parametrize(
    "change",
    [{"lane": "sync"}, {"target": '{"kind":"http"}'}, {"args_schema": None}, {"args_schema": "{ }"},
     {"defaults": '{"queue":"a"}'}, {"links": "{}"}, {"owner": "api"}],
)  # fmt: skip
def test_a_change_is_a_version(db: Database, change: dict[str, Any]) -> None:
    put(db, job_type())
    before = stored(db)
    assert put(db, job_type(**change), job_type("other")) == ["other", "report"]
    after = stored(db)
    assert (after.version, after.created_at) == (2, before.created_at)
    assert after.updated_at > before.updated_at
    assert put(db, job_type(**change)) == []


def test_types_with_code_are_named(db: Database) -> None:
    put(db, job_type("a"), job_type("b", lane="sync"), job_type("c", lane="http"), job_type("d", lane="command"))
    assert db.read(types.code_names) == ["a", "b"]


def test_delete(db: Database) -> None:
    put(db, job_type())
    assert db.run(lambda tx: types.delete(tx, "report"))
    assert not db.run(lambda tx: types.delete(tx, "report"))
    assert db.read(lambda tx: types.get(tx, "report")) is None
