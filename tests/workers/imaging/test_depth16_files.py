"""16-bit PNGs are read and written complete and upright, or refused."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from models.errors import BadImage
from models.images.encoder_settings import EncoderSettings
from models.operations import Encoding
from tests.models.images.test_exif import block
from tests.support import images
from tests.support.png16 import KINDS, file_of, results, scene, split_up, unfiltered
from tests.workers.cli.test_commands import process
from tests.workers.imaging import encode
from tests.workers.imaging.test_codec import GRAY_ICC, ICC
from workers.imaging import codec, depth16, notes
from workers.imaging.picture import Picture


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_16_bit_png_round_trip_is_exact(tmp_path: Path, kind: str, interlaced: bool) -> None:
    for size in ((40, 30), (1, 1), (1, 9), (9, 1), (13, 7), (127, 97)):
        wide = scene(kind, *size)
        data = file_of(kind, wide, interlaced=interlaced)
        ((made, written),) = results(tmp_path, data, "convert=png")
        colours, alpha = split_up(kind, wide)
        expected = colours if alpha is None else np.dstack([colours, alpha])
        colour, found = unfiltered(written)
        assert (found == expected).all()
        assert colour == {1: 0, 2: 4, 3: 2, 4: 6}[1 if found.ndim == 2 else found.shape[2]]
        assert (made.width, made.height, made.notes) == (*size, ())


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", KINDS)
def test_exif_orientation_is_applied_once(tmp_path: Path, kind: str, orientation: int) -> None:
    wide = scene(kind, 7, 5)
    colours, alpha = split_up(kind, wide)
    expected = colours if alpha is None else np.dstack([colours, alpha])
    expected = {
        1: expected,
        2: np.fliplr(expected),
        3: np.rot90(expected, 2),
        4: np.flipud(expected),
        5: expected.swapaxes(0, 1),
        6: np.rot90(expected, -1),
        7: np.rot90(expected, 2).swapaxes(0, 1),
        8: np.rot90(expected),
    }[orientation]
    exif = images.chunk(b"eXIf", block(orientation)[6:])
    for where in ("before", "after"):
        data = file_of(kind, wide, **{where: exif})
        ((_, written),) = results(tmp_path, data, "convert=png")
        assert (unfiltered(written)[1] == expected).all()
        again = results(tmp_path, written, "convert=png")[0][1]
        assert again == written


@pytest.mark.parametrize("kind", KINDS)
def test_gamma_is_applied_in_16_bits(tmp_path: Path, kind: str) -> None:
    wide = scene(kind)
    colours, alpha = split_up(kind, wide)
    data = file_of(kind, wide, before=images.chunk(b"gAMA", struct.pack(">I", 100000)))
    ((made, written),) = results(tmp_path, data, "convert=png")
    expected = np.rint(65535 * (colours / 65535.0) ** (1 / 2.2))
    found = unfiltered(written)[1]
    if alpha is not None:
        assert (found[:, :, -1] == alpha).all()
        found = found[:, :, :-1].reshape(colours.shape)
    assert (found == expected).all()
    assert made.notes == (notes.GAMMA,)
    assert len(np.unique(found)) > 256


def test_reduction_to_8_bits_rounds_every_level() -> None:
    levels = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    expected = (levels.astype(np.int64) * 255 + 32767) // 65535
    assert (depth16.to_8_bits(levels) == expected).all()
    narrow = expected.astype(np.uint8)
    assert depth16.to_8_bits(narrow) is narrow


@pytest.mark.parametrize("padding", [0, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_profiles_are_kept(tmp_path: Path, kind: str, padding: int) -> None:
    icc = (GRAY_ICC if kind.startswith("gray") else ICC) + bytes(padding)
    """libpng refuses to write the second profile, which is padded."""
    profile = images.chunk(b"iCCP", b"sRGB\0\0" + zlib.compress(icc))
    wide = scene(kind)
    data = file_of(kind, wide, before=profile)
    ((_, written),) = results(tmp_path, data, "convert=png")
    assert images.decoded(written).info["icc_profile"] == icc
    colours, alpha = split_up(kind, wide)
    expected = colours if alpha is None else np.dstack([colours, alpha])
    assert (unfiltered(written)[1] == expected).all()


def broken(kind: str) -> list[tuple[str, bytes]]:
    wide = scene(kind)
    data, rows = file_of(kind, wide), images.raw(wide)
    packed = zlib.compress(rows)
    at = data.index(b"IDAT")
    flipped = bytearray(packed)
    flipped[len(packed) // 2] ^= 0x55
    checked = bytearray(data)
    checked[at + 50] ^= 1
    last = bytes([*packed[:-1], packed[-1] ^ 1])
    return [
        *((f"cut at {n}", data[:n]) for n in (8, 20, 33, 40, at + 6, at + 60, len(data) // 2)),
        ("cut in the last chunk of samples", data[:-30]),
        ("wrong CRC", bytes(checked)),
        ("broken deflate", file_of(kind, wide, packed=bytes(flipped))),
        ("wrong Adler", file_of(kind, wide, packed=last)),
        ("deflate cut short", file_of(kind, wide, packed=packed[: len(packed) // 2])),
        ("no such filter", file_of(kind, wide, packed=zlib.compress(b"\x07" + rows[1:]))),
        ("no samples", file_of(kind, wide, packed=b"")),
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_broken_files_are_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "picture"
    for name, data in broken(kind):
        path.write_bytes(data)
        with pytest.raises(BadImage, match="the picture cannot be decoded") as caught:
            codec.decode(path, 10**6)
        assert len(str(caught.value)) < 200, name


def test_missing_rows_are_refused(tmp_path: Path) -> None:
    """A valid stream with missing rows: uninitialised memory must not be published."""
    path = tmp_path / "picture"
    wide = scene("rgba")
    path.write_bytes(images.by_hand(wide, packed=zlib.compress(images.raw(wide[:20]))))
    with pytest.raises(BadImage, match="broken or incomplete"):
        codec.decode(path, 10**6)


def test_odd_chunks_log_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    odd = images.chunk(b"gAMA", bytes(4)) * 50 + images.chunk(b"iCCP", b"x\0\0junk") * 50
    odd += images.chunk(b"tRNS", struct.pack(">HHH", 1, 2, 3)) * 50
    path = tmp_path / "picture"
    wide = scene("rgb")
    path.write_bytes(images.by_hand(wide, before=odd, after=odd))
    picture = codec.decode(path, 10**6)
    assert (picture.pixels == wide[:, :, ::-1]).all()
    assert capfd.readouterr() == ("", "")


def test_animation_gives_its_default_picture(tmp_path: Path) -> None:
    wide = scene("rgb")
    rest = zlib.compress(images.raw(65535 - wide))
    control = struct.pack(">IIIIHHBB", 40, 30, 0, 0, 1, 10, 0, 0)
    chunk = images.chunk
    before = chunk(b"acTL", struct.pack(">II", 2, 0)) + chunk(b"fcTL", bytes(4) + control)
    after = chunk(b"fcTL", b"\0\0\0\1" + control) + chunk(b"fdAT", b"\0\0\0\2" + rest)
    data = images.by_hand(wide, before=before, after=after)
    ((made, written),) = results(tmp_path, data, "convert=png")
    assert (unfiltered(written)[1] == wide).all()
    assert made.notes == (notes.FIRST_FRAME,)


@pytest.mark.parametrize("level", [0, 1, 6])
@pytest.mark.parametrize("shape", [(1, 1, 2), (5, 7), (5, 7, 2), (5, 7, 3), (60, 90, 4)])
def test_written_samples(shape: Sequence[int], level: int) -> None:
    wide = np.random.default_rng(1).integers(0, 65536, tuple(shape), dtype=np.uint16)
    wide[: shape[0] // 2] //= 5000
    cut = wide[:, :, None] if wide.ndim == 2 else wide
    alpha = cut[:, :, -1] if cut.shape[2] in {2, 4} else None
    pixels = cut[:, :, 0] if cut.shape[2] < 3 else cut[:, :, 2::-1]
    written = encode(Picture(pixels, alpha), Encoding("png"), EncoderSettings(png_level=level))
    assert (unfiltered(written)[1] == wide).all()
    assert images.decoded(written).size == (shape[1], shape[0])


def test_colour_and_alpha_are_reduced_together() -> None:
    deep = Picture(np.zeros((2, 2), np.uint16), np.zeros((2, 2), np.uint16))
    assert deep.is_16_bit and not Picture(np.zeros((2, 2), np.uint8)).is_16_bit
    reduced = depth16.reduce_to_8_bits(deep, "why")
    assert reduced.alpha is not None
    assert {str(plane.dtype) for plane in (reduced.pixels, reduced.alpha)} == {"uint8"}
    assert reduced.notes == ("why",)
    assert depth16.reduce_to_8_bits(reduced, "again") is reduced


@pytest.mark.integration
def test_command_line_keeps_16_bits(tmp_path: Path) -> None:
    wide = scene("gray+alpha")
    (tmp_path / "in.png").write_bytes(file_of("gray+alpha", wide))
    done = process(tmp_path, "rotate", "in.png", "out.png", "--angle", "180")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    found = unfiltered((tmp_path / "out.png").read_bytes())[1]
    assert (found == np.rot90(wide, 2)).all()
