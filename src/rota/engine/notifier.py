"""Gives notices to the channels and has them sent; runs in every role, so that any process that lives tells.

Of several processes one at a time sends to a channel: it has taken it for a while in the database.  A process that dies
between sending and writing so down leaves a message that the next one sends again, once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from rota import logs
from rota.engine.delivering import LEASE_US, Round
from rota.engine.loop import Loop
from rota.ids import new_id
from rota.notify.courier import MISSING, Courier, installed
from rota.settings import Settings
from rota.settings.notify_url import Channel
from rota.store import channels, deliveries
from rota.store.database import Database, Tx

POLL_S = 2.0
SELDOM_S = 60.0
"""Pause between two looks of a process that has no channels."""
ANNOUNCE_S = 60.0
PATIENCE_S = 120.0
"""So long after its start a process declares no channel to be gone: those that have its address may start too."""
LAST_WORDS_S = 2.0
"""How long a message that is being sent may take when the process ends."""


class Notifier(Loop):
    """Spreads notices and starts a thread for each channel that something waits for."""

    name = "notifier"

    def __init__(self, db: Database, settings: Settings, *, new_courier: Callable[[], Courier] | None = None) -> None:
        """``new_courier`` makes what sends to one channel."""
        super().__init__()
        make = new_courier or (lambda: Courier(settings.service_name))
        self._db = db
        self._settings = settings
        self._id = new_id()
        self._channels = {channel.name: channel for channel in settings.channels}
        self._rounds: dict[str, threading.Thread] = {}
        self._couriers = {name: make() for name in self._channels}
        self._started = time.monotonic()
        self._announce_at = 0.0
        self._is_checked = False

    def run_once(self) -> float:
        """Look once for what is to be told; return how long until the next look (s)."""
        if time.monotonic() >= self._announce_at:
            self._announce()
            self._announce_at = time.monotonic() + ANNOUNCE_S
        if not self._channels:
            return SELDOM_S
        if self._db.read(self._has_work):
            for name in self._db.run(self._take):
                self._begin(self._channels[name])
        for name, courier in self._couriers.items():
            if name not in self._rounds:
                courier.rest()
        return POLL_S

    def deliver(self, name: str) -> None:
        """Send what waits for a channel, if nobody else does, and wait for it."""
        self._round(self._channels[name]).run(lambda: self.stopping)

    def stop(self, timeout_s: float = 10.0) -> bool:
        """End; a message that is being sent may still go out."""
        is_ended = super().stop(timeout_s)
        for courier in self._couriers.values():
            courier.end_within(LAST_WORDS_S)
        for thread in list(self._rounds.values()):
            thread.join(LAST_WORDS_S + 1.0)
        for courier in self._couriers.values():
            courier.close()
        return is_ended

    def _announce(self) -> None:
        """Tell which channels this process knows, and forget those that no process knows any more."""
        known = [(one.name, one.kind, one.least) for one in self._channels.values()]
        if known:
            self._db.run(lambda tx: channels.announce(tx, known, tx.now()))
        if not self._is_checked:
            self._is_checked = True
            if known and not installed():
                self._tell_missing()
            elif known:
                threading.Thread(target=self._check, name="rota-channels", daemon=True).start()
        if time.monotonic() - self._started < PATIENCE_S:
            return
        for name, count in self._db.run(lambda tx: channels.drop_gone(tx, tx.now())):
            logs.event(
                "channel/removed", f"{name} is in no settings any more; {count} notices for it are dropped",
                channel=name, count=count,
            )  # fmt: skip

    def _has_work(self, tx: Tx) -> bool:
        """Tell whether there is something new, or a channel to send to: mostly there is not, and nothing is written."""
        return deliveries.is_new(tx) or bool(channels.due(tx, self._free(), tx.now()))

    def _take(self, tx: Tx) -> list[str]:
        """Spread what is new; return the channels that this process sends to now."""
        now = tx.now()
        deliveries.spread(tx, now)
        due = channels.due(tx, self._free(), now)
        return [name for name in due if channels.take(tx, name, self._id, now, LEASE_US)]

    def _free(self) -> list[str]:
        """Return the channels to which this process could send and does not."""
        return [name for name in self._channels if name not in self._rounds] if installed() else []

    def _begin(self, channel: Channel) -> None:
        def run() -> None:
            try:
                self._round(channel).run(lambda: self.stopping)
            except Exception as error:  # noqa: BLE001 - the database is away: the channel is taken up again
                logs.event_limited(
                    f"loop/failed/{channel.name}", "loop/failed", f"telling {channel.name}: {error}", level="warning",
                    loop=self.name, error=str(error),
                )  # fmt: skip
            finally:
                self._rounds.pop(channel.name, None)

        thread = threading.Thread(target=run, name="rota-telling", daemon=True)
        self._rounds[channel.name] = thread
        thread.start()

    def _round(self, channel: Channel) -> Round:
        return Round(self._db, channel, self._couriers[channel.name], self._id, self._settings.public_url)

    def _check(self) -> None:
        """See whether Apprise understands the addresses: one that it does not is told before it is needed."""
        courier = Courier(self._settings.service_name)
        for channel in self._channels.values():
            done = courier.send(channel, None)
            if not done.ok and not self.stopping:
                error = done.error or "its address is not understood"
                self._note(channel, error)
                logs.event(
                    "channel/failing", f"{channel.name}: {error}", level="error", channel=channel.name, error=error
                )
        courier.close()

    def _tell_missing(self) -> None:
        logs.event("channel/failing", f"nobody is told of alerts: {MISSING}", level="error", error=MISSING)
        for channel in self._channels.values():
            self._note(channel, MISSING)

    def _note(self, channel: Channel, error: str) -> None:
        self._db.run(lambda tx: channels.fails(tx, channel.name, error, tx.now()))
