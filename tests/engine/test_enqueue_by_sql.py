"""``rota_enqueue`` of PostgreSQL stores the very job that Python stores; other languages have nothing but it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from rota.actions import jobs as actions
from rota.actions import queues as queue_actions
from rota.actions import resolving
from rota.actions import types as type_actions
from rota.actions.decoding import convert
from rota.actions.specs import Caller, JobIn, QueueIn, TypeIn
from rota.errors import Invalid
from rota.model import JobType
from rota.settings import Settings, load_settings
from rota.store import jobs, migrate, types
from rota.store.database import Database
from rota.store.opening import open_database

COMMAND = {"kind": "command", "command": ["echo", "ü"]}
HTTP = {"kind": "http", "url": "https://example.com/hook", "timeout": "5s"}
TYPES: dict[str, dict[str, Any]] = {
    "plain": {},
    "full": {
        "queue": "full", "priority": "high", "maxAttempts": 7, "timeout": "90s", "silence": "30s", "expiresIn": "1h",
        "retry": {"delays": ["10s", "1m"], "attempts": 3}, "concurrencyKey": "customer={customer.id}",
        "tags": ["a", "é \"b\""], "onLost": "fail", "runOn": ["gpu", "eu", "gpu"],
    },
    "half": {"queue": "said", "retry": {"attempts": 9, "backoff": "fixed"}},
    "ordered": {"orderKey": "{{o}}={customer.id}", "queue": "said"},
    "untagged": {"tags": [], "queue": "said", "priority": -3},
}  # fmt: skip
TARGETS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "echo": (COMMAND, {"timeout": "10m"}),
    "call": (HTTP, {}),
    "slow call": (HTTP, {"timeout": "2s", "queue": "aged"}),
}
SAID = {
    "priority": 4, "tags": ["q"], "retry": {"until": "2h"}, "maxAttempts": 2, "timeout": "3s", "silence": "2s",
    "expiresIn": "2d", "concurrencyKey": "q-{n}", "onLost": "fail", "runOn": ["host"],
}  # fmt: skip
ARGS = {"customer": {"id": 7, "tags": ["x", "y"]}, "n": "Ω"}
NOT_COMPARED = {"id", "created_at", "updated_at", "run_at", "expires_at", "unique_until"}


@pytest.fixture
def settings_(migrated: None, pg_database: str) -> Settings:
    return load_settings({}, database_url=pg_database, priorities="high=5,live=9")


@pytest.fixture
def db(settings_: Settings) -> Iterator[Database]:
    """A database with every kind of type, and queues with defaults."""
    found = open_database(settings_.database_url)
    migrate.migrate(found)
    code = [
        JobType(
            name=name, lane="sync", target=None, args_schema=None, defaults=json.dumps(defaults), owner="code"
        )
        for name, defaults in TYPES.items()
    ]  # fmt: skip
    with found.transaction() as tx:
        types.put(tx, [resolving.with_resolved(one, settings_) for one in code])
        for name, (target, defaults) in TARGETS.items():
            spec = convert({"target": target, "defaults": defaults}, TypeIn)
            type_actions.put(tx, name.replace(" ", "-"), spec, settings_)
        for name, fields in (("said", {"defaults": SAID}), ("aged", {"ageing": "10s"})):
            queue_actions.change(tx, name, convert(fields, QueueIn), settings_)
    yield found
    found.close()


def stored(db: Database, job_id: str) -> dict[str, Any]:
    """Every column of a job; times relative to its creation."""
    with db.statement() as tx:
        (row,) = tx.dicts("SELECT * FROM rota_jobs WHERE id = :id", {"id": job_id})
    found = {name: value for name, value in row.items() if name not in NOT_COMPARED}
    for name in ("run_at", "expires_at", "unique_until"):
        found[name] = None if row[name] is None else row[name] - row["created_at"]
    if row["queue"] == "aged":  # there the rank counts from the time at which it is due
        found["rank"] = row["rank"] - row["run_at"]
    return found


def by_python(db: Database, settings_: Settings, name: str, **fields: Any) -> dict[str, Any]:
    spec = convert({"jobType": name, "args": ARGS, **fields}, JobIn)
    job_id = db.run(lambda tx: actions.enqueue(tx, [spec], Caller(), settings_))[0].id
    return stored(db, job_id)


def call(connection: psycopg.Connection[Any], name: str, args: Any = ARGS, **given: Any) -> str:
    """Call the function with named parameters."""
    parts = [sql.SQL("{} => {}").format(sql.Identifier(field), sql.Placeholder(field)) for field in given]
    text = sql.SQL(", ").join([sql.SQL("%(name)s"), sql.SQL("%(args)s"), *parts])
    values = {
        "name": name,
        "args": args if isinstance(args, str) else json.dumps(args, separators=(",", ":"), ensure_ascii=False),
    }
    row = connection.execute(sql.SQL("SELECT rota_enqueue({})").format(text), {**values, **given}).fetchone()
    assert row is not None
    return str(row[0])


SAME: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({"queue": "said"}, {"queue": "said"}),
    ({"queue": "aged", "priority": 3}, {"queue": "aged", "priority": 3}),
    ({"priority": -8, "maxAttempts": 11}, {"priority": -8, "max_attempts": 11}),
    ({"delayMs": 90_500}, {"delay": timedelta(seconds=90.5)}),
    ({"expiresIn": "1500ms", "tags": ["é", 'q"\\']}, {"expires_in": "1.5 s", "tags": '["\\u00e9", "q\\"\\\\"]'}),
    ({"tags": []}, {"tags": "[]"}),
    ({"uniqueKey": "k é", "uniqueScope": "waiting"}, {"unique_key": "k é", "unique_scope": "waiting"}),
    ({"uniqueKey": "k2"}, {"unique_key": "k2"}),
    ({"uniqueKey": "k3", "uniqueScope": "window:90s"}, {"unique_key": "k3", "unique_scope": "window:1m30s"}),
    ({"uniqueKey": "k4", "uniqueScope": "window:36h"}, {"unique_key": "k4", "unique_scope": "window:36h"}),
    ({"concurrencyKey": "{customer.tags.1}-{{x}}-{n}"}, {"concurrency_key": "{customer.tags.1}-{{x}}-{n}"}),
    ({"startedBy": "ann"}, {"started_by": "ann"}),
]


@pytest.mark.parametrize("name", [*TYPES, *(name.replace(" ", "-") for name in TARGETS)])
def test_it_stores_what_python_stores(db: Database, settings_: Settings, pg_database: str, name: str) -> None:
    with psycopg.connect(pg_database, autocommit=True) as connection:
        for spec, given_ in SAME:
            ours = by_python(db, settings_, name, **spec)
            db.run(lambda tx: tx.run("UPDATE rota_jobs SET status = 'completed', unique_hold = NULL"))
            theirs = stored(db, call(connection, name, **given_))
            db.run(lambda tx: tx.run("UPDATE rota_jobs SET status = 'completed', unique_hold = NULL"))
            if "delay" not in given_:
                assert theirs["run_at"] == 0
            assert theirs == ours, spec


@pytest.mark.parametrize("at", [datetime(2031, 5, 6, 7, 8, 9, 123456, tzinfo=UTC), datetime(2001, 1, 1, tzinfo=UTC)])
def test_a_time_is_the_same_time(db: Database, settings_: Settings, pg_database: str, at: datetime) -> None:
    spec = convert({"jobType": "plain", "runAt": at.isoformat()}, JobIn)
    ours = db.run(lambda tx: actions.enqueue(tx, [spec], Caller(), settings_))[0].id
    with psycopg.connect(pg_database, autocommit=True) as connection:
        theirs = call(connection, "plain", {}, run_at=at)
    found = [db.read(partial(jobs.get, job_id=one)) for one in (ours, theirs)]
    us = int(at.timestamp()) * 1_000_000 + at.microsecond
    assert [(one.run_at, one.status) for one in found if one] == [
        (us, "scheduled" if at.year > 2026 else "pending")
    ] * 2


REFUSED: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("nothing", {}, {}, 'job_type: "nothing" was never declared'),
    ("plain", {"queue": "a b"}, {}, 'queue: "a b" is not a name'),
    ("plain", {"queue": "q" * 101}, {}, "queue: "),
    ("plain", {"priority": 1_000_000_001}, {}, "priority: 1000000001 is out of range"),
    ("plain", {"max_attempts": 0}, {}, "max_attempts: 0 is out of range"),
    ("plain", {"delay": timedelta(seconds=-1)}, {}, "delay: "),
    ("plain", {"delay": "200 years"}, {}, "delay: "),
    ("plain", {"expires_in": timedelta(microseconds=5)}, {}, "expires_in: "),
    ("plain", {"run_at": "infinity"}, {}, "run_at: "),
    ("plain", {"run_at": "2031-01-01Z", "delay": "1 s"}, {}, "run_at: delay and run_at exclude"),
    ("plain", {"unique_key": ""}, {}, "unique_key: is empty"),
    ("plain", {"unique_key": "a\nb"}, {}, "unique_key: holds a control character"),
    ("plain", {"unique_key": "k", "unique_scope": "window:1"}, {}, 'unique_scope: "window:1" is unknown'),
    ("plain", {"unique_key": "k", "unique_scope": "window:367d"}, {}, "unique_scope: "),
    ("plain", {"unique_key": "k", "unique_scope": "for ever"}, {}, "unique_scope: "),
    ("plain", {"concurrency_key": "{a}"}, {}, "concurrency_key: takes a from the arguments, and there is none"),
    ("plain", {"concurrency_key": "{a}"}, {"a": None}, "concurrency_key: takes a"),
    ("plain", {"concurrency_key": "{a}"}, {"a": 1.5}, "concurrency_key: takes a"),
    ("plain", {"concurrency_key": "{a.-1}"}, {"a": [1]}, "concurrency_key: takes a.-1"),
    ("plain", {"concurrency_key": "{a b}"}, {}, "concurrency_key: "),
    ("plain", {"concurrency_key": "a}"}, {}, "concurrency_key: a single brace"),
    ("plain", {"order_key": "x" * 501}, {}, "order_key: is longer than 500"),
    ("plain", {"order_key": "😀" * 300}, {}, "order_key: is longer than 1000 bytes"),
    ("plain", {"tags": '["a", 1]'}, {}, "tags: must be a list"),
    ("plain", {"tags": '[""]'}, {}, "tags: must be a list"),
    ("plain", {"tags": json.dumps(["a"] * 51)}, {}, "tags: must be a list"),
    ("plain", {"tags": json.dumps(["a" * 201])}, {}, "tags: is longer than 200"),
    ("plain", {"started_by": "x" * 201}, {}, "started_by: is longer"),
]


@pytest.mark.parametrize(("name", "given_", "args", "words"), REFUSED)
def test_what_is_wrong_is_named(
    db: Database, pg_database: str, name: str, given_: dict[str, Any], args: dict[str, Any], words: str
) -> None:
    with psycopg.connect(pg_database) as connection:
        with pytest.raises(psycopg.DatabaseError) as refused:
            call(connection, name, args, **given_)
        connection.rollback()
    assert str(refused.value).startswith(words)
    assert refused.value.diag.message_hint


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ("[1]", "args: a function takes its arguments by name"),
        (r'{"a": "\u0000"}', "args: holds a NUL"),
        (r'{"a": "\ud800"}', "args: holds a NUL character or a lone surrogate"),
        ('{"a": 1e999}', "args: holds a number out of range"),
        ('{"a": ' + "9" * 400 + "}", "args: holds a number out of range"),
        ('{"a": ' + "[" * 64 + "]" * 64 + "}", "args: is nested deeper than 64 levels"),
        (json.dumps({"a": "x" * (1 << 20)}), "args: is larger than 1048576 bytes"),
        ("{", "invalid input syntax for type json"),
    ],
)
def test_arguments_that_nobody_could_read_are_refused(db: Database, pg_database: str, args: str, words: str) -> None:
    with psycopg.connect(pg_database) as connection, pytest.raises(psycopg.DatabaseError) as refused:
        call(connection, "plain", args)
    assert str(refused.value).startswith(words)


@pytest.mark.parametrize(
    "args",
    [
        r'{"a": "\\u0000 \u00e9 \ud83d\ude00", "b" : 1.10}',
        '{"a": ' + "[" * 63 + "]" * 63 + "}",
        json.dumps({"a": "[" * 500 + "1e999" + "9" * 400, "b": [[1e300, {}]] * 100}),
    ],
)
def test_sound_ones_stay_as_they_are(db: Database, pg_database: str, args: str) -> None:
    with psycopg.connect(pg_database, autocommit=True) as connection:
        job_id = call(connection, "plain", args)
    found = db.read(lambda tx: jobs.get(tx, job_id))
    assert found is not None and found.args == args


keys = st.text(st.sampled_from("ab{}.-é1 n"), min_size=1, max_size=12)


values = st.sampled_from(["x", "", 5, -7, 0, True, None, [1, "z"], {"b": "y", "1": "one", "-": "h"}])
objects = st.fixed_dictionaries({}, optional=dict.fromkeys(("a", "b", "n", "-", "é"), values))


@pytest.fixture
def own(db: Database, pg_database: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection whose statements each stand alone."""
    with psycopg.connect(pg_database, autocommit=True) as connection:
        yield connection


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(template=keys, args=objects)
def test_keys_are_filled_in_as_python_does(
    db: Database, settings_: Settings, own: psycopg.Connection[Any], template: str, args: dict[str, Any]
) -> None:
    try:
        ours: str | None = by_python(db, settings_, "plain", args=args, concurrencyKey=template)["concurrency_key"]
    except Invalid:
        ours = None
    try:
        row = own.execute("SELECT rota_key(%s, %s, 'k')", (template, json.dumps(args, ensure_ascii=False))).fetchone()
        theirs = row[0] if row else None
    except psycopg.DatabaseError:
        theirs = None
    assert theirs == ours


def test_a_held_key_gives_the_job_that_has_it(db: Database, settings_: Settings, pg_database: str) -> None:
    holder = db.run(
        lambda tx: actions.enqueue(
            tx, [convert({"jobType": "plain", "uniqueKey": "k"}, JobIn)], Caller(), settings_
        )
    )[0].id  # fmt: skip
    with psycopg.connect(pg_database) as connection:
        assert call(connection, "plain", {}, unique_key="k") == holder
        other = call(connection, "plain", {}, unique_key="l", unique_scope="window:1h")
        assert call(connection, "plain", {}, unique_key="l") == other
        connection.execute("UPDATE rota_jobs SET status = 'completed', unique_until = 1 WHERE id = %s", (other,))
        assert call(connection, "plain", {}, unique_key="l") != other  # whose window is over
        connection.rollback()
    assert db.read(lambda tx: tx.value("SELECT count(*) FROM rota_jobs")) == 1


def test_jobs_in_order_wait_for_their_turn(db: Database, pg_database: str) -> None:
    with psycopg.connect(pg_database) as connection:
        made = [call(connection, "plain", {"n": n}, order_key="o-{{}}") for n in range(3)]
        connection.commit()
    rows = db.read(lambda tx: tx.rows("SELECT id, status, turn_key FROM rota_jobs ORDER BY id"))
    assert rows == [(made[0], "pending", "order:o-{}"), *((job, "held", "order:o-{}") for job in made[1:])]


def test_workers_hear_of_it_with_the_commit(db: Database, pg_database: str) -> None:
    listener = db.listen()
    with psycopg.connect(pg_database) as connection:
        call(connection, "plain")
        assert listener.wait(0.2) == set()
        connection.commit()
        assert listener.wait(5) == {"jobs"}
        call(connection, "plain", delay="1 h")
        connection.commit()
        assert listener.wait(5) == {"due"}
    listener.close()


def test_ids_grow(db: Database, pg_database: str) -> None:
    with psycopg.connect(pg_database) as connection:
        rows = connection.execute("SELECT rota_new_id() FROM generate_series(1, 2000)").fetchall()
    ids = [row[0] for row in rows]
    assert len(set(ids)) == 2000
    assert all(one.version == 7 and one.variant == "specified in RFC 4122" for one in ids)
    stamps = [one.int >> 64 for one in ids]
    assert stamps == sorted(stamps)


def test_it_is_found_from_any_search_path_and_needs_few_rights(pg_database: str) -> None:
    role = f"rota_writer_{os.getpid()}"
    db = open_database(load_settings({}, database_url=f"{pg_database}?schema=Jobs").database_url)
    migrate.migrate(db)
    settings_ = load_settings({}, database_url=pg_database)
    plain = JobType(name="plain", lane="sync", target=None, args_schema=None, defaults="{}", owner="code")
    db.run(lambda tx: types.put(tx, [resolving.with_resolved(plain, settings_)]))
    with psycopg.connect(pg_database, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role}".encode())
        try:
            for right in GRANTS:
                connection.execute(right.format(role=role, schema='"Jobs"').encode())
            connection.execute(f"SET ROLE {role}".encode())
            queues = ("new", "new", "default")
            made = [
                connection.execute(
                    """SELECT "Jobs".rota_enqueue('plain', queue => %s, unique_key => %s, order_key => 'o')""", (q, q)
                ).fetchone()
                for q in queues
            ]
            assert made[0] == made[1] != made[2]
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute('DELETE FROM "Jobs".rota_jobs')
        finally:
            connection.execute("RESET ROLE")
            connection.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())
    db.close()


GRANTS = (
    "GRANT USAGE ON SCHEMA {schema} TO {role}",
    "GRANT SELECT ON {schema}.rota_types, {schema}.rota_queues TO {role}",
    "GRANT INSERT (name, created_at) ON {schema}.rota_queues TO {role}",
    "GRANT SELECT, INSERT, UPDATE (unique_hold) ON {schema}.rota_jobs TO {role}",
)


@pytest.mark.skipif(shutil.which("psql") is None, reason="psql is not installed")
def test_it_works_from_psql(db: Database, pg_database: str) -> None:
    text = """SELECT rota_enqueue('plain', '{"n": 1}', delay => '5 minutes')"""
    done = subprocess.run(
        ["psql", "-X", "-A", "-t", "-c", text, pg_database], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    found = db.read(lambda tx: jobs.get(tx, done.stdout.strip()))
    assert found is not None and (found.status, found.args) == ("scheduled", '{"n": 1}')


def test_an_old_signature_is_dropped_and_the_printed_script_is_the_same(pg_database: str) -> None:
    made = "SELECT count(*), min(pronargs) FROM pg_proc WHERE proname = 'rota_enqueue'"
    with psycopg.connect(pg_database, autocommit=True) as connection:
        connection.execute(
            "CREATE FUNCTION rota_enqueue(job_type text, args json) RETURNS uuid LANGUAGE sql AS 'SELECT null::uuid'"
        )
        connection.execute(migrate.script("postgresql").encode())
        assert connection.execute(made).fetchone() == (1, 14)
