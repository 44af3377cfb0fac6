"""The few pages of the API itself: plain HTML without any script, under a policy that allows none."""

from __future__ import annotations

import base64
import hashlib
from html import escape

from starlette.responses import HTMLResponse

from rota.api import web

STYLE = """
:root { color-scheme: light dark; --body: light-dark(#f6f5f1, #10181b); --card: light-dark(#fff, #172124);
  --text: light-dark(#1b2526, #e3eaea); --dim: light-dark(#625d52, #9babae); --line: light-dark(#d5d1c5, #33444a);
  --link: light-dark(#0b5f6b, #79ced7); --fill: light-dark(#0c6572, #177985); --on-fill: #fff; }
* { box-sizing: border-box; }
body { font: 15px/1.55 ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; margin: 0;
  color: var(--text); background: var(--body); overflow-wrap: anywhere; }
a { color: var(--link); text-decoration: none; } a:hover { text-decoration: underline; }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
.top { display: flex; align-items: center; gap: 1.25rem; padding: .7rem max(1rem, 50vw - 29rem);
  background: light-dark(#0f2c32, #0b1214); }
.top a { color: #d5e6e8; } .top a:first-child { display: flex; align-items: center; gap: .6rem; margin-right: auto;
  font-size: 1.15rem; font-weight: 680; letter-spacing: -.02em; }
main { max-width: 60rem; margin: 0 auto; padding: 1.25rem 1rem 3rem; }
h1, h2 { letter-spacing: -.012em; line-height: 1.25; } h1 { font-size: 1.55rem; } h2 { font-size: 1.15rem; }
form { display: grid; gap: .5rem; margin: 1rem 0; }
label { font-weight: 600; }
input, button, .button { font: inherit; padding: .6rem .8rem; border: 1px solid var(--line); border-radius: 8px; }
input { width: 100%; color: inherit; background: var(--body); font-family: ui-monospace, monospace; }
button { border: 0; margin-top: .4rem; font-weight: 600; color: var(--on-fill); background: var(--fill);
  cursor: pointer; }
button:hover { filter: brightness(1.08); }
.button { display: block; text-align: center; font-weight: 600; }
.or { display: flex; align-items: center; gap: .75rem; color: var(--dim); }
.or::before, .or::after { content: ""; flex: 1; border-top: 1px solid var(--line); }
code, pre { font: 13px/1.55 ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
pre { overflow-x: auto; padding: .7rem .85rem; border: 1px solid var(--line); border-radius: 8px;
  background: var(--card); }
details { border-top: 1px solid var(--line); padding: .4rem 0; }
summary { cursor: pointer; }
table { border-collapse: collapse; } td, th { text-align: left; padding: .1rem .8rem .1rem 0; vertical-align: top; }
.method { display: inline-block; min-width: 4.5rem; font-weight: 600; }
.error { padding: .6rem .8rem; border-radius: 8px; color: light-dark(#a51d2a, #ffa3a1);
  background: light-dark(#fae3e2, #431c20); }
.dim { color: var(--dim); font-size: .875rem; }
.narrow { max-width: 27rem; margin: clamp(1rem, 12vh, 8rem) auto; padding: 1.6rem 1.75rem;
  border: 1px solid var(--line); border-radius: 14px; background: var(--card);
  box-shadow: 0 1px 2px rgb(0 0 0 / 6%), 0 12px 32px rgb(0 0 0 / 7%); }
.narrow h1 { margin-top: 0; }
@media (max-width: 30rem) { .narrow { margin: 1rem; padding: 1.2rem 1.1rem; } }
"""
MARK = (
    '<svg width="26" height="26" viewBox="0 0 32 32" fill="none" aria-hidden="true">'
    '<circle cx="16" cy="16" r="12" stroke="#6fd0da" stroke-width="3" stroke-dasharray="4.4 1.883"/>'
    '<path d="M16 9v7l5 3" stroke="#d5e6e8" stroke-width="3" stroke-linecap="round" stroke-linejoin="round"/></svg>'
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)


class Page(HTMLResponse):
    """A page; ``body`` is HTML whose texts are escaped.  The browser goes on to ``go_to`` at once where it is given."""

    def __init__(
        self,
        title: str,
        body: str,
        status_code: int = 200,
        *,
        root_path: str = "",
        go_to: str = "",
        narrow: bool = False,
    ) -> None:
        """``narrow`` makes it a card in the middle, as forms are."""
        root = escape(root_path)
        links = "".join(
            f'<a href="{root}{path}">{name}</a>'
            for path, name in (("/", f"{MARK}Rota"), ("/api/docs", "API"), ("/health", "Health"))
        )
        icon = f'<link rel="icon" href="{root}{web.ICON}" type="image/svg+xml">' if web.is_there() else ""
        place = ' class="narrow"' if narrow else ""
        forward = f'<meta http-equiv="refresh" content="0; url={escape(go_to)}">' if go_to else ""
        text = (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"{forward}{icon}"
            f"<title>{escape(title)}</title><style>{STYLE}</style></head>"
            f'<body><nav class="top" aria-label="Rota">{links}</nav><main{place}>{body}</main></body></html>'
        )
        super().__init__(text, status_code, {"Content-Security-Policy": POLICY, "Cache-Control": "no-store"})
