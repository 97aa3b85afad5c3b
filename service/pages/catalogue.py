"""The texts of the pages: a JSON catalogue a language, for the templates and for the scripts.

A catalogue has ``name`` (of the language, in itself), ``locale`` (of numbers, dates and plurals),
and texts by id: ``scripts``, which a browser gets, with a form for each plural category where a
count is shown; ``templates``, which only this package reads, as it reads the others.

What the API answers is English. The catalogue of another language has translations of it: ``api``
by the English text, in which ``{}`` stands for a value, and ``errors`` by code: several forms, of
which the first counts whose members the error has.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from models.errors import AppError

_FOLDER = Path(__file__).parent / "messages"
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
DEFAULT_LANGUAGE = "en"


def _parts(text: str) -> list[str]:
    """Return the texts and the names of values between them, by turns."""
    return _PLACEHOLDER.split(text)


class Catalogue:
    """The texts of one language; ``code`` is its tag in HTML, e.g. ``de``."""

    def __init__(self, code: str, table: Mapping[str, Any]) -> None:
        self.code = code
        self.name: str = table["name"]
        self._table = table
        texts = {**table["scripts"], **table["templates"]}
        self._pieces = {
            name: [part if at % 2 else escape(part) for at, part in enumerate(_parts(text))]
            for name, text in texts.items()
            if isinstance(text, str)  # plural forms are for scripts
        }

    def __call__(self, name: str, /, **values: object) -> Markup:
        """Return the text ``name`` with its values, escaped unless they are markup themselves.

        Raises:
            KeyError: there is no such text, or it needs another value.
        """
        pieces = self._pieces[name]
        shown = (escape(values[each]) if at % 2 else each for at, each in enumerate(pieces))
        return Markup("").join(shown)

    def number(self, value: float) -> str:
        """Return ``value`` with the decimal sign of the language, e.g. ``1.5``."""
        return f"{value:g}".replace(".", self("number.decimal"))

    def choice(self, words: Iterable[str]) -> str:
        """Return ``words`` as alternatives, e.g. ``PNG, JPEG or HEIC``."""
        *others, last = words
        return f"{', '.join(others)} {self('list.or')} {last}" if others else last

    def error(self, error: AppError) -> tuple[str, str]:
        """Return what ``error`` says, and in which language: English where it has no other text.

        ``tProblem`` of ``text.js`` does the same.
        """
        facts = {n: self._fact(value) for n, value in error.facts.items() if value is not None}
        for form in self._table.get("errors", {}).get(error.code, ()):
            parts = _parts(form)
            if facts.keys() >= set(parts[1::2]):
                text = "".join(facts[part] if at % 2 else part for at, part in enumerate(parts))
                return text, self.code
        return error.detail, DEFAULT_LANGUAGE

    def _fact(self, value: object) -> str:
        if isinstance(value, list | tuple):
            return ", ".join(map(self._fact, value))
        return self.number(value) if isinstance(value, float) else str(value)

    def script(self) -> bytes:
        """Return the module that gives the scripts their texts; JSON is JavaScript, too."""
        exported = {
            "LANGUAGE": self._table["locale"],
            "MESSAGES": self._table["scripts"],
            "API": self._table.get("api"),
            "ERRORS": self._table.get("errors"),
        }
        return "".join(
            f"export const {name} = {json.dumps(value, ensure_ascii=False)};\n"
            for name, value in exported.items()
        ).encode()

    @property
    def script_name(self) -> str:
        """The name of that module below /static."""
        return f"messages-{self.code}.js"


CATALOGUES = {
    path.stem: Catalogue(path.stem, json.loads(path.read_text()))
    for path in sorted(
        _FOLDER.glob("*.json"), key=lambda path: (path.stem != DEFAULT_LANGUAGE, path.stem)
    )
}
"""By code, the default one first."""
