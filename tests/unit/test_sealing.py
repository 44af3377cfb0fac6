"""Boxes: opened with the right key and name, and with nothing else."""

from __future__ import annotations

import base64

import pytest

from rota.sealing import Box, CannotOpen, Keys, key_bytes, new_key

KEY = new_key()


def test_what_was_sealed_is_opened_with_any_of_the_keys() -> None:
    box = Keys([KEY]).seal("stripe", "sk_é\n")
    assert "sk_" not in box.text
    assert Keys([new_key(), KEY]).open("stripe", box) == "sk_é\n"
    assert Keys([KEY]).seal("stripe", "sk_é\n") != box


def test_the_first_key_seals() -> None:
    first = new_key()
    keys = Keys([first, KEY])
    assert keys.seal("a", "value").key_id == keys.first_id == Keys([first]).first_id
    assert KEY not in repr(keys)
    assert Keys([]).first_id is None


def test_another_key_name_or_box_does_not_open() -> None:
    box = Keys([KEY]).seal("stripe", "value")
    damaged = Box(box.text[:-3] + "AA=", box.key_id)
    for keys, name, wrong in (
        (Keys([new_key()]), "stripe", box),
        (Keys([]), "stripe", box),
        (Keys([KEY]), "other", box),
        (Keys([KEY]), "stripe", damaged),
        (Keys([KEY]), "stripe", Box("v1.x", box.key_id)),
        (Keys([KEY]), "stripe", Box("v2" + box.text[2:], box.key_id)),
    ):
        with pytest.raises(CannotOpen):
            keys.open(name, wrong)


def test_keys_are_32_bytes_as_base64_or_hex() -> None:
    raw = key_bytes(KEY)
    assert len(raw) == 32
    assert key_bytes(raw.hex()) == key_bytes(base64.b64encode(raw).decode()) == key_bytes(KEY.rstrip("=")) == raw


@pytest.mark.parametrize("text", ["", "short", "a" * 42, "é" * 43, "a" * 63, "a b" * 14 + "a", "a" * 45])
def test_what_is_no_key_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(ValueError, match="32 bytes") as caught:
        key_bytes(text)
    assert not text or text not in str(caught.value)
