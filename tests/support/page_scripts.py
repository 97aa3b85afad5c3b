"""Reads the scripts of the pages: their strings and their calls; and the catalogues of messages."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.support.paths import ROOT

PAGES = ROOT / "service" / "pages"
STATIC = PAGES / "static"
_COMMENT = re.compile(r"/\*.*?\*/|(?<![:\"'`])//[^\n]*", re.DOTALL)
_LITERAL = re.compile(r'"((?:[^"\\\n]|\\.)*)"')
_OPENING, _CLOSING = "([{", ")]}"


class Message(NamedTuple):
    """A text of a catalogue: its forms, by plural category or one alone, and its placeholders."""

    forms: dict[str, str]
    placeholders: frozenset[str]


class Call(NamedTuple):
    """A call of a function of text.js: where, the first argument, and the names of the values."""

    where: str
    argument: str
    values: frozenset[str]


def scripts() -> dict[str, str]:
    """Return the scripts that show messages, without comments, by name."""
    paths = sorted({*STATIC.glob("*.js")} - {STATIC / "text.js"})
    return {path.name: _COMMENT.sub("", path.read_text()) for path in paths}


def templates() -> dict[str, str]:
    """Return the templates of the pages by name."""
    return {path.name: path.read_text() for path in sorted(PAGES.glob("*.html"))}


def catalogue(language: str) -> dict[str, Any]:
    """Return the catalogue of a language; an id that stands twice in it is an error."""
    text = (PAGES / "messages" / f"{language}.json").read_text()
    found: dict[str, Any] = json.loads(text, object_pairs_hook=_once)
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    assert len(names) == len({*names}), [name for name in names if names.count(name) > 1]
    return dict(pairs)


def messages(language: str = "en", part: str = "scripts") -> dict[str, Message]:
    """Return the texts of a part of a catalogue: ``scripts`` or ``templates``."""
    found = {}
    for name, value in catalogue(language)[part].items():
        forms = value if isinstance(value, dict) else {"": value}
        names = set(re.findall(r"\{(\w+)\}", " ".join(forms.values())))
        found[name] = Message(forms, frozenset(names | {"count"} if value is forms else names))
    return found


def literals(text: str) -> list[str]:
    return _LITERAL.findall(text)


def calls(name: str, text: str, functions: str) -> Iterator[Call]:
    """Yield the calls of ``functions``, names joined by ``|``."""
    for found in re.finditer(rf"(?<![\w.])(?:{functions})\(", text):
        arguments = _split(_inside(text, found.end()))
        yield Call(name, arguments[0], frozenset(_keys(text, arguments[1:])))


def _inside(text: str, start: int) -> str:
    """Return the text from ``start`` to the bracket that closes there."""
    depth = 1
    for at in range(start, len(text)):
        depth += (text[at] in _OPENING) - (text[at] in _CLOSING)
        if not depth:
            return text[start:at]
    raise AssertionError(f"no end: {text[start : start + 60]}")


def _split(text: str) -> list[str]:
    """Split at the commas that no brackets or quotes enclose."""
    parts, depth, quoted = [""], 0, ""
    for character in text:
        if quoted or character in "\"'`":
            quoted = "" if character == quoted else quoted or character
        depth += 0 if quoted else (character in _OPENING) - (character in _CLOSING)
        if character == "," and not depth and not quoted:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts if part.strip()]


def _keys(text: str, values: list[str]) -> Iterator[str]:
    """Yield the names of an object: a literal, or a constant of the same script."""
    for value in values:
        if re.fullmatch(r"\w+", value):
            start = re.search(rf"const {value} = \{{", text)
            assert start, f"{value} is no object of the script"
            yield from _keys(text, ["{" + _inside(text, start.end()) + "}"])
            continue
        for member in _split(value[1:-1]):
            if member.startswith("..."):
                yield from _keys(text, [member[3:]])
            else:
                yield member.partition(":")[0].strip()
