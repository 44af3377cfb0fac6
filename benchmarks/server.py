"""The PostgreSQL server that benchmarks run on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def postgres(needed: bool) -> Iterator[str | None]:
    """Yield an address: that of ROTA_TEST_POSTGRES_URL, else of a private cluster with stock settings."""
    given = os.environ.get("ROTA_TEST_POSTGRES_URL")
    if not needed or given:
        yield given
        return
    from tests.support.postgres import Cluster
    from tests.support.run_directory import RunDirectory

    run = RunDirectory.create()
    try:
        cluster = Cluster(run, name="bench", durable=True)
        cluster.start()
        yield cluster.url()
        cluster.remove()
    finally:
        run.close()
