"""Files that are no accepted picture are named by their first bytes."""

from __future__ import annotations

import io
import tarfile
import zipfile

import pytest
from PIL import Image

from models.errors import UnsupportedFormat
from models.images.inspect import sniff
from models.images.signatures import SNIFFED_BYTES, name_of
from tests.support import images


def ftyp(*brands: bytes) -> bytes:
    """Return the first box of an ISO base media file: the major brand, a version, all others."""
    body = b"ftyp" + brands[0] + b"\0\0\0\0" + b"".join(brands[1:])
    return (4 + len(body)).to_bytes(4, "big") + body + bytes(400)


def archive(name: str, content: str = "") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr(name, content)
    return buffer.getvalue()


def tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as file:
        file.addfile(tarfile.TarInfo("cat.jpg"))
    return buffer.getvalue()


FILES = [
    (b"\x89PNG\r\n\x1a\n\0\0\0\x04CgBI\x50\0\x20\6", "PNG changed by Xcode for iOS (CgBI)"),
    (ftyp(b"heic", b"mif1", b"MiHE", b"MiPr", b"miaf"), "HEIC"),
    (ftyp(b"mif1", b"mif1", b"heic"), "HEIC"),
    (ftyp(b"msf1", b"hevc"), "HEIC"),
    (ftyp(b"mif1", b"miaf"), "HEIF"),
    (ftyp(b"avif", b"avif", b"mif1", b"miaf"), "AVIF"),
    (ftyp(b"mif1", b"avif"), "AVIF"),
    (ftyp(b"jxl ", b"jxl "), "JPEG XL"),
    (b"\0\0\0\x0cJXL \r\n\x87\n" + ftyp(b"jxl "), "JPEG XL"),
    (b"\xff\x0a\xfa\x1f" + bytes(40), "JPEG XL"),
    (b"\0\0\0\x0cjP  \r\n\x87\n" + ftyp(b"jp2 "), "JPEG 2000"),
    (ftyp(b"crx ", b"crx ", b"isom"), "RAW (Canon CR3)"),
    (ftyp(b"isom", b"isom", b"iso2", b"avc1", b"mp41"), "MP4 video"),
    (ftyp(b"mp42", b"isom"), "MP4 video"),
    (ftyp(b"qt  ", b"qt  "), "MOV (QuickTime) video"),
    (b"\0\0\0\x08wide\0\0\1\0mdat", "MOV (QuickTime) video"),
    (ftyp(b"3gp5", b"isom"), "3GP video"),
    (b"8BPS\0\1" + bytes(40), "PSD (Photoshop)"),
    (b"%PDF-1.7\n", "PDF"),
    (b"%!PS-Adobe-3.0 EPSF-3.0\n", "PostScript (EPS, AI)"),
    (b"<!DOCTYPE html><html><body>404 Not Found</body></html>", "HTML"),
    (b"\xef\xbb\xbf\r\n<HTML>\n<head>", "HTML"),
    (b"<!-- a proxy --><html>", "HTML"),
    ("<!DOCTYPE html>".encode("utf-16"), "HTML"),
    (b"<svg xmlns='x'/>", "SVG"),
    (b"<?xml version='1.0'?>\n<!-- Inkscape -->\n<svg\nwidth='1'>", "SVG"),
    (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "XML or SVG"),
    (b'{"error": "not found"}', "JSON"),
    (b"just some text, quite long", "text"),
    (b"data:image/png;base64,iVBORw0KGgo", "data URL"),
    (b"iVBORw0KGgoAAAANSUhEUg", "PNG in base64"),
    (b"/9j/4AAQSkZJRg", "JPEG in base64"),
    (images.png().replace(b"\r\n", b"\n"), "PNG changed by a transfer as text"),
    (images.jpeg().decode("utf-8", "replace").encode(), "JPEG changed by a transfer as text"),
    (images.png().decode("latin-1").encode(), "PNG changed by a transfer as text"),
    (b"II*\0\x10\0\0\0CR\2\0" + bytes(40), "RAW (Canon CR2)"),
    (b"II*\0\x08\0\0\0\x01\0\x12\xc6\1\0\4\0\0\0\1\4\0\0", "RAW (DNG)"),
    (b"MM\0*\0\0\0\x08" + bytes(90) + b"NIKON CORPORATION", "TIFF or RAW (Nikon NEF)"),
    (b"FUJIFILMCCD-RAW 0201", "RAW (Fujifilm RAF)"),
    (archive("cat.jpg"), "ZIP archive"),
    (archive("[Content_Types].xml"), "Office document (DOCX, XLSX, PPTX)"),
    (archive("mimetype", "application/vnd.oasis.opendocument.text"), "OpenDocument file"),
    (tar(), "tar archive"),
    (b"\x1f\x8b\x08", "gzip archive"),
    (bytes(128) + b"DICM", "DICOM"),
    (b"P6\n3 2\n255\n", "Netpbm (PBM, PGM, PPM)"),
    (b"RIFF\x24\0\0\0AVI LIST", "AVI video"),
    (b"RIFF\x24\0\0\0WAVEfmt ", "WAV audio"),
    (b"\0\x05\x16\x07\0\2\0\0Mac OS X", "AppleDouble (metadata of macOS, not the picture)"),
    (b"\x1a\x45\xdf\xa3", "WebM or Matroska video"),
    (b"MZ\x90\0", "Windows program"),
    (bytes(600), ""),
    (b"\0\1\2\3 abc", ""),
    (b"\xff\xd8", ""),
    (b"", ""),
]


@pytest.mark.parametrize(("data", "name"), FILES)
def test_files_are_named(data: bytes, name: str) -> None:
    start = data[:SNIFFED_BYTES]
    assert name_of(start) == name
    with pytest.raises(UnsupportedFormat, match="send PNG or JPEG$") as caught:
        sniff(start)
    assert caught.value.facts["measured"] == (name or "unknown")
    assert (name or "not an image") in str(caught.value)
    for length in range(len(start)):  # none raises
        name_of(start[:length])


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *(("BMP", "BMP"), ("DDS", "DDS"), ("GIF", "GIF"), ("ICNS", "ICNS (icon)")),
        *(("ICO", "ICO (icon)"), ("JPEG2000", "JPEG 2000"), ("AVIF", "AVIF"), ("PDF", "PDF")),
        *(("PPM", "Netpbm (PBM, PGM, PPM)"), ("QOI", "QOI"), ("TIFF", "TIFF"), ("WEBP", "WebP")),
        ("EPS", "PostScript (EPS, AI)"),
    ],
)
def test_what_pillow_writes_is_named(kind: str, name: str) -> None:
    data = images.encoded(Image.fromarray(images.scene(64, 64)), kind)
    assert name_of(data[:SNIFFED_BYTES]) == name
