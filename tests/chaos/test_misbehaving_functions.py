"""PY: functions that misbehave in forty ways, all at once, at one worker."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from tests.chaos.conftest import Figures
from tests.support.misbehaving import Case, Stage
from tests.support.roles import Roles

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="what is looked at here is Linux's")

MODULE = "tests.support.bad_functions"
LATE = "^timed out after 1s$"
NO_JSON = "^the result is not JSON"


def call(name: str, status: str = "failed", error: str = "", log: str = "", result: Any = None, **spec: Any) -> Case:
    def check(job: Any) -> bool:
        return result is None or json.loads(job.result or "null") == result

    function = name.partition(" ")[0]
    return Case(name, {"kind": "function", "function": f"{MODULE}:{function}"}, status, error, log, spec, check)


def late(name: str, error: str = LATE) -> Case:
    return call(name, error=error, timeout="1s")


def cases(full_size: bool) -> list[Case]:
    size = 100_000_000 if full_size else 3_000_000
    held = 20 if full_size else 3
    return [
        call("raises", error="^ValueError: no such customer$"),
        call("leaves", error=r"^the function called sys.exit\(3\)$", args={"code": 3}),
        call("vanishes", error="exit code 7"),
        call("raises_interrupt", error="^KeyboardInterrupt"),
        call("raises_interrupt_async", error="^KeyboardInterrupt"),
        call("recurses", error="^RecursionError"),
        call("recurses_beyond", error="signal SIGSEGV|^RecursionError"),
        call("crashes", error="signal SIGSEGV"),
        call("aborts", error="signal SIGABRT"),
        call("kills_its_group", error="signal SIGKILL"),
        late("stops_itself"),
        call("holds_the_interpreter", "completed", result="held", args={"seconds": held}),
        call("holds_the_loop", "completed", result="held", args={"seconds": 1}),
        Case("returns_much", {"kind": "function", "function": f"{MODULE}:returns_much"}, "completed",
             spec={"args": {"size": size}},
             check=lambda job: json.loads(job.result or "")["bytes"] == job.result_truncated == size + 2),
        call("returns_no_json", error=NO_JSON),
        call("returns_itself", error=NO_JSON),
        call("returns_nan", "completed"),
        call("returns_deep", error=NO_JSON),
        call("says_much", "completed", log="^0 x*$", args={"lines": size // 100}),
        call("says_a_long_line", "completed", log="^x{999}", args={"size": size}),
        call("says_bad_bytes", "completed", log="<script>"),
        call("leaves_threads", "completed", result="left"),
        call("leaves_tasks", "completed", result="left"),
        call("leaves_a_process", "completed", result="left"),
        call("forks", "completed", result="parent"),
        call("patches_stdout", "completed", result="patched"),
        call("drops_stdout", "completed", result="dropped"),
        call("closes_streams", "completed", result="closed"),
        call("closes_everything", error="runner process"),
        late("ignores_signals"),
        late("swallows_everything"),
        late("swallows_cancelling"),
        call("cancels_itself", error="^CancelledError"),
        call("stops_the_loop", error="^RuntimeError: Event loop stopped"),
        call("spoils_its_process", "completed", result="spoilt"),
        late("bombs"),
        call("nothing_there", error="nothing_there"),
    ]  # fmt: skip


@pytest.mark.chaos("PY")
def test_functions_that_misbehave(lite_roles: Roles, full_size: bool, figures: Figures) -> None:
    env = {"ROTA_EXECUTORS": "function,http,command", "ROTA_FUNCTION_MODULES": "tests.support"}
    stage = Stage(lite_roles, slots=20, ROTA_LEASE="10m", **env)
    stage.warm_up()
    shop = lite_roles.shop
    found = cases(full_size)
    stage.put(found)
    stage.honest()
    stage.wait(100)
    figures |= {"kinds": len(found), "growth MB": stage.growth_bytes() / 1e6}
    for _ in range(5):
        for name in ("well", "well_async"):
            done = shop.wait(shop.enqueue({"kind": "function", "function": f"{MODULE}:{name}"}))
            assert (done.result, shop.text(done.id, "stdout")) == ('"well"', ["all is well"])
    stage.assert_well(margin_s=5 if full_size else 20)
