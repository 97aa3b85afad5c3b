"""``darkroom mcp --root FOLDER``: offer the operations to an assistant, over stdin and stdout.

    darkroom mcp --root ~/Pictures
    darkroom mcp --root ~/Pictures --server http://localhost:8080

An assistant starts it by itself: docs/clients.md has its configuration. Without --server this
machine computes, as in `darkroom upscale`, by the settings of the environment.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from darkroom.client import AsyncDarkroom, DarkroomError

from models.errors import BadSettings
from models.networks.catalogue import Catalogue
from models.settings import Settings
from standalone.mcp_server.engines import LocalEngine, ServerEngine
from standalone.mcp_server.files import Root
from standalone.mcp_server.tools import local_operations, tools
from workers.cli.progress_bar import print_line


def main(arguments: Sequence[str], prog: str = "darkroom mcp") -> int:
    """Serve one assistant until it closes standard input; return the exit status."""
    parser = argparse.ArgumentParser(
        prog=prog, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--root",
        type=Path,
        required=True,  # not the current folder: assistants start programs in any
        metavar="FOLDER",
        help="the only folder in which pictures are read and results are written",
    )
    parser.add_argument("--server", metavar="URL", help="a Darkroom that computes")
    parser.add_argument("--key", help="its API key; default: the variable DARKROOM_KEY")
    given = parser.parse_args(arguments)
    try:
        return asyncio.run(_serve(given, Settings.load()))
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "mcp":
            raise
        print("darkroom: the package mcp is missing: pip install 'darkroom[mcp]'", file=sys.stderr)
    except (BadSettings, DarkroomError) as error:
        print_line(f"darkroom: {error}")  # it may say what a server said
    except OSError as error:
        print(f"darkroom: {error.filename}: {error.strerror or error}", file=sys.stderr)
    except KeyboardInterrupt:
        return 130
    return 2


async def _serve(given: argparse.Namespace, settings: Settings) -> int:
    from mcp.server.stdio import stdio_server

    from standalone.mcp_server.server import PictureTools

    root, limit = Root(given.root), settings.uploads.max_upload_bytes

    async def serve(operations: list[Any], engine: Any) -> int:
        server = PictureTools(root, tools(operations), engine, limit).server()
        async with stdio_server() as (reading, writing):
            await server.run(reading, writing, server.create_initialization_options())
        return 0

    if given.server is None:
        catalogue = Catalogue.read(settings.networks.networks_dir)
        return await serve(local_operations(catalogue), LocalEngine(settings))
    key = given.key or os.environ.get("DARKROOM_KEY")
    async with AsyncDarkroom(given.server, key) as darkroom:
        listed = (await darkroom.operations())["operations"]
        return await serve(listed, ServerEngine(darkroom))
