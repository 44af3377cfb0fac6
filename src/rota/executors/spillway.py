"""Keeps the output of a command at a bounded rate and size, whatever the command writes.

The head passes at once, then so much a second as a log can take; what waits beyond its bound is dropped from the
oldest on, so that the tail stays, and the gap is counted.  The command itself never waits for the log.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

HEAD = 8 << 20
"""What passes at once: the size of the longest log that is kept of an attempt."""
TAIL = 4 << 20
RATE = 2 << 20
"""What passes in a second after the head."""
_LINE_COST = 64
"""A line costs its bytes and this: storing a million empty lines is no small thing."""
_BLOCK_COST = 256


class Block(NamedTuple):
    """Whole lines of one stream, read together."""

    stream: bytes
    at_us: int
    body: bytes


class Gap(NamedTuple):
    """What was dropped."""

    lines: int
    bytes: int


class Spillway:
    """A bounded queue of output blocks."""

    def __init__(self, now: float, *, head: int = HEAD, tail: int = TAIL, rate: int = RATE) -> None:
        self._credit = float(head)
        self._head, self._tail, self._rate = head, tail, rate
        self._at = now
        self._waiting: deque[tuple[Block, int, int]] = deque()
        self._cost = 0
        self._lost_lines = self._lost_bytes = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, block: Block, now: float) -> None:
        """Add a block, and drop the oldest if that makes too much waiting."""
        lines = block.body.count(b"\n")
        cost = len(block.body) + _LINE_COST * lines + _BLOCK_COST
        self._waiting.append((block, lines, cost))
        self._cost += cost
        self._refill(now)
        while self._cost > self._credit + self._tail and len(self._waiting) > 1:
            dropped, lines, cost = self._waiting.popleft()
            self._cost -= cost
            self._lost_lines += lines
            self._lost_bytes += len(dropped.body)

    def take(self, now: float, *, everything: bool = False) -> Block | Gap | None:
        """Return what passes next: a block, the gap before it, or None when nothing may pass yet."""
        self._refill(now)
        if not self._waiting or (self._credit <= 0 and not everything):
            return None
        if self._lost_lines:
            gap = Gap(self._lost_lines, self._lost_bytes)
            self._lost_lines = self._lost_bytes = 0
            return gap
        block, _, cost = self._waiting.popleft()
        self._cost -= cost
        self._credit -= cost
        return block

    def _refill(self, now: float) -> None:
        self._credit = min(self._credit + (now - self._at) * self._rate, self._head)
        self._at = now
