"""TypeScript types that openapi-typescript makes of /openapi.json: strict, and true."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from tests.support import images
from tests.support.paths import node

HERE = Path(__file__).parent / "typescript"
INSTALLED = Path(sys.prefix) / "typescript" / "node_modules"


async def _node(folder: Path, program: str, *arguments: str) -> str:
    """Run a script in the Node that Playwright brings; return what it printed."""
    process = await asyncio.create_subprocess_exec(
        node(),
        program,
        *arguments,
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 100)
    assert process.returncode == 0, (out + err).decode()
    return out.decode()


@pytest.mark.skipif(
    not (INSTALLED / "openapi-typescript").is_dir(),
    reason="make test found no npm, or npm no packages: see what standalone/setup.sh said",
)
async def test_types_hold_on_the_service(client: Any, worker: Any, tmp_path: Path) -> None:
    """Generate, type-check under ``strict`` and run ``use.ts``, as those who write clients do."""
    document = tmp_path / "openapi.json"
    document.write_bytes(await (await client.get("/openapi.json")).read())
    for name in ("use.ts", "tsconfig.json"):
        (tmp_path / name).write_bytes((HERE / name).read_bytes())
    (tmp_path / "node_modules").symlink_to(INSTALLED)
    generator = "node_modules/openapi-typescript/bin/cli.js"
    await _node(tmp_path, generator, str(document), "-o", "api.ts")
    assert await _node(tmp_path, "node_modules/typescript/bin/tsc", "-p", ".") == ""

    picture = b64encode(images.png(20, 12)).decode()
    said = json.loads(await _node(tmp_path, "out/use.js", str(client.make_url("/"))[:-1], picture))
    missing, broken, wrong = said.pop("refused")
    assert said.pop("bytes") == said.pop("file") > 100
    assert said == {
        "status": "SUCCESS",
        "name": "cat.png",
        "size": [60, 36],
        "finished": True,
        "put": [40],
    }
    for refusal, status, code in (
        (missing, 404, "not_found"),
        (broken, 415, "unsupported_format"),
        (wrong, 422, "bad_parameter"),
    ):
        assert (refusal["answered"], refusal["status"], refusal["code"]) == (status, status, code)
    assert broken["accepted"] == ["png", "jpeg"]
    assert wrong["parameter"] == "scale"


def test_packages_are_pinned_by_hash_and_name_no_registry() -> None:
    wanted = json.loads((HERE / "package.json").read_text())["dependencies"]
    text = (HERE / "package-lock.json").read_text()
    assert "://" not in text
    packages = json.loads(text)["packages"]
    assert packages.pop("")["dependencies"] == wanted
    for name, version in wanted.items():
        assert packages[f"node_modules/{name}"]["version"] == version
    for name, package in packages.items():
        assert re.fullmatch(r"sha512-[\w+/]{86}==", package["integrity"]), name
        assert "hasInstallScript" not in package, name
