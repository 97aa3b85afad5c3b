"""Files below a folder: no link is followed, and nothing half written stays."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from models.files_below import create_file, open_file, open_folder, write_file


def opened(root: Path) -> int:
    return os.open(root, os.O_RDONLY | os.O_DIRECTORY)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root" / "a").mkdir(parents=True)
    (tmp_path / "outside").write_text("secret")
    (tmp_path / "root" / "a" / "file").write_text("text")
    return tmp_path / "root"


def test_files_are_read_and_written(root: Path) -> None:
    with open_folder(opened(root), ["a"]) as folder, open_file("file", folder) as file:
        assert file.read() == b"text"
    with open_folder(opened(root), ["new", "b"], create=True) as folder:
        for text in (b"1", b"2"):
            with write_file("c", folder) as written:
                written.write(text)
        with pytest.raises(FileExistsError):
            create_file("c", folder)
    assert [path.name for path in (root / "new" / "b").iterdir()] == ["c"]
    assert (root / "new" / "b" / "c").read_bytes() == b"2"


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.symlink_to("../outside"),
        lambda path: path.symlink_to("a/file"),
        os.mkfifo,
        Path.mkdir,
        lambda path: None,
    ],
    ids=["link-out", "link", "pipe", "folder", "missing"],
)
def test_only_regular_files_are_opened(root: Path, make: Callable[[Path], object]) -> None:
    make(root / "x")
    with open_folder(opened(root), []) as folder, pytest.raises(OSError):  # noqa: PT011
        open_file("x", folder)


@pytest.mark.parametrize("target", ["..", "a", "a/file"])
@pytest.mark.parametrize("create", [False, True])
def test_no_link_is_followed_to_a_folder(root: Path, target: str, create: bool) -> None:
    (root / "x").symlink_to(target)
    descriptor = opened(root)
    with pytest.raises(OSError), open_folder(descriptor, ["x"], create=create):  # noqa: PT011
        pass
    with pytest.raises(OSError):  # noqa: PT011 -- it is closed
        os.fstat(descriptor)


def test_a_failed_write_leaves_what_was_there(root: Path) -> None:
    with (
        open_folder(opened(root), ["a"]) as folder,
        contextlib.suppress(ValueError),
        write_file("file", folder) as file,
    ):
        file.write(b"half")
        raise ValueError
    assert [path.read_text() for path in (root / "a").iterdir()] == ["text"]
