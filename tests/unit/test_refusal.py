"""What a user reads when a document is refused: which field, and which name was probably meant."""

from __future__ import annotations

import pytest

from rota.actions.applying import ApplyIn
from rota.actions.decoding import convert
from rota.actions.specs import BulkIn, JobIn, QueueIn, ScheduleIn
from rota.errors import Invalid


@pytest.mark.parametrize(
    ("document", "kind", "line"),
    [
        (
            {"maxattempts": 3},
            JobIn,
            "maxattempts: object contains unknown field `maxattempts` (did you mean maxAttempts?)",
        ),
        ({"catchUp": "all"}, ScheduleIn, "catchUp: object contains unknown field `catchUp` (did you mean catchup?)"),
        (
            {"retry": {"byError": [{"error": "a"}, {"error": "b", "atempts": 1}]}},
            JobIn,
            "retry.byError.1.atempts: object contains unknown field `atempts` (did you mean attempts?)",
        ),
        (
            {"rateLimits": [{"limit": 1, "colour": "red"}]},
            QueueIn,
            "rateLimits.0.colour: object contains unknown field `colour` (known: limit, per, scope)",
        ),
        ({"xyz": 1}, ScheduleIn, "xyz: object contains unknown field `xyz`"),
        ({"rateLimits": [{"limit": 1}]}, QueueIn, "rateLimits.0.per: object missing required field `per`"),
        (
            {"rateLimits": [{"limit": 1, "per": []}]},
            QueueIn,
            "rateLimits.0.per: expected `int | float | str`, got `array`",
        ),
        ({"overlap": "skp"}, ScheduleIn, "overlap: invalid enum value 'skp' (did you mean skip?)"),
        (
            {"catchup": "xyz"},
            ScheduleIn,
            "catchup: invalid enum value 'xyz' (one of all, latest, none)",
        ),
        ({"jobs": [{"args": {}}, 3]}, BulkIn, "jobs.1: expected `object`, got `int`"),
    ],
)
def test_a_refusal_names_the_field_and_what_was_probably_meant(document: object, kind: type, line: str) -> None:
    with pytest.raises(Invalid) as caught:
        convert(document, kind)
    assert str(caught.value) == line


@pytest.mark.parametrize("wrong", [0, 1, 7, 19])
def test_a_wrong_field_in_a_mapping_is_found_by_its_key(wrong: int) -> None:
    schedules = {f"every-{number}": {"every": "1h", "jobType": "beat"} for number in range(20)}
    schedules[f"every-{wrong}"]["catchUp"] = "all"
    with pytest.raises(Invalid) as caught:
        convert({"source": "billing", "queues": {"mail": {}}, "schedules": schedules}, ApplyIn)
    assert caught.value.field == f"schedules.every-{wrong}.catchUp"
    assert caught.value.hint == "did you mean catchup?"


def test_the_first_of_two_wrong_fields_is_named_with_its_own_key() -> None:
    document = {"source": "a", "queues": {"x": {}, "y": {"rateLimits": [{"limit": 1}]}, "z": {"concurency": 1}}}
    with pytest.raises(Invalid) as caught:
        convert(document, ApplyIn)
    assert caught.value.field == "queues.y.rateLimits.0.per"
