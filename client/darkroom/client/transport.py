"""What both transports share: how a step becomes a request of httpx, and an answer a step's."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import httpx

from darkroom.client.errors import BadAnswer, DarkroomError
from darkroom.client.steps import Answer, Call, Listen

_CONNECT_SECONDS = 10.0
_MAX_ANSWER_BYTES = 64 * 1024 * 1024  # unpacked; a group of 10000 pictures takes ten megabytes
_MAX_PATH_CHARACTERS = 4000  # a name of 255 letters, spelt out, takes 3000
_BINARY = "application/octet-stream"


def options(server: str, key: str | None, verify: Any) -> dict[str, Any]:
    """Return the arguments of httpx's client.

    Raises:
        DarkroomError: ``server`` is not an http or https URL, or ``key`` is no header's value.
    """
    url = httpx.URL(server.rstrip("/"))
    if url.scheme not in {"http", "https"} or not url.host or url.query or url.fragment:
        raise DarkroomError(f"the server is not an http or https URL: {server!a}")
    headers = {"Accept": "application/json, application/problem+json"}
    if key:
        if not key.isascii() or not key.isprintable() or " " in key:
            raise DarkroomError("the key has characters that no key has")
        headers["Authorization"] = f"Bearer {key}"
    return {"base_url": url, "headers": headers, "verify": verify, "follow_redirects": False}


def request_arguments(call: Call, files: ExitStack) -> dict[str, Any]:
    """Return the arguments of ``build_request``; pictures are opened into ``files``.

    Raises:
        DarkroomError: the path leads to another host, or is none.
    """
    if (
        not call.path.startswith("/")
        or call.path.startswith("//")
        or "\\" in call.path
        or not call.path.isprintable()
        or len(call.path) > _MAX_PATH_CHARACTERS
    ):
        raise DarkroomError(f"the service names {call.path[:200]!a}, which is no path on it")
    found: dict[str, Any] = {
        "method": call.method,
        "url": call.path,
        "headers": call.headers,
        "timeout": httpx.Timeout(call.patience, connect=_CONNECT_SECONDS, pool=None),
    }
    if call.query:  # not an empty one, which would take the path's own away
        found["params"] = call.query
    if call.json is not None:
        found["json"] = call.json
    if call.pictures:
        found["data"] = call.fields
        found["files"] = [
            ("image", (each.name, files.enter_context(each.open()), _BINARY))
            for each in call.pictures
        ]
        if (mark := call.watermark) is not None:
            file = (mark.name, files.enter_context(mark.open()), _BINARY)
            found["files"].append(("watermark_image", file))
    return found


def answer(response: httpx.Response, body: bytes = b"") -> Answer:
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Answer(response.status_code, headers, body)


def take(body: bytearray, data: bytes) -> None:
    """Add ``data`` to the body of an answer; BadAnswer if it is too long."""
    body += data
    if len(body) > _MAX_ANSWER_BYTES:
        raise BadAnswer(f"the service sends an answer of more than {_MAX_ANSWER_BYTES} bytes")


def lost(error: httpx.RequestError) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def has_streamed_body(step: Call | Listen, status: int) -> bool:
    """Return whether the body goes to a sink or is read by lines."""
    if isinstance(step, Listen):
        return status == 200
    return step.sink is not None and status in {200, 206}
