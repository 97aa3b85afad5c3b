"""``python -m workers.child``: the processes that decode and process untrusted images.

The program is a fork server (``workers.child.fork_server``): it imports the decoders and forks a
child when the worker asks for one. A child reads a setup line, then one JSON line per task, and
writes JSON lines: any number of ``{"progress": 0.5, "until": 0.6}`` and ``{"log": {...}}``, then
``{"results": [...], "kept": {...}}``, ``{"error": {...}}`` or ``{"defect": "..."}``. Nothing is
pickled: output of a process that decodes hostile bytes is read as data. Its standard input ends
with its worker, and so does the process. It enters its sandbox (``workers.sandbox``) before it
reads a byte of an image.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any, NoReturn, TextIO

import structlog

from workers import sandbox
from workers.child.fork_server import serve
from workers.child.protocol import (
    MAX_DETAIL_CHARACTERS,
    MAX_FACT_CHARACTERS,
    MAX_TRACEBACK_CHARACTERS,
)
from workers.child.request import Request

PROGRESS_INTERVAL_SECONDS = 0.1  # between two progress lines: a tile may take a millisecond

_LARGE_STEP = 0.02  # share of a task whose step is always reported: there are fifty at most


def main() -> None:
    """Import what children need, with the limits given as arguments, then serve forks."""
    max_pixels, openvino_wanted = map(int, sys.argv[1:])
    gc.disable()  # what imports make stays
    from workers.imaging import decoders

    decoders.configure_opencv(max_pixels)
    decoders.unregister_other_formats()
    import cv2  # noqa: F401 -- with its pixel limit

    from workers import pipeline  # noqa: F401 -- with all that it imports
    from workers.upscaler import select  # noqa: F401

    if openvino_wanted:
        # A wheel for another processor fails in ways of its own: the child says so.
        with contextlib.suppress(Exception):
            from workers.upscaler import openvino  # noqa: F401
    serve(_run_child)


def _run_child() -> None:
    # Messages keep the real standard output; whatever libraries print goes to the log.
    output = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    line = sys.stdin.readline()
    if not line:  # the worker gave it up while it started
        return
    setup = json.loads(line)
    os.environ["TMPDIR"] = setup["folder"]
    layers = _enter_sandbox(setup, output)  # before other threads start: it would not bind them
    requests: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read_requests, args=(requests,), daemon=True).start()
    from models.images.encoder_settings import EncoderSettings
    from models.networks.catalogue import Catalogue
    from workers.pipeline import Limits
    from workers.upscaler.select import choose_engine, seconds_per_megapixel

    catalogue = Catalogue.read(Path(setup["weights_dir"]))
    limits = Limits(setup["max_pixels"], setup["max_output_pixels"], setup["tile_pixels"])
    writing = EncoderSettings(**setup["writing"])
    structlog.configure(
        processors=[lambda _, level, record: _send_log_record(output, level, record)]
    )
    engine, fallback_reason = choose_engine(setup["engine"], setup["precision"], catalogue)
    tested = setup["engine"] == "auto"  # the others skip the self-test
    gc.freeze()
    gc.enable()
    ready = {
        "ready": True,
        "engine": engine.label,
        "fallback_reason": fallback_reason,
        "network_seconds": seconds_per_megapixel(engine, catalogue) if tested else 0.0,
        "layers": layers,
    }
    _send(output, ready)
    tools = (catalogue, limits, writing, engine)
    while True:
        request = Request(**json.loads(requests.get()))
        _send(output, _process(request, tools, output))


def _enter_sandbox(setup: dict[str, Any], output: TextIO) -> sandbox.Layers:
    """Apply the layers that CHILD_SANDBOX asks for; exit if a required one is missing."""
    if setup["sandbox"] == "off":
        return dict.fromkeys(sandbox.LAYERS, "CHILD_SANDBOX=off")
    layers = sandbox.enter_sandbox(
        setup["folder"],
        setup["weights_dir"],
        setup["max_memory_bytes"],
        setup["max_file_bytes"],
        setup["max_cpu_seconds"],
    )
    missing_layers = sandbox.missing_layers(layers)
    if missing_layers and setup["sandbox"] == "require":
        _send(output, {"refused": f"CHILD_SANDBOX=require, and {'; '.join(missing_layers)}"})
        sys.exit(1)
    return layers


def _read_requests(requests: queue.SimpleQueue[str]) -> None:
    for line in sys.stdin:
        requests.put(line)
    os._exit(0)  # the parent is gone: no one needs what the main thread computes


def _send(output: TextIO, message: dict[str, Any]) -> None:
    output.write(json.dumps(message) + "\n")


def _send_log_record(output: TextIO, level: str, record: MutableMapping[str, Any]) -> NoReturn:
    """Send a log record to the worker, which knows the task and the destination of the log."""
    event = str(record.pop("event"))[:MAX_FACT_CHARACTERS]
    facts = {name: str(value)[:MAX_FACT_CHARACTERS] for name, value in record.items()}
    _send(output, {"log": {"level": level, "event": event, "facts": facts}})
    raise structlog.DropEvent


def _process(request: Request, tools: tuple[Any, Any, Any, Any], output: TextIO) -> dict[str, Any]:
    import cv2

    from models.errors import AppError
    from models.operations import Encoding, load
    from workers.imaging import decoders
    from workers.imaging.out_of_memory import naming_shortage
    from workers.pipeline import Pipeline

    catalogue, limits, writing, engine = tools
    sent_at, sent_share = 0.0, 0.0

    def progress(share: float) -> None:
        # An upscale that is repeated starts again at 0: progress never goes back.
        nonlocal sent_at, sent_share
        until = pipeline.until
        due = time.monotonic() - sent_at >= PROGRESS_INTERVAL_SECONDS
        if share >= sent_share and (due or until - share >= _LARGE_STEP):
            sent_at, sent_share = time.monotonic(), share
            _send(output, {"progress": min(share, 1.0), "until": min(until, 1.0)})

    cv2.setNumThreads(request.threads)
    decoders.use_threads(request.threads)
    try:
        pipeline = Pipeline(
            [load(document) for document in request.operations],
            Encoding(
                request.format,
                request.quality,
                request.progressive,
                request.max_bytes,
                "all" if request.frames > 1 else "first",
            ),
            catalogue,
            limits,
            progress,
            request.keep,
            writing,
            request.report,
            engine,
            request.metadata,
            request.step_seconds,
            Path(request.watermark) if request.watermark else None,
        )
        # An intermediate result obeys the limit of results, not that of uploads.
        limit = limits.max_output_pixels if request.is_intermediate else limits.max_pixels
        source, folder = Path(request.source), Path(request.folder)
        with naming_shortage(request.memory_bytes or 0):
            outputs = pipeline.process(source, folder, limit, request.notes)
    except AppError as error:
        return {"error": {**error.document(), "detail": error.detail[:MAX_DETAIL_CHARACTERS]}}
    except Exception:
        # a defect of ours: the worker logs it under the task's id
        return {"defect": traceback.format_exc()[-MAX_TRACEBACK_CHARACTERS:]}
    return outputs.document()


if __name__ == "__main__":
    main()
