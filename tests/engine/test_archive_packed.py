"""The archive with logs, as Parquet, and read back: nothing is lost or doubled, whatever is broken off when."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rota.engine import parquet
from rota.engine.archive import Archive
from rota.engine.archived import read
from rota.engine.retention import Retention
from rota.errors import ArchiveUnreadable, SettingInvalid
from rota.model import LogChunk
from rota.store.database import Database
from tests.engine.scheduling import settings_of
from tests.store import builders
from tests.store.builders import column
from tests.support.clock import DAY, HandClock

HARD = '{"n": 123456789012345678901234567890, "a": 1, "a": 2, "f": 1e400, "s": "\\u0000é\\ud83d\\ude00"}'


def ended(db: Database, clock: HandClock, count: int, **given: Any) -> list[str]:
    """Jobs that ended with a line of log each, and an earlier attempt of the first."""
    worker, found = builders.register(db, 30 * DAY), []
    for number in range(count):
        clock.turn(1_000_000)
        claimed = builders.run_one(db, worker, **given)
        if number == 0:
            builders.give_back(db, worker, claimed, error="first")
            (claimed,) = builders.claim(db, worker)
        call = claimed.call
        body = json.dumps([[clock.now, "stdout", f"é of {number}"], [clock.now, "stderr", "2\u2028nd"]])
        builders.log(db, LogChunk(call.job_id, call.attempt, 1, 2, clock.now, body))
        builders.end(db, worker, claimed, result="[0.1]", error="a\ttab")
        found.append(call.job_id)
    return found


def loop(db: Database, folder: Path, **given: Any) -> Retention:
    return Retention(db, settings_of("sqlite:///x.db", archive_dir=str(folder), **given))


def lines(folder: Path, of: str = "jobs", **given: str) -> list[bytes]:
    return list(read(folder, of, **given))


def written(folder: Path, of: str = "jobs") -> list[bytes]:
    return [line for path in sorted(folder.glob(f"{of}-*.gz")) for line in gzip.open(path)]


def quiet(folder: Path) -> None:
    """As if nothing was added for two hours."""
    for path in folder.glob("*.jsonl.gz"):
        os.utime(path, (path.stat().st_mtime - 7200,) * 2)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name not in (".lock", ".packing"))


def test_logs_go_with_their_jobs_and_by_their_age(db: Database, clock: HandClock, tmp_path: Path) -> None:
    plain, runs = ended(db, clock, 3), ended(db, clock, 2, origin="trigger")
    looped = loop(db, tmp_path / "a", archive_logs=True)
    clock.turn(2 * DAY)
    looped.run_once()
    assert set(column(db, "id")) == {*runs}
    kept = [json.loads(line) for line in lines(tmp_path / "a", "logs")]
    assert {one["jobId"] for one in kept} == {*plain}
    assert [(one["n"], one["stream"], one["text"]) for one in kept if one["jobId"] == plain[1]] == [
        (1, "stdout", "é of 1"), (2, "stderr", "2\u2028nd"),
    ]  # fmt: skip
    assert kept[0]["at"].endswith("Z") and kept[0]["attempt"] == 2
    clock.turn(13 * DAY)
    looped.run_once()
    assert (column(db, "job_id", "rota_logs"), set(column(db, "id"))) == ([], {*runs})
    of_run = lines(tmp_path / "a", "logs", job_id=runs[0])
    assert [json.loads(line)["text"] for line in of_run] == ["é of 0", "2\u2028nd"]
    assert lines(tmp_path / "a", "logs", until="1999-12-31") == [] != lines(tmp_path / "a", since="1999-12-31")


def test_what_came_or_changed_meanwhile_is_not_deleted(
    db: Database, clock: HandClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (job_id,) = ended(db, clock, 1)
    clock.turn(2 * DAY)
    now = clock.now
    real = Archive.write

    def late(change: str) -> Callable[..., None]:
        def write(self: Archive, jobs: Any) -> None:
            real(self, jobs)
            with db.transaction() as tx:
                tx.script(change)

        return write

    more = f"INSERT INTO rota_logs VALUES ('{job_id}', 2, 3, 1, {now}, '[[1,\"stdout\",\"late\"]]')"
    for change in (more, "UPDATE rota_jobs SET completed_at = completed_at + 1"):
        with monkeypatch.context() as patch:
            patch.setattr(Archive, "write", late(change))
            loop(db, tmp_path / "a", archive_logs=True, retention_logs="never").run_once()
        assert column(db, "id") == [job_id]
    loop(db, tmp_path / "a", archive_logs=True, retention_logs="never").run_once()
    assert column(db, "id") == []
    assert [json.loads(line)["text"] for line in lines(tmp_path / "a", "logs")][-1] == "late"
    assert len(written(tmp_path / "a")) == 3
    assert len(lines(tmp_path / "a")) == 1


def test_parquet_has_the_very_same_rows(db: Database, clock: HandClock, tmp_path: Path) -> None:
    folder = tmp_path / "a"
    hard = ended(db, clock, 1, args=HARD, started_by="ann", tags='["x"]')
    ended(db, clock, 3)
    looped = loop(db, folder, archive_format="parquet", archive_logs=True)
    clock.turn(2 * DAY)
    looped.run_once()
    jobs, logs = written(folder), written(folder, "logs")
    assert (len(jobs), len(logs)) == (4, 8)
    day = names(folder)[0][5:15]
    quiet(folder)
    assert loop(db, folder, archive_format="parquet").run_once() > 1
    assert names(folder) == [f"jobs-{day}.1.parquet", f"logs-{day}.1.parquet"]
    assert (lines(folder), lines(folder, "logs")) == (jobs, logs)
    assert [path.stat().st_mode & 0o777 for path in folder.glob("*.parquet")] == [0o600, 0o600]
    (shown,) = [json.loads(line) for line in lines(folder, job_id=hard[0])]
    assert (shown["args"]["s"], shown["startedBy"], shown["attempts"][0]["error"]) == ("\0é😀", "ann", "first")

    clock.turn(-2 * DAY)
    (later,) = ended(db, clock, 1)
    clock.turn(2 * DAY)
    loop(db, folder, archive_format="parquet", archive_logs=True).run_once()
    assert f"jobs-{day}.jsonl.gz" in names(folder), "it is not quiet yet"
    assert [json.loads(line)["id"] for line in lines(folder)] == [json.loads(line)["id"] for line in jobs] + [later]
    quiet(folder)
    Archive(str(folder), packs=True).rotate(lambda: None)
    assert names(folder) == [f"{of}-{day}.{n}.parquet" for of in ("jobs", "logs") for n in (1, 2)]
    assert len(lines(folder)) == 5


def grown(folder: Path, day: str = "2001-01-05") -> list[bytes]:
    """A quiet file of that day."""
    lines = [b'{"id":"%d","args":{"a":1,"a":2},"progress":0.1}\n' % number for number in range(1200)]
    (folder / f"jobs-{day}.jsonl.gz").write_bytes(b"".join(gzip.compress(line) for line in lines))
    quiet(folder)
    return lines


class Crash(BaseException):
    """As a process that is killed at some place."""


@pytest.mark.parametrize("step", ["first rename", "half written", "second rename", "unlink"])
def test_a_crash_while_it_becomes_parquet_loses_and_doubles_nothing(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path
    before = grown(folder)
    seen: list[str] = []
    real: dict[str, Callable[..., None]] = {"rename": os.rename, "unlink": Path.unlink}

    def dying(name: str, at: str) -> Callable[..., None]:
        def act(*given: Any, **more: Any) -> None:
            seen.append(name)
            if step == at or (step == "second rename" and seen.count("rename") == 2):
                raise Crash
            real[name](*given, **more)

        return act

    def turn() -> None:
        if step == "half written":
            raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", dying("rename", "first rename"))
        patch.setattr(Path, "unlink", dying("unlink", "unlink"))
        with pytest.raises(Crash):
            Archive(str(folder), packs=True).rotate(turn)
    assert lines(folder) == before
    Archive(str(folder), packs=True).rotate(lambda: None)
    assert lines(folder) == before
    assert (len(before), before[7]) == (1200, b'{"id":"7","args":{"a":1,"a":2},"progress":0.1}\n')
    assert [name.partition(".")[2] for name in names(folder)] == ["1.parquet"]


KILLED = """
import os, signal, sys
from rota.engine.archive import Archive
from rota.engine.retention import Retention
from rota.settings import load_settings
from rota.store.opening import open_database
settings = load_settings(archive_dir=sys.argv[1])
real = Archive.write
def write(self, ended):
    real(self, ended)
    os.kill(os.getpid(), signal.SIGKILL)
Archive.write = write
Retention(open_database(settings.database_url), settings).run_once()
"""


def test_killed_between_archive_and_deletion_it_is_there_twice_and_told_once(
    db: Database, database_url: str, tmp_path: Path
) -> None:
    made = builders.insert(db, *(builders.new_job() for _ in range(3)))
    db.run(lambda tx: tx.run("UPDATE rota_jobs SET status = 'completed', completed_at = 1"))
    folder = tmp_path / "a"
    environment = {**os.environ, "ROTA_DATABASE_URL": database_url}
    done = subprocess.run([sys.executable, "-c", KILLED, str(folder)], env=environment, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(column(db, "id")) == 3 == len(written(folder))
    loop(db, folder).run_once()
    assert column(db, "id") == []
    assert (len(written(folder)), len(lines(folder)), len(made)) == (6, 3, 3)


def test_what_cannot_be_packed_stays_and_is_told(
    db: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    with gzip.open(folder / "jobs-2001-01-01.jsonl.gz", "wb") as file:
        file.write(b'{"id": "x", "ofALaterVersion": 1}\n')
    (folder / "jobs-2001-01-02.jsonl.gz").write_bytes(gzip.compress(b'{"id": "y"}\n')[:-6])
    (folder / "jobs-2001-01-03.7.parquet").write_bytes(b"none")
    grown(folder)
    stopping = loop(db, folder, archive_format="parquet")
    stopping.ask_to_stop()
    stopping.run_once()
    assert len(list(folder.glob("*.parquet"))) == 1, "one that is to end leaves it to another"
    loop(db, folder, archive_format="parquet").run_once()
    assert "ofALaterVersion" in caplog.text and "retention/pack-failed" in caplog.text
    found = names(folder)
    assert {"jobs-2001-01-01.1.jsonl.gz", "jobs-2001-01-02.1.jsonl.gz"} < {*found}
    assert sum(name.endswith(".1.parquet") for name in found) == 1, "the others do not wait for it"
    assert lines(folder, until="2001-01-01") == [b'{"id": "x", "ofALaterVersion": 1}\n']
    with pytest.raises(ArchiveUnreadable, match=r"2001-01-02.*damaged"):
        lines(folder, since="2001-01-02", until="2001-01-02")
    with pytest.raises(ArchiveUnreadable, match=r"2001-01-03.*cannot be read"):
        lines(folder, since="2001-01-03", until="2001-01-03")


def test_without_its_package_the_start_is_refused(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "jobs-2001-01-03.1.parquet").touch()
    monkeypatch.setattr(parquet, "installed", lambda: False)
    with pytest.raises(SettingInvalid, match="ROTA_ARCHIVE_FORMAT") as refused:
        loop(db, tmp_path, archive_format="parquet")
    assert "rota[parquet]" in str(refused.value)
    with pytest.raises(ArchiveUnreadable) as unread:
        lines(tmp_path)
    assert unread.value.hint == "pip install 'rota[parquet]'"
