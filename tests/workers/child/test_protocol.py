"""Each kind of line that a child says has its form; all else is refused."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from typing import Any, get_args

import pytest

from models.error_codes import BY_CODE
from tests.support.paths import ROOT
from tests.workers.child.test_results import answered
from workers.child import protocol

ERROR = {"code": "bad_parameter", "detail": "x"}
UPSCALED = {
    "model": "darkroom-fast",
    "scale": 2,
    "weights_sha256": "0" * 64,
    "engine": "opencv",
    "psnr": 30.5,
    "ssim": 0.9,
    "detail_gain_db": -1,
}
REPORT = {"ms": {"decode": 1.5}, "upscales": [UPSCALED]}
LOG = {"level": "warning", "event": "bad_output", "facts": {"engine": "opencv"}}


@pytest.mark.parametrize(
    "said",
    [
        {"progress": 0},
        {"progress": 0.5},
        {"progress": 1.0},
        {"log": LOG},
        answered("x"),
        {**answered("x"), "report": REPORT},
        {"error": ERROR, "resident_bytes": 1},
        {"error": {**ERROR, "limit": 1, "measured": 2.5, "known": ["a"], "setting": None}},
        {"defect": "Traceback", "resident_bytes": 1},
        {"ready": True, "engine": "opencv", "fallback_reason": "", "layers": {"files": ""}},
        {"refused": "why"},
    ],
)
def test_what_a_child_says_is_read(said: dict[str, Any]) -> None:
    assert protocol.parse_message(json.dumps(said).encode()).model_dump() in (
        said,
        {**said, "resident_bytes": 0},
    )


def refused(said: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        protocol.parse_message(said.encode())


@pytest.mark.parametrize(
    "said",
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
def test_what_no_child_says_is_refused(said: str) -> None:
    refused(said)


@pytest.mark.parametrize(
    "said",
    [
        {"progress": -0.1},
        {"progress": 1.1},
        {"progress": "0.5"},
        {"progress": True},
        {"progress": None},
        {"progress": 0.5, "more": 1},
        {"progress": 0.5, **answered("x")},
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
        {"error": ERROR, "resident_bytes": -1},
        {"defect": "x" * 20_001},
        {"defect": ["x"]},
        {**answered("x"), "ms": {"decode": "soon"}},
        {**answered("x"), "ms": {"decode": float("nan")}},
        {**answered("x"), "ms": {"decode": -1}},
        {**answered("x"), "ms": {"a.b": 1}},
        {**answered("x"), "ms": {"$a": 1}},
        {**answered("x"), "ms": {f"a{n}": 1 for n in range(33)}},
        {**answered("x"), "report": {}},
        {**answered("x"), "report": {**REPORT, "more": 1}},
        {**answered("x"), "report": {"ms": {}, "upscales": [{**UPSCALED, "psnr": float("inf")}]}},
        {**answered("x"), "report": {"ms": {}, "upscales": [{**UPSCALED, "model": {"a": 1}}]}},
        {**answered("x"), "results": 1},
        {**answered("x"), "results": [{"path": "x"}]},
        {**answered("x"), "kept": {"1": {}}},
        {**answered("x"), "resident_bytes": -1},
        {**answered("x"), "more": 1},
        answered("x", width=0),
        answered("x", width=1 << 40),
        answered("x", height="1"),
        answered("x", sha256="../" * 20),
        answered("x", notes=["a" * 501]),
        answered("x", notes=["a"] * 21),
        answered("x", notes="abc"),
        answered("x", more=1),
    ],
)
def test_what_no_child_says_of_it_is_refused(said: dict[str, Any]) -> None:
    refused(json.dumps(said))


def test_every_error_that_a_child_raises_may_be_said() -> None:
    """Else a picture that is at fault would be taken for one that kills its process."""
    rooms = [
        f"workers.operations.{p.stem}" for p in (ROOT / "workers/operations").glob("[a-z]*.py")
    ]
    code = f"import {', '.join(rooms)}, workers.pipeline, sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    made = set()
    for name in done.stdout.split():
        path = ROOT / f"{name.replace('.', '/')}.py"
        if path.is_file() and name.split(".")[0] in {"models", "workers"}:
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call):
                    made.add(ast.unparse(node.func))
    kinds = {kind.code for kind in BY_CODE.values() if kind.__name__ in made}
    assert kinds - {"bad_settings"} == set(get_args(protocol.ErrorCode))
