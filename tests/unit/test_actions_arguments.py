"""Arguments are checked against the schema of their type when they come in."""

from __future__ import annotations

import pytest

from rota.actions.arguments import check_fit, check_schema
from rota.errors import Invalid

SCHEMA = '{"type":"object","properties":{"limit":{"type":"integer"}},"required":["limit"],"additionalProperties":false}'


def test_what_fits_passes() -> None:
    check_fit('{"limit": 3}', SCHEMA)
    check_fit("[1]", None)


@pytest.mark.parametrize(
    ("args", "field"), [('{"limit": "x"}', "args.limit"), ("{}", "args"), ('{"limit": 1, "more": 2}', "args")]
)
def test_what_does_not_fit_is_refused_with_its_field(args: str, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_fit(args, SCHEMA)
    assert refused.value.field == field
    assert refused.value.hint == "it takes limit"


def test_a_wrong_schema_is_refused() -> None:
    with pytest.raises(Invalid) as refused:
        check_schema('{"type": "nonsense"}', "argsSchema")
    assert refused.value.field == "argsSchema.type"


def test_no_schema_is_ever_downloaded() -> None:
    schema = '{"$ref": "http://127.0.0.1:9/schema.json"}'
    with pytest.raises(Invalid, match=r"127\.0\.0\.1"):
        check_fit("{}", schema)
