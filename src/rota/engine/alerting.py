"""What becomes of alerts after a look: a pure function of what was found, what is open, and what was told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from rota.durations import MINUTE, SECOND
from rota.engine.holding import Holding, kept_from
from rota.ids import new_id
from rota.insight import wording
from rota.insight.condition import Condition
from rota.insight.conditions import View
from rota.insight.monitoring import KINDS
from rota.model import Notice, NoticeKind, Severity
from rota.store.alerts import MOST_OPEN, Alert

GAP_US = MINUTE
"""After a longer time without a look much may have ended meanwhile."""
SETTLE_US = 30 * SECOND
"""After a gap, so long it is waited for what passes by itself once all has been started."""
CLEAR_US = 20 * SECOND
"""So long nothing must be wrong before an incident is over; twice as long each time it came back within an hour."""
MOST_DOUBLINGS = 5
SEEN_EVERY_US = MINUTE
COLLECT_US = 30 * SECOND
"""After a notice, further alerts of the same kind are collected so long."""
MOST_NOTICES = 20
"""Notices within ten minutes; what is found besides is told together afterwards."""
NOTICES_US = 10 * MINUTE
MOST_AT_ONCE = 4
"""Kinds of which one look tells each by itself; of more it tells together."""
SWITCHED_OFF = "the monitor was switched off"

History = Mapping[str, tuple[int | None, int]]
"""By monitor: since when the latest of its incidents in the last hour was so (µs UTC), and how many these were."""


class Book(msgspec.Struct):
    """What is remembered from look to look, whoever takes them.  Times are µs UTC."""

    since: int = 0
    """When looks began that have had no gap."""
    told: dict[str, int] = {}
    """When a notice of a kind was written last."""
    sent: list[int] = []
    """When notices were written."""
    errors: set[str] = set()
    """Incidents that were told as errors, alone or with others: channels that take errors only know of these."""


class Outcome(msgspec.Struct):
    """What is to be stored, and told."""

    book: Book
    added: list[Alert] = []
    changed: list[Alert] = []
    closed: list[Alert] = []
    """Of the changed ones those that are over now."""
    notices: list[Notice] = []
    again: list[Alert] = []


class Seen(msgspec.Struct, frozen=True):
    """What one look has read."""

    view: View
    ended: list[Alert]
    """Over, and not told of."""
    book: Book
    history: History
    living: frozenset[str] = frozenset()
    """Roles of which a process is at work, where one of some role was lost."""


def decide(seen: Seen, previous: int | None) -> Outcome:
    """Return what becomes of the alerts; ``previous`` was the look before."""
    return _Decision(seen, previous).outcome()


class _Decision:
    def __init__(self, seen: Seen, previous: int | None) -> None:
        view, book, ended = seen.view, seen.book, seen.ended
        self._view = view
        self._now = now = view.now
        self._history = seen.history
        resumed = previous is None or not now - GAP_US <= previous <= now
        self._since = now if resumed else book.since
        self._settling = now - self._since < SETTLE_US
        self._before = {alert.id: alert for alert in (*view.alerts.values(), *ended)}
        self._open = {name: msgspec.structs.replace(alert) for name, alert in view.alerts.items()}
        self._ended = [msgspec.structs.replace(alert) for alert in ended]
        self._found: dict[str, Condition] = {}
        for one in view.conditions:
            self._found.setdefault(one.monitor, one)
        told = {name: at for name, at in book.told.items() if now - COLLECT_US < at <= now}
        sent = [at for at in book.sent if now - NOTICES_US < at <= now]
        self._book = Book(self._since, told, sent, book.errors & self._before.keys())
        self._holding = Holding(view, self._found, seen.living, self._book.errors)

    def outcome(self) -> Outcome:
        added = [self._opened(one) for name, one in self._found.items() if name not in self._open and self._opens(one)]
        added = added[: max(0, MOST_OPEN - len(self._open))]
        closed = self._follow()
        self._open |= {alert.monitor_id: alert for alert in added}
        self._holding.hold(self._open, self._soon())
        notices, again = self._tell()
        every = [*self._open.values(), *self._ended]
        changed = [one for one in every if one.id in self._before and one != self._before[one.id]]
        return Outcome(self._book, added, changed, closed, notices, again)

    # -- opening, closing ---------------------------------------------------------------------------------------------

    def _soon(self) -> list[Alert]:
        """Return what is found, and not told of yet, for it may pass."""
        waiting = (one for name, one in self._found.items() if name not in self._open and not one.passed)
        return [self._opened(one) for one in waiting if self._opens(one, self._now + COLLECT_US)]

    def _opens(self, one: Condition, by: int | None = None) -> bool:
        kind = KINDS[one.kind]
        if self._settling and (kind.settles or one.kind == "lost"):
            return False
        if one.missed_at is not None and one.missed_at < self._since:
            return False
        if one.passed:  # lost, and replaced: told where that has just been, and not told yet
            since, last = one.since or 0, self._history.get(one.monitor, (None, 0))[0]
            return since >= self._since and (last is None or last < since)
        since = next((at for at in (one.true_at, one.since) if at is not None), self._since)
        return (self._now if by is None else by) - since >= self._view.sayings.of(one.monitor).grace_us

    def _opened(self, one: Condition) -> Alert:
        return Alert(
            id=new_id(), monitor_id=one.monitor, kind=one.kind, severity=one.severity, subject_kind=one.subject.kind,
            subject_id=one.subject.id, text=one.sentence.told(), job_id=one.job_id, opened_at=self._now,
            since_at=self._since if one.since is None else one.since, seen_at=self._now,
        )  # fmt: skip

    def _follow(self) -> list[Alert]:
        """See how what is open is now; return what is over."""
        closed = []
        for name, alert in list(self._open.items()):
            one = self._found.get(name)
            if one is not None and not one.passed:
                self._renew(alert, one)
            elif not self._view.sayings.of(name).enabled:
                alert.closing, alert.gone_at, alert.closed_at = SWITCHED_OFF, self._now, self._now
            elif alert.gone_at is None or alert.gone_at > self._now:
                alert.gone_at = self._now
            elif self._now - alert.gone_at >= self._clear_us(name) and not self._waits(alert):
                alert.closed_at = self._now
            if alert.closed_at is not None:
                closed.append(alert)
                del self._open[name]
        self._ended += closed
        return closed

    def _renew(self, alert: Alert, one: Condition) -> None:
        alert.gone_at = None
        alert.text, alert.severity, alert.job_id = one.sentence.told(), one.severity, one.job_id
        alert.subject_kind, alert.subject_id = one.subject.kind, one.subject.id
        if not 0 <= self._now - alert.seen_at < SEEN_EVERY_US:
            alert.seen_at = self._now

    def _waits(self, alert: Alert) -> bool:
        """Tell whether it has passed, and people are to hear of it all the same, as soon as there is room."""
        one = self._found.get(alert.monitor_id)
        return one is not None and one.passed and not alert.tellings and alert.held_by is None

    def _clear_us(self, name: str) -> int:
        count = self._history.get(name, (None, 1))[1]
        return CLEAR_US << min(MOST_DOUBLINGS, max(0, count - 1))

    # -- telling ------------------------------------------------------------------------------------------------------

    def _tell(self) -> tuple[list[Notice], list[Alert]]:
        fresh, again = [], []
        for name, alert in self._open.items():
            if alert.held_by is not None or (alert.gone_at is not None and not self._waits(alert)):
                continue
            realert = self._view.sayings.of(name).realert_us
            if alert.told_at is None:
                fresh.append(alert)
            elif self._is_worse(alert) or (realert is not None and not 0 <= self._now - alert.told_at < realert):
                again.append(alert)
        notices = [*self._notices("opened", fresh), *self._notices("again", again)]
        notices += self._notices("over", list(self._to_end()))
        return notices, [alert for alert in again if alert.told_at == self._now]

    def _is_worse(self, alert: Alert) -> bool:
        """Tell whether it has become an error since it was told."""
        return self._holding.is_error(alert) and alert.id not in self._book.errors

    def _to_end(self) -> Iterator[Alert]:
        """Yield what is over and may be told now; what nobody was told of, or is muted, is done with."""
        for alert in self._ended:
            reason = kept_from(self._view, alert)
            if not alert.tellings or reason == "muted":
                alert.over_at = self._now
            elif reason is None:
                yield alert

    def _notices(self, kind: NoticeKind, found: Sequence[Alert]) -> Iterator[Notice]:
        for group in self._groups(kind, found):
            if len(self._book.sent) >= MOST_NOTICES:
                return
            self._book.sent.append(self._now)
            severity, worse = self._severity(kind, group), any(self._is_worse(one) for one in group)
            if severity == "error":
                self._book.errors |= {one.id for one in group}
            for one in group:
                self._book.told[f"{kind}:{one.kind}"] = self._now
                if kind == "over":
                    one.over_at = self._now
                else:
                    one.told_at, one.tellings = self._now, one.tellings + 1
            names = {one.monitor_id for one in group}
            explains = sum(other.held_by in names for other in self._open.values())
            yield wording.notice(kind, group, self._now, severity=severity, explains=explains, worse=worse)

    def _severity(self, kind: NoticeKind, group: Sequence[Alert]) -> Severity:
        """Return how bad a notice is: who was told of the beginning is told of the end, and nobody else."""
        if kind == "over":
            return "warning" if self._book.errors.isdisjoint(one.id for one in group) else "error"
        return "error" if any(self._holding.is_error(one) for one in group) else "warning"

    def _groups(self, kind: NoticeKind, found: Sequence[Alert]) -> list[list[Alert]]:
        """Return what is told together: alerts of a kind, or where there are many kinds all of them."""
        by_kind: dict[str, list[Alert]] = {}
        for one in found:
            if f"{kind}:{one.kind}" not in self._book.told:
                by_kind.setdefault(one.kind, []).append(one)
        groups = sorted(by_kind.values(), key=lambda group: (not self._holding.is_error(group[0]), group[0].since_at))
        room = MOST_NOTICES - len(self._book.sent)
        return groups if len(groups) <= min(MOST_AT_ONCE, room) else [_flat(groups)]


def _flat(groups: Iterable[list[Alert]]) -> list[Alert]:
    return [one for group in groups for one in group]
