"""One SQL text for both databases: the macros."""

from __future__ import annotations

import json

import pytest

from rota.store.sql import batch, containing, render


@pytest.mark.parametrize(
    ("template", "lite", "pg"),
    [
        ("a {pg|x}{lite|y} b", "a y b", "a x b"),
        ("id {uuid}, doc {json}", "id text, doc text", "id uuid, doc json"),
        ("{json|:doc}", ":doc", "CAST(%(doc)s AS json)"),
        ("id {in|SELECT u.id}", "id IN (SELECT u.id)", "id = ANY(ARRAY(SELECT u.id))"),
        ("id {in|SELECT 1 {pg|FOR UPDATE}}", "id IN (SELECT 1 )", "id = ANY(ARRAY(SELECT 1 FOR UPDATE))"),
        ("LIKE '%' AND x = :x", "LIKE '%' AND x = :x", "LIKE '%%' AND x = %(x)s"),
        ("a::text, :b", "a::text, :b", "a::text, %(b)s"),
        (
            "{rows|u|batch|id uuid, n bigint}",
            "(SELECT value->>'id' AS id, value->>'n' AS n FROM json_each(:batch) LIMIT -1) AS u",
            "json_to_recordset(CAST(%(batch)s AS json)) AS u(id uuid, n bigint)",
        ),
    ],
)
def test_macros(template: str, lite: str, pg: str) -> None:
    assert (render(template, "sqlite"), render(template, "postgresql")) == (lite, pg)


def test_unknown_macros_are_mistakes() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        render("{nonsense|x}", "sqlite")


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("plain", "plain"),
        ("a\0b", "a\ufffdb"),
        ("\0\0", "\ufffd\ufffd"),
        ("lone \udcff", "lone \ufffd"),
        ("both \0 \ud800", "both \ufffd \ufffd"),
        ("😀 ☃ \x01 \x7f", "😀 ☃ \x01 \x7f"),
        ('{"escaped": "\\u0000 \\ud800"}', '{"escaped": "\\u0000 \\ud800"}'),
        ("backslashes \\\\\0 \\\0", "backslashes \\\\\ufffd \\\ufffd"),
        ("\\u0000", "\\u0000"),
    ],
)
def test_batches_hold_only_what_a_database_stores(text: str, stored: str) -> None:
    rows = ({"text": text, "n": 1.5, "none": None, "list": [text]},)
    assert json.loads(batch(rows)) == [{"text": stored, "n": 1.5, "none": None, "list": [stored]}]


def test_patterns_take_texts_as_they_are() -> None:
    assert containing("50%_Off\\") == "%50\\%\\_off\\\\%"
