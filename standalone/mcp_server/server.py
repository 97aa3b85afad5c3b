"""The MCP server: lists the tools, and answers a call with the paths of its results."""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path, PurePosixPath
from typing import Any, get_args

from mcp import types
from mcp.server.lowlevel import Server

from models import VERSION
from models.errors import AppError
from models.images.inspect import OutputFormat, inspect
from standalone.mcp_server.engines import CannotProcess, Engine, Progress
from standalone.mcp_server.files import FileRefused, Root
from standalone.mcp_server.tools import RESULTS, BadCall, Job, ToolSpec, read_call

_INSTRUCTIONS = (
    "Darkroom enlarges, mends and converts pictures. A path is relative to the allowed folder, "
    "{root}; nothing outside of it is read or written, and no file is replaced. Results are new "
    "files, whose paths each tool returns."
)


class PictureTools:
    """The tools on the pictures below one folder."""

    def __init__(
        self, root: Root, tools: dict[str, ToolSpec], engine: Engine, max_bytes: int
    ) -> None:
        self._root, self._tools, self._engine = root, tools, engine
        self._max_bytes = max_bytes

    def server(self) -> Server[Any]:
        """Return the server, which has no transport yet."""
        return Server(
            "darkroom",
            version=VERSION,
            instructions=_INSTRUCTIONS.format(root=self._root.path),
            on_list_tools=self._list,
            on_call_tool=self._call,
        )

    async def _list(self, _: Any, params: Any) -> types.ListToolsResult:
        # Nothing is replaced, and the same call again changes nothing.
        hints = types.ToolAnnotations(
            destructive_hint=False, idempotent_hint=True, open_world_hint=False
        )
        listed = [
            types.Tool(
                name=each.name,
                description=each.text,
                input_schema=each.schema,
                output_schema=RESULTS,
                annotations=hints,
            )
            for each in self._tools.values()
        ]
        return types.ListToolsResult(tools=listed)

    async def _call(
        self, context: Any, params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        async def report(percent: float) -> None:
            await context.session.report_progress(percent, 100)

        try:
            tool = self._tools.get(params.name)
            if tool is None:
                known = ", ".join(self._tools)
                raise BadCall(f"there is no tool {params.name[:40]!a}; known: {known}")
            job = read_call(tool, params.arguments or {})
            document = {"results": await self._process(job, report)}
        except (BadCall, FileRefused, CannotProcess, AppError) as error:
            content = types.TextContent(text=str(error))
            return types.CallToolResult(content=[content], is_error=True)
        text = types.TextContent(text=json.dumps(document))
        return types.CallToolResult(content=[text], structured_content=document)

    async def _process(self, job: Job, report: Progress) -> list[dict[str, Any]]:
        with tempfile.TemporaryDirectory(prefix="darkroom-mcp-") as name:
            given, made = Path(name, "given"), Path(name, "made")
            given.mkdir()
            made.mkdir()
            source = given / (PurePosixPath(job.picture).name or "picture")  # names the results
            await asyncio.to_thread(self._root.copy_in, job.picture, source, self._max_bytes)
            found = await self._engine.process(source, job, made, report)
            return [await asyncio.to_thread(self._publish, each, job) for each in found]

    def _publish(self, result: tuple[Path, list[str]], job: Job) -> dict[str, Any]:
        """Put a result into its folder, after looking at what it is; return its description."""
        path, notes = result
        with path.open("rb") as file:
            header = inspect(file, get_args(OutputFormat))
        return {
            "path": self._root.copy_out(path, job.folder, path.name),
            "width": header.width,
            "height": header.height,
            "format": header.kind,
            "bytes": path.stat().st_size,
            "notes": notes,
        }
