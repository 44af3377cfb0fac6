"""The canary: proves by a schedule of Rota's own that the whole way works, and tells an outside monitor each time.

The outside monitor raises the alarm when it hears nothing: when no scheduler decides, no worker takes or finishes jobs,
the database is away, or this process is.
"""

from __future__ import annotations

import threading
import urllib.error
import urllib.request

import msgspec

from rota import logs
from rota.actions import queues, schedules
from rota.actions.specs import Caller, QueueIn, ScheduleIn
from rota.durations import format_duration
from rota.engine.loop import Loop
from rota.masking import Mask
from rota.settings import Settings
from rota.settings.notify_url import pieces_of
from rota.store import canary
from rota.store import schedules as stored
from rota.store.canary import QUEUE, SCHEDULE, SOURCE, Canary
from rota.store.database import Database, Tx
from rota.version import __version__

LOOK_S = 2.0
AGAIN_US = 10_000_000
"""Pause after a ping that failed."""
BUSY_US = 30_000_000
TIMEOUT_S = 10.0
NOTE = "Rota's own: its runs prove to the outside monitor of ROTA_CANARY_URL that everything works."
ROTA = Caller("rota", "admin", "scheduler")


class CanaryLoop(Loop):
    """Looks whether a job of the canary's schedule completed since the last ping, and pings."""

    name = "canary"

    def __init__(self, db: Database, settings: Settings) -> None:
        super().__init__()
        self._db = db
        self._settings = settings
        self._is_set_up = False
        self._pinging: threading.Thread | None = None

    def run_once(self) -> float:
        """Look once; return how long until the next look (s)."""
        if not self._is_set_up:
            self._db.run(self._set_up)
            self._is_set_up = True
        url = self._settings.canary_url
        if url is None:
            return 3600.0
        if self._pinging is None or not self._pinging.is_alive():
            claimed = self._db.run(self._claim)
            if claimed is not None:
                self._pinging = threading.Thread(
                    target=self._ping, args=(url, *claimed), name="rota-canary", daemon=True
                )
                self._pinging.start()
        return LOOK_S

    def _set_up(self, tx: Tx) -> None:
        """Make the schedule as the settings want it; without an address take it away, unless somebody took it over."""
        if self._settings.canary_url is None:
            if canary.end(tx):
                old = stored.get(tx, SCHEDULE)
                if old is not None and old.source == SOURCE:
                    schedules.delete(tx, SCHEDULE, ROTA)
            return
        every_us = self._settings.canary_every_us
        canary.begin(tx, every_us, tx.now())
        kept = msgspec.convert({"retention": {"completed": "1h", "cancelled": "1h", "failed": "1d"}}, QueueIn)
        queues.change(tx, QUEUE, kept, self._settings, ROTA)
        spec = {
            "id": SCHEDULE, "target": {"kind": "command", "command": ["true"]}, "every": format_duration(every_us),
            "queue": QUEUE, "overlap": "skip", "catchup": "none", "timeout": "20s", "tags": ["rota"], "note": NOTE,
            "owner": "code", "source": SOURCE,
        }  # fmt: skip
        wanted = msgspec.json.decode(msgspec.json.encode(spec), type=ScheduleIn)
        schedules.put_many(tx, [wanted], ROTA, self._settings, leave=True)

    def _claim(self, tx: Tx) -> tuple[Canary, int] | None:
        """Return the state and what is new, where something was proved that nobody tells yet."""
        old, now = canary.get(tx), tx.now()
        if old is None or old.busy_until > now:
            return None
        # What lies back for longer proves nothing about now.
        proved_at = canary.completed_at(tx, max(old.proved_at or 0, now - 2 * old.every_us) - old.every_us)
        if proved_at is None or proved_at <= (old.proved_at or 0):
            return None
        fresh = msgspec.structs.replace(old, busy_until=now + BUSY_US)
        return (fresh, proved_at) if canary.change(tx, old, fresh) else None

    def _ping(self, url: str, state: Canary, proved_at: int) -> None:
        try:
            error = ping(url)
            self._db.run(lambda tx: self._note(tx, state, proved_at, error))
        except Exception as trouble:  # noqa: BLE001 - told as any trouble of a loop; the next look tries again
            logs.event_limited(
                "loop/failed/canary", "loop/failed", f"canary: {trouble}", level="warning", loop=self.name,
                error=str(trouble),
            )  # fmt: skip
            return
        if error is not None and state.failing_since is None:
            logs.event("canary/failing", f"the outside monitor is not reached: {error}", level="warning", error=error)
        elif error is None and state.failing_since is not None:
            logs.event("canary/recovered", "the outside monitor is reached again")

    def _note(self, tx: Tx, state: Canary, proved_at: int, error: str | None) -> None:
        now = tx.now()
        if error is None:
            fresh = msgspec.structs.replace(
                state, proved_at=proved_at, told_at=now, busy_until=0, failing_since=None, error=None
            )
        else:
            since = state.failing_since or now
            fresh = msgspec.structs.replace(state, busy_until=now + AGAIN_US, failing_since=since, error=error)
        canary.change(tx, state, fresh)


def ping(url: str) -> str | None:
    """Call an address; return what went wrong, without secrets, or None."""
    request = urllib.request.Request(url, headers={"User-Agent": f"rota/{__version__}"})  # noqa: S310 - http(s) by its setting
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S):  # noqa: S310 - http(s) by its setting
            return None
    except urllib.error.HTTPError as error:
        error.close()
        return f"it answered {error.code}"
    except urllib.error.URLError as error:
        found = error.reason
        text = (found.strerror or str(found)) if isinstance(found, OSError) else str(found)
    except (OSError, ValueError) as error:
        text = str(error) or type(error).__name__
    return Mask(pieces_of(url))(" ".join(text.split()))[:200]
