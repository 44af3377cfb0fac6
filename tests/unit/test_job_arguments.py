"""Arguments of functions: checked when a job is made, converted when it runs."""

from __future__ import annotations

import enum
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
import pytest

from rota.context import Context, JobInfo, instant
from rota.errors import Invalid
from rota.job import JobFunction

if TYPE_CHECKING:
    from fractions import Fraction as Thing


class Colour(enum.Enum):
    RED = "red"


@dataclass
class Address:
    street: str
    number: int


class Point(msgspec.Struct):
    x: float
    y: float = 0.0


class Model:
    """Shaped like a model of pydantic."""

    def __init__(self, n: int) -> None:
        self.n = n

    def model_dump(self, mode: str) -> dict[str, int]:
        return {"n": self.n}

    @classmethod
    def model_validate(cls, value: Any) -> Model:
        if not isinstance(value, dict) or not isinstance(value.get("n"), int):
            raise TypeError("n must be an integer")
        return cls(value["n"])


class Running:
    cancelled = False

    def __init__(self) -> None:
        self.reported: list[tuple[float | None, str | None]] = []

    def progress(self, value: float | None, message: str | None) -> None:
        self.reported.append((value, message))

    def extend(self, extra_us: int) -> None: ...

    def secret(self, name: str) -> str:
        return name

    def checkpoint(self, value: Any) -> None: ...


def context(previous: str | None = None) -> Context:
    job = JobInfo(id="1", type="t", queue="q", args={}, created_at=instant(0))
    return Context(job, attempt=2, running=Running(), previous=previous)


def digest(ctx: Context, limit: int = 100, *, to: str | None = None) -> None: ...


def everything(  # type: ignore[no-untyped-def]  # one parameter without annotation is the case
    when: datetime,
    day: date,
    key: UUID,
    colour: Colour,
    address: Address,
    points: list[Point],
    price: Decimal,
    pause: timedelta,
    path: Path,
    model: Model,
    pairs: dict[int, tuple[str, int]],
    raw: bytes,
    names: set[str],
    anything,
) -> None: ...


VALUES: dict[str, Any] = {
    "when": datetime(2030, 1, 31, 9, tzinfo=UTC),
    "day": date(2030, 1, 31),
    "key": UUID("cc1dface-9213-4eed-8cb2-0edba6b2159c"),
    "colour": Colour.RED,
    "address": Address("Rue é", 7),
    "points": [Point(1.0), Point(2, 3)],
    "price": Decimal("1.10"),
    "pause": timedelta(seconds=90),
    "path": Path("/tmp/x"),
    "model": Model(4),
    "pairs": {1: ("a", 2)},
    "raw": b"\0\xff",
    "names": {"a"},
    "anything": {"deep": [1, None, True]},
}


def test_values_travel_as_json_and_come_back_as_annotated() -> None:
    job = JobFunction(everything)
    text = job.check_args((), VALUES)
    assert json.loads(text)["when"] == "2030-01-31T09:00:00Z"
    args, kwargs = job.convert_args(text)
    assert args == ()
    assert kwargs.pop("model").n == 4
    assert kwargs == {name: value for name, value in VALUES.items() if name != "model"}


def test_arguments_are_keyed_by_name_and_defaults_are_left_to_the_run() -> None:
    job = JobFunction(digest)
    assert job.check_args() == "{}"
    assert job.check_args((5,)) == '{"limit":5}'
    assert job.check_args((), {"to": "é"}) == '{"to":"é"}'
    ctx = context()
    assert job.convert_args('{"limit": 7}', ctx) == ((), {"ctx": ctx, "limit": 7})


@pytest.mark.parametrize(
    ("args", "kwargs", "field", "reason"),
    [
        (("5",), {}, "args.limit", "expected int, got str"),
        ((5.5,), {}, "args.limit", "expected int, got float"),
        ((True,), {}, "args.limit", "expected int, got bool"),
        ((1, 2), {}, "args", "takes 1 argument by place, 2 were given"),
        ((1,), {"limit": 2}, "args.limit", "twice"),
        ((), {"limt": 2}, "args.limt", "did you mean limit"),
        ((), {"ctx": 2}, "args.ctx", "leave it out"),
        ((), {"to": object()}, "args.to", "is not JSON"),
        ((), {"to": "\ud800"}, "args.to", "lone surrogate"),
    ],
)
def test_wrong_arguments_are_refused_by_name(
    args: tuple[Any, ...], kwargs: dict[str, Any], field: str, reason: str
) -> None:
    with pytest.raises(Invalid) as caught:
        JobFunction(digest).check_args(args, kwargs)
    assert caught.value.field == field
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "field", "reason"),
    [
        ("when", datetime(2030, 1, 1), "args.when", "no time zone"),
        ("when", "2030-01-01T00:00:00", "args.when", "no time zone"),
        ("anything", {"a": [datetime(2030, 1, 1)]}, "args.anything", "tzinfo=UTC"),
        ("anything", [float("nan")], "args.anything", "nan is not JSON"),
        ("anything", float("inf"), "args.anything", "inf is not JSON"),
        ("anything", {(1, 2): 3}, "args.anything", "is not JSON"),
        ("address", {"street": "x", "number": "y"}, "args.address.number", "expected int, got str"),
        ("points", [{"x": 1}, {"y": 2}], "args.points.1", "missing required field x"),
        ("colour", "blue", "args.colour", "invalid enum value"),
        ("model", {"n": "x"}, "args.model", "n must be an integer"),
    ],
)
def test_a_wrong_value_is_named_with_its_path(name: str, value: Any, field: str, reason: str) -> None:
    with pytest.raises(Invalid) as caught:
        JobFunction(everything).check_args((), {**VALUES, name: value})
    assert caught.value.field == field
    assert reason in str(caught.value)


def test_what_holds_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(Invalid, match="nested too deep, or holds itself"):
        JobFunction(everything).check_args((), {**VALUES, "anything": loop})


def test_a_missing_argument_is_named_at_both_ends() -> None:
    def move(source: str, target: str) -> None: ...

    job = JobFunction(move)
    for attempt in (lambda: job.check_args(("a",)), lambda: job.convert_args('{"source": "a"}')):
        with pytest.raises(Invalid, match="args.target: is missing"):
            attempt()


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ('{"limit": "x"}', "args.limit"),
        ('{"other": 1}', "args.other"),
        ('{"ctx": 1}', "args.ctx"),
        ("[1]", "args"),
        ("nope", "args"),
        ("[" * 100_000, "args"),
    ],
)
def test_arguments_from_elsewhere_are_checked_when_the_job_runs(text: str, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        JobFunction(digest).convert_args(text, context())
    assert caught.value.field == field


def test_lists_and_names_of_any_number() -> None:
    def many(first: int, /, second: int = 2, *rest: int, flag: bool = False, **more: str) -> tuple[Any, ...]:
        return first, second, rest, flag, more

    job = JobFunction(many)
    text = job.check_args((1, 5, 6, 7), {"flag": True, "x": "y"})
    assert json.loads(text) == {"first": 1, "second": 5, "rest": [6, 7], "flag": True, "x": "y"}
    for given, expected in (
        (text, (1, 5, (6, 7), True, {"x": "y"})),
        ('{"first": 1}', (1, 2, (), False, {})),
        ('{"rest": [3], "first": 1}', (1, 2, (3,), False, {})),
    ):
        args, kwargs = job.convert_args(given)
        assert many(*args, **kwargs) == expected
    for args, kwargs, field in (((1, 2, "x"), {}, "args.rest.0"), ((1,), {"x": 3}, "args.x")):
        with pytest.raises(Invalid) as caught:
            job.check_args(args, kwargs)
        assert caught.value.field == field


def test_the_context_may_stand_anywhere_and_be_optional() -> None:
    def behind(a: int, ctx: Context | None = None) -> Any:
        return a, ctx

    def before(ctx: Context, /, *rest: int) -> Any:
        return ctx, rest

    ctx = context()
    for function, text, expected in ((behind, '{"a": 1}', (1, ctx)), (before, '{"rest": [1, 2]}', (ctx, (1, 2)))):
        args, kwargs = JobFunction(function).convert_args(text, ctx)
        assert function(*args, **kwargs) == expected


def test_annotations_that_cannot_be_resolved_or_checked_let_everything_pass() -> None:
    class Local(msgspec.Struct):
        n: int

    def odd(thing: Thing, both: Address | Point, local: Local, exact: int, many: Sequence[int] = ()) -> None: ...

    job = JobFunction(odd)
    text = job.check_args(("x", {"a": 1}, {"n": 2}, 3))
    assert job.convert_args(text)[1]["thing"] == "x"
    with pytest.raises(Invalid, match="args.exact"):
        job.check_args(("x", 1, {"n": 2}, "3"))


def test_a_context_imported_for_the_type_checker_alone_is_known_by_name() -> None:
    def report(ctx: rota.Context, thing: Thing) -> None: ...  # type: ignore[name-defined]  # noqa: F821 - the case

    job = JobFunction(report)
    assert job.check_args((1,)) == '{"thing":1}'
    assert job.signature.context == "ctx"


def test_two_contexts_are_refused() -> None:
    def twice(a: Context, b: Context) -> None: ...

    with pytest.raises(Invalid, match="one Context"):
        JobFunction(twice).check_args()


def test_the_schema_describes_the_arguments() -> None:
    schema = json.loads(JobFunction(digest).args_schema)
    assert schema == {
        "type": "object",
        "properties": {
            "limit": {"type": "integer", "default": 100},
            "to": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        },
        "additionalProperties": False,
    }
    schema = json.loads(JobFunction(everything).args_schema)
    assert schema["required"] == [*VALUES]
    assert schema["properties"]["when"]["format"] == "date-time"
    assert schema["properties"]["path"] == {"type": "string"}
    assert schema["properties"]["anything"] == schema["properties"]["model"] == {}
    assert schema["$defs"]["Address"]["required"] == ["street", "number"]


def test_a_schema_survives_a_type_that_has_none() -> None:
    def odd(both: Address | Point, address: Address, *rest: int, **more: int) -> None: ...

    schema = json.loads(JobFunction(odd).args_schema)
    assert schema["properties"]["both"] == {}
    assert schema["properties"]["rest"] == {"type": "array", "items": {"type": "integer"}}
    assert schema["additionalProperties"] == {"type": "integer"}
    assert "Address" in schema["$defs"]


def test_the_context_tells_of_the_job() -> None:
    running = Running()
    job = JobInfo(id="1", type="t", queue="q", args={"a": 1}, created_at=instant(1_500_000))
    ctx = Context(job, attempt=2, running=running, scheduled_for=instant(0), previous='{"n": 3}')
    assert ctx.job.created_at == datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC)
    assert (ctx.previous, context().previous, ctx.cancelled) == ({"n": 3}, None, False)
    running.cancelled = True
    assert ctx.cancelled
    for value, message in ((0.4, "halfway"), (7, None), (-1, None), (float("nan"), "who knows")):
        ctx.progress(value, message)
    assert running.reported == [(0.4, "halfway"), (1.0, None), (0.0, None), (None, "who knows")]
