"""Progress of what takes a while: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

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
