"""JSON, names and texts from outside: what is sound comes back unchanged, all else is refused with its field."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rota.errors import Invalid, TooLarge
from rota.jsontext import check_json, check_name, check_queue, check_text, check_type

MIB = 1 << 20
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
SCALARS = st.none() | st.booleans() | st.integers(-(10**40), 10**40) | st.floats(allow_nan=False, allow_infinity=False)
DOCUMENTS = st.recursive(SCALARS | TEXT, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=30)


def refused(text: bytes | str, **limits: int) -> Invalid:
    with pytest.raises(Invalid) as caught:
        check_json(text, "args", **{"max_bytes": MIB, **limits})
    assert caught.value.field == "args"
    return caught.value


def depth_of(document: Any) -> int:
    if isinstance(document, dict):
        document = list(document.values())
    return 1 + max(map(depth_of, document), default=0) if isinstance(document, list) else 0


@given(DOCUMENTS, st.booleans(), st.sampled_from([None, 2]))
def test_sound_documents_come_back_byte_for_byte(document: Any, ascii_only: bool, indent: int | None) -> None:
    text = json.dumps(document, ensure_ascii=ascii_only, indent=indent)
    assert check_json(text, "args", max_bytes=MIB) == text
    assert check_json(text.encode(), "args", max_bytes=MIB) == text


@given(DOCUMENTS, st.integers(1, 4))
def test_depth_is_exact(document: Any, limit: int) -> None:
    text = json.dumps(document)
    if depth_of(document) <= limit:
        assert check_json(text, "args", max_bytes=MIB, max_depth=limit) == text
    else:
        assert "nested deeper" in refused(text, max_depth=limit).reason


@given(st.text() | st.binary())
def test_whatever_is_accepted_is_json_to_pythons_own_reader(text: str | bytes) -> None:
    try:
        checked = check_json(text, "args", max_bytes=MIB)
    except Invalid:
        return
    json.loads(checked, parse_constant=pytest.fail)


@pytest.mark.parametrize("bracket", ["[]", "{}"])
@pytest.mark.parametrize("depth", [65, 900, 10_000, 500_000])
def test_deep_documents_are_refused_at_once(bracket: str, depth: int) -> None:
    opening = "[" if bracket == "[]" else '{"a":'
    text = opening * depth + "1" + bracket[1] * depth
    started = time.process_time()
    assert "nested" in refused(text, max_bytes=4 * MIB).reason
    assert time.process_time() - started < 1


def test_the_deepest_allowed_document_passes() -> None:
    text = "[" * 64 + "]" * 64
    assert check_json(text, "args", max_bytes=MIB) == text


def test_brackets_inside_of_strings_do_not_count() -> None:
    text = json.dumps(["[" * 500, '"[{\\', {"{" * 500: "]"}])
    assert check_json(text, "args", max_bytes=MIB) == text


@pytest.mark.parametrize("text", ['"' + "\\" * MIB, '"\\' * (MIB // 2), "[" * MIB, '{"a":' * (MIB // 5)])
def test_hostile_documents_cost_no_time(text: str) -> None:
    started = time.process_time()
    refused(text, max_bytes=2 * MIB)
    assert time.process_time() - started < 1


def test_the_size_counts_bytes() -> None:
    assert check_json('"é"', "args", max_bytes=4) == '"é"'
    for text in ('"éé"', '"éé"'.encode(), '"aaaa"'):
        with pytest.raises(TooLarge, match="larger than 5 bytes"):
            check_json(text, "args", max_bytes=5)


@pytest.mark.parametrize("text", ["", " ", "{", "[1,]", "01", "{'a': 1}", "nul", "1 2", '"\t"', "\ufeff1", "[1e400]"])
def test_what_is_no_json_is_refused(text: str) -> None:
    refused(text)


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", '{"a": -Infinity}'])
def test_no_numbers_are_refused_with_the_fix(text: str) -> None:
    assert "send null" in (refused(text).hint or "")


@pytest.mark.parametrize("text", [r'"\u0000"', r'{"\u0000": 1}', r'["\\\u0000"]', r'"a\\\\\u0000"'])
def test_nul_is_refused_however_escaped(text: str) -> None:
    assert "NUL" in refused(text).reason


@pytest.mark.parametrize("text", [r'"\\u0000"', r'"\\\\u0000"', r'"u0000"', r'"\\ud800"', r'"\ud83d\ude00"'])
def test_escaped_backslashes_are_no_nul_and_pairs_no_surrogates(text: str) -> None:
    assert check_json(text, "args", max_bytes=MIB) == text


@pytest.mark.parametrize("text", [r'"\ud800"', r'"\ud800 and more"', r'{"\uDC00": 1}', '"\ud800"'])
def test_lone_surrogates_are_refused(text: str) -> None:
    assert "surrogate" in refused(text).reason


@pytest.mark.parametrize("text", [b'"\xff"', b'"\xed\xa0\x80"', b"\xff\xfe1\x00"])
def test_bytes_that_are_no_utf8_are_refused(text: bytes) -> None:
    assert "UTF-8" in refused(text).reason


def test_duplicate_keys_and_long_numbers_are_kept() -> None:
    text = '{"a": 1, "a": 2, "n": 123456789012345678901234567890, "x": 1.10}'
    assert check_json(text, "args", max_bytes=MIB) == text


@pytest.mark.parametrize("name", ["mail", "host:web-1.example", "A_b.c-d:e", "0", "q" * 100])
def test_queue_names(name: str) -> None:
    assert check_queue(name) == name


@pytest.mark.parametrize("name", ["", "-mail", "_mail", "a/b", "a b", "ä", "mail\n", "a\0", "\ud800", "q" * 101])
def test_malformed_queue_names_are_refused(name: str) -> None:
    with pytest.raises(Invalid) as caught:
        check_queue(name)
    assert caught.value.field == "queue"
    caught.value.message.encode()


def test_type_names_may_be_divided_by_slashes_and_begin_with_an_underscore() -> None:
    assert check_type("mail/weekly_digest") == "mail/weekly_digest"
    assert check_type("_private") == "_private"
    with pytest.raises(Invalid, match="jobType"):
        check_type("/mail")


@pytest.mark.parametrize("check", [check_name, check_type], ids=["labels", "types"])
def test_what_stands_in_a_ring_holds_no_bar(check: Any) -> None:
    """A bar ends the labels in the ring of a job, and the type where that is paused."""
    with pytest.raises(Invalid, match="is not a name"):
        check("gpu|eu", "name")


def test_names_have_their_own_field_and_length() -> None:
    assert check_name("k" * 200, "uniqueKey") == "k" * 200
    with pytest.raises(Invalid, match="uniqueKey: is longer than 3 characters"):
        check_name("abcd", "uniqueKey", 3)


def test_a_value_that_is_no_text_is_refused() -> None:
    value: Any = 7
    with pytest.raises(Invalid, match="expected a text, not int"):
        check_name(value, "queue")
    with pytest.raises(Invalid, match="expected a text, not int"):
        check_text(value, "note", 10)


@given(st.text())
def test_texts_are_kept_or_refused_whole(text: str) -> None:
    bad = any(ord(c) < 32 or 127 <= ord(c) < 160 or 0xD800 <= ord(c) <= 0xDFFF for c in text)
    if bad:
        with pytest.raises(Invalid) as caught:
            check_text(text, "note", 10_000)
        caught.value.message.encode()
    else:
        assert check_text(text, "note", 10_000) == text


def test_lines_are_allowed_where_asked() -> None:
    assert check_text("a\n\tb\r\n", "note", 10, lines=True) == "a\n\tb\r\n"
    with pytest.raises(Invalid, match=r"U\+000A at 1"):
        check_text("a\nb", "note", 10)
    with pytest.raises(Invalid, match="NUL"):
        check_text("a\0", "note", 10, lines=True)
    with pytest.raises(Invalid, match="longer than 2"):
        check_text("abc", "note", 2)
