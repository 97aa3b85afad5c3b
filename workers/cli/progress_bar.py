"""A progress bar on a terminal; where the output is no terminal, nothing is written."""

from __future__ import annotations

import shutil
import time
from types import TracebackType
from typing import Self, TextIO

_REDRAW_SECONDS = 0.05  # seconds between two drawings: a tile takes milliseconds, an eye does not see them
_MAX_BAR_CHARACTERS = 30  # characters of the bar itself
_ERASE_LINE = "\r\x1b[K"


class ProgressBar:
    """One line that is drawn over and over; a context, so that it is gone whatever happens."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shown = stream.isatty()
        self._label = ""
        self._drawn = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.clear()

    def start(self, label: str) -> None:
        """Start a new bar from nothing; ``label`` stands before it."""
        self._label, self._drawn = label, 0.0
        self.update(0.0)

    def update(self, share: float) -> None:
        """Draw the bar with ``share`` done, 0 to 1."""
        now = time.monotonic()
        if not self._shown or now - self._drawn < _REDRAW_SECONDS:
            return
        self._drawn = now
        self._stream.write(_ERASE_LINE + render(self._label, share, shutil.get_terminal_size().columns))
        self._stream.flush()

    def print_line(self, sentence: str) -> None:
        """Write a line that stays, terminal or not."""
        self.clear()
        self._stream.write(printable(sentence) + "\n")
        self._stream.flush()

    def clear(self) -> None:
        if self._shown:
            self._stream.write(_ERASE_LINE)
            self._stream.flush()


def printable(text: str) -> str:
    """Return ``text`` without what moves a terminal's cursor: a file's name may carry that."""
    return "".join(character if character.isprintable() else "?" for character in text)


def render(label: str, share: float, columns: int) -> str:
    """Return one drawing: label, bar, percent; shorter than ``columns``, so that it never wraps."""
    share = min(1.0, max(0.0, share))
    percent = f"{share:4.0%}"
    width = min(_MAX_BAR_CHARACTERS, columns // 3)
    room = max(0, columns - 1 - width - len(percent) - 4)
    shown = printable(label)
    shown = shown if len(shown) <= room else shown[: max(0, room - 3)] + "..."
    done = round(share * width)
    return f"{shown} [{'#' * done}{'.' * (width - done)}] {percent}"[: max(1, columns - 1)]
