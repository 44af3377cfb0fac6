"""The reference of the REST interface, made from the description that the service gives of itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from docs.rest_notes import note
from tools.openapi import description

Document = dict[str, Any]

METHODS = ("get", "post", "put", "patch", "delete")
LEFT_OUT = {"Demo", "Pages"}
"""Tags of operations that are not for programs."""
SAID_ONCE = {"RFC 3339 in UTC with milliseconds", "UUIDv7"}
"""Descriptions that hold for all values of their kind."""
DURATION = [{"type": "string"}, {"type": "integer"}, {"type": "number"}]

INTRODUCTION = """\
# REST

Everything that Rota can do, over HTTP. The service describes itself at `/api/openapi.json` (OpenAPI 3.1), and as a page
at `/api/docs`; this page is made from the same description. The examples use two variables:

```sh
export ROTA_URL=http://127.0.0.1:7005
export ROTA_TOKEN=…        # from `rota token create --role operator --name "my program"`
```

## What holds everywhere

- **Access**: every request but those marked *nobody* needs `Authorization: Bearer TOKEN`. The roles are
  `viewer` < `operator` < `admin`. See [security](../explanation/security.md).
- **Form**: JSON in camelCase. Bodies need `Content-Type: application/json`. Unknown fields are refused by name. Times
  are RFC 3339 in UTC with milliseconds; a time that you send needs its zone. Durations are written `500ms`, `30s`,
  `5m`, `2h`, `7d`, or as a number of seconds. Ids are UUIDs of version 7.
- **Refusals** are `application/problem+json`; see [errors](errors.md).
- **Lists** take `limit` (at most 200) and answer `nextCursor`: send it as `cursor` to get the next page.
- **`Idempotency-Key`**: a POST that creates something, sent again with the same key within a day, is answered as
  the first time (with the header `Idempotency-Replayed: true`) and creates nothing.
- **`Rota-Accounted-To`**: a header of every answer, as soon as a scheduler has run. Every due instant up to this time
  is accounted for.
- **HEAD** works wherever GET does.
"""


def rest_page() -> str:
    """Return the reference of all operations and what they send and answer."""
    described = description()
    operations = [*_operations(described)]
    tags = list(dict.fromkeys(operation["tags"][0] for _, _, operation in operations))
    parts = [INTRODUCTION.rstrip(), "## All operations", _overview(operations)]
    for tag in tags:
        parts.append(f"## {tag}")
        parts += [_operation(*each) for each in operations if each[2]["tags"][0] == tag]
    parts.append("## What is sent and answered")
    schemas, those_sent = described["components"]["schemas"], sent(described)
    parts += [_struct(name, schemas[name], sent=name in those_sent) for name in sorted(schemas) if name != "Problem"]
    return "\n\n".join(parts) + "\n"


def _operations(described: Document) -> Iterator[tuple[str, str, Document]]:
    for path, methods in described["paths"].items():
        for method in METHODS:
            if method in methods and methods[method]["tags"][0] not in LEFT_OUT:
                yield method.upper(), path, methods[method]


def _overview(operations: list[tuple[str, str, Document]]) -> str:
    rows = ["| operation | what it does | least role |", "|---|---|---|"]
    for method, path, operation in operations:
        role = operation.get("x-rota-role", "nobody")
        rows.append(f"| [`{method} {path}`](#{_anchor(method, path)}) | {operation['summary']} | {role} |")
    return "\n".join(rows)


def _anchor(method: str, path: str) -> str:
    kept = "".join(character for character in path.lower() if character.isalnum() or character in "-_")
    return f"{method.lower()}-{kept}"


def _operation(method: str, path: str, operation: Document) -> str:
    role = operation.get("x-rota-role", "nobody")
    summary = f"{operation['summary']}. Least role: **{role}**."
    parts = [f"### {method} {path}", summary, operation.get("description", "")]
    if parameters := operation.get("parameters"):
        rows = [_parameter(parameter) for parameter in parameters]
        parts.append("\n".join(["| parameter | in | takes | meaning |", "|---|---|---|---|", *rows]))
    if body := operation.get("requestBody"):
        schema = body["content"]["application/json"]["schema"]
        parts.append(f"Body{'' if body['required'] else ' (may be left out)'}: {_type(schema)}")
    parts.append(f"```sh\n{_call(method, path, operation)}\n```")
    parts.append(_answers(operation["responses"]))
    return "\n\n".join(part.strip() for part in parts if part.strip())


def _parameter(parameter: Document) -> str:
    name, schema = parameter["name"], parameter["schema"]
    # In an address several values are one text.
    schema = next((choice for choice in schema.get("anyOf", ()) if choice.get("type") == "string"), schema)
    meaning = parameter.get("description") or note("FilterIn", name, sent=True)
    return f"| `{name}` | {parameter['in']} | {_type(schema)} | {_cell(meaning)} |"


def _call(method: str, path: str, operation: Document) -> str:
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "path":
            path = path.replace("{" + parameter["name"] + "}", parameter["example"])
    words = ["curl"] if method == "GET" else ["curl", "-X", method]
    words.append(f'"$ROTA_URL{path}"')
    if operation.get("x-rota-role"):
        words.append('-H "Authorization: Bearer $ROTA_TOKEN"')
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if body is None:
        return " ".join(words)
    head = " ".join([*words, "\\\n  -H 'Content-Type: application/json'"])
    return f"{head} \\\n  -d '{json.dumps(body.get('example', {}), ensure_ascii=False)}'"


def _answers(responses: Document) -> str:
    said: list[str] = []
    for status, answer in responses.items():
        if "$ref" in answer:
            continue
        kinds = [_type(content.get("schema", {})) for content in answer.get("content", {}).values()]
        media = next(iter(answer.get("content", {})), "")
        what = " ".join(kinds) if media in ("application/json", "") else f"`{media}`"
        meaning = answer["description"] if not said or not kinds else ""
        said.append(f"**{status}** {what or meaning if said else what or 'without content'}")
    refusals = [status for status, answer in responses.items() if "$ref" in answer]
    return f"Answers {', '.join(said)}; refusals: {', '.join(refusals)}."


def sent(described: Document) -> set[str]:
    """Return the names of the structs that are sent, also within others."""
    schemas = described["components"]["schemas"]
    waiting = [
        _name(operation["requestBody"]["content"]["application/json"]["schema"])
        for _, _, operation in _operations(described)
        if "requestBody" in operation
    ]
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [_name(part) for part in _parts(schemas[name])]
    return found


def parameters(described: Document) -> Iterator[Document]:
    """Yield every parameter of every operation."""
    for _, _, operation in _operations(described):
        yield from operation.get("parameters", ())


def _parts(schema: Document) -> Iterator[Document]:
    """Yield every reference within a schema."""
    if "$ref" in schema:
        yield schema
    for value in schema.values():
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, dict):
                yield from _parts(each)


def _struct(name: str, schema: Document, *, sent: bool) -> str:
    rows = []
    for field, kind in schema["properties"].items():
        needed = " (required)" if sent and field in schema.get("required", ()) else ""
        described = kind.get("description", "")
        meaning = note(name, field, sent=sent) or ("" if described in SAID_ONCE else described)
        rows.append(f"| `{field}` | {_type(kind, sent=sent)}{needed} | {_cell(meaning)} |")
    return "\n".join(
        [f"### {name}", "", schema.get("description", ""), "", "| field | is | meaning |", "|---|---|---|", *rows]
    )


def _type(schema: Document, *, sent: bool = False) -> str:
    """Return what a schema allows, in words; ``null`` says nothing where a field may be left out anyway."""
    if "$ref" in schema:
        name = _name(schema)
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        choices = [choice for choice in schema["anyOf"] if not (sent and choice == {"type": "null"})]
        if choices == DURATION:
            return "duration"
        return " or ".join(dict.fromkeys(_type(choice) for choice in choices))
    if "enum" in schema:
        return " ".join(f"`{value}`" for value in schema["enum"])
    kind = schema.get("type", "any JSON")
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return "time" if schema.get("format") == "date-time" else str(kind)


def _name(schema: Document) -> str:
    return str(schema["$ref"]).rpartition("/")[2]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
