"""The tools by the package's own client: in this process, over stdio, here and on a service."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import jsonschema
import pytest

mcp = pytest.importorskip("mcp", reason="installed by `make test`: locks/dev.txt")
from darkroom.client import AsyncDarkroom  # noqa: E402
from mcp.client.stdio import StdioServerParameters  # noqa: E402

from models.networks.catalogue import Catalogue  # noqa: E402
from models.operations import OPERATIONS  # noqa: E402
from models.settings import Settings  # noqa: E402
from standalone.mcp_server import cli  # noqa: E402
from standalone.mcp_server.engines import LocalEngine, ServerEngine  # noqa: E402
from standalone.mcp_server.files import Root  # noqa: E402
from standalone.mcp_server.server import PictureTools  # noqa: E402
from standalone.mcp_server.tools import PROCESS, local_operations, read_call, tools  # noqa: E402
from standalone.own_modules import ROOT  # noqa: E402
from tests.conftest import Client  # noqa: E402
from tests.support import images  # noqa: E402

OFFERED = tools(local_operations(Catalogue.read(None)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "cat.png").write_bytes(images.png(24, 16))
    (tmp_path / "secret.png").write_bytes(images.png(8, 8))
    return tmp_path / "root"


@asynccontextmanager
async def assistant(folder: Path, engine: Any, max_bytes: int = 2**20) -> AsyncIterator[Any]:
    root = Root(folder)
    server = PictureTools(root, OFFERED, engine, max_bytes).server()
    async with mcp.Client(server) as client:
        yield client
    root.close()


def text_of(answer: Any) -> str:
    (content,) = answer.content
    return str(content.text)


async def test_the_tools_are_the_operations(folder: Path) -> None:
    async with assistant(folder, None) as client:
        listed = {each.name: each for each in (await client.list_tools()).tools}
    assert list(listed) == [*OPERATIONS, PROCESS]
    for tool in listed.values():
        jsonschema.Draft202012Validator.check_schema(tool.input_schema)
        assert tool.description and "picture" in tool.input_schema["required"]
    upscale = listed["upscale"].input_schema["properties"]
    assert upscale["scale"]["enum"] == [2, 3, 4]
    assert upscale["quality"]["anyOf"][0]["enum"] == ["fast", "balanced", "best", "photo", "auto"]
    assert listed["crop"].input_schema["required"] == ["picture", "width", "height"]
    assert "jpg" not in listed["convert"].input_schema["properties"]["format"]["enum"]


async def test_a_service_computes(folder: Path, client: Client, worker: Any) -> None:
    seen: list[float] = []

    async def progress(done: float, total: float | None, message: str | None) -> None:
        seen.append(done)

    async with (
        AsyncDarkroom(str(client.make_url("/"))) as darkroom,
        assistant(folder, ServerEngine(darkroom)) as one,
    ):
        served = tools((await darkroom.operations())["operations"])
        assert served.keys() == OFFERED.keys()
        assert served["upscale"].schema == OFFERED["upscale"].schema
        call = {"picture": "cat.png", "width": 6, "output_folder": "small", "format": "webp"}
        answer = await one.call_tool("thumbnail", call, progress_callback=progress)
        assert not answer.is_error, text_of(answer)
        jsonschema.validate(
            answer.structured_content,
            OFFERED["thumbnail"].schema
            | {
                "properties": {"results": {"type": "array", "minItems": 1}},
                "required": ["results"],
            },
        )
        (result,) = answer.structured_content["results"]
        assert (result["path"], result["width"], result["height"], result["format"]) == (
            "small/cat-thumbnail-6x6.webp",
            6,
            4,
            "webp",
        )
        assert images.decoded((folder / result["path"]).read_bytes()).size == (6, 4)
        assert seen and seen[-1] == 100
        steps = ["split", {"op": "blur", "sigma": 2}]
        parts = await one.call_tool(PROCESS, {"picture": "cat.png", "operations": steps})
        assert len(parts.structured_content["results"]) == 4
        refused = await one.call_tool("upscale", {"picture": "cat.png", "scale": 9})
        assert refused.is_error and "scale" in text_of(refused)


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        ("blur", {"picture": "../secret.png"}, "'..' in it"),
        ("blur", {"picture": "{root}/../secret.png"}, "'..' in it"),
        ("blur", {"picture": "link.png"}, "links are not followed"),
        ("blur", {"picture": "/etc/hostname"}, "outside of"),
        ("blur", {"picture": "huge.png"}, "MAX_UPLOAD_BYTES"),
        ("blur", {"picture": ["cat.png"]}, "picture is not a text"),
        ("blur", {"sigma": 3}, "missing arguments: picture"),
        ("blur", {"picture": "cat.png", "callback_url": "http://a"}, "unknown arguments"),
        ("blur", {"picture": "cat.png", "metadata": "--force"}, "it can be none, safe, all"),
        ("process", {"picture": "cat.png", "operations": "split"}, "operations is not a list"),
        ("rm", {"picture": "cat.png"}, "no tool 'rm'"),
    ],
)
async def test_hostile_calls(folder: Path, tool: str, arguments: Any, said: str) -> None:
    (folder / "link.png").symlink_to(folder.parent / "secret.png")
    with (folder / "huge.png").open("wb") as file:
        file.truncate(10**12)
    if isinstance(picture := arguments.get("picture"), str):
        arguments = {**arguments, "picture": picture.format(root=folder)}
    async with assistant(folder, None) as client:  # no engine: nothing may come so far
        answer = await client.call_tool(tool, arguments)
    assert answer.is_error and said in text_of(answer)
    assert {each.name for each in folder.iterdir()} == {"cat.png", "link.png", "huge.png"}


async def test_results_go_nowhere_else(folder: Path) -> None:
    class Copies:
        async def process(self, source: Path, job: Any, made: Path, progress: Any) -> Any:
            (made / "cat.png").write_bytes(images.png(3, 3))
            return [(made / "cat.png", [])]

    class Lies:
        async def process(self, source: Path, job: Any, made: Path, progress: Any) -> Any:
            (made / "cat.png").write_text("#!/bin/sh")
            return [(made / "cat.png", [])]

    before = (folder / "cat.png").read_bytes()
    async with assistant(folder, Copies()) as client:
        for output, said in (
            ("../", "'..' in it"),
            ("/tmp", "outside of"),
            (".", "already exists"),
        ):
            call = {"picture": "cat.png", "output_folder": output}
            answer = await client.call_tool("flip", call)
            assert answer.is_error and said in text_of(answer)
    async with assistant(folder, Lies()) as client:
        answer = await client.call_tool("flip", {"picture": "cat.png", "output_folder": "new"})
        assert answer.is_error  # what a service sends is written only if it is a picture
    assert (folder / "cat.png").read_bytes() == before
    assert [each.name for each in folder.iterdir()] == ["cat.png"]


@pytest.mark.integration
async def test_this_machine_computes_over_stdio(folder: Path) -> None:
    """Started in a folder whose own ``models`` is not ours."""
    elsewhere = folder.parent / "elsewhere"
    (elsewhere / "models").mkdir(parents=True)
    (elsewhere / "models" / "__init__.py").write_text("raise SystemExit('not ours')")
    program = StdioServerParameters(
        command=sys.executable,
        args=["-m", "standalone", "mcp", "--root", str(folder)],
        env={"PYTHONSAFEPATH": "1", "PYTHONPATH": str(ROOT), "UPSCALE_ENGINE": "opencv"},
        cwd=elsewhere,
    )
    async with mcp.Client(program) as client:
        assert "upscale" in [each.name for each in (await client.list_tools()).tools]
        answer = await client.call_tool("resize", {"picture": "cat.png", "scale": 0.5})
        assert not answer.is_error, text_of(answer)
        (result,) = answer.structured_content["results"]
        assert result["path"] == "cat-resize-x0.5.png" and result["width"] == 12


async def test_a_local_refusal_names_the_picture_only(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run(_: Any, command: list[str]) -> tuple[int, bytes]:
        return 1, f"darkroom: {command[4]}: the file is broken\n".encode()

    monkeypatch.setattr(LocalEngine, "_run", run)
    async with assistant(folder, LocalEngine(Settings())) as client:
        answer = await client.call_tool("flip", {"picture": "cat.png"})
    assert answer.is_error and text_of(answer) == "the file is broken"


@pytest.mark.integration
async def test_work_ends_with_its_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = LocalEngine(Settings().replace(task_timeout=0.1))
    with pytest.raises(Exception, match=r"not done after 0.1 s \(TASK_TIMEOUT\)"):
        await engine._run(["sleep", "600"])


def test_operations_of_a_service_are_judged() -> None:
    good = {"op": "blur", "summary": "Blur.", "parameters": {"properties": {}}}
    bad: list[Any] = [
        {**good, "op": "../x"},
        {**good, "op": "rm -rf"},
        {**good, "op": "steal", "parameters": {"properties": {}, "required": ["picture"]}},
        {**good, "op": "none", "parameters": None},
        "text",
        None,
    ]
    assert list(tools([good, *bad])) == ["blur", PROCESS]
    other = {**good, "parameters": {"properties": {"picture": {"type": "array"}}}}
    offered = tools([other])["blur"]
    assert offered.schema == tools([good])["blur"].schema and offered.own == frozenset()


def test_arguments_become_operations() -> None:
    call = {"picture": "a/cat.png", "format": "webp", "quality": 80}
    job = read_call(OFFERED["convert"], call)
    assert job.operations == [{"op": "convert", "format": "webp", "quality": 80}]
    assert (job.folder, job.options) == ("a", {})
    job = read_call(OFFERED["upscale"], {"picture": "cat.png", "scale": 3, "format": "png"})
    assert job.operations == [{"op": "upscale", "scale": 3}]
    assert (job.folder, job.options) == (".", {"format": "png"})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--root", "missing"], "missing: No such file"),
        (["--root", ".", "--server", "ftp://h"], "not an http or https URL"),
        ([], "--root"),
    ],
)
def test_a_wrong_start_says_why(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    call: Callable[[], int] = lambda: cli.main(arguments)  # noqa: E731
    if arguments:
        assert call() == 2
    else:
        with pytest.raises(SystemExit):
            call()
    assert said in capsys.readouterr().err
