"""The private PostgreSQL servers of the tests: they start, survive what tests do to them, and are gone at the end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tests.support import procs
from tests.support.postgres import Cluster
from tests.support.run_directory import RunDirectory
from tests.support.waiting import wait_until


def count_rows(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM t").fetchone()
    assert row is not None
    return int(row[0])


def fill(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE t AS SELECT generate_series(1, 3) AS n")


def test_own_cluster_survives_stop_restart_and_kill(own_cluster: Cluster) -> None:
    url = own_cluster.url()
    fill(url)
    first = own_cluster.pid
    own_cluster.restart("immediate")
    assert own_cluster.pid != first
    assert count_rows(url) == 3

    own_cluster.kill()
    assert own_cluster.pid is None
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)
    own_cluster.start()
    assert count_rows(url) == 3

    own_cluster.stop("fast")
    assert own_cluster.pid is None


def test_own_cluster_is_durable_and_the_shared_one_fast(own_cluster: Cluster, postgres: str) -> None:
    with psycopg.connect(own_cluster.url()) as connection:
        assert connection.execute("SHOW fsync").fetchone() == ("on",)
    assert postgres != own_cluster.url()


def test_a_fresh_database_is_empty_and_one_can_have_any_number(pg_database: str) -> None:
    fill(pg_database)
    assert count_rows(pg_database) == 3


def test_a_fresh_database_is_empty_again(pg_database: str) -> None:
    with pytest.raises(psycopg.errors.UndefinedTable):
        count_rows(pg_database)


def test_closing_a_run_stops_its_servers_and_removes_it() -> None:
    run = RunDirectory.create()
    cluster = Cluster(run, name="left", durable=False)
    cluster.start_first()
    server = cluster.pid
    assert server is not None
    run.close()
    wait_until(lambda: not procs.alive(server), what="the server, which has given up its data, to be gone")
    assert not run.path.exists()


STARTS_A_SERVER_AND_SAYS_WHERE = """
import sys, time
from tests.support.postgres import Cluster
from tests.support.run_directory import RunDirectory
run = RunDirectory.create()
cluster = Cluster(run, name="left", durable=False)
cluster.start_first()
print(run.path, cluster.pid, flush=True)
time.sleep(100)
"""


def test_a_killed_run_leaves_no_server() -> None:
    root = Path(__file__).parents[2]
    arguments = [sys.executable, "-c", STARTS_A_SERVER_AND_SAYS_WHERE]
    with subprocess.Popen(arguments, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        path, pid = process.stdout.readline().split()
        assert procs.alive(int(pid))
        process.kill()
    wait_until(lambda: not procs.alive(int(pid)) and not Path(path).exists(), what="the watchdog ended the server")
