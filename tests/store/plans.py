"""How the databases mean to run our statements: which index serves, and whether a whole table is read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import msgspec
import pytest
from psycopg import sql as pg_sql

from rota.store.database import NO_PARAMS, Params, Row, Tx
from rota.store.postgres_tx import PostgresTx
from rota.store.postgres_wire import Statement
from rota.store.sql import render
from rota.store.sqlite import SqliteTx

_EXPLAINED = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b")
_PLACEHOLDER = re.compile(r"%\((\w+)\)s")


class Plan(msgspec.Struct, frozen=True):
    """The plan of one statement."""

    sql: str
    text: str
    whole: frozenset[str]
    """Tables that are read from end to end."""
    indexes: frozenset[str]

    def __str__(self) -> str:
        return f"{self.sql.strip()}\n{self.text}"


class _Recorder:
    plans: ClassVar[list[Plan]] = []
    generic: ClassVar[bool] = False


class ExplainedPostgresTx(PostgresTx, _Recorder):
    """Explains each statement before it runs, for these values or (``generic``) for any."""

    def ahead(self, sql: str, params: Params = NO_PARAMS, *, at_once: bool = False) -> Callable[[], list[Row]]:
        return Tx.ahead(self, sql, params, at_once=at_once)

    def _execute(self, sql: str, params: Params, *, prepare: bool | None = None) -> Statement:
        if _EXPLAINED.match(sql) and "rota_" in sql:
            generic = self.generic and prepare is None
            self.plans.append(self._generic(sql, params) if generic else self._custom(sql, params))
        return super()._execute(sql, params, prepare=prepare)

    def _custom(self, sql: str, params: Params) -> Plan:
        (document,) = super()._execute(f"EXPLAIN (FORMAT JSON) {sql}", params).fetchall()[0]
        return _postgres_plan(sql, document)

    def _generic(self, sql: str, params: Params) -> Plan:
        names: dict[str, int] = {}
        text = _PLACEHOLDER.sub(
            lambda match: f"${names.setdefault(match[1], len(names) + 1)}", render(sql, "postgresql")
        ).replace("%%", "%")
        values = pg_sql.SQL(", ").join(pg_sql.Literal(params[name]) for name in names)
        execute = pg_sql.SQL("EXPLAIN (FORMAT JSON) EXECUTE explained") + (
            pg_sql.SQL("({})").format(values) if names else pg_sql.SQL("")
        )
        self.connection.execute("SET plan_cache_mode = force_generic_plan")
        self.connection.execute(f"PREPARE explained AS {text}".encode())
        (document,) = self.connection.execute(execute).fetchall()[0]
        self.connection.execute("DEALLOCATE explained")
        self.connection.execute("RESET plan_cache_mode")
        return _postgres_plan(sql, document)


def _postgres_plan(sql: str, document: str) -> Plan:
    whole, indexes, lines = set(), set(), []

    def walk(node: dict[str, Any], depth: int) -> None:
        kind, relation, index = node["Node Type"], node.get("Relation Name"), node.get("Index Name")
        lines.append(f"{'  ' * depth}{kind} {relation or ''} {index or ''} {node.get('Index Cond', '')}".rstrip())
        if kind == "Seq Scan":
            whole.add(str(relation))
        if index is not None:
            indexes.add(str(index))
        for child in node.get("Plans", ()):
            walk(child, depth + 1)

    walk(msgspec.json.decode(document)[0]["Plan"], 0)
    return Plan(sql, "\n".join(lines), frozenset(whole), frozenset(indexes))


class ExplainedSqliteTx(SqliteTx, _Recorder):
    """Explains each statement before it runs."""

    def _execute(self, sql: str, params: Params) -> Any:
        if _EXPLAINED.match(sql) and "rota_" in sql:
            steps = [row[3] for row in super()._execute(f"EXPLAIN QUERY PLAN {sql}", params).fetchall()]
            self.plans.append(_sqlite_plan(sql, steps))
        return super()._execute(sql, params)


_STEP = re.compile(r"(SCAN|SEARCH) (\S+)(?: USING (?:COVERING )?INDEX (\S+))?")


def _sqlite_plan(sql: str, steps: list[str]) -> Plan:
    tables: dict[str, str] = {alias: table for table, alias in re.findall(r"(rota_\w+)(?: AS)? (\w+)\b", sql)}
    whole: set[str] = set()
    indexes: set[str] = set()
    for step in steps:
        match = _STEP.match(step)
        if match is None:
            continue
        act, table, index = match[1], str(match[2]), match[3]
        if index:
            indexes.add(index)
        elif act == "SCAN":
            whole.add(tables.get(table, table))
    return Plan(sql, "\n".join(steps), frozenset(whole), frozenset(indexes))


@contextmanager
def recorded(*, generic: bool = False) -> Iterator[list[Plan]]:
    """Record the plans of all statements that run within."""
    plans: list[Plan] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rota.store.postgres.PostgresTx", ExplainedPostgresTx)
        patch.setattr("rota.store.sqlite.SqliteTx", ExplainedSqliteTx)
        patch.setattr(_Recorder, "plans", plans)
        patch.setattr(_Recorder, "generic", generic)
        yield plans
