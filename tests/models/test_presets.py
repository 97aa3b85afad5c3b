"""PRESETS_FILE: what a preset may say, and what an error of the file names."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.errors import BadSettings
from models.networks.catalogue import Catalogue
from models.operations.watermark import Watermark
from models.presets import Preset, read_file
from models.settings import Settings
from service.app import create_app

SHOP = """
[shop-photo]
description = "Square pictures of the shop"
operations = ["smartcrop=1:1", {op = "resize", width = 80, height = 80}]
format = "webp"
max_bytes = 100_000

[plain]
operations = "grayscale"

[coarse]
operations = [{op = "thumbnail", fit = "contain"}]
format = "jpg"
quality = 30
progressive = true
metadata = "safe"

[exact]
operations = ["flip"]
quality = "lossless"
"""


def read(folder: Path, text: str | bytes) -> dict[str, Preset]:
    path = folder / "presets.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return dict(read_file(path, Settings().uploads, Catalogue.read(None)))


def test_what_the_file_says(tmp_path: Path) -> None:
    found = read(tmp_path, SHOP)
    assert list(found) == ["shop-photo", "plain", "coarse", "exact"]
    assert found["shop-photo"].fields() == {
        "operations": '["smartcrop=1:1", {"op": "resize", "width": 80, "height": 80}]',
        "format": "webp",
        "max_bytes": "100000",
    }
    assert found["plain"].fields() == {"operations": '["grayscale"]'}
    assert found["coarse"].document() == {
        "operations": [{"op": "thumbnail"}],
        "format": "jpg",
        "quality": 30,
        "progressive": True,
        "metadata": "safe",
    }
    assert found["coarse"].fields()["progressive"] == "1"
    assert found["exact"].fields()["quality"] == "lossless"


def test_a_watermark_whose_picture_comes_with_the_request(tmp_path: Path) -> None:
    named = '{op = "watermark", picture = "watermark_image", share = 30}'
    found = read(tmp_path, f"[logo]\noperations = [{named}]\n")
    (operation,) = found["logo"].pipeline()
    assert isinstance(operation, Watermark) and operation.picture == "watermark_image"


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "presets.toml"
    path.write_text('[a]\noperations = ["flip"]\n', encoding="utf-8-sig")
    assert [*read_file(path, Settings().uploads, Catalogue.read(None))] == ["a"]


def test_no_file_has_no_presets() -> None:
    assert read_file(None, Settings().uploads, Catalogue.read(None)) == {}


PRESET = '[a]\noperations = ["split"]\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x=", "is not valid TOML: Invalid value (at end of document)"),
        (b"# \xff", "is not valid TOML: 'utf-8'"),
        ("x = " + "[" * 5000, "is not valid TOML: maximum recursion"),
        (PRESET + PRESET, "is not valid TOML: Cannot declare ('a',) twice"),
        ("#" * 1_000_001, "has more than 1000000 bytes"),
        ("".join(f"[p{n}]\noperations='flip'\n" for n in range(201)), "has 201 presets; at most"),
        (PRESET.replace("[a]", "[A]"), "'A' cannot be the name of a preset: 1 to 40 of a-z"),
        (PRESET.replace("[a]", '["a\\n"]'), "'a\\n' cannot be the name of a preset"),
        (PRESET.replace("[a]", f"[{41 * 'a'}]"), "cannot be the name of a preset"),
        ('operations = ["split"]', "begins with its name in brackets, e.g. [shop-photo]"),
        ("[a]", "preset 'a': operations is missing"),
        ("[a]\noperations = []", "preset 'a': operations: send a list"),
        ("[a]\noperations = [[1]]", "preset 'a': operations: send a list"),
        ('[a]\noperations = [{op = "crop", x = 1979-05-27}]', "operations: send a list"),
        ('[a]\noperations = ["splt"]', "operation 1: unknown operation 'splt'"),
        ('[a]\noperations = [{op = "blur", sigma = nan}]', "operation 1: blur: sigma: Input"),
        (f"[a]\noperations = {['flip'] * 21}", "21 operations; at most 20"),
        (f"[a]\noperations = {['flip'] * 101}", "operations: send a list of up to 100"),
        (f"[a]\noperations = {['split'] * 4}", "256 results of each picture; at most 64"),
        ("[a]\noperations = [{op = 'upscale', model = 'FSRCNN'}]", "model FSRCNN"),
        (PRESET + "formt = 'png'", "unknown field 'formt'; known: operations, description, format"),
        (PRESET + "email = 'a@b.c'", "unknown field 'email'"),
        (PRESET + "format = 'bmp'", "format: Input should be 'png', 'jpeg'"),
        (PRESET + "format = 'gif'", "gif is written for animations only"),
        (PRESET + "format = 'jpeg'\nframes = 'all'", "JPEG holds no animation"),
        (PRESET + "frames = 'last'", "frames: Input should be 'first' or 'all'"),
        (PRESET + "quality = true", "quality: send a whole number from 1 to 100, or lossless"),
        (PRESET + "quality = 101", "quality: send a whole number"),
        (PRESET + "max_bytes = '5'", "max_bytes: send a whole number, 1 or more"),
        (PRESET + "max_bytes = 0", "max_bytes: send a whole number, 1 or more"),
        (PRESET + "metadata = 'some'", "metadata: Input should be"),
        (PRESET + "format = 'png'\nquality = 3", "PNG loses nothing"),
        (PRESET + "format = 'jpeg'\nquality = 'lossless'", "never lossless here"),
        (PRESET + "format = 'webp'\nprogressive = true", "progressive is for jpeg"),
        ("[a]\noperations = 'convert=webp'\nformat = 'png'", "contradicts convert=webp"),
        ("[a]\noperations = 'convert=png'\nmax_bytes = 9", "max_bytes needs a quality"),
        (PRESET + f"description = '{201 * 'x'}'", "description: String should have at most 200"),
    ],
)
def test_a_wrong_file_names_itself_and_the_preset(
    tmp_path: Path, text: str | bytes, said: str
) -> None:
    with pytest.raises(BadSettings) as caught:
        read(tmp_path, text)
    detail = caught.value.detail
    assert detail.startswith(f"PRESETS_FILE={tmp_path}/presets.toml")
    assert said in detail
    assert len(detail) < 600 + len(str(tmp_path)) and "\n" not in detail


def test_a_service_with_a_wrong_file_does_not_start(tmp_path: Path) -> None:
    for path, said in ((tmp_path / "none", "No such file"), (tmp_path, "Is a directory")):
        settings = Settings().replace(presets_file=path)
        with pytest.raises(BadSettings, match=f"PRESETS_FILE={path} cannot be read: {said}"):
            create_app(settings)
