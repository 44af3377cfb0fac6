"""What others wrote cannot control the terminal; widths are what the terminal makes of it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rota.cli.terminal import cut, safe, safe_line, width

COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
CONTROLS = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
HOSTILE = st.lists(st.sampled_from([*"[]P\\0;?mJh8aé漢", "\x1b", "\x07", "\r", "\n", "\x9b"])).map("".join)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("plain, with\ttab and é漢", "plain, with\ttab and é漢"),
        ("\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m"),
        ("\x1b[1;38;5;8mgrey", "\x1b[1;38;5;8mgrey\x1b[0m"),
        ("\x1b[38;2;8;8;8mdark", "\x1b[38;2;8;8;8mdark\x1b[0m"),
        ("\x1b[8mhidden\x1b[0m", "hidden\x1b[0m"),
        ("\x1b[1;08mhidden", "hidden"),
        ("\x1b[2J\x1b[1;1Hcleared", "cleared"),
        ("\x1b[?1049hother screen", "other screen"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]0;never ended text", ""),
        ("\x1bPq#0;2;0;0;0\x1b\\sixel", "sixel"),
        ("\x1bcreset", "reset"),
        ("back\b\b\b\bspace, bell\x07, \x9b31mCSI, del\x7f", "backspace, bell, 31mCSI, del"),
        ("pass\rfail", "passfail"),
        ("\u202egnirts", "gnirts"),
        ("ends in escape \x1b", "ends in escape "),
    ],
)
def test_only_colours_get_through(written: str, shown: str) -> None:
    assert safe(written) == shown


@given(HOSTILE)
def test_nothing_that_controls_is_left_of_anything(written: str) -> None:
    rest = COLOUR.sub("", safe(written))
    assert CONTROLS.search(rest) is None
    assert "\x1b" not in rest


@given(HOSTILE)
def test_a_line_stays_one_line(written: str) -> None:
    assert "\n" not in safe_line(written)
    assert "\t" not in safe_line(written)


def test_colours_and_marks_take_no_columns() -> None:
    assert width("\x1b[31mabc\x1b[0m") == 3
    assert width("漢字") == 4
    assert width("e\u0301") == 1
    assert width("a\u200bb") == 2
    assert width("✓ done") == 6


@pytest.mark.parametrize(
    ("text", "columns", "fits"),
    [
        ("abcdef", 6, "abcdef"),
        ("abcdef", 5, "abcd…"),
        ("漢字漢字", 5, "漢字…"),
        ("\x1b[31mabcdef\x1b[0m", 4, "\x1b[31mabc…\x1b[0m"),
        ("\x1b[31mabc\x1b[0m", 3, "\x1b[31mabc\x1b[0m"),
    ],
)
def test_what_does_not_fit_is_cut(text: str, columns: int, fits: str) -> None:
    assert cut(text, columns) == fits


@given(HOSTILE, st.integers(1, 20))
def test_what_is_cut_fits(text: str, columns: int) -> None:
    assert width(cut(safe_line(text), columns)) <= columns
