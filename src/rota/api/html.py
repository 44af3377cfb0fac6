"""The few pages of the API itself: plain HTML without any script, under a policy that allows none."""

from __future__ import annotations

import base64
import hashlib
from html import escape

from starlette.responses import HTMLResponse

STYLE = """
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 22%, transparent); }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 0 auto; padding: 1rem; }
nav a { margin-right: 1rem; }
form { display: grid; gap: .5rem; max-width: 24rem; margin: 2rem 0; }
input, button { font: inherit; padding: .5rem; }
code, pre { font: 14px/1.5 ui-monospace, monospace; }
pre { overflow-x: auto; padding: .5rem; border: 1px solid var(--line); }
details { border-top: 1px solid var(--line); padding: .4rem 0; }
summary { cursor: pointer; }
table { border-collapse: collapse; } td, th { text-align: left; padding: .1rem .8rem .1rem 0; vertical-align: top; }
.method { display: inline-block; min-width: 4.5rem; font-weight: 600; }
.error { color: light-dark(#b00020, #ff8a80); }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class Page(HTMLResponse):
    """A page; ``body`` is HTML whose texts are escaped."""

    def __init__(self, title: str, body: str, status_code: int = 200, *, root_path: str = "") -> None:
        links = "".join(
            f'<a href="{escape(root_path)}{path}">{name}</a>'
            for path, name in (("/", "Rota"), ("/api/docs", "API"), ("/health", "Health"))
        )
        text = (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{escape(title)}</title><style>{STYLE}</style></head>"
            f"<body><nav>{links}</nav><main>{body}</main></body></html>"
        )
        super().__init__(text, status_code, {"Content-Security-Policy": POLICY, "Cache-Control": "no-store"})
