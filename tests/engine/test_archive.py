"""Ended jobs go by their number and their size too, and into files before they are deleted."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

from rota.engine.retention import Retention
from rota.store import queues
from rota.store.database import Database
from tests.engine.scheduling import settings_of
from tests.store import builders
from tests.store.builders import column
from tests.support.clock import DAY, HandClock


def ended(db: Database, clock: HandClock, count: int, status: str = "completed", **given: Any) -> list[str]:
    """Jobs that end one after the other."""
    found = []
    for _ in range(count):
        clock.turn(1)
        found.append(builders.insert_one(db, **given))
        sql = "UPDATE rota_jobs SET status = :status, completed_at = rota_now() WHERE id = :id"
        db.run(lambda tx, sql=sql: tx.run(sql, {"id": found[-1], "status": status}))  # type: ignore[misc]
    return found


def retention(db: Database, **given: Any) -> Retention:
    return Retention(db, settings_of("sqlite:///x.db", **given))


def kept(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for path in sorted(folder.glob("jobs-*")) for line in gzip.open(path, "rt")]


def test_the_oldest_go_where_there_are_too_many(db: Database, clock: HandClock) -> None:
    done, failed = ended(db, clock, 5), ended(db, clock, 4, "failed")
    triggered = ended(db, clock, 3, origin="trigger") + ended(db, clock, 2, origin="exec")
    retention(db, keep_most_completed=3, keep_most_runs=4, retention_failed="never").run_once()
    assert set(column(db, "id")) == {*done[2:], *failed, *triggered[1:]}
    retention(db, keep_most_failed=1, keep_most_completed=0).run_once()
    assert set(column(db, "id")) == {failed[-1], *triggered[1:]}


def test_all_kinds_shrink_alike_where_they_are_too_heavy(db: Database, clock: HandClock) -> None:
    ended(db, clock, 20, args=json.dumps("x" * 9100))
    ended(db, clock, 10, "failed", args=json.dumps("x" * 9100))
    light = retention(db, keep_most_bytes="152kB", retention_failed="never")
    light.run_once()
    statuses = column(db, "status")
    assert (statuses.count("completed"), statuses.count("failed")) == (10, 5)
    light.run_once()
    assert len(column(db, "status")) == 15


def keep(db: Database, queue: str, document: str) -> None:
    db.run(lambda tx: queues.change(tx, queue, {"retention": document}))


def test_a_queue_bounds_how_many_of_its_jobs_are_kept(db: Database, clock: HandClock) -> None:
    """Whatever made them, and beside what the settings say of all."""
    keep(db, "mail", '{"mostCompleted":2,"mostFailed":0,"failed":null}')
    others = ended(db, clock, 4)
    mail = [
        *ended(db, clock, 3, queue="mail"), *ended(db, clock, 1, queue="mail", origin="trigger"),
        *ended(db, clock, 1, queue="mail"),
    ]  # fmt: skip
    failed, cancelled = ended(db, clock, 2, "failed", queue="mail"), ended(db, clock, 3, "cancelled", queue="mail")
    retention(db).run_once()
    assert set(column(db, "id")) == {*others, *mail[3:], *cancelled}
    assert not {*failed} & {*column(db, "id")}
    retention(db, keep_most_completed=3).run_once()
    assert set(column(db, "id")) == {*others[2:], *mail[3:], *cancelled}, "of all enqueued ones the last three stay"
    clock.turn(2 * DAY)
    retention(db).run_once()
    assert set(column(db, "id")) == {mail[3]}, "the age of the settings holds too, and a run's is longer"


def test_a_queue_bounds_how_much_its_jobs_take(db: Database, clock: HandClock) -> None:
    keep(db, "mail", '{"mostBytes":76000}')
    heavy = {"args": json.dumps("x" * 9100)}
    others = ended(db, clock, 5, **heavy)
    done, failed = ended(db, clock, 10, queue="mail", **heavy), ended(db, clock, 5, "failed", queue="mail", **heavy)
    light = retention(db, retention_completed="never")
    light.run_once()
    assert set(column(db, "id")) == {*others, *done[5:], *failed[3:]}
    light.run_once()
    assert len(column(db, "id")) == 12


class TestArchive:
    def test_what_is_deleted_is_in_a_file_of_its_day(self, db: Database, clock: HandClock, tmp_path: Path) -> None:
        worker = builders.register(db)
        claimed = builders.run_one(db, worker, args='{"a": 1, "b": "é"}', started_by="ann")
        builders.give_back(db, worker, claimed, error="first")
        (again,) = builders.claim(db, worker) or [claimed]
        db.run(lambda tx: tx.run("UPDATE rota_jobs SET status = 'completed', completed_at = rota_now()"))
        clock.turn(DAY)
        others = ended(db, clock, 2)
        clock.turn(3 * DAY)
        folder = tmp_path / "archive"
        retention(db, archive_dir=str(folder)).run_once()
        assert column(db, "id") == []
        assert [path.stat().st_mode & 0o777 for path in folder.glob("jobs-*")] == [0o600, 0o600]
        assert [one["id"] for one in kept(folder)] == [again.call.job_id, *others]
        first = kept(folder)[0]
        assert (first["jobType"], first["status"], first["args"], first["startedBy"]) == (
            "report", "completed", {"a": 1, "b": "é"}, "ann",
        )  # fmt: skip
        assert [(one["attempt"], one["error"]) for one in first["attempts"]] == [(1, "first")]
        assert first["completedAt"].endswith("Z") and f"jobs-{first['completedAt'][:10]}.jsonl.gz" in os.listdir(folder)

    def test_nothing_is_deleted_while_it_cannot_be_written(
        self, db: Database, clock: HandClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As on a full disk: half of it is written, and cut off again."""
        looped = retention(db, archive_dir=str(tmp_path / "a"))
        first = ended(db, clock, 1)
        clock.turn(2 * DAY)
        looped.run_once()
        second = ended(db, clock, 2)
        clock.turn(2 * DAY)
        real = os.write

        def full(descriptor: int, content: bytes) -> int:
            if len(content) < 40:
                return real(descriptor, content)
            real(descriptor, bytes(content[:30]))
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(os, "write", full)
            assert looped.run_once() > 1
        assert column(db, "id") == second
        looped.run_once()
        assert column(db, "id") == []
        assert [one["id"] for one in kept(tmp_path / "a")] == [*first, *second]

    def test_what_a_crash_left_half_written_is_cut_off(self, db: Database, clock: HandClock, tmp_path: Path) -> None:
        folder = tmp_path / "a"
        looped = retention(db, archive_dir=str(folder))
        first = ended(db, clock, 1)
        clock.turn(2 * DAY)
        looped.run_once()
        (path,) = folder.glob("jobs-*")
        (folder / f".{path.name}.before").write_text(str(path.stat().st_size))
        with path.open("ab") as file:
            file.write(b"\x1f\x8b half of it")
        clock.turn(-2 * DAY)
        second = ended(db, clock, 1)
        clock.turn(2 * DAY)
        looped.run_once()
        assert [one["id"] for one in kept(folder)] == [*first, *second]
        assert sorted(os.listdir(folder)) == [".lock", path.name]
