"""Sends what waits for one channel: in order, not too much at once, again where it failed."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from rota import logs
from rota.notify.courier import Courier
from rota.notify.message import Done, Message, message_of, summary_of
from rota.settings.notify_url import Channel
from rota.store import channels, deliveries
from rota.store.database import Database, Tx
from rota.store.deliveries import Pending

LEASE_US = 40_000_000
"""So long a channel belongs to who sends: longer than a message may take with the start of the process that sends."""
MINUTE_US = 60_000_000
MOST_A_MINUTE = 10
"""Messages to one channel within a minute; the last of them tells of all that waits."""
BACKOFF_US = (5_000_000, channels.LONGEST_US)
"""First and longest pause after a failure."""
GIVE_UP_US = 6 * 3_600_000_000
POISON = 5
"""After so many failures of one message the next is tried too: perhaps it is the message, and not the channel."""
REFUSED = "it was refused again and again, while the next was taken"


class Plan(msgspec.Struct, frozen=True):
    """One message, and the notices that it tells of."""

    message: Message
    pending: Sequence[Pending]
    behind: Pending | None = None
    """What comes next, where it is to be tried too."""

    @property
    def is_test(self) -> bool:
        return self.pending[0].notice.kind == "test"


class Round:
    """One turn at one channel, which this process has taken."""

    def __init__(self, db: Database, channel: Channel, courier: Courier, by: str, public_url: str | None) -> None:
        self._db = db
        self._channel = channel
        self._courier = courier
        self._by = by
        self._public_url = public_url

    def run(self, stopping: Callable[[], bool]) -> None:
        """Send until nothing is left that may be sent now; then leave the channel to others."""
        try:
            while not stopping() and self.step(stopping):
                pass
        finally:
            self._db.run(lambda tx: channels.leave(tx, self._channel.name, self._by))

    def step(self, stopping: Callable[[], bool] = lambda: False) -> bool:
        """Send one message; tell whether there may be more to send."""
        plan = self._db.run(self._plan)
        if plan is None:
            return False
        done = self._courier.send(self._channel, plan.message)
        if not done.ok and stopping():
            return False  # it was cut short: that says nothing about the channel
        if not done.ok and plan.behind is not None and self._db.run(self._stays):
            behind = Plan(message_of(plan.behind.notice, self._public_url), [plan.behind])
            if self._courier.send(self._channel, behind.message).ok:
                self._note(behind, Done(ok=True))
                return self._once_more(plan, stopping)
        return self._note(plan, done)

    def _once_more(self, plan: Plan, stopping: Callable[[], bool]) -> bool:
        """Send what failed before the next was taken: perhaps the channel came back in between."""
        if not self._db.run(self._stays):
            return False
        done = self._courier.send(self._channel, plan.message)
        if not done.ok and stopping():
            return False
        if done.ok:
            self._note(plan, done)
        else:
            self._give_up(plan)
        return True

    def _stays(self, tx: Tx) -> bool:
        """Tell whether the channel is still this process's, and stays so for another message."""
        return channels.take(tx, self._channel.name, self._by, tx.now(), LEASE_US)

    def _plan(self, tx: Tx) -> Plan | None:
        """Decide on the next message; None where there is none to send now, or the channel is another's."""
        now, name = tx.now(), self._channel.name
        if not channels.take(tx, name, self._by, now, LEASE_US):
            return None
        tests = deliveries.waiting(tx, name, tests=True)
        if tests:
            return Plan(message_of(tests[0].notice, self._public_url), tests[:1])
        state = next((one for one in channels.listed(tx, now) if one.name == name), None)
        if state is None or state.is_paused(now):
            return None
        pending = deliveries.waiting(tx, name)
        since = deliveries.sent_since(tx, name, now - MINUTE_US, MOST_A_MINUTE)
        recent = [at for at in since if at <= now]  # the others were sent before the clock was set back
        if pending and len(recent) >= MOST_A_MINUTE:
            channels.pause(tx, name, recent[0] + MINUTE_US)
            return None
        if not pending:
            return None
        if len(pending) > 1 and len(recent) == MOST_A_MINUTE - 1:
            return Plan(summary_of([one.notice for one in pending], self._public_url), pending)
        first, *rest = pending
        behind = rest[0] if rest and first.attempts >= POISON - 1 else None
        return Plan(message_of(first.notice, self._public_url), [first], behind)

    def _note(self, plan: Plan, done: Done) -> bool:
        if done.ok:
            failed_since = self._db.run(partial(self._sent, plan))
            self._tell_sent(plan, failed_since)
            return True
        error = done.error or "it was not taken"
        failures, given_up = self._db.run(partial(self._failed, plan, error))
        self._tell_failed(plan, error, failures, given_up)
        return plan.is_test

    def _sent(self, plan: Plan, tx: Tx) -> int | None:
        now, name = tx.now(), self._channel.name
        deliveries.note(tx, name, [one.notice.id for one in plan.pending], "sent", error=None, sent_at=now)
        return channels.works(tx, name, now)

    def _failed(self, plan: Plan, error: str, tx: Tx) -> tuple[int, int]:
        """Note a failure; return how often that is in a row, and how many notices are given up."""
        now, name = tx.now(), self._channel.name
        old = [one for one in plan.pending if plan.is_test or one.created_at <= now - GIVE_UP_US]
        again = [one for one in plan.pending if one not in old]
        for which, state in ((old, "failed"), (again, "pending")):
            if which:
                deliveries.note(tx, name, [one.notice.id for one in which], state, error=error)
        failures = channels.fails(tx, name, error, now)
        if not plan.is_test:
            channels.pause(tx, name, now + pause_us(failures))
        return failures, len(old)

    def _give_up(self, plan: Plan) -> None:
        ids = [one.notice.id for one in plan.pending]
        self._db.run(lambda tx: deliveries.note(tx, self._channel.name, ids, "failed", error=REFUSED))
        self._tell_given_up(plan, REFUSED, len(ids))

    def _tell_sent(self, plan: Plan, failed_since: int | None) -> None:
        name, count = self._channel.name, len(plan.pending)
        logs.event(
            "notice/sent", f"told {name}: {plan.message.title}", channel=name, notice=plan.pending[0].notice.id,
            count=count,
        )  # fmt: skip
        if failed_since is not None:
            logs.event("channel/recovered", f"{name} works again", channel=name)

    def _tell_failed(self, plan: Plan, error: str, failures: int, given_up: int) -> None:
        name = self._channel.name
        if failures == 1:
            again = "" if plan.is_test else "; it is tried again"
            logs.event("channel/failing", f"{name}: {error}{again}", level="warning", channel=name, error=error)
        if given_up:
            self._tell_given_up(plan, error, given_up)

    def _tell_given_up(self, plan: Plan, error: str, count: int) -> None:
        name = self._channel.name
        logs.event(
            "notice/failed", f"{name} was not told: {plan.message.title}", level="error", channel=name, error=error,
            notice=plan.pending[0].notice.id, count=count,
        )  # fmt: skip


def pause_us(failures: int) -> int:
    """Return how long a channel is left alone after so many failures in a row (µs)."""
    first, longest = BACKOFF_US
    return int(min(first * 2 ** min(failures - 1, 20), longest) * random.uniform(0.8, 1.0))
