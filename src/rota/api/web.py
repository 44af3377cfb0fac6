"""The pages: files that the build of ``web/`` left in the package, served beside the API.

Without them, in an installation with ``ROTA_WEB=skip``, everything else works, and the start page says how to get them.
"""

from __future__ import annotations

import json
import re
import secrets
from functools import lru_cache
from html import escape
from mimetypes import guess_type
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

import rota
from rota.api.access import IDENTITY
from rota.api.service import Service

FOLDER = Path(rota.__file__).parent / "_web"
"""Where the build hook puts the pages (``hatch_build.py``)."""
MISSING = "The pages are not installed: install without ROTA_WEB=skip, or run `make web` in a checkout."
ASSETS = "/assets/"
ICON = "/icon.svg"
_NAME = re.compile(r"[\w.-]+")
_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
_STYLES = '<link rel="stylesheet" crossorigin href="./{}">'
_FOREVER = "public, max-age=31536000, immutable"
_HOUR = "public, max-age=3600"


def is_there() -> bool:
    """Return whether the pages are installed."""
    return (FOLDER / "index.html").is_file()


async def index(service: Service, path: str) -> Response:
    """Return the one page that all pages are.

    It is told where it lives, what its styles must carry, from where it hears of changes, and what it will need.
    """
    nonce = secrets.token_urlsafe(16)
    base = escape(f"{service.settings.root_path}/", quote=True)
    head = f'<head><base href="{base}"><meta property="csp-nonce" nonce="{nonce}">'
    if here := await service.feed.here():
        head += f'<meta name="rota-events-after" content="{here}">'
    html = (_read(FOLDER / "index.html") or b"").decode().replace("<head>", head, 1)
    html = html.replace("</head>", f"{_early(path, html)}</head>", 1)
    policy = (
        "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' data:; font-src 'self'; "
        f"style-src 'self' 'nonce-{nonce}'; form-action 'self'; base-uri 'self'; frame-ancestors 'none'"
    )
    headers = {"Content-Security-Policy": policy, "Cache-Control": "no-cache"}
    return Response(html, 200, headers, "text/html; charset=utf-8")


async def answer(request: Request) -> Response | None:
    """Return the file or page for an address that is none of the API's, or None where there is none."""
    path: str = request.scope["path"]
    if request.method not in ("GET", "HEAD"):
        return None
    if path.startswith(ASSETS):
        return _file("assets", path[len(ASSETS) :], request, _FOREVER)
    if path == ICON:
        return _file("", path[1:], request, _HOUR)
    # Strangers come as far as this where nobody is asked: to them the page is of no use, and it costs a look.
    wants_page = "text/html" in request.headers.get("accept", "") and request.scope.get(IDENTITY) is not None
    if not wants_page or path == "/api" or path.startswith("/api/") or not is_there():
        return None
    return await index(request.app.state.service, path)


def _early(path: str, html: str) -> str:
    """Name the files of a page in its head: a browser fetches them at once, not after it has run those of the frame."""
    content = _read(FOLDER / "pages.json")
    pages = _pages(content) if content is not None else ()
    files = next((files for pattern, files in pages if pattern.fullmatch(path)), ())
    links = {".js": '<link rel="modulepreload" crossorigin href="./{}">', ".css": _STYLES}
    return "".join(links[Path(name).suffix].format(name) for name in files if f"./{name}" not in html)


@lru_cache(2)
def _pages(content: bytes) -> tuple[tuple[re.Pattern[str], tuple[str, ...]], ...]:
    """Read what the build wrote: the address of each page, as its router has it, and its files."""
    return tuple((_pattern(path), tuple(files)) for path, files in json.loads(content))


def _pattern(path: str) -> re.Pattern[str]:
    parts = (".+" if part == "$" else "[^/]+" if part.startswith("$") else re.escape(part) for part in path.split("/"))
    return re.compile("/".join(parts).removesuffix("/") + "/?")


def _file(folder: str, name: str, request: Request, cached: str) -> Response | None:
    content = _read(FOLDER / folder / name) if _NAME.fullmatch(name) else None
    if content is None:
        return None
    headers = {"Cache-Control": cached, "Vary": "Accept-Encoding"}
    zipped = _read(FOLDER / folder / f"{name}.gz")
    if zipped is not None and "gzip" in request.headers.get("accept-encoding", ""):
        content = zipped
        headers["Content-Encoding"] = "gzip"
    kind = _TYPES.get(Path(name).suffix) or guess_type(name)[0] or "application/octet-stream"
    return Response(content, 200, headers, kind)


@lru_cache(256)
def _bytes(path: Path, _changed_ns: int) -> bytes:
    return path.read_bytes()


def _read(path: Path) -> bytes | None:
    try:
        return _bytes(path, path.stat().st_mtime_ns)
    except OSError:
        return None
