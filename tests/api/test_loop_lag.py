"""How late the event loop is: seen from when somebody asks, remembered for a while, then forgotten."""

from __future__ import annotations

import asyncio
import time

import pytest

from rota.api import loop_lag
from rota.api.loop_lag import LoopLag


async def seen(lag: LoopLag, *, late: bool) -> float:
    """Wait until the lag is seen, or is not any more."""
    async with asyncio.timeout(30):
        while (lag.seconds() >= 0.2) != late:
            await asyncio.sleep(0.01)
    return lag.seconds()


async def test_a_loop_that_stood_still_is_late_until_that_is_long_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_lag, "EVERY_S", 0.02)
    monkeypatch.setattr(loop_lag, "REMEMBERED_S", 0.5)
    lag = LoopLag()
    assert lag.seconds() == 0
    await asyncio.sleep(0.03)
    time.sleep(0.5)  # noqa: ASYNC251 - that is what is looked for
    assert await seen(lag, late=True) >= 0.2
    await seen(lag, late=False)
