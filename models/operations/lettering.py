"""The text of a watermark: which letters can be drawn."""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

MAX_LETTERS = 100
"""Of a text: one line of it stays readable across a picture."""
_MAX_COMPOSED = 4 * MAX_LETTERS

DRAWN = (
    "\u0021-\u007e"  # ASCII
    "\u00a1-\u00ac\u00ae-\u017f\u0218-\u021b\u1e80-\u1e85\u1e9e\u1ea0-\u1ef9"  # Latin
    "\u0384-\u038a\u038c\u038e-\u03a1\u03a3-\u03ce"  # Greek
    "\u0400-\u0482\u048a-\u0513"  # Cyrillic
    "\u2010\u2013-\u201e\u2020-\u2022\u2025-\u2027\u2030\u2032\u2033\u2039\u203a\u2044"  # signs
    "\u2070\u2074-\u2079\u2080-\u2089\u20a0-\u20a8\u20aa-\u20b5\u20b8\u20b9\u20bd"
    "\u2116\u2122\u2190-\u2199\u2605\u2606\u2640\u2642\u2660-\u2667\u2713\u2714"
    "\u3001-\u3003\u3005-\u3017\u3041-\u3093\u309b-\u309e\u30a1-\u30f6\u30fb-\u30fe"  # Japanese
    "\u4e00-\u9fa5"  # Chinese
    "\uac00-\ud7a3"  # Korean
    "\uff01-\uff5e"
)
"""The letters of OpenCV's fonts, as ranges of a regular expression. Those that are missing there
would become question marks. Scripts from right to left are left out, since OpenCV puts their
letters in the wrong order, and so are combining marks, which it puts beside their letters."""

_KNOWN = re.compile(f"[ {DRAWN}]*")
_PATTERN = f"^ *[{DRAWN}][ {DRAWN}]*$"


def _composed(text: object) -> object:
    """Return ``text`` in NFC; not a long one, which would take the square of its length."""
    if isinstance(text, str) and len(text) <= _MAX_COMPOSED:
        return unicodedata.normalize("NFC", text).strip(" ")
    return text


def _known(text: str) -> str:
    """Return ``text`` if each of its letters can be drawn; ValueError names the first other."""
    known = _KNOWN.match(text)
    if known is not None and (at := known.end()) < len(text):
        raise ValueError(
            f"letter {at + 1} is U+{ord(text[at]):04X}, which cannot be drawn; Latin, Greek, "
            "Cyrillic, Chinese, Japanese and Korean letters, digits and usual signs can, in one "
            "line"
        )
    return text


Text = Annotated[
    str,
    Field(min_length=1, max_length=MAX_LETTERS, json_schema_extra={"pattern": _PATTERN}),
    BeforeValidator(_composed),
    AfterValidator(_known),
]
"""One line, composed (NFC), without spaces around it."""
