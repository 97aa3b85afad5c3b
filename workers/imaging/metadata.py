"""EXIF, XMP and IPTC of a picture: what a result keeps of them, by the choice of the request."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate
from typing import Any

from PIL import Image, JpegImagePlugin, PngImagePlugin

from models.images.metadata import MAX_BLOCK_BYTES, MetadataChoice
from workers.imaging import exif_block, exif_writer, notes, xmp
from workers.imaging.exif_block import ARTIST, CAPTURED, COPYRIGHT

_IPTC = 0x0404  # number of the image resource of Photoshop that holds it
_CREDENTIALS = "content credentials"
_NEVER_KEPT = {"comments", _CREDENTIALS}
_XMP_KEYWORD = "XML:com.adobe.xmp"
_PNG_KEYWORDS = {"Author": ARTIST, "Copyright": COPYRIGHT}  # PNG specification, 11.3.3.1
_PNG_CAPTURED = "Creation Time"
_MAX_DATE_CHARACTERS = 100
_MAX_TEXT_BYTES = 1000
"""Of author and copyright: with them, a result is no larger than a head is counted for."""
_MAX_AUTHORS = 100  # of IPTC; thousands of fields may overlap
_SAFE_TAGS = frozenset({ARTIST, COPYRIGHT, CAPTURED})
_CAPTURED = re.compile(rb"\d{4}:\d\d:\d\d \d\d:\d\d:\d\d")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
# IPTC IIM 4.2: marker, record 2, number of the field, two bytes of length.
_FIELD = re.compile(rb"\x1c\x02([\x37\x3c\x50\x74])([\x00-\x7f].)", re.DOTALL)
_IPTC_DATE, _IPTC_TIME, _IPTC_AUTHOR, _IPTC_RIGHTS = 0x37, 0x3C, 0x50, 0x74


@dataclass(frozen=True)
class Metadata:
    """What results carry: blocks without the prefixes of a format; empty: nothing.

    ``notes``: what is not kept.
    """

    exif: bytes = b""
    xmp: bytes = b""
    iptc: bytes = b""
    notes: tuple[str, ...] = ()


NO_METADATA = Metadata()


@dataclass(frozen=True)
class _Found:
    exif: bytes
    xmp: bytes
    iptc: bytes
    extended_xmp: bool
    comments: dict[str, str]
    credentials: bool

    def kinds(self, exif: bool) -> list[str]:
        """Return the names of what the file holds; ``exif``: whether its EXIF counts."""
        every = {
            "EXIF": exif,
            "XMP": bool(self.xmp) or self.extended_xmp,
            "IPTC": bool(self.iptc),
            "comments": bool(self.comments),
            _CREDENTIALS: self.credentials,
        }
        return [name for name, there in every.items() if there]


def read(file: Image.Image, choice: MetadataChoice) -> Metadata:
    """Return the metadata of ``file``, which is loaded, that its results keep."""
    found = _find(file)
    if choice == "all":
        return _all(found)
    if choice == "safe":
        texts = _safe_texts(found)
        kinds = found.kinds(exif_block.has_content(found.exif, _SAFE_TAGS))
        lost = [notes.METADATA_BUT_SAFE.format(", ".join(kinds))] if kinds else []
        for tag in [tag for tag, text in texts.items() if len(text) > _MAX_TEXT_BYTES]:
            del texts[tag]
            lost.append(notes.TEXT_TOO_LONG.format(_MAX_TEXT_BYTES))
        return Metadata(exif_writer.build(texts) if texts else b"", notes=tuple(lost))
    kinds = found.kinds(exif_block.has_content(found.exif))
    note = notes.METADATA if {*kinds} <= _NEVER_KEPT else notes.METADATA_KEPT_BY
    return Metadata(notes=(note.format(", ".join(kinds)),) if kinds else ())


def _find(file: Image.Image) -> _Found:
    info = file.info
    resources = info.get("photoshop")
    iptc = resources.get(_IPTC) if isinstance(resources, dict) else None
    segments = file.applist if isinstance(file, JpegImagePlugin.JpegImageFile) else []
    return _Found(
        exif_of(file),
        _bytes(info.get("xmp")),
        _bytes(iptc),
        any(body.startswith(xmp.EXTENSION_MARK) for _, body in segments),
        _comments(file),
        _has_credentials(file),
    )


def exif_of(file: Image.Image) -> bytes:
    """Return the EXIF block of ``file``; empty if it has none."""
    return _bytes(file.info.get("exif"))


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else b""


def _comments(file: Image.Image) -> dict[str, str]:
    """Return texts by their keyword; those of a JPEG or GIF have none."""
    if isinstance(file, PngImagePlugin.PngImageFile):
        return {key: str(text) for key, text in file.text.items() if key != _XMP_KEYWORD}
    return {"": "there"} if file.info.get("comment") else {}


def _has_credentials(file: Image.Image) -> bool:
    """Return whether a manifest of C2PA says how the picture was made (specification 2.1, A.3)."""
    if isinstance(file, PngImagePlugin.PngImageFile):
        return any(chunk[0] == b"caBX" for chunk in file.private_chunks)
    segments = file.applist if isinstance(file, JpegImagePlugin.JpegImageFile) else []
    return any(name == "APP11" and b"c2pa" in body for name, body in segments)


def _all(found: _Found) -> Metadata:
    lost = []
    exif = _fitting(exif_writer.cleaned(found.exif))
    if found.exif and not exif:
        lost.append("EXIF")
    packet = _fitting(xmp.cleaned(found.xmp))
    if found.xmp and not packet:
        lost.append("XMP")
    elif found.extended_xmp:
        lost.append("extended XMP")
    iptc = _fitting(found.iptc)
    if found.iptc and not iptc:
        lost.append("IPTC")
    if found.comments:
        lost.append("comments")
    if found.credentials:  # they are signed for the bytes of the file as it was
        lost.append(_CREDENTIALS)
    said = (notes.METADATA_UNFIT.format(", ".join(lost)),) if lost else ()
    return Metadata(exif, packet, iptc, said)


def _fitting(block: bytes) -> bytes:
    return block if len(block) <= MAX_BLOCK_BYTES else b""


def _safe_texts(found: _Found) -> dict[int, bytes]:
    """Return author, copyright and time of capture by their EXIF tags: of EXIF, else XMP, IPTC."""
    author, rights, captured = xmp.read_texts(found.xmp)
    of_xmp = {ARTIST: author, COPYRIGHT: rights, CAPTURED: captured}
    sources = (
        _plain(_png_texts(found.comments)),
        _iptc_texts(found.iptc),
        _plain(of_xmp),
        exif_block.read_texts(found.exif),
    )
    return {
        tag: text
        for source in sources
        for tag, text in source.items()
        if tag != CAPTURED or _CAPTURED.fullmatch(text)
    }


def _plain(texts: Mapping[int, str]) -> dict[int, bytes]:
    """Return texts without control characters, cut off where they are too long anyway."""
    return {
        tag: _CONTROL.sub(" ", text[: _MAX_TEXT_BYTES + 1]).strip().encode()
        for tag, text in texts.items()
        if text
    }


def _png_texts(comments: Mapping[str, str]) -> dict[int, str]:
    texts = {tag: comments[key] for key, tag in _PNG_KEYWORDS.items() if key in comments}
    # By RFC 1123, as the specification asks.
    date = parsedate(comments.get(_PNG_CAPTURED, "")[:_MAX_DATE_CHARACTERS])
    if date is not None:
        texts[CAPTURED] = "{:04}:{:02}:{:02} {:02}:{:02}:{:02}".format(*date[:6])
    return texts


def _iptc_texts(block: bytes) -> dict[int, bytes]:
    fields: dict[int, list[bytes]] = {}
    for match in _FIELD.finditer(block[:MAX_BLOCK_BYTES]):
        length = min(int.from_bytes(match[2], "big"), _MAX_TEXT_BYTES + 1)
        text = block[match.end() : match.end() + length]
        if len(texts := fields.setdefault(match[1][0], [])) < _MAX_AUTHORS:
            texts.append(text.strip(b"\0 "))
    (date, *_), (time, *_) = (fields.get(number, [b""]) for number in (_IPTC_DATE, _IPTC_TIME))
    found = {
        ARTIST: b"; ".join(_utf8(text) for text in fields.get(_IPTC_AUTHOR, ())),
        COPYRIGHT: _utf8(fields.get(_IPTC_RIGHTS, [b""])[0]),
    }
    if re.fullmatch(rb"\d{8}", date):
        clock = time[:6] if re.match(rb"\d{6}", time) else b"000000"
        day = b":".join((date[:4], date[4:6], date[6:]))
        found[CAPTURED] = day + b" " + b":".join((clock[:2], clock[2:4], clock[4:]))
    return {tag: text for tag, text in found.items() if text}


def _utf8(text: bytes) -> bytes:
    """Return text of IPTC as UTF-8. Older programs write Latin-1, and few say which it is."""
    try:
        text.decode()
    except UnicodeDecodeError:
        return text.decode("latin-1").encode()
    return text
