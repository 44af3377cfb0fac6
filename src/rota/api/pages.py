"""The start page and the reference: what there is before the UI, and without it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from html import escape
from typing import Any

from starlette.responses import Response

from rota.api import web
from rota.api.context import Context
from rota.api.html import Page
from rota.api.operations import Operations
from rota.api.reply import JsonReply
from rota.version import __version__

Document = dict[str, Any]
_METHODS = ("get", "post", "put", "patch", "delete")


def page_operations(document: Callable[[], Document]) -> Operations:
    """Return the operations of the pages; ``document`` gives the description of the API."""
    operations = Operations("Pages")

    @operations.add("GET", "/", "getStartPage", media_type="text/html")
    async def start(context: Context) -> Response:
        """Show the overview, or where the pages are not installed, that the service runs."""
        if web.is_there():
            return await web.index(context.service, "/")
        root = escape(context.settings.root_path)
        name, who = escape(context.settings.service_name), context.identity
        body = (
            f"<h1>{name}</h1><p>Rota {__version__} is running; the API answers.</p>"
            f"<p>{escape(web.MISSING)}</p>"
            f"<p>You are {escape(who.subject)}, {escape(who.role or '')}.</p><ul>"
            f'<li><a href="{root}/api/docs">What the API can do</a>, also as'
            f' <a href="{root}/api/openapi.json">OpenAPI</a></li>'
            f'<li><a href="{root}/api/jobs">Jobs</a>, <a href="{root}/api/schedules">schedules</a>,'
            f' <a href="{root}/api/queues">queues</a>, <a href="{root}/api/workers">workers</a></li>'
            f'<li><a href="{root}/health">Health</a></li></ul>'
            f'<form method="post" action="{root}/logout"><button type="submit">Log out</button></form>'
        )
        return Page("Rota", body, root_path=context.settings.root_path)

    @operations.add("GET", "/api/openapi.json", "getOpenApi", answer=dict, has_payloads=False)
    async def openapi(_: Context) -> Response:
        """Get the description of the API as OpenAPI 3.1."""
        return JsonReply(await asyncio.to_thread(document))

    @operations.add("GET", "/api/docs", "getReference", media_type="text/html")
    async def reference(context: Context) -> Response:
        """Read the reference of the API."""
        body = reference_html(await asyncio.to_thread(document))
        return Page("API – Rota", body, root_path=context.settings.root_path)

    return operations


def reference_html(document: Document) -> str:
    """Return the reference as HTML."""
    by_tag: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method in _METHODS:
            if method in methods:
                operation = methods[method]
                by_tag.setdefault(operation["tags"][0], []).append(_operation(method, path, operation, document))
    parts = [f"<h1>{escape(document['info']['title'])} API</h1>", _paragraphs(document["info"]["description"])]
    parts += [f"<h2>{escape(tag)}</h2>{''.join(operations)}" for tag, operations in by_tag.items()]
    schemas = document["components"]["schemas"]
    parts.append("<h2>Schemas</h2>")
    parts += [
        f'<details id="{escape(name)}"><summary><code>{escape(name)}</code></summary>{_json(schema)}</details>'
        for name, schema in sorted(schemas.items())
    ]
    return "".join(parts)


def _operation(method: str, path: str, operation: Document, document: Document) -> str:
    role = operation.get("x-rota-role")
    parts = [_paragraphs(operation.get("description", ""))]
    parts.append(f"<p>Least role: <b>{escape(role)}</b></p>" if role else "<p>Needs no token.</p>")
    if rows := "".join(_parameter(parameter) for parameter in operation.get("parameters", ())):
        parts.append(f"<table><tr><th>Parameter</th><th>In</th><th></th></tr>{rows}</table>")
    for content in operation.get("requestBody", {}).get("content", {}).values():
        parts.append(f"<p>Body: {_schema(content['schema'])}</p>")
        if "example" in content:
            parts.append(_json(content["example"]))
    rows = "".join(_answer(status, answer, document) for status, answer in operation["responses"].items())
    parts.append(f"<table><tr><th>Answer</th><th></th><th></th></tr>{rows}</table>")
    head = f'<span class="method">{method.upper()}</span><code>{escape(path)}</code> {escape(operation["summary"])}'
    return f'<details id="{escape(operation["operationId"])}"><summary>{head}</summary>{"".join(parts)}</details>'


def _parameter(parameter: Document) -> str:
    cells = (
        f"<code>{escape(parameter['name'])}</code>",
        escape(parameter["in"]),
        escape(parameter.get("description", "")),
    )
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _answer(status: str, answer: Document, document: Document) -> str:
    if "$ref" in answer:
        answer = document["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    kinds = ", ".join(_schema(content.get("schema", {})) for content in answer.get("content", {}).values())
    return f"<tr><td>{escape(status)}</td><td>{escape(answer['description'])}</td><td>{kinds}</td></tr>"


def _schema(schema: Document) -> str:
    if "anyOf" in schema:
        return " or ".join(_schema(choice) for choice in schema["anyOf"])
    name = schema.get("$ref", "").rpartition("/")[2]
    return f'<a href="#{escape(name)}"><code>{escape(name)}</code></a>' if name else escape(schema.get("type", ""))


def _json(value: object) -> str:
    return f"<pre>{escape(json.dumps(value, indent=2, ensure_ascii=False))}</pre>"


def _paragraphs(text: str) -> str:
    return "".join(f"<p>{escape(part)}</p>" for part in text.split("\n\n") if part.strip())
