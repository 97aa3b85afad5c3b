"""File names: sanitize uploaded ones, and make the names of results from them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence

from models.images.inspect import EXTENSIONS, OutputFormat
from models.operations import Operation

_MAX_LABEL_CHARACTERS = 60  # of a long pipeline: stem and label must fit into a file name
_MAX_NAME_BYTES = 250  # file systems allow 255, and archives may add a number
_SAFE_SIGNS = frozenset("-_. ()+")
MAX_CHARACTERS = 100  # of a stored name: file systems allow 255 bytes, and results add to it
_WINDOWS_DEVICES = frozenset(
    {"con", "prn", "aux", "nul"} | {f"{d}{n}" for d in ("com", "lpt") for n in range(1, 10)}
)


def _is_safe(character: str) -> bool:
    """Return whether a character is a letter, a digit, a combining mark, or in _SAFE_SIGNS."""
    return (
        character.isalnum() or character in _SAFE_SIGNS or unicodedata.category(character)[0] == "M"
    )


def sanitize(name: str, limit: int = MAX_CHARACTERS) -> str:
    """Return the last path part of ``name`` with only letters, digits and ``-_. ()+``.

    All other characters become ``_`` (controls, bidirectional marks and separators included).
    Leading dots are removed. Windows device names, and names that look like an option (``-rf``),
    get a leading ``_``. The stem is cut so that at most ``limit`` characters remain. The result is
    never empty, and is the same for the same name.
    """
    last = unicodedata.normalize("NFC", name).replace("\\", "/").rsplit("/", 1)[-1]
    safe = "".join(c if _is_safe(c) else "_" for c in last).strip(" .")
    stem, dot, suffix = safe.rpartition(".")
    if not dot:
        stem, suffix = safe, ""
    suffix = suffix[:12]
    stem = (stem or "image")[: limit - len(suffix) - len(dot)].rstrip(" .") or "image"
    if stem.startswith("-") or stem.split(".")[0].lower() in _WINDOWS_DEVICES:
        stem = f"_{stem}"[: limit - len(suffix) - len(dot)]
    return f"{stem}{dot}{suffix}"


def _cut(stem: str, size: int) -> str:
    """Return ``stem`` cut to ``size`` bytes of UTF-8, between characters."""
    return stem.encode()[:size].decode(errors="ignore").rstrip(" .") or "image"


def result_names(
    name: str,
    operations: Sequence[Operation],
    output: OutputFormat,
    fingerprint: str,
    number: int = 0,
) -> Iterator[str]:
    """Yield names for a result of the upload ``name``: the shortest first, then more unique ones.

    ``number``: the result's number among several, from 1; 0 if it is the only one.
    """
    label = "-".join(operation.label() for operation in operations)
    if len(label) > _MAX_LABEL_CHARACTERS:
        label = f"{label[:_MAX_LABEL_CHARACTERS]}-{fingerprint[:8]}"
    part = f"-{number}" if number else ""
    stem_bytes = _MAX_NAME_BYTES - len(
        f"-{label}-{fingerprint[:32]}{part}.{EXTENSIONS[output]}".encode()
    )
    stem = _cut(name.rpartition(".")[0] or name, stem_bytes)
    for mark in ("", f"-{fingerprint[:8]}", f"-{fingerprint[:32]}"):
        yield f"{stem}-{label}{mark}{part}.{EXTENSIONS[output]}"
