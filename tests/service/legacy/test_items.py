"""The JSON batch processor over files below IMAGES_ROOT."""

from __future__ import annotations

import asyncio
import errno
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from models.errors import BadSettings
from models.settings import Settings
from models.store import Store
from service.app import create_app
from tests.conftest import working
from tests.service.uploads.test_incoming_file import limited, refused
from tests.support import images as pictures
from tests.support import metadata


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    (folder / "in").mkdir(parents=True)
    (folder / "in" / "cat.png").write_bytes(pictures.png(41, 30))
    (folder / "in" / "dog.jpg").write_bytes(pictures.jpeg(60, 40))
    (folder / "in" / "notes.png").write_text("no picture at all, but long enough")
    return folder


@pytest.fixture
async def unworked(aiohttp_client: Any, settings: Settings, root: Path) -> Any:
    """Post documents to a service without a worker."""
    chosen = settings.replace(images_root=root)
    client = await aiohttp_client(create_app(chosen))

    async def post(*pairs: tuple[str, str], operations: list[str] | None = None) -> Any:
        images = [{"input": a, "output": b} for a, b in pairs]
        return await client.post("/items/", json={"images": images, "operations": operations or []})

    async def raw(text: str) -> Any:
        return await client.post("/items/", data=text)

    post.raw = raw  # type: ignore[attr-defined]
    return post


@pytest.fixture
async def items(unworked: Any, settings: Settings, root: Path) -> AsyncIterator[Any]:
    """Post documents to a service with a worker."""
    async with working(settings.replace(images_root=root)):
        yield unworked


async def test_documented_call(items: Any, root: Path) -> None:
    operations = ["splitQuadrants=True", "resize=2", "blur=25"]
    response = await items(("in/cat.png", "out/deep/cat.jpg"), operations=operations)
    assert response.status == 200
    assert await response.json() == {
        "images": [{"input": "in/cat.png", "output": "out/deep/cat.jpg"}],
        "operations": operations,
    }
    assert not any(name.startswith("X-Darkroom-Skipped") for name in response.headers)
    found = sorted(path.name for path in (root / "out" / "deep").iterdir())
    assert found == ["cat_1.jpg", "cat_2.jpg", "cat_3.jpg", "cat_4.jpg"]
    sizes = []
    for name in found:
        with Image.open(root / "out" / "deep" / name) as picture:
            assert picture.format == "JPEG"
            sizes.append(picture.size)
    assert sizes == [(40, 30), (42, 30), (40, 30), (42, 30)]


async def test_outputs_of_one_image(items: Any, root: Path) -> None:
    # A single result replaces the output file.
    (root / "big.png").write_text("old")
    assert (await items(("in/dog.jpg", "big.png"), operations=["resize=2"])).status == 200
    with Image.open(root / "big.png") as picture:
        assert (picture.size, picture.format) == ((120, 80), "PNG")
    assert [p.name for p in root.iterdir() if p.name.startswith(".")] == []
    # Operations out of bounds are skipped.
    operations = ["resize=0", "blur=-2", "split=False", "resize=2"]
    response = await items(("in/cat.png", "a.png"), operations=operations)
    assert response.status == 200
    assert response.headers["X-Darkroom-Skipped-Operations"] == "1 2 3"
    with Image.open(root / "a.png") as picture:
        assert picture.size == (82, 60)
    # The image is converted when all are skipped.
    assert (await items(("in/cat.png", "a.webp"), operations=["resize=0"])).status == 200
    with Image.open(root / "a.webp") as picture:
        assert (picture.size, picture.format) == ((41, 30), "WEBP")
    # Links within the root are followed.
    (root / "same").symlink_to("in")
    assert (await items(("same/cat.png", "same/big.png"), operations=["resize=2"])).status == 200
    assert (root / "in" / "big.png").is_file()
    # The extension of the output overrides convert.
    operations = ["resize=2", "convert=webp"]
    response = await items(("in/cat.png", "a.jpg"), ("in/cat.png", "b.png"), operations=operations)
    assert response.status == 200
    for name, kind in (("a.jpg", "JPEG"), ("b.png", "PNG")):
        with Image.open(root / name) as picture:
            assert (picture.format, picture.size) == (kind, (82, 60))


async def test_metadata_is_chosen(items: Any, root: Path) -> None:
    (root / "in" / "photo.jpg").write_bytes(metadata.jpeg())
    for choice, author in (("", None), ("safe", "Ada Lovelace")):
        document = {
            "images": [{"input": "in/photo.jpg", "output": "a.jpg"}],
            "operations": ["grayscale"],
            "metadata": choice,
        }
        assert (await items.raw(json.dumps(document))).status == 200
        with Image.open(root / "a.jpg") as picture:
            assert picture.getexif().get(0x013B) == author
    response = await items.raw(json.dumps({**document, "metadata": "some"}))
    assert response.status == 422
    assert (await response.json())["parameter"] == "metadata"


async def test_missing_and_broken_images_are_skipped(items: Any, root: Path) -> None:
    os.mkfifo(root / "in" / "pipe.png")
    response = await items(
        ("in/none.png", "1.png"),
        ("in/cat.png", "2.png"),
        ("in/notes.png", "3.png"),
        ("in", "4.png"),
        ("in/pipe.png", "5.png"),
        ("in/cat.png/deeper.png", "6.png"),
        operations=["split=", "resize=2"],
    )
    assert response.status == 200
    assert response.headers["X-Darkroom-Skipped-Images"] == "1 3 4 5 6"
    assert sorted(p.name for p in root.glob("*.png")) == [
        "2_1.png",
        "2_2.png",
        "2_3.png",
        "2_4.png",
    ]


@pytest.mark.parametrize(
    "path",
    [
        "../secret.png",
        "in/../../secret.png",
        "/etc/passwd.png",
        "\\\\server\\share.png",
        "C:\\x.png",
        "link/secret.png",
        "link.png",
        "a\0b.png",
        "",
        ".",
        "x" * 2000 + ".png",
    ],
)
async def test_path_traversal_is_refused(unworked: Any, root: Path, path: str) -> None:
    outside = root.parent / "secret.png"
    outside.write_bytes(pictures.png())
    (root / "link").symlink_to(root.parent)
    (root / "link.png").symlink_to(outside)
    before = outside.read_bytes()
    for pair in ((path, "out.png"), ("in/cat.png", path)):
        await refused(await unworked(pair, operations=["resize=2"]), 422, "bad_parameter")
    assert outside.read_bytes() == before
    assert not (root / "out.png").exists()


@pytest.mark.parametrize(
    ("output", "detail"),
    [
        ("in/dog.jpg/a.png", "is below a file, not a folder"),
        ("taken.png", "is a folder"),
        ("x" * 250 + ".png", "has 254 bytes; the maximum is 240"),
        ("a.tiff", "must end in one of png, jpg, jpeg, webp"),
    ],
)
async def test_invalid_output_paths_are_refused_at_submission(
    unworked: Any, root: Path, output: str, detail: str
) -> None:
    (root / "taken.png").mkdir()
    response = await unworked(("in/cat.png", "first.png"), ("in/cat.png", output))
    body = await refused(response, 422, "bad_parameter")
    assert detail in body["detail"]
    assert not (root / "first.png").exists()


@pytest.mark.parametrize(
    ("outputs", "operations"),
    [(("a.png", "a.png"), []), (("a.png", "a.png"), ["split="])],
)
async def test_outputs_that_overwrite_each_other_are_refused(
    unworked: Any, outputs: tuple[str, str], operations: list[str]
) -> None:
    pairs = [("in/cat.png", output) for output in outputs]
    body = await refused(await unworked(*pairs, operations=operations), 422, "bad_parameter")
    assert "image 2 would overwrite a result of image 1" in body["detail"]


async def test_deeply_nested_documents_are_returned_unchanged(items: Any, root: Path) -> None:
    for depth in (500, 975, 990):
        text = (
            '{"images": [{"input": "in/cat.png", "output": "a.png"}], "operations": ["resize=2"], '
            f'"x": {"[" * depth}{"]" * depth}}}'
        )
        response = await items.raw(text)
        assert response.status in {200, 400}
        if response.status == 200:
            assert await response.text() == text


async def test_max_batch_results(aiohttp_client: Any, settings: Settings, root: Path) -> None:
    client = await limited(aiohttp_client, settings, images_root=root, max_batch_results=7)
    images = [{"input": "in/cat.png", "output": f"{n}.png"} for n in range(2)]
    document = {"images": images, "operations": ["split="]}
    body = await refused(await client.post("/items/", json=document), 422, "bad_parameter")
    assert (body["setting"], body["limit"], body["measured"]) == ("MAX_BATCH_RESULTS", 7, 8)


async def test_invalid_documents_are_refused(
    unworked: Any, aiohttp_client: Any, settings: Settings
) -> None:
    await refused(await unworked(("in/cat.png", "a.tiff")), 422, "bad_parameter")
    await refused(
        await unworked(("in/cat.png", "a.png"), operations=["shout=1"]), 422, "bad_parameter"
    )
    await refused(await unworked(), 400, "bad_request")
    client = await limited(
        aiohttp_client, settings, images_root=Path("/tmp"), max_batch=1, max_json_bytes=2000
    )
    for body in ("", "{", "[]", "[" * 1500, '{"images": 3}', '{"images": [{"input": 1}]}'):
        await refused(await client.post("/items/", data=body), 400, "bad_request")
    two = {"images": [{"input": "a.png", "output": "b.png"}] * 2}
    body = await refused(await client.post("/items/", json=two), 422, "bad_parameter")
    assert (body["setting"], body["limit"], body["measured"]) == ("MAX_BATCH", 1, 2)
    many = {"images": two["images"][:1], "operations": ["resize=2"] * 21}
    body = await refused(await client.post("/items/", json=many), 422, "bad_parameter")
    assert body["setting"] == "MAX_OPERATIONS"
    body = await refused(await client.post("/items/", data=" " * 2001), 413, "too_large")
    assert body["setting"] == "MAX_JSON_BYTES"


async def test_route_is_off_without_images_root(client: Any) -> None:
    body = await refused(await client.post("/items/", json={}), 404, "not_found")
    assert "IMAGES_ROOT" in body["detail"]


async def test_items_timeout(
    aiohttp_client: Any, settings: Settings, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.legacy.items._WAIT_SECONDS", 0.1)
    client = await limited(aiohttp_client, settings, images_root=root)
    document = {"images": [{"input": "in/cat.png", "output": "a.png"}], "operations": ["resize=2"]}
    response = await client.post("/items/", data=json.dumps(document))
    body = await refused(response, 503, "not_finished")
    assert body["limit"] == 0.1
    assert response.headers["Retry-After"]


async def test_write_error_responds_500(
    items: Any, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(os, "rename", full)
        response = await items(("in/cat.png", "a.png"), operations=["resize=2"])
        body = await refused(response, 500, "not_written")
    assert "No space left" in body["detail"] and body["image"] == 1
    assert [path.name for path in root.iterdir()] == ["in"]
    assert (await items(("in/cat.png", "a.png"), operations=["resize=2"])).status == 200


async def test_worker_failure_is_an_error_not_a_skipped_image(
    aiohttp_client: Any, settings: Settings, root: Path, store: Store
) -> None:
    client = await limited(aiohttp_client, settings, images_root=root)
    for code, status in (("worker_crashed", 500), ("bad_image", 200)):
        document = {
            "images": [{"input": "in/cat.png", "output": "a.png"}],
            "operations": ["split="],
        }
        waiting: Any = asyncio.ensure_future(client.post("/items/", json=document))
        while not (tasks := await store.leases.waiting(-1)):
            await asyncio.sleep(0.01)
        await store.leases.claim(tasks[0].id, worker="w", token="t", seconds=9, max_attempts=9)
        await store.leases.fail(tasks[0].id, "t", {"code": code, "detail": "broken inside"})
        response = await waiting
        assert response.status == status
    assert response.headers["X-Darkroom-Skipped-Images"] == "1"


async def test_images_root_must_be_a_folder(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="IMAGES_ROOT=.*is not a folder"):
        Settings().replace(images_root=tmp_path / "nowhere").require_folders()
