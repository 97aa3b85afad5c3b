"""Name a file by its first bytes, so that a refusal says what came."""

from __future__ import annotations

import re

SNIFFED_BYTES = 512
"""Bytes of a file that are looked at: an SVG may begin with a comment, and a RAW file names its
camera after the header of a TIFF."""

_PREFIXES: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n\0\0\0\x04CgBI", "PNG changed by Xcode for iOS (CgBI)"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF8", "GIF"),
    # Pictures
    (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"II\xbc\x01", "JPEG XR"),
    (b"8BPS\0\x01", "PSD (Photoshop)"),
    (b"8BPS\0\x02", "PSB (Photoshop)"),
    (b"gimp xcf", "XCF (GIMP)"),
    (b"\0\0\x01\0", "ICO (icon)"),
    (b"\0\0\x02\0", "CUR (cursor)"),
    (b"icns", "ICNS (icon)"),
    (b"DDS ", "DDS"),
    (b"\x76\x2f\x31\x01", "OpenEXR"),
    (b"#?RADIANCE", "Radiance HDR"),
    (b"#?RGBE", "Radiance HDR"),
    (b"qoif", "QOI"),
    (b"BPG\xfb", "BPG"),
    (b"FLIF", "FLIF"),
    (b"farbfeld", "farbfeld"),
    (b"\x8aMNG\r\n\x1a\n", "MNG"),
    (b"\x8bJNG\r\n\x1a\n", "JNG"),
    (b"SIMPLE  =", "FITS"),
    (b"AT&TFORM", "DjVu"),
    (b"\xd7\xcd\xc6\x9a", "WMF"),
    (b"\x01\0\0\0\x58\0\0\0", "EMF"),
    # Camera RAW; most other kinds are TIFF
    (b"FUJIFILMCCD-RAW", "RAW (Fujifilm RAF)"),
    (b"IIRO", "RAW (Olympus ORF)"),
    (b"IIRS", "RAW (Olympus ORF)"),
    (b"MMOR", "RAW (Olympus ORF)"),
    (b"IIU\0", "RAW (Panasonic RW2)"),
    (b"FOVb", "RAW (Sigma X3F)"),
    (b"\0MRM", "RAW (Minolta MRW)"),
    (b"II\x1a\0\0\0HEAPCCDR", "RAW (Canon CRW)"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    # Documents, archives, films, sound, programs
    (b"%PDF", "PDF"),
    (b"%!PS", "PostScript (EPS, AI)"),
    (b"\xc5\xd0\xd3\xc6", "PostScript (EPS, AI)"),
    (b"{\\rtf", "RTF"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "Office document (DOC, XLS, PPT)"),
    (b"PK\x05\x06", "ZIP archive"),
    (b"\x1f\x8b", "gzip archive"),
    (b"BZh", "bzip2 archive"),
    (b"\xfd7zXZ\0", "xz archive"),
    (b"\x28\xb5\x2f\xfd", "zstd archive"),
    (b"7z\xbc\xaf\x27\x1c", "7z archive"),
    (b"Rar!\x1a\x07", "RAR archive"),
    (b"\x1a\x45\xdf\xa3", "WebM or Matroska video"),
    (b"\0\0\x01\xba", "MPEG video"),
    (b"\0\0\x01\xb3", "MPEG video"),
    (b"FLV\x01", "FLV video"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "WMV or WMA"),
    (b"ID3", "MP3 audio"),
    (b"fLaC", "FLAC audio"),
    (b"OggS", "Ogg audio or video"),
    (b"\x7fELF", "ELF program"),
    (b"MZ", "Windows program"),
    (b"SQLite format 3\0", "SQLite database"),
    (b"\0\x05\x16\x07", "AppleDouble (metadata of macOS, not the picture)"),
    (b"\0\x05\x16\0", "AppleSingle"),
    (b"bplist00", "Apple property list"),
    # What a transfer as text makes of a picture
    (b"\x89PNG", "PNG changed by a transfer as text"),
    (b"\xc2\x89PNG", "PNG changed by a transfer as text"),
    (b"\xef\xbf\xbdPNG", "PNG changed by a transfer as text"),
    (b"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", "JPEG changed by a transfer as text"),
    (b"\xc3\xbf\xc3\x98\xc3\xbf", "JPEG changed by a transfer as text"),
    (b"iVBORw0KGgo", "PNG in base64"),
    (b"/9j/", "JPEG in base64"),
    (b"data:", "data URL"),
    (b"BM", "BMP"),
)

_BRANDS: tuple[tuple[tuple[bytes, ...], str], ...] = (
    ((b"avif", b"avis"), "AVIF"),
    ((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"), "HEIC"),
    ((b"jxl ",), "JPEG XL"),
    ((b"jp2 ", b"jpx ", b"jpm ", b"mjp2"), "JPEG 2000"),
    ((b"crx ",), "RAW (Canon CR3)"),
    ((b"mif1", b"mif2", b"msf1", b"heif", b"miaf"), "HEIF"),
    ((b"qt  ",), "MOV (QuickTime) video"),
    ((b"M4A ", b"M4B "), "M4A audio"),
    ((b"3gp", b"3g2"), "3GP video"),
)
"""Brands of ISO base media files (ISO/IEC 14496-12); what has none of them is an MP4."""
_LATER: tuple[tuple[int, bytes, str], ...] = (
    *((4, atom, "MOV (QuickTime) video") for atom in (b"moov", b"mdat", b"wide", b"free", b"skip")),
    (128, b"DICM", "DICOM"),
    (257, b"ustar", "tar archive"),
)
_RIFF = {b"WEBP": "WebP", b"AVI ": "AVI video", b"WAVE": "WAV audio", b"ACON": "ANI (cursor)"}
_TIFF = (b"II*\0", b"MM\0*")
_DNG_VERSION = (b"\x12\xc6\x01\0\x04\0\0\0", b"\xc6\x12\0\x01\0\0\0\x04")  # tag 50706: 4 bytes
_CAMERAS = {
    b"NIKON": "TIFF or RAW (Nikon NEF)",
    b"SONY": "TIFF or RAW (Sony ARW)",
    b"PENTAX": "TIFF or RAW (Pentax PEF)",
    b"SAMSUNG": "TIFF or RAW (Samsung SRW)",
    b"Hasselblad": "TIFF or RAW (Hasselblad 3FR)",
    b"Phase One": "TIFF or RAW (Phase One IIQ)",
}
_ZIP = b"PK\x03\x04"
_ZIP_CONTENTS = (
    (re.compile(rb"\[Content_Types\]\.xml|_rels/"), "Office document (DOCX, XLSX, PPTX)"),
    (re.compile(rb"mimetypeapplication/vnd\.oasis"), "OpenDocument file"),
    (re.compile(rb"mimetypeapplication/epub"), "EPUB"),
    (re.compile(rb"mimetypeimage/openraster"), "OpenRaster"),
    (re.compile(rb"mimetypeapplication/x-krita"), "Krita document"),
)
_NETPBM = re.compile(rb"P([1-7Ff])[\s#]")
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_HTML = re.compile(rb"<(?:!doctype\s+html|html|head|body|title|meta|script|h1|p|div)\b", re.I)
_SVG = re.compile(rb"<svg[\s:>/]|<!doctype\s+svg", re.I)


def name_of(start: bytes) -> str:
    """Return the name of the format that a file begins with, or "" if it is not known.

    ``start``: its first ``SNIFFED_BYTES``; less may recognise less.
    """
    named = next((name for prefix, name in _PREFIXES if start.startswith(prefix)), "")
    named = named or next((name for at, mark, name in _LATER if start.startswith(mark, at)), "")
    return named or _name_of_container(start) or _name_of_text(start)


def _name_of_container(start: bytes) -> str:
    if start[4:8] == b"ftyp":
        return _name_of_brands(start)
    if start[:4] in {b"RIFF", b"RIFX"}:
        return _RIFF.get(start[8:12], "RIFF file")
    if start[:4] in _TIFF:
        return _name_of_tiff(start)
    if start.startswith(_ZIP):
        return next((name for holds, name in _ZIP_CONTENTS if holds.search(start)), "ZIP archive")
    return "Netpbm (PBM, PGM, PPM)" if _NETPBM.match(start) else ""


def _name_of_brands(start: bytes) -> str:
    length = min(int.from_bytes(start[:4], "big"), len(start))
    # The first is the major brand; a HEIC or AVIF may say it only in the others.
    brands = [start[8:12], *(start[at : at + 4] for at in range(16, length, 4))]
    for known, name in _BRANDS:
        if any(brand.startswith(known) for brand in brands):
            return name
    return "MP4 video"


def _name_of_tiff(start: bytes) -> str:
    if start[8:10] == b"CR":
        return "RAW (Canon CR2)"
    if any(tag in start for tag in _DNG_VERSION):
        return "RAW (DNG)"
    return next((name for make, name in _CAMERAS.items() if make in start), "TIFF")


def _name_of_text(start: bytes) -> str:
    if start.startswith(_UTF16):
        start = start.decode("utf-16", "ignore").encode()
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"<"):
        if _SVG.search(text):
            return "SVG"
        if _HTML.search(text):
            return "HTML"
        return "XML or SVG" if text.startswith((b"<?xml", b"<!--")) else "text"
    if text.startswith((b"{", b"[")):
        return "JSON"
    is_text = bool(text) and text.isascii() and not re.search(rb"[\0-\x08\x0e-\x1f]", text)
    return "text" if is_text else ""
