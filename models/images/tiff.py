"""Read the first directory of a TIFF file: what its picture is, and whether its data are there."""

from __future__ import annotations

from dataclasses import dataclass

from models.errors import BadImage, UnsupportedFormat
from models.images.exif import Orientation, upright_size
from models.images.structure import Bytes, Facts, checked_size
from models.images.tiff_directory import Directory

_MAX_DIRECTORIES = 16  # that are looked at for a second page
_MAX_TILE_PIXELS = 1 << 24  # of one tile, whatever the picture has: a decoder holds one
_MAX_EXTRA_SAMPLES = 3
_REDUCED = 1  # of NewSubfileType: a smaller picture of another one

_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 254, 256, 257, 258, 259, 262
_STRIP_OFFSETS, _ORIENTATION, _SAMPLES, _ROWS, _STRIP_BYTES = 273, 274, 277, 278, 279
_PLANAR, _TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_BYTES = 284, 322, 323, 324, 325
_EXTRA, _SAMPLE_FORMAT, _PROFILE, _DNG_VERSION = 338, 339, 34675, 50706

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCBCR = 0, 1, 2, 3, 5, 6
_COLOURS = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, PALETTE: 1, CMYK: 4, YCBCR: 3}
_KNOWN_BITS = {
    WHITE_IS_ZERO: (1, 2, 4, 8, 16),
    BLACK_IS_ZERO: (1, 2, 4, 8, 12, 16),
    RGB: (8, 16),
    PALETTE: (1, 2, 4, 8),
    CMYK: (8, 16),
    YCBCR: (8,),
}
_MOST_EXTRA_SAMPLES = {
    (BLACK_IS_ZERO, 8): 1,
    (RGB, 8): _MAX_EXTRA_SAMPLES,
    (RGB, 16): 1,
    (PALETTE, 8): 1,
    (CMYK, 8): 2,
}
"""By photometric interpretation and bits; only the first may be alpha."""
_UNCOMPRESSED, _JPEG, _DEFLATE = 1, 7, {8, 32946}
_COMPRESSIONS = {_UNCOMPRESSED, 2, 3, 4, 5, _JPEG, *_DEFLATE, 32773}
"""None, CCITT's three for fax, LZW, JPEG, deflate, PackBits: what scanners and editors write."""
_MAX_INFLATION = 1032  # of deflate, as in a PNG
ASSOCIATED_ALPHA, UNASSOCIATED_ALPHA = 1, 2


@dataclass(frozen=True)
class Layout:
    """The picture in the first directory; sides as stored, ``bits`` of a sample.

    ``extra``: what the samples beyond the colours are. ``separate``: whether each colour is stored
    for itself. ``pages``: whether others follow.
    """

    width: int
    height: int
    bits: int
    photometric: int
    extra: tuple[int, ...]
    separate: bool
    orientation: Orientation
    profile_bytes: int
    pages: bool

    @property
    def has_alpha(self) -> bool:
        return bool({ASSOCIATED_ALPHA, UNASSOCIATED_ALPHA} & {*self.extra[:1]})


def read_facts(data: Bytes) -> Facts:
    """Return what a TIFF file holds; see ``read_layout``."""
    layout = read_layout(data)
    size = upright_size(layout.width, layout.height, layout.orientation)
    colours = {RGB: 3, PALETTE: 3, YCBCR: 3, CMYK: 4}.get(layout.photometric, 1)
    deep = layout.bits > 8 and layout.photometric != CMYK  # CMYK becomes sRGB in 8 bits
    return Facts(size, 16 if deep else 8, min(4, colours + layout.has_alpha), layout.profile_bytes)


def read_layout(data: Bytes) -> Layout:
    """Read the first directory of a TIFF or BigTIFF file (TIFF 6.0, sections 2, 7 and 15).

    All strips or tiles of its picture must lie in the file, be as many as it takes, and hold as
    many bytes as it takes if they are not compressed. Only numbers are read, at most ``MAX_BLOCKS``
    of a tag, so that a hostile file costs a few milliseconds.

    Raises:
        BadImage: the file ends early, its directory is broken, or exceeds a limit.
        UnsupportedFormat: a kind of TIFF that is not decoded, or the RAW file of a camera.
    """
    first = Directory.first(data)
    if _DNG_VERSION in first or first.value(_SUBFILE, 0) & _REDUCED:
        raise UnsupportedFormat(
            "this is the RAW file of a camera, or its first page is a preview; send a developed "
            "TIFF, JPEG or PNG",
            measured="TIFF with a preview as its first page",
        )
    bits, photometric, extra = _read_samples(first)
    size = checked_size("TIFF", (first.value(_WIDTH, 0), first.value(_HEIGHT, 0)), 1)
    planes = _COLOURS[photometric] + len(extra)
    _check_parts(first, size, planes, bits, len(data))
    if (said := first.total_bytes()) > len(data):  # decoders would hold the same bytes many times
        raise BadImage(
            f"the TIFF file is broken: the values of its tags take {said} bytes, and it has "
            f"{len(data)}",
            limit=len(data),
            measured=said,
        )
    turn = first.value(_ORIENTATION, 1)
    orientations: tuple[Orientation, ...] = (1, 2, 3, 4, 5, 6, 7, 8)
    return Layout(
        *size,
        bits,
        photometric,
        extra,
        first.value(_PLANAR, 1) == 2,
        orientations[turn - 1] if 1 <= turn <= 8 else 1,
        first.byte_count(_PROFILE),
        _has_pages(first),
    )


def _read_samples(directory: Directory) -> tuple[int, int, tuple[int, ...]]:
    """Return bits a sample, the photometric interpretation, and the extra samples."""
    compression = directory.value(_COMPRESSION, _UNCOMPRESSED)
    photometric = directory.value(_PHOTOMETRIC, WHITE_IS_ZERO)
    depths = {*directory.values(_BITS)} or {1}
    formats = {*directory.values(_SAMPLE_FORMAT)} or {1}
    extra = directory.values(_EXTRA)
    colours = _COLOURS.get(photometric, 0)
    count = directory.value(_SAMPLES, 1)
    if colours < count <= colours + _MAX_EXTRA_SAMPLES and not extra:
        extra = (UNASSOCIATED_ALPHA,) * (count - colours)  # as programs mean that leave it out
    bits = max(depths)
    known = _KNOWN_BITS.get(photometric, ())
    if compression not in _COMPRESSIONS:
        what = f"compression {compression}"
    elif not known:
        what = f"photometric interpretation {photometric}"
    elif len(depths) > 1 or bits not in known or formats != {1}:
        numbers = "unsigned whole numbers" if formats == {1} else "signed or floating numbers"
        what = f"samples of {', '.join(map(str, sorted(depths)[:4]))} bits, {numbers}"
    elif count != colours + len(extra) or not _is_read(photometric, bits, extra):
        what = f"{count} samples a pixel of {bits} bits"
    else:
        return bits, photometric, extra
    raise UnsupportedFormat(
        f"this is a TIFF with {what}; send one of 1 to 16 bits a sample, gray, palette, RGB or "
        "CMYK, uncompressed or with LZW, ZIP, JPEG, PackBits or fax compression, or a PNG",
        measured=f"TIFF, {what}",
    )


def _is_read(photometric: int, bits: int, extra: tuple[int, ...]) -> bool:
    """Return whether Pillow or OpenCV reads a picture with these ``extra`` samples."""
    if len(extra) > _MOST_EXTRA_SAMPLES.get((photometric, bits), 0) or any(extra[1:]):
        return False
    if photometric == CMYK:
        return not any(extra)
    return photometric != PALETTE or ASSOCIATED_ALPHA not in extra


def _check_parts(
    directory: Directory, size: tuple[int, int], planes: int, bits: int, end: int
) -> None:
    """Return if the strips or tiles of a picture are all there; ``end``: bytes of the file.

    Raises:
        BadImage: they are not.
    """
    (width, height), tiled = size, _TILE_OFFSETS in directory
    separate = directory.value(_PLANAR, 1) == 2
    if tiled:
        across, down = directory.value(_TILE_WIDTH, 0), directory.value(_TILE_HEIGHT, 0)
    else:
        across, down = width, min(height, directory.value(_ROWS, height))
    if min(across, down) < 1 or (tiled and across * down > max(_MAX_TILE_PIXELS, width * height)):
        raise BadImage(f"the TIFF file is broken: its tiles have {across} x {down} pixels")
    offsets = directory.values(_TILE_OFFSETS if tiled else _STRIP_OFFSETS)
    counts = directory.values(_TILE_BYTES if tiled else _STRIP_BYTES)
    parts = -(-width // across) * -(-height // down) * (planes if separate else 1)
    if not len(offsets) == len(counts) >= parts:
        raise BadImage(
            f"the TIFF file is broken: its picture takes {parts} strips or tiles, and "
            f"{min(len(offsets), len(counts))} are there",
            limit=parts,
            measured=min(len(offsets), len(counts)),
        )
    offsets, counts = offsets[:parts], counts[:parts]
    needed = max(map(sum, zip(offsets, counts, strict=True)))
    if needed > end or 0 in counts:
        raise BadImage(
            f"the TIFF file is truncated: its pixels take {needed} bytes, and {end} came; send all "
            "of it",
            limit=needed,
            measured=end,
        )
    compression = directory.value(_COMPRESSION, _UNCOMPRESSED)
    each = 1 if separate else planes
    least = height * (planes // each) * -(-width * each * bits // 8)
    if directory.value(_PHOTOMETRIC, WHITE_IS_ZERO) == YCBCR:
        least = parts  # of three samples two may be stored once for several pixels
    elif compression in _DEFLATE:
        least = -(-least // _MAX_INFLATION)
    elif compression != _UNCOMPRESSED:
        least = parts
    checked_size("TIFF", size, 1, sum(counts), least)


def _has_pages(first: Directory) -> bool:
    """Return whether another page follows ``first``: smaller copies of a page are none."""
    page = first.following()
    for _ in range(_MAX_DIRECTORIES):
        if page is None:
            return False
        if not page.value(_SUBFILE, 0) & _REDUCED:
            return True
        page = page.following()
    return False
