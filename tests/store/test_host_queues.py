"""A queue that belongs to one host is served there only."""

from __future__ import annotations

import pytest

from rota.store import queues
from rota.store.database import Database
from tests.store.builders import claim_ids, insert_one


@pytest.mark.parametrize("limit", [None, 5], ids=["one statement", "in turn"])
@pytest.mark.parametrize("given", [{}, {"concurrency_key": "k"}], ids=["plain", "with a key"])
def test_only_a_worker_of_that_host_takes_its_jobs(
    db: Database, worker: str, limit: int | None, given: dict[str, str]
) -> None:
    db.run(lambda tx: queues.change(tx, "host:a", {"concurrency": limit}))
    here, usual = insert_one(db, queue="host:a", **given), insert_one(db, **given)
    listed = ("default", "host:a")
    assert claim_ids(db, worker) == [usual]
    assert claim_ids(db, worker, host="b") == []
    assert claim_ids(db, worker, host="b", queues=listed) == [], "whatever it lists"
    assert claim_ids(db, worker, host="a", queues=("default",)) == []
    assert claim_ids(db, worker, host="a", queues=listed) == [here]


def test_without_a_list_it_serves_all_queues_and_that_of_its_host(db: Database, worker: str) -> None:
    ids = {insert_one(db, queue=queue) for queue in ("host:a", "mail", "hosted", "host")}
    insert_one(db, queue="host:ab")
    assert set(claim_ids(db, worker, host="a")) == ids
