"""Whole lines out of a stream of bytes that may be anything: endless lines, bad text, gigabytes."""

from __future__ import annotations

from collections.abc import Callable

MAX_LINE_BYTES = 1 << 16
MAX_RESULT_BYTES = (1 << 20) + (1 << 16)
"""How much of a ``::rota result`` line is kept: more than a result may have, so that its size is judged elsewhere."""
DIRECTIVE = b"::rota "
PROGRESS = b"::rota progress "
RESULT = b"::rota result "
CHECKPOINT = b"::rota checkpoint "
EXTEND = b"::rota extend "
MAX_CHECKPOINT_LINE = (1 << 16) + (1 << 10)
"""How much of a ``::rota checkpoint`` line is kept: more than a checkpoint may have, whose size is judged elsewhere."""


class Lines:
    """Turns one stream into blocks of whole lines, each of at most `MAX_LINE_BYTES`.

    Of a longer line the head is kept, with a mark of how much is missing.  ``on_long_result`` gets head and size of
    a ``::rota result`` line above `MAX_RESULT_BYTES`, which then appears in no block.
    """

    def __init__(self, on_long_result: Callable[[bytes, int], None]) -> None:
        self._on_long_result = on_long_result
        self._begun = bytearray()
        self._cut = 0

    def feed(self, data: bytes) -> bytes:
        """Return the lines that ``data`` ends; what follows the last newline waits for its own."""
        last = data.rfind(b"\n") + 1
        if not last:
            self._add(data)
            return b""
        block = data[:last]
        if self._begun:
            first = data.index(b"\n")
            self._add(data[:first])
            block = self._end() + data[first + 1 : last]
        if last < len(data):
            self._add(data[last:])
        return block

    def rest(self) -> bytes:
        """Return the last line, which has no newline of its own (with one), or nothing."""
        return self._end() if self._begun else b""

    def _add(self, part: bytes) -> None:
        if self._cut:
            again = part.rfind(b"\r", 0, -1)
            if again < 0:
                self._cut += len(part)
                return
            # A carriage return begins the line anew, as a terminal shows it.
            self._begun, self._cut = bytearray(part[again + 1 :]), 0
        else:
            self._begun += part
        limit = MAX_LINE_BYTES
        if self._begun.startswith(DIRECTIVE):
            limit = MAX_RESULT_BYTES if self._begun.startswith(RESULT) else MAX_CHECKPOINT_LINE
        if len(self._begun) > limit:
            del self._begun[: self._begun.rfind(b"\r", 0, -1) + 1]
        if len(self._begun) > limit:
            self._cut = len(self._begun) - limit
            del self._begun[limit:]

    def _end(self) -> bytes:
        line, cut = bytes(self._begun), self._cut
        self._begun, self._cut = bytearray(), 0
        if not cut:
            return line + b"\n"
        if line.startswith(RESULT):
            head = line[len(RESULT) :]
            self._on_long_result(head, len(head) + cut)
            return b""
        whole = _whole_characters(line)
        return b"%s\xe2\x80\xa6 [%d bytes left out]\n" % (whole, cut + len(line) - len(whole))


def split_directives(block: bytes) -> tuple[bytes, list[bytes]]:
    """Return the block without the lines that are for Rota, and these lines."""
    if DIRECTIVE not in block:
        return block, []
    plain, found = [], []
    for line in block[:-1].split(b"\n"):
        if line.startswith((PROGRESS, RESULT, CHECKPOINT, EXTEND)):
            found.append(line)
        else:
            plain.append(line + b"\n")
    return b"".join(plain), found


def _whole_characters(line: bytes) -> bytes:
    """Return ``line`` without a UTF-8 character that was cut at its end."""
    for back in range(1, min(4, len(line)) + 1):
        byte = line[-back]
        if byte >= 0xC0:
            length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return line[:-back] if length > back else line
        if byte < 0x80:
            return line
    return line
