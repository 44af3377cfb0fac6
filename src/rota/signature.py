"""The parameters of a function as a JSON object: its schema, the check when a job is made, the values when it runs."""

from __future__ import annotations

import inspect
import math
import re
import typing
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import PurePath
from types import NoneType, UnionType
from typing import Annotated, Any

import msgspec

from rota.context import Context
from rota.errors import Invalid, meant

Values = dict[str, Any]
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_CONTEXT_NAME = re.compile(r"(?:\w+\.)*Context(?:\s*\|\s*None)?")
_WHERE = re.compile(r"^(.*?)(?: - at `(?:key in )?\$([^`]*)`)?$", re.DOTALL)
_RAW = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Parameter:
    """One parameter, with the JSON values that it takes."""

    def __init__(self, parameter: inspect.Parameter, hint: Any) -> None:
        self.name = parameter.name
        self.kind = parameter.kind
        self.required = parameter.default is inspect.Parameter.empty and self.kind not in (
            inspect.Parameter.VAR_POSITIONAL,
            inspect.Parameter.VAR_KEYWORD,
        )
        self.default = parameter.default
        wanted = list[hint] if self.kind is inspect.Parameter.VAR_POSITIONAL else hint
        self.type, self._decoder = _decoder(wanted)

    def read(self, raw: bytes | msgspec.Raw, name: str | None = None) -> Any:
        """Return the value that JSON stands for; raises Invalid for ``args.<name>``."""
        try:
            return self._decoder.decode(raw)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            raise _invalid(f"args.{name or self.name}", error) from None


class Signature:
    """How a function is called with a JSON object."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._parameters: dict[str, Parameter] = {}
        self.context: str | None = None
        """Name of the parameter that takes the `Context`."""
        self._extra: Parameter | None = None
        self._order: list[str] = []
        signature = inspect.signature(function)
        hints = _hints(function, signature)
        for name, parameter in signature.parameters.items():
            hint = hints[name]
            self._order.append(name)
            if _is_context(hint):
                if self.context is not None or parameter.kind not in (*_POSITIONAL, inspect.Parameter.KEYWORD_ONLY):
                    raise Invalid(name, "a function takes one Context, as a plain parameter")
                self.context = name
                self._context_kind = parameter.kind
            elif parameter.kind is inspect.Parameter.VAR_KEYWORD:
                self._extra = Parameter(parameter, hint)
            else:
                self._parameters[name] = Parameter(parameter, hint)
        self._known = frozenset(self._parameters)
        self._places = [each.name for each in self._parameters.values() if each.kind in _POSITIONAL]
        self._required = tuple(name for name, each in self._parameters.items() if each.required)
        self._rest = next((p.name for p in self._parameters.values() if p.kind is p.kind.VAR_POSITIONAL), None)
        self._by_place = any(p.kind is p.kind.POSITIONAL_ONLY for p in self._parameters.values()) or (
            self.context is not None and self._context_kind is inspect.Parameter.POSITIONAL_ONLY
        )

    def check(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
        """Return arguments, as a Python caller gives them, as the text of a JSON object keyed by parameter names.

        Raises `Invalid` for ``args.<name>`` when one is unknown, missing, given twice, of the wrong type, or no JSON.
        """
        given = self._bind(args, kwargs)
        self._require(given)
        parts = []
        for name, value in given.items():
            raw = _encode(value, name)
            (self._parameters.get(name) or self._parameter(name)).read(raw, name)
            parts.append(_as_key(name) + raw)
        return (b"{" + b",".join(parts) + b"}").decode()

    def convert(self, text: str, context: Context | None = None) -> tuple[tuple[Any, ...], Values]:
        """Return positional and keyword arguments for the call, from the text of a JSON object.

        Values are converted to the annotated types.  Raises `Invalid` as `check` does.
        """
        try:
            raws = _RAW.decode(text) if text != "{}" else {}
        except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
            raise _invalid("args", error) from None
        if not self._known.issuperset(raws):
            self._refuse_unknown(raws)
        self._require(raws)
        values = {name: self._parameter(name).read(raw, name) for name, raw in raws.items()}
        if self.context is not None:
            values[self.context] = context
        if self._by_place or self._rest in values:
            return self._place(values)
        return (), values

    def schema(self) -> str:
        """Return the JSON schema (text) of the object of arguments."""
        named = {**self._parameters}
        types = [each.type for each in (*named.values(), *([self._extra] if self._extra else []))]
        schemas, definitions = _schemas(types)
        properties = dict(zip(named, schemas, strict=False))
        for name, each in named.items():
            if not each.required and each.default not in (inspect.Parameter.empty, None):
                default = _try_encode(each.default)
                if default is not None:
                    properties[name] = {**properties[name], "default": msgspec.Raw(default)}
        document: dict[str, Any] = {"type": "object", "properties": properties}
        if self._required:
            document["required"] = list(self._required)
        document["additionalProperties"] = schemas[-1] if self._extra else False
        if definitions:
            document["$defs"] = definitions
        return msgspec.json.encode(document).decode()

    def _parameter(self, name: str) -> Parameter:
        found = self._parameters.get(name) or self._extra
        if found is None:
            raise self._unknown(name)
        return found

    def _bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Values:
        places = self._places
        given: Values = dict(zip(places, args, strict=False)) if args else {}
        if len(args) > len(places):
            if self._rest is None:
                taken = f"{len(places)} argument{'s' * (len(places) != 1)}"
                raise Invalid("args", f"takes {taken} by place, {len(args)} were given", hint=self._hint())
            given[self._rest] = list(args[len(places) :])
        for name, value in kwargs.items():
            if name in given:
                raise Invalid(f"args.{name}", "is given twice, by place and by name")
            if name == self.context:
                raise Invalid(
                    f"args.{name}", "is the context, which is filled in when the job runs", hint="leave it out"
                )
            given[name] = value
        self._refuse_unknown(given)
        return given

    def _require(self, given: Mapping[str, Any]) -> None:
        for name in self._required:
            if name not in given:
                raise Invalid(f"args.{name}", "is missing", hint=self._hint())

    def _refuse_unknown(self, given: Mapping[str, Any]) -> None:
        for name in given:
            if name == self.context or (name not in self._known and self._extra is None):
                raise self._unknown(name)

    def _unknown(self, name: str) -> Invalid:
        hint = meant(name, self._parameters, self._hint())
        return Invalid(f"args.{name[:100]}", "the function has no such argument", hint=hint)

    def _hint(self) -> str:
        return f"it takes {', '.join(self._parameters)}" if self._parameters else "it takes no arguments"

    def _place(self, values: Values) -> tuple[tuple[Any, ...], Values]:
        """Give by place what cannot be given by name; what stands before it needs its place too."""
        placed: list[Any] = []
        last = self._last_by_place(values)
        for name in self._order[: last + 1]:
            if name == self._rest:
                placed.extend(values.pop(name))
            elif name in values:
                placed.append(values.pop(name))
            else:
                placed.append(self._parameters[name].default)
        return tuple(placed), values

    def _last_by_place(self, values: Values) -> int:
        if self._rest in values:
            return self._order.index(str(self._rest))
        only = [p.name for p in self._parameters.values() if p.kind is p.kind.POSITIONAL_ONLY]
        if self.context is not None and self._context_kind is inspect.Parameter.POSITIONAL_ONLY:
            only.append(self.context)
        return max((self._order.index(name) for name in only if name in values), default=-1)


def encode_hook(value: Any) -> Any:
    """Turn what msgspec does not know (paths, models of pydantic) into what it does; raises NotImplementedError."""
    if isinstance(value, PurePath):
        return str(value)
    dump = getattr(value, "model_dump", None)
    if callable(dump):
        return dump(mode="json")
    raise NotImplementedError(f"{type(value).__name__} is not JSON")


def _decode_hook(wanted: type, value: Any) -> Any:
    if isinstance(wanted, type) and issubclass(wanted, PurePath) and isinstance(value, str):
        return wanted(value)
    validate = getattr(wanted, "model_validate", None)
    if callable(validate):
        return validate(value)
    raise TypeError(f"{getattr(wanted, '__name__', wanted)} cannot be made from JSON")


def _decoder(hint: Any) -> tuple[Any, msgspec.json.Decoder[Any]]:
    """Return the type that is checked and its decoder: everything passes where msgspec cannot check the annotation."""
    wanted = _aware(hint)
    try:
        return wanted, msgspec.json.Decoder(wanted, dec_hook=_decode_hook)
    except TypeError:
        return Any, msgspec.json.Decoder(Any)


def _aware(hint: Any) -> Any:
    """Demand a zone of every datetime that stands alone or in a union."""
    if hint is datetime:
        return Annotated[datetime, msgspec.Meta(tz=True)]
    if typing.get_origin(hint) in (typing.Union, UnionType):
        return typing.Union[tuple(_aware(each) for each in typing.get_args(hint))]  # noqa: UP007 - built at run time
    return hint


def _hints(function: Callable[..., Any], signature: inspect.Signature) -> dict[str, Any]:
    """Return the annotation of each parameter; Any for what is missing or cannot be resolved."""
    plain = inspect.unwrap(function)
    try:
        resolved = typing.get_type_hints(plain, include_extras=True)
    except Exception:  # noqa: BLE001 - an annotation is an expression: it may raise anything
        resolved = {name: _resolve(plain, each.annotation) for name, each in signature.parameters.items()}
    return {name: resolved.get(name, Any) for name in signature.parameters}


def _resolve(function: Callable[..., Any], annotation: Any) -> Any:
    if annotation is inspect.Parameter.empty:
        return Any
    if not isinstance(annotation, str):
        return annotation
    if _CONTEXT_NAME.fullmatch(annotation):  # imported for the type checker alone
        return Context
    holder = type("_Holder", (), {"__annotations__": {"it": annotation}})
    try:
        scope = inspect.getclosurevars(function).nonlocals
        hints = typing.get_type_hints(holder, getattr(function, "__globals__", {}), dict(scope), include_extras=True)
    except Exception:  # noqa: BLE001 - as above
        return Any
    return hints["it"]


def _is_context(hint: Any) -> bool:
    if typing.get_origin(hint) in (typing.Union, UnionType):
        return {*typing.get_args(hint)} == {Context, NoneType}
    return isinstance(hint, type) and issubclass(hint, Context)


@lru_cache(maxsize=1000)
def _as_key(name: str) -> bytes:
    return msgspec.json.encode(name) + b":"


def _encode(value: Any, name: str) -> bytes:
    field = f"args.{name}"
    _refuse_lossy(value, field)
    try:
        return msgspec.json.encode(value, enc_hook=encode_hook)
    except RecursionError:
        raise Invalid(field, "is nested too deep, or holds itself") from None
    except UnicodeEncodeError:
        raise Invalid(field, "holds a lone surrogate") from None
    except Exception as error:  # noqa: BLE001 - a model's own code may raise anything
        hint = "pass JSON, a dataclass, a Struct, or an id to look it up by"
        raise Invalid(field, f"is not JSON: {error}", hint=hint) from None


def _try_encode(value: Any) -> bytes | None:
    try:
        return msgspec.json.encode(value, enc_hook=encode_hook)
    except Exception:  # noqa: BLE001 - a default that is no JSON is left out of the schema
        return None


def _refuse_lossy(value: Any, field: str) -> None:
    """Refuse what JSON would take and not give back: times without a zone, NaN and infinity."""
    if isinstance(value, (str, int, NoneType)):
        return
    try:
        plain = msgspec.to_builtins(value, builtin_types=(datetime,), enc_hook=encode_hook)
    except Exception:  # noqa: BLE001 - said in words by the encoder, which meets the same trouble
        return
    waiting = [plain]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            waiting.extend(item.values())
        elif isinstance(item, (list, tuple)):
            waiting.extend(item)
        elif isinstance(item, datetime) and item.tzinfo is None:
            hint = "give it a zone, for example datetime(…, tzinfo=UTC)"
            raise Invalid(field, f"the time {item.isoformat()} has no time zone", hint=hint)
        elif isinstance(item, float) and not math.isfinite(item):
            raise Invalid(field, f"{item} is not JSON", hint="pass None or a text")


def _schemas(types: Sequence[Any]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    def hook(wanted: type) -> dict[str, Any]:
        if isinstance(wanted, type) and issubclass(wanted, PurePath):
            return {"type": "string"}
        return {}

    try:
        schemas, definitions = msgspec.json.schema_components(types, schema_hook=hook, ref_template="#/$defs/{name}")
    except (TypeError, RuntimeError):  # one type without a schema must not cost the others theirs
        if len(types) == 1:
            return [{}], {}
        single = [_schemas([each]) for each in types]
        return [found[0][0] for found in single], {name: each for _, defs in single for name, each in defs.items()}
    return list(schemas), definitions


def _invalid(field: str, error: Exception) -> Invalid:
    """Return msgspec's complaint with the whole path in the field."""
    if isinstance(error, RecursionError):
        return Invalid(field, "is nested too deep")
    match = _WHERE.match(str(error))
    reason, path = (match[1], match[2] or "") if match else (str(error), "")
    inner = re.sub(r"\[(\w+|\.\.\.)\]", r".\1", path).replace("....", ".…")
    if "timezone" in reason:
        return Invalid(field + inner, "the time has no time zone", hint="write it with a zone, as 2030-01-31T09:00:00Z")
    return Invalid(field + inner, reason[:1].lower() + reason[1:].replace("`", ""))
