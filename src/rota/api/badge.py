"""A badge: a small picture of a name and a state."""

from __future__ import annotations

from html import escape

HEIGHT = 20
LONGEST = 60
WORDS = {"up": "up", "late": "late", "down": "down", "none": "unknown"}
COLOURS = {"up": "#1f7a3d", "late": "#8a5a00", "down": "#b3261e", "none": "#5f6368"}
"""White on each of them has a contrast above 4.5."""
_WIDE = frozenset("mwMWQOGD@%&—…")
_NARROW = frozenset("iljItf.,:;'|!()[] ")


def badge(title: str, status: str) -> str:
    """Return the picture as SVG; the state is said in words, not by its colour alone."""
    shown = title if len(title) <= LONGEST else f"{title[: LONGEST - 1]}…"
    word = WORDS[status]
    left, right = _width(shown), _width(word)
    whole = left + right
    label = escape(f"{title}: {word}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{whole}" height="{HEIGHT}" role="img" aria-label="{label}">'
        f"<title>{label}</title>"
        f'<rect width="{whole}" height="{HEIGHT}" rx="4" fill="#343f44"/>'
        f'<path d="M{left} 0h{right - 4}a4 4 0 0 1 4 4v{HEIGHT - 8}a4 4 0 0 1 -4 4h-{right - 4}z" '
        f'fill="{COLOURS[status]}"/>'
        '<g fill="#fff" font-family="Verdana,DejaVu Sans,Geneva,sans-serif" font-size="11" text-anchor="middle">'
        f'<text x="{left / 2:g}" y="14" textLength="{left - 12}">{escape(shown)}</text>'
        f'<text x="{left + right / 2:g}" y="14" textLength="{right - 12}">{word}</text></g></svg>\n'
    )


def _width(text: str) -> int:
    """Return about how wide a text is in Verdana of 11 px, with its margins."""
    return 12 + round(
        sum(9.5 if char in _WIDE or ord(char) > 0x2E80 else 4.2 if char in _NARROW else 7 for char in text)
    )
