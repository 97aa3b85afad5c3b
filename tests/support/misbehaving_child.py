"""``python -m tests.support.misbehaving_child``: a real child that some pictures take over.

Such a picture has a chunk that says what is done then, see ``picture``. All others are worked at.
"""

from __future__ import annotations

import hashlib
import json
import threading
from pathlib import Path
from typing import Any

from tests.support import images
from workers.child import __main__ as child
from workers.child.request import Request

_CHUNK = b"liEs"
_IEND = 12  # bytes


def picture(seed: int = 0, **lie: Any) -> bytes:
    """Return a PNG that makes its child lie.

    ``lines``: said as they are, and then nothing more. ``bytes``: in place of each result, with
    their true SHA-256. ``made``: said of each result. ``answer``: said of all.
    """
    whole = images.png(seed=seed)
    told = images.chunk(_CHUNK, json.dumps(lie).encode())
    return whole[:-_IEND] + told + whole[-_IEND:]


def _process(request: Request, tools: Any, output: Any) -> dict[str, Any]:
    _, found, told = Path(request.source).read_bytes().partition(_CHUNK)
    if not found:
        return _real(request, tools, output)
    lie, _ = json.JSONDecoder().raw_decode(told.decode("latin-1"))
    if "lines" in lie:
        output.write("".join(f"{line}\n" for line in lie["lines"]))
        threading.Event().wait()
    answer = _real(request, tools, output)
    for made in answer["results"]:
        if "bytes" in lie:
            data = lie["bytes"].encode("latin-1")
            Path(made["path"]).write_bytes(data)
            made["sha256"] = hashlib.sha256(data).hexdigest()
        made.update(lie.get("made", {}))
    return {**answer, **lie.get("answer", {})}


_real = child._process

if __name__ == "__main__":
    child._process = _process
    child.main()
