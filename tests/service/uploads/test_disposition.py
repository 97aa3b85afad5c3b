"""Names of fields and files, as real clients spell them in Content-Disposition."""

from __future__ import annotations

from base64 import b64encode
from email.message import EmailMessage
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.uploads.disposition import _CHARSETS, read_disposition

NAME = "新建文本.png"
LONGEST = ["日" * 255, "𠮷" * 255, "é" * 255, "я" * 251 + ".png"]


def file_name(parameters: str | bytes) -> str | None:
    data = parameters if isinstance(parameters, bytes) else parameters.encode()
    field, name = read_disposition((b'form-data; name="image"; ' + data).decode("latin-1"))
    assert field == "image"
    return name


def word(name: str, charset: str = "utf-8") -> str:
    return f"=?{charset}?B?{b64encode(name.encode(charset)).decode()}?="


@pytest.mark.parametrize(
    "parameters",
    [
        f'filename="{NAME}"',
        f"filename*=UTF-8''{quote(NAME)}",
        f"filename*=utf-8'zh'{quote(NAME)}",
        f"filename*={quote(NAME)}",
        f"filename*=\"UTF-8''{quote(NAME)}\"",
        f"FileName*=utf-8''{quote(NAME)}",
        f"filename*=gbk''{quote(NAME.encode('gbk'))}",
        f"filename*=no-such-charset''{quote(NAME)}",
        f"filename=\"____.png\"; filename*=UTF-8''{quote(NAME)}",
        f"filename*=UTF-8''{quote(NAME)}; filename=\"____.png\"",
        f"filename=\"{word(NAME)}\"; filename*=utf-8''{quote(NAME)}",
        f'filename="{word(NAME)}"',
        f"filename={word(NAME)}",
        f'filename="{word(NAME[:2])} {word(NAME[2:], "gb18030")}"',
        f'filename="=?utf-8?q?{quote(NAME).replace("%", "=")}?="',
        f"filename*0*=utf-8''{quote(NAME[:1])}; filename*1*={quote(NAME[1:4])}; filename*2=.png",
        'filename="&#26032;&#x5efa;&#25991;&#26412;.png"',
        f"filename=\"{NAME}\"; filename*=UTF-8''",
    ],
)
def test_one_name_in_many_spellings(parameters: str) -> None:
    assert file_name(parameters) == NAME


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ('filename="a;b; c.png"', "a;b; c.png"),
        ('filename="a;b.png"; size=3', "a;b.png"),
        (r'filename="a\"; filename=evil.png"', 'a"; filename=evil.png'),
        ('filename="a%22b.png"', 'a"b.png'),
        ('filename="a"b".png"', 'a"b".png'),
        ('filename="Tom &amp; Jerry&#39;s.png"', "Tom & Jerry's.png"),
        ('filename="AT&T&copy.png"', "AT&T&copy.png"),
        (r'filename="C:\fakepath\new cat.png"', r"C:\fakepath\new cat.png"),
        ('filename="folder\\"; x="y"', "folder\\"),
        ("filename=my cat.png; x=1", "my cat.png"),
        ('filename="100%.png"', "100%.png"),
        (b'filename="caf\xe9.png"', "café.png"),
        (b'filename="\xe6\x97\xa5\xe6\x9c.png"', "日\ufffd.png"),
        ("filename*=utf-8''caf%E9.png", "café.png"),
        ("filename*=iso-8859-2''%E8.png", "č.png"),
        ("filename*=unicode_escape''%5cu0041.png", r"\u0041.png"),
        ("filename*1*=a.png", None),
        ('filename="=?utf-8?B?!?="', "=?utf-8?B?!?="),
        ('filename="=?utf-8?q?cat?=.png"', "=?utf-8?q?cat?=.png"),
        ('filename="2 =?utf-8?q?cats.png?="', "2 cats.png"),
        ('filename=""', ""),
        ("", None),
    ],
)
def test_odd_names(parameters: str | bytes, name: str | None) -> None:
    assert file_name(parameters) == name


@pytest.mark.parametrize("name", LONGEST)
def test_names_of_255_letters_as_an_email_library_folds_them(name: str) -> None:
    part = EmailMessage()
    part.add_header("Content-Disposition", "form-data", name="image", filename=name)
    _, _, folded = part.as_bytes().partition(b": ")
    header = b" ".join(line.strip() for line in folded.splitlines())
    assert read_disposition(header.decode("latin-1")) == ("image", name)


def test_field_behind_a_file_name_that_ends_in_a_backslash() -> None:
    """In Shift JIS the second byte of many letters is that of a backslash."""
    header = b'form-data; filename="\x95\x5c"; name="image"'.decode("latin-1")
    assert read_disposition(header)[0] == "image"


@pytest.mark.parametrize("charset", sorted(_CHARSETS))
def test_every_charset_is_decoded(charset: str) -> None:
    assert file_name(f"filename*={charset.upper()}''%63at.png") == "cat.png"


@given(st.binary(max_size=200), st.sampled_from([b"", b"filename=", b"filename*=", b'filename="']))
def test_any_bytes_are_some_name(data: bytes, start: bytes) -> None:
    header = b'form-data; name="image"; ' + start + data
    assert read_disposition(header.decode("latin-1"))[0] == "image"
    for name in read_disposition(header.decode("latin-1")):
        (name or "").encode()  # the store takes no lone surrogates
