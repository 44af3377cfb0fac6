"""Text of others on a terminal: only colours get through, and widths are what the terminal makes of it."""

from __future__ import annotations

import re
import unicodedata

ELLIPSIS = "…"
RESET = "\x1b[0m"
_COLOUR = re.compile(r"\x1b\[([0-9;:]*)m")
# Sequences first, so that nothing of them remains; then single characters that control, among them those that turn
# the direction of writing.
_CONTROL = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_].*?(?:\x07|\x1b\\|$)|\x1b.?"
    r"|[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]",
    re.DOTALL,
)
_CONCEAL = "8"


def safe(text: str) -> str:
    """Return a line as a terminal may get it: colour codes pass, everything else that controls it does not."""
    parts: list[str] = []
    end = 0
    coloured = False
    for match in _CONTROL.finditer(text):
        parts.append(text[end : match.start()])
        if _is_colour(match[0]):
            parts.append(match[0])
            coloured = True
        end = match.end()
    parts.append(text[end:])
    found = "".join(parts)
    return found + RESET if coloured and not found.endswith(RESET) else found


def _is_colour(sequence: str) -> bool:
    """Tell whether a sequence sets colours; one that hides text is none."""
    match = _COLOUR.fullmatch(sequence)
    if match is None:
        return False
    codes = match[1].split(";")
    while codes:
        code = codes.pop(0)
        if code in ("38", "48", "58") and codes:
            del codes[: {"5": 2, "2": 4}.get(codes[0], 1)]
        elif code.lstrip("0") == _CONCEAL:
            return False
    return True


def safe_line(text: str) -> str:
    """Return a text that may have line breaks as one line that a terminal may get."""
    return safe(re.sub(r"[\r\n\t]+", " ", text))


def width(text: str) -> int:
    """Return how many columns a text takes on a terminal."""
    plain = _COLOUR.sub("", text)
    if plain.isascii():
        return len(plain)
    return sum(_columns(character) for character in plain)


def _columns(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Cf", "Me", "Mn"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def cut(text: str, columns: int) -> str:
    """Return as much of a text as fits; an ellipsis stands for the rest."""
    if width(text) <= columns:
        return text
    kept: list[str] = []
    left = columns - 1
    coloured = False
    for part in re.split(r"(\x1b\[[0-9;:]*m)", text):
        if _COLOUR.fullmatch(part):
            kept.append(part)
            coloured = True
            continue
        for character in part:
            left -= _columns(character)
            if left < 0:
                return "".join(kept) + ELLIPSIS + (RESET if coloured else "")
            kept.append(character)
    return "".join(kept)
