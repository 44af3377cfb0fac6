"""Percentiles of histograms, and errors that are alike."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rota.insight.fingerprint import LONGEST, group, normal
from rota.insight.series import WINDOWS, percentile, spread
from rota.store.failures import Failure
from rota.store.rollups import BOUNDS, KEPT_US, SECOND_US, STEPS, bucket


def histogram(values: list[int]) -> dict[int, int]:
    found: dict[int, int] = {}
    for value in values:
        found[bucket(value)] = found.get(bucket(value), 0) + 1
    return found


@given(st.lists(st.integers(1000, BOUNDS[-1] - 1), min_size=1), st.sampled_from((0.5, 0.9, 0.99)))
def test_a_percentile_lies_in_the_bucket_of_the_true_one(values: list[int], share: float) -> None:
    in_order = sorted(values)
    true = next(value for place, value in enumerate(in_order, 1) if place >= share * len(in_order))
    assert BOUNDS[bucket(true) - 1] <= percentile(histogram(values), share) <= BOUNDS[bucket(true)]


@given(st.lists(st.integers(0, 1 << 50), min_size=1))
def test_percentiles_grow(values: list[int]) -> None:
    found = spread(histogram(values), sum(values))
    assert found is not None
    assert 0 <= found.p50 <= found.p90 <= found.p99
    assert found.avg == pytest.approx(sum(values) / len(values) / 1000, abs=1)


def test_of_nothing_there_is_no_mean() -> None:
    assert spread({}, 0) is None


def test_every_window_is_made_of_stretches_that_are_kept_so_long() -> None:
    for window in WINDOWS.values():
        assert window.step in STEPS
        assert window.length % window.step == 0
        assert KEPT_US.get(window.step, 1 << 60) >= (window.length + window.step) * SECOND_US


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("row 12 of 40", "row 9 of 3"),
        ("no user 019a9d2c-7c1e-7aa0-8f5e-0c3b2a190000", "no user 01a1fc70-8b47-7aad-a034-000000000000"),
        ("KeyError: 'anna'", "KeyError: 'bert'"),
        ('unknown field "a b"', 'unknown field "c"'),
        ("at 0xdeadbeef", "at 0x1f"),
        ("commit 3f2a91bc04", "commit a81b02ffee11"),
        ("took 1.5 s", "took 12:30 s"),
        ("timed  out\nin one place", "timed out\nin another"),
    ],
)
def test_alike(one: str, other: str) -> None:
    assert normal(one) == normal(other)


@pytest.mark.parametrize(
    ("one", "other"), [("KeyError: 'a'", "ValueError: 'a'"), ("file deadbeef", "file feedbead"), ("", "x")]
)
def test_not_alike(one: str, other: str) -> None:
    assert normal(one) != normal(other)


def test_long_errors_are_cut() -> None:
    assert len(normal("x " * 1000)) == LONGEST


def test_groups_by_error_type_and_queue() -> None:
    rows = [("e", "no 5", "mail", "report"), ("d", "no 4", "mail", "report"), ("c", "no 3", "mail", None),
            ("b", None, "mail", "report"), ("a", "no 1", "slow", "report")]  # fmt: skip
    found = group(
        Failure(job_id, kind, queue, error, 100 - place, None)
        for place, (job_id, error, queue, kind) in enumerate(rows)
    )
    assert [(one.last_id, one.count, one.message, one.first_at, one.last_at) for one in found] == [
        ("e", 2, "no 5", 99, 100), ("c", 1, "no 3", 98, 98), ("b", 1, "", 97, 97), ("a", 1, "no 1", 96, 96)
    ]  # fmt: skip
    assert len({one.fingerprint for one in found}) == 4
