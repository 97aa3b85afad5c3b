"""``python -m tests.support.misbehaving_child``: a real child that some pictures take over.

Such a picture has a chunk with instructions, see ``picture``. Other pictures are processed.
"""

from __future__ import annotations

import hashlib
import json
import threading
from pathlib import Path
from typing import Any

from workers.child import __main__ as child
from workers.child.request import Request

_CHUNK = b"liEs"
_IEND_BYTES = 12


def picture(seed: int = 0, **forgery: Any) -> bytes:
    """Return a PNG that makes its child send false messages.

    ``lines``: sent as they are, and then nothing more. ``bytes``: replace each result, with their
    correct SHA-256. ``file``: members of each result. ``message``: members of the final message.
    """
    from tests.support import images  # imported by tests only: it doubles the start of a child

    whole = images.png(seed=seed)
    instructions = images.chunk(_CHUNK, json.dumps(forgery).encode())
    return whole[:-_IEND_BYTES] + instructions + whole[-_IEND_BYTES:]


def _process(request: Request, tools: Any, output: Any) -> dict[str, Any]:
    _, found, rest = Path(request.source).read_bytes().partition(_CHUNK)
    if not found:
        return _real(request, tools, output)
    forgery, _ = json.JSONDecoder().raw_decode(rest.decode("latin-1"))
    if "lines" in forgery:
        output.write("".join(f"{line}\n" for line in forgery["lines"]))
        threading.Event().wait()
    message = _real(request, tools, output)
    for file in message["results"]:
        if "bytes" in forgery:
            data = forgery["bytes"].encode("latin-1")
            Path(file["path"]).write_bytes(data)
            file["sha256"] = hashlib.sha256(data).hexdigest()
        file.update(forgery.get("file", {}))
    return {**message, **forgery.get("message", {})}


_real = child._process

if __name__ == "__main__":
    child._process = _process
    child.main()
