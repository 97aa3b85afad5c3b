"""The pages about operations match the registry, and their illustrations exist."""

from __future__ import annotations

import html
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from docs.__main__ import FOLDER, write
from docs.generate.illustrations import BEFORE, canvas
from docs.generate.operations import pages
from docs.generate.settings import settings_page
from models.error_members import codes
from models.operations import OPERATIONS, parse
from models.operations.parameter_docs import list_form
from models.operations.steps import read_pipeline
from tests.support import images as pictures


def test_the_committed_pages_are_what_the_generator_writes() -> None:
    for name, text in pages().items():
        assert (FOLDER / name).read_text() == text, f"{name}: run python -m docs"


def test_the_committed_settings_are_what_the_generator_writes() -> None:
    assert (FOLDER.parent / "settings.md").read_text() == settings_page(), "run python -m docs"


def test_no_page_of_a_removed_operation_remains() -> None:
    expected = {f"{op}.{kind}" for op in OPERATIONS for kind in ("md", "jpg")} | {"README.md"}
    assert {path.name for path in FOLDER.iterdir()} == expected


@pytest.mark.parametrize("op", OPERATIONS)
def test_each_illustration_has_its_size(op: str) -> None:
    path = FOLDER / f"{op}.jpg"
    with Image.open(path) as image:
        image.load()
        assert image.size == canvas(OPERATIONS[op])
    assert path.stat().st_size < 100_000


def test_the_generator_writes_every_file(tmp_path: Path) -> None:
    write(tmp_path / "operations")
    written = {path.name for path in (tmp_path / "operations").iterdir()}
    assert written == {path.name for path in FOLDER.iterdir()}
    with Image.open(tmp_path / "operations" / "split.jpg") as image:
        left = image.crop((0, 0, *BEFORE))
        assert image.size == canvas(OPERATIONS["split"])
        corner = image.crop((BEFORE[0] + 24, 0, BEFORE[0] + 24 + 90, 105))
    assert pictures.psnr(*_arrays(left.crop((0, 0, 90, 105)), corner)) > 30


def _arrays(*images: Image.Image) -> tuple[pictures.Pixels, pictures.Pixels]:
    import numpy as np

    first, second = (np.asarray(image.convert("RGB")) for image in images)
    return first, second


@pytest.mark.parametrize("op", OPERATIONS)
def test_both_commands_of_a_page_request_the_same_operation(op: str) -> None:
    spec = OPERATIONS[op]
    own, process = re.findall(r"^curl .*$", pages()[f"{op}.md"], re.MULTILINE)
    assert shlex.split(own)[-1] == f"localhost:8080/{op}"
    fields = dict(f.split("=", 1) for f in shlex.split(own)[4:-1:2])
    expected = parse(op, fields)
    assert shlex.split(process)[-1] == "localhost:8080/process"
    field = shlex.split(process)[-2]
    assert field == f"operations={list_form(spec)}"
    assert read_pipeline([field.removeprefix("operations=")], 1) == [expected]


def test_every_parameter_and_its_help_is_on_its_page() -> None:
    for op, spec in OPERATIONS.items():
        page = pages()[f"{op}.md"]
        assert (spec.__doc__ or "").strip()
        for name, field in spec.model_fields.items():
            assert field.description
            assert f"| `{name}` |" in page
            assert field.description in page


def test_links_lead_to_files() -> None:
    for name, text in pages().items():
        for target in re.findall(r"\]\(([^)#\s]+)", text):
            assert (FOLDER / target).exists(), f"{name}: {target}"


async def test_the_docs_page_shows_the_whole_openapi_document(client: Any) -> None:
    page = await client.get("/docs")
    text = html.unescape(await page.text())
    assert page.content_type == "text/html"
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    document = await (await client.get("/openapi.json")).json()
    for path, methods in document["paths"].items():
        for operation in methods.values():
            assert f'id="{operation["operationId"]}"' in text, path
            assert operation["summary"] in text
            for sample in operation.get("x-codeSamples", ()):
                assert sample["source"] in text
            for parameter in operation.get("parameters", ()):
                assert parameter["description"] in text
    for spec in OPERATIONS.values():
        for name, field in spec.model_fields.items():
            # What "picture" names is a file of the form.
            assert field.description and (field.description in text or name == "picture")
    for name in document["components"]["schemas"]:
        assert f'id="schema-{name}"' in text
    for kind in codes():
        assert f'id="error-{kind.code}"' in text
    targets = set(re.findall(r'href="#([^"]+)"', text)) - {"main"}
    assert targets <= set(re.findall(r' id="([^"]+)"', text))
