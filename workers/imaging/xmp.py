"""XMP (ISO 16684-1): take out what the result no longer has, and find author, rights and date.

A packet is XML from a stranger: one with a document type is not parsed, so that no entity is
expanded.
"""

from __future__ import annotations

import re
from xml.dom import expatbuilder, minidom
from xml.parsers.expat import ExpatError

from models.images.metadata import MAX_BLOCK_BYTES

JPEG_MARK = b"http://ns.adobe.com/xap/1.0/\0"
EXTENSION_MARK = b"http://ns.adobe.com/xmp/extension/\0"

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_XMP = "http://ns.adobe.com/xap/1.0/"
_DC = "http://purl.org/dc/elements/1.1/"
_TIFF = "http://ns.adobe.com/tiff/1.0/"
_EXIF = "http://ns.adobe.com/exif/1.0/"
_PHOTOSHOP = "http://ns.adobe.com/photoshop/1.0/"
_PARTS = frozenset(
    {
        "http://ns.adobe.com/hdr-gain-map/1.0/",
        "http://ns.google.com/photos/1.0/container/",
        "http://ns.google.com/photos/1.0/camera/",
        "http://ns.google.com/photos/1.0/depthmap/",
        "http://ns.google.com/photos/1.0/image/",
        "http://ns.google.com/photos/1.0/audio/",
        "http://ns.adobe.com/xmp/note/",
    }
)
"""Namespaces whose properties point to further parts of the file, which the result lacks."""
_THUMBNAILS = {(_XMP, "Thumbnails"), (_PHOTOSHOP, "EmbeddedXMPDigest")}
_ORIENTATION = (_TIFF, "Orientation")
_RESOLUTION = {(_TIFF, name) for name in ("XResolution", "YResolution", "ResolutionUnit")}
_SIZE = {(_TIFF, "ImageWidth"), (_TIFF, "ImageLength")} | {
    (_EXIF, "PixelXDimension"),
    (_EXIF, "PixelYDimension"),
}
_DROPPED = _THUMBNAILS | _RESOLUTION | _SIZE  # of the picture as it was: its header says them anew

_AUTHOR, _RIGHTS = (_DC, "creator"), (_DC, "rights")
_DATES = ((_EXIF, "DateTimeOriginal"), (_PHOTOSHOP, "DateCreated"))
_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d))?)?")
_GAIN_MAP = re.compile(rb'hdrgm:Version|Item:Semantic\s*=\s*"GainMap"')
_VIDEO = re.compile(rb"\bG?Camera:(?:MotionPhoto|MicroVideo)\s*(?:=\s*[\"']|>)1")
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_MAX_ELEMENTS = 20_000  # a packet of MAX_BLOCK_BYTES has at most some 16,000


def cleaned(packet: bytes) -> bytes:
    """Return the packet for an upright result without thumbnails; empty if it is no good XMP.

    Properties of gain maps, videos and other parts that a result lacks are taken out, too: a viewer
    would look for the parts.
    """
    document = _parse(packet)
    if document is None:
        return b""
    try:
        _clean(document)
        # By nodes: a document would begin with an XML declaration, which a packet does not have.
        return "".join(node.toxml() for node in document.childNodes).encode()
    except RecursionError:  # nested by someone who wants that
        return b""


def _clean(document: minidom.Document) -> None:
    for node in list(document.getElementsByTagName("*")):
        for attribute in list((node.attributes or {}).values()):
            name = (attribute.namespaceURI, attribute.localName)
            if name == _ORIENTATION:
                attribute.value = "1"
            elif _is_stale(*name):
                node.removeAttributeNode(attribute)
        name = (node.namespaceURI, node.localName)
        if name == _ORIENTATION:
            _set_text(node, "1")
        elif _is_stale(*name) and node.parentNode is not None:
            node.parentNode.removeChild(node)


def read_texts(packet: bytes) -> tuple[str, str, str]:
    """Return author, rights and time of capture (as EXIF writes it); empty where it has none."""
    document = _parse(packet)
    try:
        return ("", "", "") if document is None else _texts(document)
    except RecursionError:
        return "", "", ""


def _texts(document: minidom.Document) -> tuple[str, str, str]:
    dates = (_DATE.match(_text(document, name)) for name in _DATES)
    date = next((match for match in dates if match), None)
    captured = "{}:{}:{} {}:{}:{}".format(*date.groups("00")) if date else ""
    return _text(document, _AUTHOR), _text(document, _RIGHTS), captured


def says_part(packet: bytes) -> tuple[bool, bool]:
    """Return whether the file has a gain map, and whether it has a video, by its packet."""
    return _GAIN_MAP.search(packet) is not None, _VIDEO.search(packet) is not None


def _parse(packet: bytes) -> minidom.Document | None:
    # Without a document type nothing is expanded or fetched. UTF-16 has zero bytes between.
    plain = packet.replace(b"\0", b"")
    if len(packet) > MAX_BLOCK_BYTES or b"<!DOCTYPE" in plain or b"<!ENTITY" in plain:
        return None
    if plain.count(b"<") > _MAX_ELEMENTS:
        return None
    if not packet.startswith(_UTF16_MARKS):
        packet = packet.rstrip(b"\0")
    try:
        document: minidom.Document = expatbuilder.parseString(packet)  # noqa: S316
    except (ExpatError, ValueError, LookupError, OSError):  # the last two: of odd encodings
        return None
    return document


def _is_stale(space: str | None, name: str | None) -> bool:
    return space in _PARTS or (space, name) in _DROPPED


def _set_text(node: minidom.Element, text: str) -> None:
    while node.firstChild is not None:
        node.removeChild(node.firstChild)
    assert node.ownerDocument is not None
    node.appendChild(node.ownerDocument.createTextNode(text))


def _text(document: minidom.Document, name: tuple[str, str]) -> str:
    """Return the text of a property: an attribute, an element, or the items of a list."""
    for node in document.getElementsByTagNameNS(_RDF, "Description"):
        if node.hasAttributeNS(*name):
            return str(node.getAttributeNS(*name)).strip()
    for node in document.getElementsByTagNameNS(*name):
        items = node.getElementsByTagNameNS(_RDF, "li") or [node]
        texts = [
            "".join(child.data for child in item.childNodes if child.nodeType == child.TEXT_NODE)
            for item in items
        ]
        # Of a text in several languages the first is the default.
        shown = texts if name == _AUTHOR else texts[:1]
        return "; ".join(filter(None, (text.strip() for text in shown)))
    return ""
