"""The Content-Disposition of a part of a form: the names of its field and of its file.

RFC 7578 wants plain UTF-8 in ``filename``. Clients send all that is read here: ``filename*`` (RFC
8187), alone or beside ``filename``, whole or in numbered pieces (RFC 2231); encoded words (RFC
2047), as .NET and Java do; HTML entities, as browsers do where the page's charset lacks a letter;
and bytes of another charset. No name makes a part invalid.
"""

from __future__ import annotations

import base64
import binascii
import html
import quopri
import re
from collections.abc import Mapping
from itertools import count
from urllib.parse import unquote_to_bytes

from multipart import content_disposition_unquote

_PARAMETER = re.compile(
    r';\s*([^\s=;"]+)\s*=\s*'
    r'("(?:[^"\\]|\\.)*+"(?=\s*(?:;|$))'  # quoted; backslashes escape
    r'|"[^;]*"(?=\s*(?:;|$))'  # quoted; a backslash or a quote in it is a letter
    r"|[^;]*)",
    re.DOTALL,
)
_EXTENDED = re.compile(r"([^']*)'[^']*'(.*)", re.DOTALL)  # charset'language'value
_ENCODED_WORD = re.compile(r"=\?([\w.-]{1,40})(?:\*[\w-]*)?\?([bq])\?([^?]*)\?=\s*", re.IGNORECASE)
_ENCODED_WORDS = re.compile(rf"(?<!\S)(?:{_ENCODED_WORD.pattern})+(?!\S)", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:#\d{1,7}|#x[\da-f]{1,6}|[a-z\d]{2,31});", re.IGNORECASE)
_CHARSETS = frozenset(
    [
        *("utf-8", "utf8", "us-ascii", "latin1", "koi8-r", "koi8-u"),
        *(f"iso-8859-{part}" for part in (1, 2, 5, 7, 8, 9, 15)),
        *(f"windows-{page}" for page in range(1250, 1259)),
        *("shift_jis", "euc-jp", "iso-2022-jp", "euc-kr"),
        *("gb2312", "gbk", "gb18030", "big5"),
    ]
)
"""A list, since Python keeps each label that it ever looked up, and imports a module for it."""


def read_disposition(header: str) -> tuple[str, str | None]:
    """Return the names of the field and of the file; None: the part is not a file.

    ``header``: the value of Content-Disposition, each byte of it as the Latin-1 letter of that
    number. The names are as sent: see ``models.tasks.filenames.sanitize``. Never raises; takes time
    linear in the length of ``header``.
    """
    given: dict[str, str] = {}
    for key, value in _PARAMETER.findall(header):
        given.setdefault(key.lower(), value)
    extended = _extended_name(given)
    plain = _unquoted(given["filename"]) if "filename" in given else None
    if plain is not None and not extended:
        spelt = _ENCODED_WORDS.sub(lambda words: _ENCODED_WORD.sub(_decoded_word, words[0]), plain)
        extended = _ENTITY.sub(lambda entity: html.unescape(entity[0]), spelt)
    return _unquoted(given.get("name", "")), extended


def _unquoted(value: str) -> str:
    return str(content_disposition_unquote(_text(value.rstrip().encode("latin-1"))))


def _text(data: bytes) -> str:
    """Return ``data`` as UTF-8, with U+FFFD for cut letters; without any of its letters as cp1252.

    So a name that was cut at a byte keeps the others. Browsers, too, take bytes that name no
    charset for Windows-1252.
    """
    text = data.decode("utf-8", "replace")
    if all(letter.isascii() or letter == "\ufffd" for letter in text):
        return data.decode("cp1252", "replace")
    return text


def _decoded(data: bytes, charset: str) -> str:
    if charset.lower() not in _CHARSETS:
        return _text(data)
    try:
        return data.decode(charset)
    except UnicodeDecodeError:
        return _text(data)


def _extended_name(given: Mapping[str, str]) -> str | None:
    """Return the name that ``filename*``, or its pieces ``filename*0*``, ``filename*1``, spell."""
    pieces = [given["filename*"]] if "filename*" in given else []
    if not pieces:
        for number in count():
            if (encoded := given.get(f"filename*{number}*")) is not None:
                pieces.append(encoded)
            elif (literal := given.get(f"filename*{number}")) is not None:
                pieces.append(literal.replace("%", "%25"))
            else:
                break
    if not pieces:
        return None
    joined = "".join(piece.strip().strip('"') for piece in pieces)
    charset, value = match.groups() if (match := _EXTENDED.fullmatch(joined)) else ("", joined)
    return _decoded(unquote_to_bytes(value.encode("latin-1")), charset)


def _decoded_word(word: re.Match[str]) -> str:
    """Return the text of an encoded word; one that is not valid stays as it is."""
    charset, kind, text = word.groups()
    if not text.isascii():
        return word[0]
    if kind in "qQ":
        return _decoded(quopri.decodestring(text, header=True), charset)
    try:
        return _decoded(base64.b64decode(text + "=" * (-len(text) % 4), validate=True), charset)
    except binascii.Error:
        return word[0]
