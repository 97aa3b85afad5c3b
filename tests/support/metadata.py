"""Pictures with all the metadata that cameras and editors write."""

from __future__ import annotations

import struct

from PIL import Image

from tests.support import images

PREFIX = b"Exif\0\0"
THUMBNAIL = images.jpeg(16, 12, seed=9)
SERIAL, PLACE = b"SERIAL-4711", b"52.5200N"
MAKERS_NOTE = b"MAKER" + bytes(range(40))

_ENTRY = ">HHI4s"


def exif(
    *, orientation: int = 6, thumbnail: bool = True, dpi: int = 300, texts: bool = True
) -> bytes:
    """Return a block (with prefix): texts, serial number, makers' note, place and a thumbnail."""
    data = bytearray()

    def directory(entries: list[tuple[int, int, bytes]], start: int) -> bytes:
        sizes = {2: 1, 3: 2, 4: 4, 5: 8, 7: 1}
        head, rest = struct.pack(">H", len(entries)), b""
        behind = start + 2 + 12 * len(entries) + 4
        for tag, kind, value in sorted(entries):
            place = value.ljust(4, b"\0")
            if len(value) > 4:
                place = struct.pack(">I", behind + len(rest))
                rest += value + bytes(len(value) % 2)
            head += struct.pack(_ENTRY, tag, kind, len(value) // sizes[kind], place)
        return head + bytes(4) + rest

    def long(value: int) -> bytes:
        return struct.pack(">I", value)

    ratio = struct.pack(">II", dpi, 1)
    main = [
        (0x010F, 2, b"Camera\0"),
        (0x0112, 3, struct.pack(">H", orientation)),
        (0x011A, 5, ratio),
        (0x011B, 5, ratio),
        (0x0128, 3, b"\0\2"),
    ]
    detail = [
        (0x9286, 7, b"ASCII\0\0\0a private comment"),
        (0x927C, 7, MAKERS_NOTE),
        (0xA002, 4, long(40)),
        (0xA003, 4, long(30)),
        (0xA431, 2, SERIAL + b"\0"),
    ]
    if texts:
        main += [(0x013B, 2, b"Ada Lovelace\0"), (0x8298, 2, b"(c) Ada\0")]
        detail += [(0x9003, 2, b"2024:05:06 07:08:09\0")]
    place = [(0x0001, 2, b"N\0"), (0x001B, 7, PLACE)]
    pointers = [(0x8769, 4, long(0)), (0x8825, 4, long(0))]
    at_detail = 8 + len(directory(main + pointers, 8))
    at_place = at_detail + len(directory(detail, at_detail))
    end = at_place + len(directory(place, at_place))
    pointers = [(0x8769, 4, long(at_detail)), (0x8825, 4, long(at_place))]
    data += b"MM\0*" + long(8) + directory(main + pointers, 8)
    data += directory(detail, at_detail) + directory(place, at_place)
    if thumbnail:
        struct.pack_into(">I", data, 8 + 2 + 12 * (len(main) + 2), end)
        places = [(0x0201, 4, long(end + 30)), (0x0202, 4, long(len(THUMBNAIL)))]
        data += directory(places, end) + THUMBNAIL
    return PREFIX + bytes(data)


def xmp(inner: str = "", attributes: str = "") -> bytes:
    """Return a packet with author, rights, date and tool, unless ``inner`` is given."""
    inner = inner or (
        "<dc:creator><rdf:Seq><rdf:li>Grace</rdf:li><rdf:li>Ada</rdf:li></rdf:Seq></dc:creator>"
        '<dc:rights><rdf:Alt><rdf:li xml:lang="x-default">free &amp; open</rdf:li></rdf:Alt>'
        "</dc:rights><photoshop:DateCreated>2023-01-02T03:04:05+02:00</photoshop:DateCreated>"
    )
    names = {
        "tiff": "http://ns.adobe.com/tiff/1.0/",
        "xmp": "http://ns.adobe.com/xap/1.0/",
        "dc": "http://purl.org/dc/elements/1.1/",
        "photoshop": "http://ns.adobe.com/photoshop/1.0/",
        "hdrgm": "http://ns.adobe.com/hdr-gain-map/1.0/",
        "GCamera": "http://ns.google.com/photos/1.0/camera/",
        "Container": "http://ns.google.com/photos/1.0/container/",
        "xmpNote": "http://ns.adobe.com/xmp/note/",
    }
    spaces = " ".join(f'xmlns:{name}="{space}"' for name, space in names.items())
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" {spaces} xmp:CreatorTool="Tool" {attributes}>{inner}'
        '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()


def iptc(author: bytes = b"Bob", rights: bytes = b"Bob's") -> bytes:
    fields = ((0x50, author), (0x74, rights), (0x37, b"20220203"), (0x3C, b"040506+0000"))
    return b"".join(
        b"\x1c\x02" + bytes([number]) + struct.pack(">H", len(text)) + text
        for number, text in fields
    )


def photoshop(resource: int, body: bytes) -> bytes:
    """Return the APP13 segment of one image resource."""
    data = b"Photoshop 3.0\x008BIM" + struct.pack(">H2xI", resource, len(body)) + body
    data += bytes(len(body) % 2)
    return segment(0xED, data)


def segment(marker: int, body: bytes) -> bytes:
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body


def jpeg(**options: bytes) -> bytes:
    """Return a JPEG with everything."""
    every = {
        "exif": exif(),
        "xmp": xmp(),
        "extra": photoshop(0x0404, iptc()),
        "comment": b"a comment",
    }
    scene = Image.fromarray(images.scene())
    return images.encoded(scene, "JPEG", quality=90, **{**every, **options})
