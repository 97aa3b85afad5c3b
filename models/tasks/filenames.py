"""File names from strangers made safe, and the names of results made from them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence

from models.images.inspect import EXTENSIONS, Format
from models.operations import Operation

_LABEL = 60  # longest label of a long pipeline: with the stem it must stay a file name
_FILE_NAME = 250  # bytes of a result's name: file systems take 255, and archives may add a number
_KEPT = frozenset("-_. ()+")
_RESERVED = frozenset(
    {"con", "prn", "aux", "nul"} | {f"{d}{n}" for d in ("com", "lpt") for n in range(1, 10)}
)


def _harmless(character: str) -> bool:
    """Tell whether a character is a letter, a digit, a letter's mark, or one of a few signs."""
    return character.isalnum() or character in _KEPT or unicodedata.category(character)[0] == "M"


def safe(name: str, limit: int) -> str:
    """Return ``name`` as it may be kept: its last path part, of letters, digits and ``-_. ()+``.

    Anything else becomes ``_`` (controls, bidirectional marks and separators included), leading
    dots go, Windows device names and what programs take for an option (``-rf``) get a ``_``, and
    the stem is cut so that at most ``limit`` characters remain. Never empty, and the same name
    always gives the same answer.
    """
    last = unicodedata.normalize("NFC", name).replace("\\", "/").rsplit("/", 1)[-1]
    kept = "".join(c if _harmless(c) else "_" for c in last).strip(" .")
    stem, dot, suffix = kept.rpartition(".")
    if not dot:
        stem, suffix = kept, ""
    suffix = suffix[:12]
    stem = (stem or "image")[: limit - len(suffix) - len(dot)].rstrip(" .") or "image"
    if stem.startswith("-") or stem.split(".")[0].lower() in _RESERVED:
        stem = f"_{stem}"[: limit - len(suffix) - len(dot)]
    return f"{stem}{dot}{suffix}"


def _cut(stem: str, size: int) -> str:
    """Return ``stem`` cut to ``size`` bytes of UTF-8, between characters."""
    return stem.encode()[:size].decode(errors="ignore").rstrip(" .") or "image"


def result_names(
    name: str,
    operations: Sequence[Operation],
    output: Format,
    fingerprint: str,
    number: int = 0,
) -> Iterator[str]:
    """Yield names for a result of the upload ``name``, best first: plain, then ever more unique.

    ``number``: which of several results it is, from 1; 0 for the only one.
    """
    label = "-".join(operation.label() for operation in operations)
    if len(label) > _LABEL:
        label = f"{label[:_LABEL]}-{fingerprint[:8]}"
    part = f"-{number}" if number else ""
    room = _FILE_NAME - len(f"-{label}-{fingerprint[:32]}{part}.{EXTENSIONS[output]}".encode())
    stem = _cut(name.rpartition(".")[0] or name, room)
    for mark in ("", f"-{fingerprint[:8]}", f"-{fingerprint[:32]}"):
        yield f"{stem}-{label}{mark}{part}.{EXTENSIONS[output]}"
