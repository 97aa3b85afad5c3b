"""Reads JSON while it streams in: a long text becomes a file of the form, the rest stays text."""

from __future__ import annotations

import json
import re
import secrets
from binascii import a2b_base64
from typing import Any
from urllib.parse import unquote

from models.errors import BadRequest, TooLarge
from service.http.request_body import MAX_FIELD_BYTES, check_limit, form_limit
from service.uploads.form import FormBuilder
from service.uploads.raw_body import DEFAULT_NAME

# Possessive: each byte is looked at once or twice, whatever the text is. What is no JSON in either
# of them is found by the parser.
_BETWEEN = re.compile(rb'[^"]*+(?:"(?:[^"\\]|\\.){0,512}+"[^"]*+)*+', re.DOTALL)
"""Up to a text that is long or not complete yet."""
_WITHIN = re.compile(rb'[^"\\]*+(?:\\(?:u[0-9a-fA-F]{4}|[^u])[^"\\]*+)*+', re.DOTALL)
"""Up to the end of a text, or to an escape that is not complete yet."""
_LONGEST_ESCAPE = 6  # \u002b
_DATA_URL = re.compile(rb"data:([^,]{0,400}?);base64,", re.IGNORECASE)
BASE64 = "base64 of a picture, e.g. data:image/png;base64,iVBORw0KGgo..."
"""What ``image`` is in JSON, for errors."""


_SIGNS = bytes.maketrans(b"-_", b"+/")
_SPACE = b" \t\r\n"


class Base64Decoder:
    """Decodes base64 in pieces: of RFC 4648, of URLs (- and _), in lines, with or without =."""

    def __init__(self) -> None:
        self._rest = b""
        self._padded = False

    def decode(self, text: bytes) -> bytes:
        """Return the bytes that are complete with ``text``.

        Raises:
            ValueError: it is not base64.
        """
        text = self._rest + text.translate(_SIGNS, _SPACE)
        whole = len(text) - len(text) % 4
        self._rest = text[whole:]
        return self._decoded(text[:whole])

    def finish(self) -> bytes:
        """Return the last bytes.

        Raises:
            ValueError: the text ended in the middle of a byte.
        """
        rest, self._rest = self._rest, b""
        return self._decoded(rest + b"=" * (-len(rest) % 4))

    def _decoded(self, text: bytes) -> bytes:
        if not text:
            return b""
        if self._padded:
            raise ValueError("base64 goes on behind its end")
        self._padded = text.endswith(b"=")
        return a2b_base64(text, strict_mode=True)


class Pictures:
    """Decodes base64 into the files of a form; they may have ``limit`` bytes together."""

    def __init__(self, builder: FormBuilder) -> None:
        self._builder = builder
        self._limit, self._setting, _ = form_limit(builder.shape.max_files, builder.settings)
        self._bytes = 0
        self._decoder = Base64Decoder()

    def begin(self, start: bytes) -> None:
        """Begin a file with the first bytes of its text, enough of them for the head of a URL."""
        head = _DATA_URL.match(start)
        if head is None and start[:5].lower() == b"data:":
            raise BadRequest(f"'image' is a data URL without ;base64; send {BASE64}")
        self._decoder = Base64Decoder()
        self._builder.begin_file(self._builder.shape.file_field, _name_in(head[1] if head else b""))
        self.write(start[head.end() :] if head else start)

    def write(self, text: bytes) -> None:
        try:
            data = self._decoder.decode(text)
        except ValueError:
            raise _no_base64() from None
        self._bytes += len(data)
        what = "bytes or more of pictures came"
        check_limit(self._bytes, self._limit, what, self._setting, TooLarge)
        self._builder.write_file(data)

    def end(self) -> None:
        try:
            rest = self._decoder.finish()
        except ValueError:
            raise _no_base64() from None
        self._builder.write_file(rest)
        self._builder.end_file()


class JsonReader:
    """Takes the body as it arrives: long texts become files, all else ``text``.

    ``marks``: what stands in ``text`` in place of each file, in their order.
    """

    def __init__(self, pictures: Pictures, limit: int) -> None:
        self.text = bytearray()
        self.marks: list[str] = []
        self._pictures = pictures
        self._limit = limit
        self._rest = b""
        self._within = False
        self._begun = bytearray()
        self._is_file = False

    def take(self, data: bytes) -> None:
        """Take the next bytes.

        Raises:
            BadRequest: a long text is not base64. TooLarge: see ``Pictures`` and MAX_JSON_BYTES.
        """
        data, at = self._rest + data, 0
        self._rest = b""
        while at < len(data):
            pattern = _WITHIN if self._within else _BETWEEN
            found = pattern.match(data, at)
            piece = found[0] if found else b""
            at += len(piece)
            if self._within:
                self._add(piece)
            else:
                self._keep(piece)
            if at == len(data):
                return
            if data[at : at + 1] == b'"':
                if self._within:
                    self._end()
                self._within = not self._within
                at += 1
                continue
            self._rest = data[at:]  # it begins with a backslash
            if len(self._rest) >= _LONGEST_ESCAPE:
                raise _no_json()
            return

    def finish(self) -> Any:
        """Return the parsed ``text``.

        Raises:
            BadRequest: it is not valid JSON.
        """
        if self._within:
            raise _no_json()
        try:
            return json.loads(self.text.decode("utf-8-sig"), object_pairs_hook=_object)
        except (ValueError, RecursionError):
            raise _no_json() from None

    def _keep(self, piece: bytes) -> None:
        self.text += piece
        what = "bytes or more of JSON came beside the pictures"
        check_limit(len(self.text), self._limit, what, "MAX_JSON_BYTES", TooLarge)

    def _add(self, piece: bytes) -> None:
        if self._is_file:
            self._pictures.write(_unescaped(piece))
            return
        self._begun += piece
        if len(self._begun) > MAX_FIELD_BYTES:
            self._is_file = True
            self._pictures.begin(_unescaped(bytes(self._begun)))

    def _end(self) -> None:
        if self._is_file:
            self._pictures.end()
            # Unknown to the client, so that it cannot stand for a file anywhere else.
            self.marks.append(secrets.token_hex(16))
            self._keep(b'"%s"' % self.marks[-1].encode())
        else:
            self._keep(b'"%s"' % self._begun)
        self._begun, self._is_file = bytearray(), False


def _unescaped(text: bytes) -> bytes:
    """Return a part of a JSON text that ends at no escape's middle without its escapes."""
    if b"\\" not in text:
        return text
    try:
        return str(json.loads(b'"%s"' % text)).encode("ascii")
    except ValueError:
        raise _no_base64() from None


def _name_in(parameters: bytes) -> str:
    """Return the name that a data URL has: ``data:image/png;name=cat.png;base64,``."""
    for each in parameters.decode("utf-8", "replace").split(";"):
        key, _, value = each.partition("=")
        if key.strip().lower() == "name" and value:
            return unquote(value)
    return DEFAULT_NAME


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise BadRequest("a field of the JSON came twice")
    return found


def _no_json() -> BadRequest:
    return BadRequest("the body is not valid JSON")


def _no_base64() -> BadRequest:
    return BadRequest(f"'image' is not base64; send {BASE64}", field="image")
