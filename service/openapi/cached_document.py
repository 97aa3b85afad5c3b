"""The OpenAPI document of an application, built when it is first asked for."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from typing import Any

from aiohttp import web


class CachedDocument:
    """The OpenAPI document of one application, built and serialized on first use."""

    def __init__(self, app: web.Application) -> None:
        self._app = app

    @cached_property
    def document(self) -> dict[str, Any]:
        # Imported here: the models of OpenAPI take a tenth of a service's start.
        from service.openapi.document import build_document

        return build_document(self._app)

    @cached_property
    def body(self) -> bytes:
        """The document as JSON in UTF-8."""
        return (json.dumps(self.document, ensure_ascii=False) + "\n").encode()

    @cached_property
    def etag(self) -> str:
        """The ETag, without quotes."""
        return hashlib.sha256(self.body).hexdigest()[:32]


OPENAPI = web.AppKey("openapi", CachedDocument)
