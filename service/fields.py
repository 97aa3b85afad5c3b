"""Small forms without files: multipart, urlencoded or JSON, a few kilobytes at most."""

from __future__ import annotations

import json
from urllib.parse import parse_qsl

from aiohttp import web
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from models.errors import BadParameter, BadRequest, TooLarge
from models.settings import Settings
from service.keys import SETTINGS
from service.pace import Pace

_HEADERS = 16  # a part has two or three
_HEADER_BYTES = 4096
_FORMS = "multipart/form-data, application/x-www-form-urlencoded or application/json"


async def read_fields(request: web.Request, *known: str) -> dict[str, str]:
    """Return the fields of a small form; those not sent are absent.

    Raises:
        BadRequest: no form, or one out of shape.
        BadParameter: a field that means nothing here, or that is no text.
        TooLarge, TooSlow: more than MAX_FIELD_BYTES in all, or too slow, see the settings.
    """
    settings: Settings = request.app[SETTINGS]
    data = await _body(request, settings)
    kind = request.content_type
    if kind == "application/json":
        pairs = _json(data)
    elif kind == "application/x-www-form-urlencoded":
        pairs = _urlencoded(data, settings.max_fields)
    elif kind == "multipart/form-data":
        pairs = _Multipart(settings.max_fields).read(data, request.headers["Content-Type"])
    elif not data:
        pairs = []
    else:
        raise BadRequest(f"send the form as {_FORMS}", measured=kind[:80])
    fields: dict[str, str] = {}
    for name, value in pairs:
        if name not in known:
            raise BadParameter(
                f"unknown field {name[:40]!a}; known: {', '.join(known)}",
                parameter=ascii(name[:40])[1:-1],
                known=list(known),
            )
        if name in fields:
            raise BadRequest(f"the field {name!a} came twice")
        fields[name] = value
    return fields


async def _body(request: web.Request, settings: Settings) -> bytes:
    limit = settings.max_field_bytes
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise BadRequest("send the form without Content-Encoding: it is small")
    data = bytearray()
    pace = Pace(settings)
    try:
        while part := await pace.hold(request.content.readany()):
            data += part
            pace.received = len(data)
            if len(data) > limit:
                break
    except (web.RequestPayloadError, ConnectionError):
        raise BadRequest("the body of the request ended early") from None
    measured = max(len(data), request.content_length or 0)
    if measured > limit:
        raise TooLarge(
            f"this form has {measured} bytes or more; at most {limit} are accepted "
            "(MAX_FIELD_BYTES)",
            setting="MAX_FIELD_BYTES",
            limit=limit,
            measured=measured,
        )
    return bytes(data)


def _json(data: bytes) -> list[tuple[str, str]]:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        raise BadRequest("the body is no JSON") from None
    if not isinstance(document, dict):
        raise BadRequest('the body is no JSON object; e.g. {"email": "ann@example.org"}')
    for name, value in document.items():
        if not isinstance(value, str):
            shown = ascii(name[:40])[1:-1]
            raise BadParameter(f"{shown} is no text", parameter=shown)
    return list(document.items())


def _urlencoded(data: bytes, most: int) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            data.decode("ascii"), keep_blank_values=True, max_num_fields=most, errors="strict"
        )
    except ValueError:  # UnicodeDecodeError too
        raise BadRequest(
            f"the form is not urlencoded UTF-8, or has more than {most} fields (MAX_FIELDS)"
        ) from None


class _Multipart:
    """Takes a parser's events: the parts of a form that is all there."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._parts: list[tuple[str, str]] = []
        self._headers: dict[bytes, bytes] = {}
        self._header = (b"", b"")
        self._text = bytearray()
        self._complete = False

    def read(self, data: bytes, content_type: str) -> list[tuple[str, str]]:
        """Return names and values in their order.

        Raises:
            BadRequest: the form is out of shape, or has a file in it.
        """
        given = content_type.encode("utf-8", "surrogateescape")
        _, options = parse_options_header(given)
        boundary = options.get(b"boundary", b"")
        if not boundary:
            raise BadRequest("the Content-Type multipart/form-data lacks its boundary")
        try:
            parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin,
                    "on_header_field": self._header_field,
                    "on_header_value": self._header_value,
                    "on_header_end": self._header_end,
                    "on_part_data": self._data,
                    "on_part_end": self._end,
                    "on_end": self._finish,
                },
                max_header_count=_HEADERS,
                max_header_size=_HEADER_BYTES,
            )
            parser.write(data)
        except FormParserError as error:
            raise BadRequest(f"the multipart form is malformed: {str(error)[:120]!a}") from None
        except UnicodeDecodeError:
            raise BadRequest("the form is not UTF-8") from None
        if not self._complete:
            raise BadRequest("the multipart form ends early: its closing boundary is missing")
        return self._parts

    def _begin(self) -> None:
        self._headers, self._text = {}, bytearray()
        if len(self._parts) >= self._most:
            raise BadRequest(f"the form has more than {self._most} parts (MAX_FIELDS)")

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header = (self._header[0] + data[start:end], b"")

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._header = (self._header[0], self._header[1] + data[start:end])

    def _header_end(self) -> None:
        self._headers[self._header[0].lower()] = self._header[1]
        self._header = (b"", b"")

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._text += data[start:end]

    def _end(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        if b"filename" in options:
            raise BadRequest("this form takes no files")
        self._parts.append((options.get(b"name", b"").decode(), self._text.decode()))

    def _finish(self) -> None:
        self._complete = True
