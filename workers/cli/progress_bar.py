"""A progress bar on a terminal; it writes nothing if the stream is not a terminal."""

from __future__ import annotations

import shutil
import time
from types import TracebackType
from typing import Self, TextIO

_REDRAW_SECONDS = 0.05  # a tile may take a millisecond; faster drawing is not visible
_MAX_BAR_CHARACTERS = 30  # of the bar itself
_ERASE_LINE = "\r\x1b[K"


class ProgressBar:
    """One line that is redrawn; a context manager, so that it is always erased."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_terminal = stream.isatty()
        self._label = ""
        self._drawn_at = 0.0

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
        """Start a new bar at 0; ``label`` stands before it."""
        self._label, self._drawn_at = label, 0.0
        self.update(0.0)

    def update(self, share: float) -> None:
        """Draw the bar with ``share`` done, 0 to 1."""
        now = time.monotonic()
        if not self._is_terminal or now - self._drawn_at < _REDRAW_SECONDS:
            return
        self._drawn_at = now
        self._stream.write(
            _ERASE_LINE + render(self._label, share, shutil.get_terminal_size().columns)
        )
        self._stream.flush()

    def print_line(self, text: str) -> None:
        """Write a line that stays, terminal or not."""
        self.clear()
        self._stream.write(printable(text) + "\n")
        self._stream.flush()

    def clear(self) -> None:
        if self._is_terminal:
            self._stream.write(_ERASE_LINE)
            self._stream.flush()


def printable(text: str) -> str:
    """Return ``text`` with ``?`` for control characters: a file name may contain some."""
    return "".join(character if character.isprintable() else "?" for character in text)


def render(label: str, share: float, columns: int) -> str:
    """Return label, bar and percent, shorter than ``columns``, so that the line never wraps."""
    share = min(1.0, max(0.0, share))
    percent = f"{share:4.0%}"
    width = min(_MAX_BAR_CHARACTERS, columns // 3)
    label_width = max(0, columns - 1 - width - len(percent) - 4)
    shown = printable(label)
    if len(shown) > label_width:
        shown = shown[: max(0, label_width - 3)] + "..."
    done = round(share * width)
    return f"{shown} [{'#' * done}{'.' * (width - done)}] {percent}"[: max(1, columns - 1)]
