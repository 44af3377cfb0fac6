"""Ids are UUIDs of version 7 that grow, and never the same in two processes."""

from __future__ import annotations

import os
import threading
import time
from uuid import UUID

import pytest

from rota.ids import is_id, least_id, new_id


def test_they_are_uuids_of_version_7_with_the_time_in_front() -> None:
    before = time.time_ns() // 1000
    found = new_id()
    assert is_id(found) and str(UUID(found)) == found
    assert (UUID(found).version, UUID(found).variant) == (7, "specified in RFC 4122")
    assert least_id(before) <= found < least_id(before + 60_000_000)


def test_they_grow_and_none_comes_twice_from_many_threads() -> None:
    made: list[list[str]] = [[] for _ in range(4)]
    threads = [threading.Thread(target=lambda into=into: into.extend(new_id() for _ in range(3000))) for into in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(one == sorted(one) for one in made)
    assert len({one for ids in made for one in ids}) == 12_000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_process_draws_bits_of_its_own() -> None:
    new_id()  # so that some bits are drawn already
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, "\n".join(new_id()[19:] for _ in range(300)).encode())
        os._exit(0)
    os.close(writer)
    ours = {new_id()[19:] for _ in range(300)}
    with os.fdopen(reader) as stream:
        theirs = set(stream.read().split())
    os.waitpid(child, 0)
    assert len(theirs) == 300
    assert not ours & theirs
