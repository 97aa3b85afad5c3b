"""The document as it is served: made when it is first asked for, and then as it is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import cached_property
from typing import Any


class Served:
    """The document of one application; ``make`` returns it."""

    def __init__(self, make: Callable[[], dict[str, Any]]) -> None:
        self._make = make

    @cached_property
    def document(self) -> dict[str, Any]:
        return self._make()

    @cached_property
    def body(self) -> bytes:
        """JSON in UTF-8."""
        return (json.dumps(self.document, ensure_ascii=False) + "\n").encode()

    @cached_property
    def tag(self) -> str:
        """The ETag, without quotes."""
        return hashlib.sha256(self.body).hexdigest()[:32]
