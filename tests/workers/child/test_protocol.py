"""Messages of a child: valid ones are parsed, all others refused."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from typing import Any, get_args

import pytest

from models.error_members import BY_CODE
from tests.support.paths import ROOT
from tests.workers.child.test_results import succeeded_message
from workers.child import protocol

ERROR = {"code": "bad_parameter", "detail": "x"}
UPSCALE_REPORT = {
    "model": "darkroom-fast",
    "scale": 2,
    "weights_sha256": "0" * 64,
    "engine": "opencv",
    "psnr": 30.5,
    "ssim": 0.9,
    "detail_gain_db": -1,
}
REPORT = {"ms": {"decode": 1.5}, "upscales": [UPSCALE_REPORT]}
LOG = {"level": "warning", "event": "bad_output", "facts": {"engine": "opencv"}}


@pytest.mark.parametrize(
    "message",
    [
        {"progress": 0, "until": 0},
        {"progress": 0.5, "until": 0.6},
        {"progress": 1.0, "until": 1.0},
        {"log": LOG},
        succeeded_message("x"),
        {**succeeded_message("x"), "report": REPORT},
        {"error": ERROR},
        {"error": {**ERROR, "limit": 1, "measured": 2.5, "known": ["a"], "setting": None}},
        {"defect": "Traceback"},
        {
            "ready": True,
            "engine": "opencv",
            "fallback_reason": "",
            "network_seconds": 0.25,
            "layers": {"files": ""},
        },
        {"refused": "why"},
    ],
)
def test_valid_messages_are_parsed(message: dict[str, Any]) -> None:
    assert protocol.parse_message(json.dumps(message).encode()).model_dump() == message


def assert_refused(message: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        protocol.parse_message(message.encode())


@pytest.mark.parametrize(
    "message",
    [
        *("", "{}", "[]", "null", "5", '"progress"', '["progress"]', "no JSON", '{"foo": 1}'),
        *(
            "[" * 100_000,
            '{"a":' * 100_000,
            '{"error": {"code": "bad_image", "detail": "\\ud800"}}',
        ),
        *('{"progress": NaN}', '{"progress": Infinity}', '{"progress": 1e999}'),
    ],
)
def test_invalid_lines_are_refused(message: str) -> None:
    assert_refused(message)


@pytest.mark.parametrize(
    "message",
    [
        {"progress": -0.1},
        {"progress": 1.1},
        {"progress": "0.5"},
        {"progress": True},
        {"progress": None},
        {"progress": 0.5, "more": 1},
        {"progress": 0.5, "until": 1.1},
        {"progress": 0.5, "until": "1"},
        {"progress": 0.5, **succeeded_message("x")},
        {"log": {**LOG, "level": 1}},
        {"log": {**LOG, "event": "x" * 1001}},
        {"log": {**LOG, "facts": {"a.b": "c"}}},
        {"log": {**LOG, "facts": {"a": 1}}},
        {"log": {**LOG, "facts": {f"a{n}": "b" for n in range(33)}}},
        {"error": {"code": "bad_image"}},
        {"error": {**ERROR, "code": "nonsense"}},
        {"error": {**ERROR, "code": "store_unavailable"}},
        {"error": {**ERROR, "code": "worker_crashed"}},
        {"error": {**ERROR, "detail": "x" * 2001}},
        {"error": {**ERROR, "event": "x"}},
        {"error": {**ERROR, "a.b": "x"}},
        {"error": {**ERROR, "limit": {"a": 1}}},
        {"error": {**ERROR, "limit": [[1]]}},
        {"error": {**ERROR, "limit": True}},
        {"error": {**ERROR, "limit": 10**400}},
        {"error": {**ERROR, "limit": float("nan")}},
        {"error": {**ERROR, "limit": [float("inf")]}},
        {"error": {**ERROR, "limit": "x" * 201}},
        {"error": {**ERROR, "limit": [1] * 101}},
        {"error": ERROR, "ms": {"a": "b"}},
        {"error": ERROR, "resident_bytes": 1},
        {"defect": "x" * 20_001},
        {"defect": ["x"]},
        {**succeeded_message("x"), "ms": {"decode": "soon"}},
        {**succeeded_message("x"), "ms": {"decode": float("nan")}},
        {**succeeded_message("x"), "ms": {"decode": -1}},
        {**succeeded_message("x"), "ms": {"a.b": 1}},
        {**succeeded_message("x"), "ms": {"$a": 1}},
        {**succeeded_message("x"), "ms": {f"a{n}": 1 for n in range(33)}},
        {**succeeded_message("x"), "report": {}},
        {**succeeded_message("x"), "report": {**REPORT, "more": 1}},
        {
            **succeeded_message("x"),
            "report": {"ms": {}, "upscales": [{**UPSCALE_REPORT, "psnr": float("inf")}]},
        },
        {
            **succeeded_message("x"),
            "report": {"ms": {}, "upscales": [{**UPSCALE_REPORT, "model": {"a": 1}}]},
        },
        {**succeeded_message("x"), "results": 1},
        {**succeeded_message("x"), "results": [{"path": "x"}]},
        {**succeeded_message("x"), "kept": {"1": {}}},
        {**succeeded_message("x"), "more": 1},
        succeeded_message("x", width=0),
        succeeded_message("x", width=1 << 40),
        succeeded_message("x", height="1"),
        succeeded_message("x", sha256="../" * 20),
        succeeded_message("x", notes=["a" * 501]),
        succeeded_message("x", notes=["a"] * 41),
        succeeded_message("x", notes="abc"),
        succeeded_message("x", more=1),
    ],
)
def test_invalid_members_are_refused(message: dict[str, Any]) -> None:
    assert_refused(json.dumps(message))


@pytest.mark.integration
def test_protocol_allows_every_error_that_a_child_raises() -> None:
    """Otherwise an invalid picture would count as one that kills its process."""
    modules = [
        f"workers.operations.{p.stem}" for p in (ROOT / "workers/operations").glob("[a-z]*.py")
    ]
    code = f"import {', '.join(modules)}, workers.pipeline, sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    called = set()
    for name in done.stdout.split():
        path = ROOT / f"{name.replace('.', '/')}.py"
        if path.is_file() and name.split(".")[0] in {"models", "workers"}:
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call):
                    called.add(ast.unparse(node.func))
    kinds = {kind.code for kind in BY_CODE.values() if kind.__name__ in called}
    assert kinds - {"bad_settings"} == set(get_args(protocol.ErrorCode))
