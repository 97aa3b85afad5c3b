"""A progress bar on a terminal, and lines beside it."""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_REDRAW_SECONDS = 0.05  # a tile may take a millisecond; faster drawing is not visible


@contextmanager
def progress_bar(label: str) -> Iterator[Callable[[float], None]]:
    """Yield a function that draws the share done, 0 to 1, if standard error is a terminal.

    The line is erased at the end.
    """
    from tqdm import tqdm  # here: a worker needs none

    tqdm.monitor_interval = 0  # no thread that looks for bars which do not move
    with tqdm(
        desc=printable(label),
        total=1,
        leave=False,
        file=sys.stderr or io.StringIO(),  # None: standard error is closed
        ncols=shutil.get_terminal_size().columns - 1,
        mininterval=_REDRAW_SECONDS,
        miniters=0,
        ascii=".#",
        bar_format="{desc} [{bar:30}] {percentage:3.0f}%",
        disable=None,
    ) as bar:
        yield lambda share: bar.update(share - bar.n)


def print_line(text: str) -> None:
    """Write a line that stays to standard error."""
    print(printable(text), file=sys.stderr or io.StringIO())


def printable(text: str) -> str:
    """Return ``text`` with ``?`` for control characters: a file name may contain some."""
    return "".join(character if character.isprintable() else "?" for character in text)
