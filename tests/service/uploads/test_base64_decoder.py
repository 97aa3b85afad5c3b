"""Base64 in every spelling, cut anywhere; what is none is refused."""

from __future__ import annotations

import base64

import pytest

from service.uploads.json_reader import Base64Decoder

DATA = bytes(range(256)) + b"\xfb\xff"


def decoded(text: bytes, step: int) -> bytes:
    decoder = Base64Decoder()
    pieces = [decoder.decode(text[at : at + step]) for at in range(0, len(text), step)]
    return b"".join(pieces) + decoder.finish()


@pytest.mark.parametrize("step", [1, 3, 4, 7, 1000])
@pytest.mark.parametrize("length", [255, 256, 257, 258])
def test_spellings(step: int, length: int) -> None:
    data = DATA[:length]
    plain, of_urls = base64.b64encode(data), base64.urlsafe_b64encode(data)
    in_lines = base64.encodebytes(data).replace(b"\n", b"\r\n")
    for text in (plain, of_urls, in_lines, plain.rstrip(b"="), b" " + plain):
        assert decoded(text, step) == data


@pytest.mark.parametrize("step", [1, 2, 1000])
def test_what_is_no_base64(step: int) -> None:
    wrong = (
        b"A",
        b"AAAAA",
        b"AA=A",
        b"AA==AAAA",
        b"AA==\nAA",
        b"====",
        b"AA*A",
        b"AAA\x00",
        b"\xff",
    )
    for text in wrong:
        with pytest.raises(ValueError, match=r"base64|data|padding|characters"):
            decoded(text, step)
