"""The description of the API: routes by FastAPI, everything said in and out by the msgspec structs themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from http import HTTPStatus
from typing import Any, get_args

import msgspec
from fastapi.openapi.utils import get_openapi

from rota.actions.targets import KINDS
from rota.api.described import described_routes
from rota.api.examples import add_examples
from rota.api.operations import Operation, Operations, Parameter
from rota.api.reply import Problem
from rota.settings import Settings
from rota.version import __version__

SCHEMAS = "#/components/schemas/"
PROBLEMS = {
    401: "No or a bad credential",
    403: "The credential does not reach so far",
    404: "There is no such thing",
    409: "The state of the thing does not allow this",
    413: "The body is too large",
    415: "The body must be JSON",
    422: "A value was refused; `field` names it",
    429: "Too many tries",
    503: "The database or another service cannot be reached",
}
REFUSED = {
    401: ("unauthorized", "Missing authorization"),
    403: ("forbidden", "Admin access required"),
    404: ("not-found", "there is no job 019a9d2c-7c1e-7aa0-8f5e-0c3b2a190000"),
    409: ("conflict", "job 019a9d2c-7c1e-7aa0-8f5e-0c3b2a190000 is running"),
    413: ("too-large", "body is larger than 2097152 bytes"),
    415: ("unsupported-media-type", "The body must be JSON"),
    422: ("invalid", "queue: is empty"),
    429: ("too-many-logins", "Too many failed logins"),
    503: ("database-unavailable", "the database does not answer in time"),
}
"""Of each problem a code and a detail, as examples."""
PARTS = "Values of arguments by their paths, as `args[user.id]=42` or `args.user.id=42`."
DESCRIPTION = """\
Jobs, schedules and queues over HTTP. JSON in camelCase, times RFC 3339 in UTC with milliseconds, ids UUIDv7.

Refusals are `application/problem+json`: `detail` says why, `field` names the wrong value, `hint` says what would help.
The header `Rota-Accounted-To` of an answer says up to when every due instant is accounted for.
"""
_SECURITY: list[dict[str, list[str]]] = [{"bearer": []}, {"session": []}]


def describe(operation: Operation) -> dict[str, Any]:
    """Return what FastAPI cannot see of an operation: parameters, bodies, answers, who may."""
    described: dict[str, Any] = {"responses": _answers(operation)}
    parameters = [_parameter(parameter) for parameter in (*operation.paths, *operation.headers)]
    if operation.query is not None:
        parameters += _query(operation.query)
    if parameters:
        described["parameters"] = parameters
    if operation.body is not None:
        content: dict[str, Any] = {"schema": _reference(operation.body)}
        if operation.example is not None:
            content["example"] = operation.example
        described["requestBody"] = {
            "required": operation.body_required,
            "content": {"application/json": content},
        }
    described["security"] = [] if operation.role is None else _SECURITY
    if operation.role is not None:
        described["x-rota-role"] = operation.role
    return described


def document(operations: Sequence[Operations], settings: Settings) -> dict[str, Any]:
    """Return the whole description."""
    found = get_openapi(
        title="Rota",
        version=__version__,
        summary="The scheduler that accounts for every run.",
        description=DESCRIPTION,
        routes=described_routes(operations, describe),
        servers=[{"url": settings.root_path or "/"}],
    )
    spoken = [operation for group in operations for operation in group.all]
    kinds = [Problem, *(kind for one in spoken for said in (one.body, one.answer) for kind in _structs(said))]
    _, components = msgspec.json.schema_components(list(dict.fromkeys(kinds)), ref_template=SCHEMAS + "{name}")
    _describe_targets(components)
    _leave_out_null([kind.__name__ for one in spoken for kind in _structs(one.body)], components)
    found["components"] = {
        "schemas": components,
        "responses": {_problem_name(status): _problem(status) for status in PROBLEMS},
        "securitySchemes": {
            "bearer": {
                "type": "http",
                "scheme": "bearer",
                "description": "An API token (`rota_…`), the shared secret, or a token signed with it.",
            },
            "session": {
                "type": "apiKey",
                "in": "cookie",
                "name": "rota_session",
                "description": "The session of a browser; its name ends differently for each service.",
            },
        },
    }
    add_examples(found)
    return found


def _describe_targets(schemas: dict[str, Any]) -> None:
    """Say of targets what holds for every kind; each kind checks the rest by itself."""
    for schema in schemas.values():
        if schema.get("properties", {}).get("target") == {}:
            kind = {"kind": {"enum": list(KINDS)}}
            target: dict[str, Any] = {"type": "object", "required": ["kind"], "properties": kind}
            optional = {"anyOf": [target, {"type": "null"}], "default": None}
            schema["properties"]["target"] = target if "target" in schema["required"] else optional


def _leave_out_null(names: Iterable[str], schemas: dict[str, Any]) -> None:
    """Say nothing of defaults that are null in what is sent: generators of clients demand each field with a default."""
    waiting, seen = list(names), set[str]()
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            for field in schemas[name].get("properties", {}).values():
                if field.get("default", ...) is None:
                    del field["default"]
            waiting += _referred(schemas[name])


def _referred(value: Any) -> Iterator[str]:
    """Yield the names of the schemas that one refers to."""
    if isinstance(value, dict):
        if isinstance(reference := value.get("$ref"), str):
            yield reference.removeprefix(SCHEMAS)
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from _referred(inner)


def _answers(operation: Operation) -> dict[str, Any]:
    good: dict[str, Any] = {"description": operation.summary}
    if operation.answer is not None:
        content: dict[str, Any] = {"schema": _reference(operation.answer)}
        if operation.answer_example is not None:
            content["example"] = operation.answer_example
        good["content"] = {operation.media_type: content}
    elif operation.status != 204:
        said: dict[str, Any] = {"schema": {"type": "string"}}
        if operation.answer_example is not None:
            said["example"] = operation.answer_example
        good["content"] = {operation.media_type: said}
    for other in operation.other_types:
        good["content"][other] = {"schema": {"type": "string"}}
    answers: dict[str, Any] = {str(operation.status): good}
    answers.update({str(status): {"description": meaning} for status, meaning in operation.also.items()})
    for status in sorted(_refusals(operation)):
        answers[str(status)] = {"$ref": f"#/components/responses/{_problem_name(status)}"}
    return answers


def _refusals(operation: Operation) -> set[int]:
    found = set(operation.problems) | {503}
    if operation.role is not None:
        found |= {401, 403}
    if operation.paths:
        found.add(404)
    if operation.query is not None or operation.headers:
        found.add(422)
    if operation.method in ("POST", "PUT", "PATCH"):
        found |= {413, 415}
    if operation.body is not None:
        found.add(422)
    return found - operation.also.keys() - {operation.status}


def _problem_name(status: int) -> str:
    return f"Problem{status}"


def _problem(status: int) -> dict[str, Any]:
    return {
        "description": PROBLEMS[status],
        "content": {"application/problem+json": {"schema": _reference(Problem), "example": _refused(status)}},
    }


def _refused(status: int) -> dict[str, Any]:
    code, detail = REFUSED[status]
    shown = {"status": status, "title": HTTPStatus(status).phrase, "detail": detail, "code": code, "error": detail}
    return {**shown, "field": "queue"} if status == 422 else shown


def _structs(kind: Any) -> list[type]:
    return [one for one in (get_args(kind) or (kind,)) if isinstance(one, type) and issubclass(one, msgspec.Struct)]


def _reference(kind: Any) -> dict[str, Any]:
    found = [{"$ref": SCHEMAS + one.__name__} for one in _structs(kind)]
    if not found:
        schema: dict[str, Any] = msgspec.json.schema(kind)
        return schema
    return found[0] if len(found) == 1 else {"anyOf": found}


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.place == "path" or parameter.required,
        "description": parameter.description,
        "schema": msgspec.json.schema(parameter.type),
        "example": parameter.example,
    }


def _query(kind: type) -> list[dict[str, Any]]:
    parameters = []
    for field in msgspec.structs.fields(kind):
        schema = _without_null(msgspec.json.schema(field.type))
        parameter = {"name": field.encode_name, "in": "query", "required": field.required, "schema": schema}
        if description := schema.pop("description", None):
            parameter["description"] = description
        if schema.get("type") == "object":
            parameter |= {"style": "deepObject", "explode": True, "description": PARTS}
        parameters.append(parameter)
    return parameters


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Leave null out: a query cannot say it."""
    choices = [choice for choice in schema.get("anyOf", ()) if choice.get("type") != "null"]
    if len(choices) == 1:
        return {**{key: value for key, value in schema.items() if key != "anyOf"}, **choices[0]}
    return {**schema, "anyOf": choices} if choices else schema
