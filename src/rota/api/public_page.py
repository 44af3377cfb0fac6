"""The page that anybody may see: names and states, in plain HTML without any script."""

from __future__ import annotations

import base64
import hashlib
from html import escape

from rota.actions.status_pages import Board, Item

STYLE = """
:root { color-scheme: light dark; --body: light-dark(#f6f5f1, #10181b); --card: light-dark(#fff, #172124);
  --text: light-dark(#1b2526, #e3eaea); --dim: light-dark(#625d52, #9babae); --line: light-dark(#e2dfd6, #2a393e);
  --up: light-dark(#1a7038, #6fd08c); --late: light-dark(#855600, #f0b95a); --down: light-dark(#a51d2a, #ff9d99);
  --up-fill: light-dark(#e3f2e6, #173522); --late-fill: light-dark(#fbeed3, #3b2d10);
  --down-fill: light-dark(#fae3e2, #431c20); --rest-fill: light-dark(#ecebe6, #222e32); }
* { box-sizing: border-box; }
body { font: 16px/1.5 ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; margin: 0;
  color: var(--text); background: var(--body); overflow-wrap: anywhere; }
main { max-width: 44rem; margin: 0 auto; padding: clamp(1.25rem, 6vh, 4rem) 1rem 3rem; }
h1 { font-size: 1.65rem; line-height: 1.2; letter-spacing: -.02em; margin: 0 0 1.25rem; }
.sum { display: flex; gap: .75rem; align-items: center; padding: 1rem 1.15rem; border-radius: 12px; font-weight: 650;
  font-size: 1.1rem; }
.sum svg { width: 26px; height: 26px; flex: none; }
ul { list-style: none; margin: 1.25rem 0; padding: 0; border: 1px solid var(--line); border-radius: 12px;
  background: var(--card); }
li { display: flex; justify-content: space-between; gap: 1rem; align-items: center; padding: .8rem 1.15rem; }
li + li { border-top: 1px solid var(--line); }
.state { display: inline-flex; gap: .4rem; align-items: center; flex: none; padding: .15rem .6rem .15rem .45rem;
  border-radius: 99px; font-size: .875rem; font-weight: 600; }
svg { width: 16px; height: 16px; fill: none; stroke: currentColor; stroke-width: 2; stroke-linecap: round;
  stroke-linejoin: round; }
.up { color: var(--up); background: var(--up-fill); } .late { color: var(--late); background: var(--late-fill); }
.down { color: var(--down); background: var(--down-fill); } .rest { color: var(--dim); background: var(--rest-fill); }
footer { color: var(--dim); font-size: .875rem; }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
ICONS = {
    "up": '<circle cx="8" cy="8" r="6.5"/><path d="m5 8.3 2 2 4-4.5"/>',
    "late": '<circle cx="8" cy="8" r="6.5"/><path d="M8 4.5V8l2.2 1.6"/>',
    "down": '<path d="m8 1.8 6.4 11.4H1.6z"/><path d="M8 6.5v2.8M8 11.4v.1"/>',
    "rest": '<circle cx="8" cy="8" r="6.5"/><path d="M5.5 8h5"/>',
}
STATES = {
    "up": ("up", "Up"),
    "running": ("up", "Running"),
    "late": ("late", "Late"),
    "down": ("down", "Down"),
    "failed": ("down", "Failed"),
    "new": ("rest", "Not yet run"),
    "paused": ("rest", "Paused"),
}
REFRESH_S = 60


def page(board: Board) -> str:
    """Return the page of a tag."""
    items = "".join(_item(item) for item in board.items)
    title = escape(board.title)
    at = escape(f"{board.at[:10]} {board.at[11:19]} UTC")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="robots" content="noindex, nofollow"><meta http-equiv="refresh" content="{REFRESH_S}">'
        f'<title>{title}</title><link rel="icon" href="data:,"><style>{STYLE}</style></head>'
        f"<body><main><h1>{title}</h1>"
        f"{_summary(board)}"
        + (f"<ul>{items}</ul>" if items else "")
        + f'<footer>As of <time datetime="{escape(board.at)}">{at}</time>; this page looks again each minute.</footer>'
        "</main></body></html>"
    )


def _summary(board: Board) -> str:
    bad = sum(item.status in ("down", "failed") for item in board.items)
    late = sum(item.status == "late" for item in board.items)
    text = {
        "up": "Everything runs as it should",
        "late": f"{late} of {len(board.items)} late",
        "down": f"{bad} of {len(board.items)} {'needs' if bad == 1 else 'need'} attention",
        "none": "Nothing has run yet" if board.items else "Nothing is watched here yet",
    }[board.status]
    look = "rest" if board.status == "none" else board.status
    return f'<p class="sum {look}" role="status">{_icon(look)}{escape(text)}</p>'


def _item(item: Item) -> str:
    look, word = STATES[item.status]
    return f'<li><span>{escape(item.name)}</span><span class="state {look}">{_icon(look)}{word}</span></li>'


def _icon(look: str) -> str:
    return f'<svg viewBox="0 0 16 16" aria-hidden="true">{ICONS[look]}</svg>'
