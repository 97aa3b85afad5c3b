"""Where blocking work on files runs."""

from __future__ import annotations

import threading

import pytest

from models.small_files import SMALL_BYTES, in_thread_if_large


@pytest.mark.parametrize(
    ("size", "here"), [(0, True), (SMALL_BYTES, True), (SMALL_BYTES + 1, False)]
)
async def test_only_much_work_takes_a_thread(size: int, here: bool) -> None:
    found = await in_thread_if_large(size, lambda given: (given, threading.get_ident()), "a")
    assert found[0] == "a"
    assert (found[1] == threading.get_ident()) is here
