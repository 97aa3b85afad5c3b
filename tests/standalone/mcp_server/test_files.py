"""An assistant's paths stay in their folder, whatever they say and whatever lies there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from standalone.mcp_server.files import FileRefused, Root


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Root]:
    """A folder with ``a/cat.png``; beside it a secret."""
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "outside").mkdir()
    folder = tmp_path / "root"
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "cat.png").write_bytes(b"0123456789")
    opened = Root(folder)
    yield opened
    opened.close()


@pytest.mark.parametrize("text", ["a/cat.png", "./a//cat.png", "{root}/a/cat.png"])
def test_a_file_below_the_root(root: Root, tmp_path: Path, text: str) -> None:
    root.copy_in(text.format(root=root.path), tmp_path / "copy", 10)
    assert (tmp_path / "copy").read_bytes() == b"0123456789"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("../secret", "'..' in it"),
        ("a/../../secret", "'..' in it"),
        ("{root}/../secret", "'..' in it"),
        ("{root}x/cat.png", "outside of"),
        ("/etc/passwd", "outside of"),
        ("/proc/self/environ", "outside of"),
        ("a/cat.png\0.jpg", "NUL"),
        ("a/\ud800.png", "NUL character, or one that"),
        ("", "the folder itself"),
        ("a", "not a regular file"),
        ("a/dog.png", "No such file"),
        ("a/cat.png/x", "a link or a file"),
        ("a" * 300, "too long"),
    ],
)
def test_no_other_file_is_read(root: Root, tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(FileRefused, match=said):
        root.copy_in(text.format(root=root.path), tmp_path / "copy", 100)
    assert not (tmp_path / "copy").exists()


def test_no_link_is_followed(root: Root, tmp_path: Path) -> None:
    (root.path / "link.png").symlink_to(tmp_path / "secret")
    (root.path / "folder").symlink_to(tmp_path / "outside")
    (root.path / "inner.png").symlink_to("a/cat.png")
    (tmp_path / "outside" / "x").write_text("secret")
    for text in ("link.png", "folder/x", "inner.png"):
        with pytest.raises(FileRefused, match="links are not followed"):
            root.copy_in(text, tmp_path / "copy", 100)
    for text in ("folder", "folder/deeper", "link.png"):
        with pytest.raises(FileRefused, match="links are not followed"):
            root.copy_out(tmp_path / "secret", text, "result.png")
    assert [each.name for each in (tmp_path / "outside").iterdir()] == ["x"]


def test_a_name_that_is_a_link_is_not_written_through(root: Root, tmp_path: Path) -> None:
    victim = tmp_path / "outside" / "victim"
    for target in (victim, tmp_path / "secret"):
        (root.path / "result.png").symlink_to(target)
        with pytest.raises(FileRefused, match="already exists"):
            root.copy_out(root.path / "a" / "cat.png", "", "result.png")
        (root.path / "result.png").unlink()
    assert not victim.exists() and (tmp_path / "secret").read_text() == "secret"


def test_huge_files_and_pipes(root: Root, tmp_path: Path) -> None:
    with pytest.raises(FileRefused, match=r"has 10 bytes; at most 9 are taken \(MAX_UPLOAD_BYTES"):
        root.copy_in("a/cat.png", tmp_path / "copy", 9)
    with (root.path / "huge.png").open("wb") as file:
        file.truncate(10**13)
    with pytest.raises(FileRefused, match=f"has {10**13} bytes"):
        root.copy_in("huge.png", tmp_path / "copy", 2**25)
    os.mkfifo(root.path / "pipe.png")  # no program writes into it
    with pytest.raises(FileRefused, match="not a regular file"):
        root.copy_in("pipe.png", tmp_path / "copy", 100)


def test_results_are_new_files(root: Root, tmp_path: Path) -> None:
    result, other = tmp_path / "result", tmp_path / "other"
    result.write_bytes(b"result")
    other.write_bytes(b"other!")
    assert root.copy_out(result, "b/c", "x.png") == "b/c/x.png"
    assert root.copy_out(result, f"{root.path}/b/c", "x.png") == "b/c/x.png"  # the same again
    with pytest.raises(FileRefused, match="already exists with other content"):
        root.copy_out(other, "b/c", "x.png")
    with pytest.raises(FileRefused, match="outside of"):
        root.copy_out(result, "/tmp", "x.png")
    assert [each.name for each in (root.path / "b" / "c").iterdir()] == ["x.png"]
    assert (root.path / "b" / "c" / "x.png").read_bytes() == b"result"


def test_a_result_that_cannot_be_written_leaves_nothing(
    root: Root, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfileobj", full)
    (tmp_path / "result").write_bytes(b"result")
    with pytest.raises(FileRefused, match="No space left"):
        root.copy_out(tmp_path / "result", "", "x.png")
    assert [each.name for each in root.path.iterdir()] == ["a"]
