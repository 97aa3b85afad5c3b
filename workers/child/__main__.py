"""``python -m workers.child``: the process that touches untrusted pixels.

One JSON line in for each task, JSON lines out: ``{"progress": 0.5}`` and ``{"log": {...}}`` any
number of times, then ``{"results": [...], "kept": {...}}`` or ``{"error": {...}}``. Nothing is
pickled: what comes back from a process that decodes hostile bytes is read as data. Its standard
input ends with its parent, and so does it. What it may do is cut down (``workers.sandbox``) before
it imports a decoder.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import MutableMapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn, TextIO

import structlog

from workers import sandbox
from workers.child.protocol import DETAIL, FACT, TRACE
from workers.child.request import Request
from workers.sandbox import proc_status

PROGRESS_PAUSE = 0.1  # seconds between two progress lines: a tile may take a millisecond


def main() -> None:
    # The answers keep the real standard output; what libraries print goes to the log instead.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    setup = json.loads(sys.stdin.readline())
    layers = _confined(setup, answers)  # while there is one thread: others would not be held
    requests: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests,), daemon=True).start()
    from workers.imaging import decoders

    decoders.limit(setup["max_pixels"])
    decoders.close()
    import cv2  # noqa: F401 -- with its pixel limit

    from models.images.encoder_settings import Writing
    from models.networks.catalogue import Catalogue
    from workers.child import task_limits  # noqa: F401 -- imported now: the first task need not wait
    from workers.imaging import codec  # noqa: F401 -- so that the first task is quick
    from workers.pipeline import Limits
    from workers.upscaler.bounds import Bounds
    from workers.upscaler.select import choose

    catalogue = Catalogue.read(Path(setup["weights_dir"]), setup["onnx"])
    limits = Limits(setup["max_pixels"], setup["max_output_pixels"], setup["tile_pixels"])
    limits = replace(limits, bounds=Bounds(*setup["bounds"]))
    writing = Writing(**setup["writing"])
    structlog.configure(processors=[lambda _, level, said: _event(answers, level, said)])
    engine, why = choose(setup["engine"], setup["precision"], catalogue)
    ready = {"ready": True, "engine": engine.said, "why": why, "layers": layers}
    _say(answers, ready)
    tools = (catalogue, limits, writing, engine)
    while True:
        request = Request(**json.loads(requests.get()))
        task_limits.hurry(setup["cpu_seconds"])
        answer = _answer(request, tools, answers)
        _say(answers, {**answer, "held": proc_status.held()})


def _confined(setup: dict[str, Any], answers: TextIO) -> sandbox.Layers:
    """Put on the layers that CHILD_SANDBOX asks for; end where one is required and missing."""
    if setup["sandbox"] == "off":
        return dict.fromkeys(sandbox.LAYERS, "CHILD_SANDBOX=off")
    room = sandbox.Room(
        setup["folder"], setup["weights_dir"], setup["most_memory"], setup["most_file"]
    )
    layers = sandbox.confine(room)
    missing = sandbox.missing(layers)
    if missing and setup["sandbox"] == "require":
        _say(answers, {"refused": f"CHILD_SANDBOX=require, and {'; '.join(missing)}"})
        sys.exit(1)
    return layers


def _listen(requests: queue.SimpleQueue[str]) -> None:
    for line in sys.stdin:
        requests.put(line)
    os._exit(0)  # the parent is gone: whatever the main thread computes, nobody waits for it


def _say(answers: TextIO, message: dict[str, Any]) -> None:
    answers.write(json.dumps(message) + "\n")


def _event(answers: TextIO, level: str, said: MutableMapping[str, Any]) -> NoReturn:
    """Send what is logged to the worker, which knows the task and where the log goes."""
    event = str(said.pop("event"))[:FACT]
    facts = {name: str(value)[:FACT] for name, value in said.items()}
    _say(answers, {"log": {"level": level, "event": event, "facts": facts}})
    raise structlog.DropEvent


def _answer(request: Request, tools: tuple[Any, Any, Any, Any], answers: TextIO) -> dict[str, Any]:
    import cv2

    from models.errors import AppError
    from models.operations import Encoding, load
    from workers.child import task_limits
    from workers.pipeline import Pipeline

    catalogue, limits, writing, engine = tools
    spoken, furthest = 0.0, 0.0

    def progress(share: float) -> None:
        # Whoever watches is not told of steps back: an upscale that is done again begins anew.
        nonlocal spoken, furthest
        if share > furthest and time.monotonic() - spoken >= PROGRESS_PAUSE:
            spoken, furthest = time.monotonic(), share
            _say(answers, {"progress": share})

    cv2.setNumThreads(request.threads)
    try:
        task_limits.limit(request.memory)
        pipeline = Pipeline(
            [load(document) for document in request.operations],
            Encoding(request.format, request.quality),
            catalogue,
            limits,
            progress,
            request.keep,
            writing,
            request.report,
            engine,
        )
        # What a worker kept itself was held to the limit of results, not of uploads.
        limit = limits.max_output_pixels if request.own else limits.max_pixels
        outputs = pipeline.process(Path(request.source), Path(request.folder), limit, request.notes)
    except AppError as error:
        return {"error": {**error.document(), "detail": error.detail[:DETAIL]}}
    except Exception as error:
        if task_limits.is_shortage(error):
            return {"error": task_limits.shortage(request.memory or 0).document()}
        # a defect of ours: the worker logs it under the task's id
        return {"defect": traceback.format_exc()[-TRACE:]}
    return outputs.document()


if __name__ == "__main__":
    main()
