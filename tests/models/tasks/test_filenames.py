"""Sanitized file names, and names of results."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.operations.upscale import Upscale
from models.tasks.filenames import result_names, sanitize


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        ("cat.png", "cat.png"),
        ("My Cat (2).JPG", "My Cat (2).JPG"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\cat.png", "cat.png"),
        ("..", "image"),
        ("", "image"),
        (".png", "png"),
        ("a\x00b.png", "a_b.png"),
        ("cat\u202egnp.exe", "cat_gnp.exe"),
        ('x";\r\nSet-Cookie: a=b.png', "x____Set-Cookie_ a_b.png"),
        ("<script>.png", "_script_.png"),
        ("Ка́т 猫 हिन्दी.png", "Ка́т 猫 हिन्दी.png"),
        ("😀.png", "_.png"),
        ("con.png", "_con.png"),
        ("-rf.png", "_-rf.png"),
        ("$where.png", "_where.png"),
        ("%2e%2e%2fcat.png", "_2e_2e_2fcat.png"),
    ],
)
def test_hostile_names_are_sanitized(given_name: str, kept: str) -> None:
    assert sanitize(given_name, 100) == kept


@given(st.text(max_size=400), st.integers(16, 200))
def test_any_text_becomes_a_safe_name(name: str, limit: int) -> None:
    kept = sanitize(name, limit)
    assert 0 < len(kept) <= limit
    assert not set(kept) & set('/\\\0\r\n"<>:|?*$%;') and not kept.startswith((".", " ", "-"))
    assert sanitize(kept, limit) == kept


def test_long_names_keep_their_suffix() -> None:
    kept = sanitize("x" * 300 + ".jpeg", 100)
    assert len(kept) == 100
    assert kept.endswith("x.jpeg")


def test_result_names_become_more_unique() -> None:
    names = list(result_names("cat.v2.jpg", [Upscale(scale=3)], "png", "0123456789" * 6))
    assert names == [
        "cat.v2-upscale-x3.png",
        "cat.v2-upscale-x3-01234567.png",
        "cat.v2-upscale-x3-01234567890123456789012345678901.png",
    ]
    assert next(result_names("cat", [Upscale()], "jpeg", "0" * 64)) == "cat-upscale-x2.jpg"


@given(st.text(max_size=200), st.integers(0, 64))
def test_result_names_fit_file_systems(name: str, number: int) -> None:
    operations = [Upscale(scale=1000)] * 20
    for found in result_names(sanitize(name, 200), operations, "webp", "f" * 64, number):
        assert len(found.encode()) <= 250
        assert found.endswith(f"-{number}.webp" if number else ".webp")


def test_long_non_ascii_names_are_cut_between_characters() -> None:
    (name, *_) = result_names("日" * 190 + ".png", [Upscale()], "png", "0" * 64)
    assert name.startswith("日日") and name.endswith("日-upscale-x2.png")
