"""The judge of limits can find fault."""

from __future__ import annotations

from tests.support.judge import Call, gaps, most_at_once, most_within, out_of_order


def call(began: float, ended: float, key: str = "k", number: int = 0, *, good: bool = True) -> Call:
    return Call("j", "q", 1, {"key": key, "number": number}, began, ended, good)


def test_calls_at_once() -> None:
    calls = [call(0, 2), call(1, 3, "other"), call(1.5, 1.8), call(2, 4)]
    assert most_at_once(calls) == 3
    assert most_at_once(calls, lambda one: one.args["key"]) == 2
    assert most_at_once([call(0, 1), call(1, 2)]) == 1


def test_calls_within_a_window() -> None:
    assert most_within([0, 0.5, 0.99, 1.0, 1.4], 1) == 4
    assert most_within([0, 1, 2], 1) == 1
    assert most_within([], 1) == 0


def test_the_order_of_a_key() -> None:
    def faults(*calls: Call) -> list[str]:
        return out_of_order(calls, lambda one: one.args["key"], lambda one: one.args["number"])

    good = [call(0, 1), call(0, 1, "b", good=False), call(1, 2, number=1), call(2, 3, "b"), call(3, 4, "b", 1)]
    assert faults(*good) == []
    assert faults(call(0, 1, good=False), call(1, 2, number=1)) == ["k: number 1 began after 0 were done"]
    assert faults(call(0, 1), call(1, 2)) == []
    assert faults(*good[:3], call(5, 6))[0] == "k: number 0 began after 2 were done"


def test_gaps() -> None:
    assert gaps([call(0, 1), call(0, 2), call(1.5, 3), call(2.1, 4)], 2) == [2.1 - 2, 0.5]
