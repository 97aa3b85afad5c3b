"""What a child answers, read as a stranger's: a picture may have taken it over.

So it names no file but those in its own folder, and what it says of them has the types and bounds
of what a child says; the size of a file is looked up. Nothing here is trusted because it comes from
a process of ours.
"""

from __future__ import annotations

import shutil
import stat
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

_MOST = 1024  # results of a task: MAX_RESULTS is never more
_SIDE = 1 << 31
_WORDS = 500  # characters of a note

Note = Annotated[str, Field(max_length=_WORDS)]


class Strange(ValueError):
    """No child of ours answers this."""


class Made(BaseModel):
    """One file that a child wrote."""

    model_config = ConfigDict(strict=True, extra="forbid")

    path: str
    width: int = Field(gt=0, lt=_SIDE)
    height: int = Field(gt=0, lt=_SIDE)
    bytes: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    notes: list[Note] = Field(max_length=_MOST)


class Answer(BaseModel):
    """The answer to a task that was done."""

    model_config = ConfigDict(extra="forbid")

    results: list[Made] = Field(max_length=_MOST)
    kept: dict[str, Made] = Field(max_length=_MOST)
    report: dict[str, Any] | None
    ms: dict[str, float]
    held: int = Field(0, ge=0)


def taken(message: dict[str, Any], own: Path, folder: Path) -> dict[str, Any]:
    """Return ``message`` with its files moved from the child's ``own`` folder into ``folder``.

    One without results, an error, is returned as it is.

    Raises:
        Strange: it is no answer, or names what is no file of the child's.
    """
    if "results" not in message:
        return message
    answer = Answer.model_validate(message)
    for made in (*answer.results, *answer.kept.values()):
        _take(made, own, folder)
    return answer.model_dump()


def _take(made: Made, own: Path, folder: Path) -> None:
    path = Path(made.path)
    if path.parent != own or path.name in {"", ".."} or "\0" in path.name:
        raise Strange("a file outside the child's folder")
    mine = folder / path.name
    try:
        _size(path)  # to another disk it is copied, which of a pipe would never end
        shutil.move(path, mine)
        # Again, where the child cannot change it: a link would give away what it points at.
        made.path, made.bytes = str(mine), _size(mine)
    except OSError as error:
        raise Strange(f"a file that is not there: {error.strerror}") from None


def _size(path: Path) -> int:
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
        raise Strange("a link or a device in place of a file")
    return found.st_size


def cleared(folder: Path) -> None:
    """Delete whatever lies in ``folder``."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
