"""Queues over several databases: each key lives in one of them, so that its limit and its order hold as before.

    python examples/sharding/main.py --jobs 600 --keys 60 sqlite:///a.db sqlite:///b.db sqlite:///c.db

puts jobs into the databases, says how they are spread, and what a further database would move.  Each database has its
own ``rota up``; nothing of Rota knows of the others.
"""

from __future__ import annotations

import argparse
import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence

from rota import Rota
from rota.settings import load_settings


def shard_of(key: str, shards: Sequence[str]) -> str:
    """Return the database of a key: the one whose name gives the highest hash with it (rendezvous hashing).

    A further database takes over its share of the keys and moves no other; one that is taken away leaves its own.
    """
    return max(shards, key=lambda shard: hashlib.sha256(f"{shard}\0{key}".encode()).digest())


def moved(keys: Iterable[str], before: Sequence[str], after: Sequence[str]) -> float:
    """Return which part of the keys has another database afterwards."""
    changes = [shard_of(key, before) != shard_of(key, after) for key in keys]
    return sum(changes) / len(changes)


class Shards:
    """One Rota for each database."""

    def __init__(self, urls: Sequence[str]) -> None:
        self.by_url = {url: Rota(settings=load_settings({}, database_url=url)) for url in urls}

    def enqueue(self, job_type: str, key: str, args: dict[str, object], **options: object) -> str:
        """Enqueue a job where its key lives; return that database's address."""
        url = shard_of(key, list(self.by_url))
        self.by_url[url].enqueue(job_type, args, concurrency_key=key, **options)  # type: ignore[arg-type]
        return url

    def close(self) -> None:
        """Close all."""
        for rota in self.by_url.values():
            rota.close()


def main() -> None:
    """Spread jobs, and say how."""
    parser = argparse.ArgumentParser(description="Spread keyed jobs over several databases.")
    parser.add_argument("urls", nargs="+", metavar="DATABASE_URL")
    parser.add_argument("--jobs", type=int, default=600)
    parser.add_argument("--keys", type=int, default=60)
    options = parser.parse_args()
    keys = [f"customer-{number}" for number in range(options.keys)]
    shards = Shards(options.urls)
    for rota in shards.by_url.values():
        rota.job(name="bill")(_bill)
    counts = Counter(
        shards.enqueue("bill", keys[number % len(keys)], {"number": number}) for number in range(options.jobs)
    )
    shards.close()
    for number, url in enumerate(options.urls, 1):
        own = sum(1 for key in keys if shard_of(key, options.urls) == url)
        print(f"database {number}: {counts[url]} jobs of {own} keys")
    share = moved(keys, options.urls, [*options.urls, "one more"])
    print(f"one more database would take {share:.0%} of the keys, and move no other")


def _bill(number: int) -> None:
    """Do nothing: the example is about where jobs go."""


if __name__ == "__main__":
    main()
