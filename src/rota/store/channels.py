"""Channels as the processes that know their addresses tell of them: their state, and who sends at the moment."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from rota.store.database import Tx, columns
from rota.store.sql import batch

GONE_US = 600_000_000
"""A channel that no process has told of for so long is in no settings any more."""
LONGEST_US = 600_000_000
"""No channel is left alone for longer: what says so was written before the clock was set back."""


class ChannelState(msgspec.Struct, frozen=True):
    """How a channel does; times in µs UTC."""

    name: str
    kind: str
    least: str
    seen_at: int
    next_at: int
    """After a failure it is not tried before."""
    sent_at: int | None
    failing_since: int | None
    failures: int
    """In a row."""
    error: str | None
    """Of the last failure, without secrets."""

    def is_paused(self, now: int) -> bool:
        """Tell whether it is left alone at the moment."""
        return now < self.next_at <= now + LONGEST_US


COLUMNS = columns(ChannelState.__struct_fields__)

ANNOUNCE = """
INSERT INTO rota_channels (name, kind, least, seen_at, next_at, failures)
SELECT u.name, u.kind, u.least, CAST(:now AS bigint), 0, 0 FROM {rows|u|batch|name text, kind text, least text}
WHERE true ORDER BY u.name
ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, least = excluded.least, seen_at = excluded.seen_at
"""


def announce(tx: Tx, found: Iterable[tuple[str, str, str]], now: int) -> None:
    """Tell that this process has the addresses of channels: of each its name, kind and least severity."""
    rows = [{"name": name, "kind": kind, "least": least} for name, kind, least in found]
    tx.run(ANNOUNCE, {"batch": batch(rows), "now": now})


def listed(tx: Tx, now: int) -> list[ChannelState]:
    """Return the channels that some process has the address of, by name."""
    sql = f"SELECT {COLUMNS} FROM rota_channels WHERE seen_at > :since ORDER BY name"
    return [ChannelState(*row) for row in tx.rows(sql, {"since": now - GONE_US})]


def failing(tx: Tx, now: int) -> list[ChannelState]:
    """Return those of them that fail, for what is wrong with the system."""
    return [one for one in listed(tx, now) if one.failing_since is not None]


def waiting(tx: Tx) -> dict[str, int]:
    """Return how many notices wait for each channel."""
    sql = "SELECT channel, count(*) FROM rota_deliveries WHERE state = 'pending' GROUP BY channel"
    return {name: int(count) for name, count in tx.rows(sql)}


TAKE = """
UPDATE rota_channels SET busy_by = :by, busy_until = CAST(:until AS bigint)
WHERE name = :name AND (coalesce(busy_until, 0) NOT BETWEEN CAST(:now AS bigint) + 1 AND CAST(:until AS bigint)
  OR busy_by = :by)
"""


def take(tx: Tx, name: str, by: str, now: int, lease_us: int) -> bool:
    """Become, or stay, the one who sends to a channel for so long; tell whether it worked."""
    return tx.run(TAKE, {"name": name, "by": by, "now": now, "until": now + lease_us}) == 1


def leave(tx: Tx, name: str, by: str) -> None:
    """Let others send to a channel."""
    sql = "UPDATE rota_channels SET busy_by = NULL, busy_until = NULL WHERE name = :name AND busy_by = :by"
    tx.run(sql, {"name": name, "by": by})


DUE = """
SELECT c.name FROM rota_channels c WHERE c.name IN (SELECT u.name FROM {rows|u|batch|name text})
  AND coalesce(c.busy_until, 0) NOT BETWEEN CAST(:now AS bigint) + 1 AND CAST(:latest AS bigint)
  AND (EXISTS (SELECT 1 FROM rota_deliveries d WHERE d.channel = c.name AND d.state = 'pending' AND d.kind = 'test')
    OR c.next_at NOT BETWEEN CAST(:now AS bigint) + 1 AND CAST(:latest AS bigint)
      AND EXISTS (SELECT 1 FROM rota_deliveries d WHERE d.channel = c.name AND d.state = 'pending'))
ORDER BY c.name
"""


def due(tx: Tx, names: Iterable[str], now: int) -> list[str]:
    """Return those of the channels that something waits for, that may be tried now and that nobody sends to."""
    params = {"batch": batch([{"name": name} for name in names]), "now": now, "latest": now + LONGEST_US}
    return [row[0] for row in tx.rows(DUE, params)]


def works(tx: Tx, name: str, now: int) -> int | None:
    """Note that a channel took something; return since when it had failed."""
    failed_since: int | None = tx.value("SELECT failing_since FROM rota_channels WHERE name = :name", {"name": name})
    sql = """
    UPDATE rota_channels SET sent_at = :now, failing_since = NULL, failures = 0, error = NULL, next_at = 0
    WHERE name = :name
    """
    tx.run(sql, {"name": name, "now": now})
    return failed_since


FAILS = """
UPDATE rota_channels SET failing_since = coalesce(failing_since, CAST(:now AS bigint)), failures = failures + 1,
  error = :error WHERE name = :name RETURNING failures
"""


def fails(tx: Tx, name: str, error: str, now: int) -> int:
    """Note that a channel failed; return how often that is in a row."""
    return int(tx.value(FAILS, {"name": name, "error": error, "now": now}) or 1)


def pause(tx: Tx, name: str, until: int) -> None:
    """Leave a channel alone until ``until``."""
    tx.run("UPDATE rota_channels SET next_at = :until WHERE name = :name", {"name": name, "until": until})


DROP = """
UPDATE rota_deliveries SET state = 'dropped', error = 'the channel is no longer in ROTA_NOTIFY_URLS'
WHERE channel = :name AND state = 'pending'
"""


def drop_gone(tx: Tx, now: int) -> list[tuple[str, int]]:
    """Forget channels that are in no settings any more, and what waits for them; return names and how much did."""
    sql = "DELETE FROM rota_channels WHERE seen_at <= :since RETURNING name"
    gone = sorted(row[0] for row in tx.rows(sql, {"since": now - GONE_US}))
    return [(name, tx.run(DROP, {"name": name})) for name in gone]
