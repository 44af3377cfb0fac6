"""Progress of what takes a while: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import click

LINE_EACH_S = 2.0
Show = Callable[[int], None]


@contextmanager
def progress(total: int, label: str, *, quiet: bool = False) -> Iterator[Show]:
    """Yield a function that is told how many more are done; everything goes to stderr, nothing when ``quiet``."""
    if quiet or total <= 0:
        yield lambda _: None
    elif sys.stderr.isatty():
        with click.progressbar(length=total, label=label, file=sys.stderr, show_pos=True) as bar:
            yield bar.update
    else:
        yield _lines(total, label)


class Steps(ExitStack):
    """Work in several steps, each with a progress of its own that begins when it is first told of."""

    def __init__(self, *, quiet: bool = False) -> None:
        super().__init__()
        self._quiet = quiet
        self._step = ""
        self._show: Show = lambda _: None

    def show(self, step: str, more: int, total: int) -> None:
        """Note that so many more of a step are done."""
        if step != self._step:
            self.close()
            self._step, self._show = step, self.enter_context(progress(total, step, quiet=self._quiet))
        self._show(more)


def _lines(total: int, label: str) -> Show:
    done, told_at = 0, time.monotonic()

    def show(more: int) -> None:
        nonlocal done, told_at
        done += more
        now = time.monotonic()
        if now - told_at >= LINE_EACH_S or done >= total > more:
            told_at = now
            click.echo(f"{label}: {done:,} of {total:,}", err=True)

    return show
