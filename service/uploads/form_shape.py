"""FormShape: which fields a route accepts. Form: the fields that a request sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from models.images.inspect import InputFormat
from service.uploads.incoming_file import IncomingFile

MAX_FIELDS = 40  # beside the pictures; the largest form has a dozen
MAX_FIELD_BYTES = 8192  # the longest JSON of twenty operations has a quarter of it


@dataclass(frozen=True)
class FormShape:
    """What a route accepts: the names of its file fields, each with its image formats.

    ``max_files``: how many files. ``repeated``: names of text fields that may occur several times.
    ``known``: the names of all text fields; None: the route checks them later.
    """

    file_fields: Mapping[str, tuple[InputFormat, ...]]
    max_files: int = 1
    repeated: frozenset[str] = frozenset()
    known: tuple[str, ...] | None = None


@dataclass
class Form:
    """The parsed form: files in their order, text fields, and repeated text fields as lists."""

    files: list[IncomingFile] = field(default_factory=list)
    fields: dict[str, str] = field(default_factory=dict)
    lists: dict[str, list[str]] = field(default_factory=dict)
