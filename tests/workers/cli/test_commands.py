"""Operations on the command line: exit statuses, messages, files; without servers."""

from __future__ import annotations

import io
import os
import pty
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support import images, metadata
from tests.support.command import Done, run_main
from tests.support.paths import ROOT, SHARED
from workers.__main__ import main
from workers.cli.progress_bar import progress_bar

pytestmark = pytest.mark.integration


Command = Callable[..., Done]


@pytest.fixture
def command(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    """Run ``python -m workers`` in this process, in the folder."""
    sigterm = signal.getsignal(signal.SIGTERM)
    monkeypatch.chdir(folder)
    yield partial(run_main, main)
    signal.signal(signal.SIGTERM, sigterm)


def process(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "workers", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def size(path: Path) -> tuple[str | None, int, int]:
    image = images.decoded(path.read_bytes())
    return (image.format, *image.size)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "cat.png").write_bytes(images.png(40, 30))
    (tmp_path / "dog.jpg").write_bytes(images.jpeg(50, 20))
    (tmp_path / "broken.png").write_bytes(images.png()[:200])
    (tmp_path / "note.png").write_text("no picture")
    return tmp_path


def test_upscale_one_picture(folder: Path) -> None:
    done = process(folder, "upscale", "cat.png", "out.png", "--scale", "2")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert size(folder / "out.png") == ("PNG", 80, 60)


@pytest.mark.skipif(not (SHARED / "images").is_dir(), reason="needs ../shared/images")
def test_upscale_with_a_named_network(folder: Path, command: Command) -> None:
    weights = str(SHARED / "weights")
    done = command(
        *("upscale", str(SHARED / "images/lama.png"), "x.jpg", "--scale", "3", "--model", "FSRCNN"),
        WEIGHTS_DIR=weights,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert size(folder / "x.jpg") == ("JPEG", 257 * 3, 300 * 3)


def test_format_follows_the_output_name(folder: Path, command: Command) -> None:
    assert command("resize", "cat.png", "a.webp", "--width", "20").returncode == 0
    assert size(folder / "a.webp") == ("WEBP", 20, 15)
    done = command("convert", "cat.png", "b.jpg", "--format", "webp")
    assert done.returncode == 2
    assert "b.jpg: conflicting formats, jpeg and webp" in done.stderr


def test_metadata_is_chosen(folder: Path, command: Command) -> None:
    (folder / "photo.jpg").write_bytes(metadata.jpeg())
    for choice, author in (((), None), (("--metadata", "safe"), "Ada Lovelace")):
        assert (
            command("rotate", "photo.jpg", "a.jpg", "-f", "--angle", "90", *choice).returncode == 0
        )
        made = (folder / "a.jpg").read_bytes()
        assert images.decoded(made).getexif().get(0x013B) == author
        assert metadata.PLACE not in made
    assert command("rotate", "photo.jpg", "b.jpg", "--metadata", "some").returncode == 2


def test_a_watermark_may_be_a_picture(folder: Path, command: Command) -> None:
    option = ("--watermark-image", "logo.png")
    Image.new("RGB", (8, 8), (250, 0, 0)).save(folder / "logo.png")
    said = ("--share", "100", "--opacity", "100", "--place", "center")
    assert command("watermark", "cat.png", "a.png", *option, *said).returncode == 0
    assert images.decoded((folder / "a.png").read_bytes()).getpixel((20, 15)) == (250, 0, 0)
    named = '{"op": "watermark", "picture": "watermark_image"}'
    done = command("process", "cat.png", "b.png", "--operations", "resize=2", named, *option)
    assert (done.returncode, size(folder / "b.png")) == (0, ("PNG", 80, 60))
    (folder / "large.png").write_bytes(images.png(9, 9) + bytes(200_000))
    for operation, given, reason in (
        (("watermark",), (), "text is missing"),
        (("watermark",), (*option, "--text", "x"), "two watermarks"),
        (("watermark",), ("--watermark-image", "none.png"), "none.png: No such file"),
        (("watermark",), ("--watermark-image", "."), "Is a directory"),
        (("watermark",), ("--watermark-image", "note.png"), "PNG or JPEG"),
        (("watermark",), ("--watermark-image", "large.png"), "more than 131072 bytes"),
        (("process",), ("--operations", named), "add --watermark-image logo.png"),
        (("process",), ("--operations", "flip", *option), "no operation uses it"),
    ):
        done = command(*operation, "cat.png", "c.png", *given)
        assert done.returncode == 2 and reason in done.stderr, done.stderr
    (folder / "in").mkdir()
    done = command("watch", "in", "out", "--once", "--operations", named)
    assert done.returncode == 2 and "a watermark is a text" in done.stderr


def test_missing_output_folder_is_created(folder: Path, command: Command) -> None:
    done = command("upscale", "cat.png", "dog.jpg", "-o", "new/out/")
    assert (done.returncode, done.stderr) == (0, "")
    assert size(folder / "new/out/cat-upscale-x2.png") == ("PNG", 80, 60)
    assert size(folder / "new/out/dog-upscale-x2.jpg") == ("JPEG", 100, 40)
    assert len(list((folder / "new/out").iterdir())) == 2


def test_process_with_several_operations_and_results(folder: Path, command: Command) -> None:
    done = command(
        "process", "cat.png", "part.png", "--operations", "grayscale", "split", "resize=2"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert [size(folder / f"part-{n}.png") for n in (1, 2, 3, 4)] == [("PNG", 40, 30)] * 4


def test_broken_inputs_fail_by_name_and_others_are_processed(
    folder: Path, command: Command
) -> None:
    done = command("grayscale", "broken.png", "cat.png", "none.png", "note.png", ".", "-o", "out")
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert [line.split(": ")[1] for line in lines] == ["broken.png", "none.png", "note.png", "."]
    assert all(line.startswith("darkroom: ") for line in lines)
    assert "none.png: No such file or directory" in lines[1]
    assert [p.name for p in (folder / "out").iterdir()] == ["cat-grayscale.png"]


def test_existing_files_are_overwritten_only_with_force(folder: Path, command: Command) -> None:
    before = (folder / "cat.png").read_bytes()
    done = command("grayscale", "dog.jpg", "cat.png")
    assert done.returncode == 1
    assert done.stderr == "darkroom: dog.jpg: cat.png already exists; -f overwrites it\n"
    assert (folder / "cat.png").read_bytes() == before
    assert command("grayscale", "-f", "dog.jpg", "cat.png").returncode == 0
    assert size(folder / "cat.png") == ("PNG", 50, 20)


def test_inputs_with_the_same_name_do_not_share_a_result(folder: Path, command: Command) -> None:
    (folder / "b").mkdir()
    (folder / "b/cat.png").write_bytes(images.png(10, 10))
    done = command("grayscale", "-f", "cat.png", "b/cat.png", "-o", "out")
    assert done.returncode == 1
    assert "cat-grayscale.png was already written for cat.png" in done.stderr
    assert size(folder / "out/cat-grayscale.png") == ("PNG", 40, 30)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["upscale"], "usage: "),
        (["shout", "a", "b"], "invalid choice"),
        (["upscale", "cat.png"], "-o FOLDER"),
        (["upscale", "cat.png", "dog.jpg", "out"], "-o FOLDER"),
        (["upscale", "cat.png", "out.png", "--scale", "x"], "scale"),
        (["upscale", "cat.png", "out.png", "--scale", "7"], "is not available for scale 7"),
        (["upscale", "cat.png", "out.png", "--model", "X"], "there is no model of that name"),
        (["upscale", "cat.png", "out.bmp"], "must end in one of png, jpg, jpeg, webp"),
        (["upscale", "cat.png", "dog.jpg", "-o", "note.png"], "is not a folder"),
        (["process", "cat.png", "out.png", "--operations", "shout"], "unknown operation 'shout'"),
    ],
)
def test_invalid_command_lines(
    folder: Path, command: Command, arguments: list[str], sentence: str
) -> None:
    done = command(*arguments)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert len(list(folder.iterdir())) == 4


def test_limits_come_from_the_settings(folder: Path, command: Command) -> None:
    done = command("upscale", "cat.png", "out.png", MAX_PIXELS="1199")
    assert done.returncode == 1
    assert "1200 pixels; at most 1199 are allowed (MAX_PIXELS)" in done.stderr
    done = command("upscale", "cat.png", "out.png", MAX_PIXELS="many")
    assert done.returncode == 2
    assert "MAX_PIXELS='many'" in done.stderr


def slow_command(folder: Path) -> list[str]:
    """Return a command that runs for seconds, so that it can be interrupted."""
    noise = np.random.default_rng(0).integers(0, 256, (2500, 2500, 3), np.uint8)
    (folder / "large.jpg").write_bytes(images.encoded(Image.fromarray(noise), "JPEG", quality=30))
    return [sys.executable, "-m", "workers", "upscale", "large.jpg", "-o", "out/"]


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_progress_bar_and_interrupt_leave_no_files(
    folder: Path, sent: signal.Signals, status: int
) -> None:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (25, 60))
    process = subprocess.Popen(
        slow_command(folder),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "60"},
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    seen = b""
    deadline = time.monotonic() + 60
    while b"#" not in seen and time.monotonic() < deadline:
        seen += os.read(ours, 4096)
    process.send_signal(sent)
    assert process.wait(60) == status
    while data := _read(ours):
        seen += data
    os.close(ours)
    assert b"large.jpg [#" in seen
    assert b"Traceback" not in seen
    assert seen.split(b"\r")[-2:] == [b" " * len(seen.split(b"\r")[-2]), b""]  # erased
    assert list((folder / "out").iterdir()) == []


def test_memory_limit_comes_from_the_settings(folder: Path, command: Command) -> None:
    done = command("upscale", "cat.png", "out.png", MEMORY_BUDGET="1000000")
    assert done.returncode == 1
    assert "MEMORY_BUDGET" in done.stderr
    assert not (folder / "out.png").exists()


def test_a_shortage_of_memory_reads_as_in_the_service(folder: Path) -> None:
    """With a prediction of 0 bytes; the limit is then the slack, less than this picture takes."""
    program = """
import sys
from models import memory_estimate
from workers.__main__ import main
memory_estimate.estimate = lambda *_: (0, 0)
sys.exit(main())
"""
    size = ("--width", "14000", "--height", "14000")
    done = subprocess.run(
        [sys.executable, "-c", program, "resize", "cat.png", "out.png", *size],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    said = "cat.png: the picture needed far more memory than the 0 MB predicted for it"
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"darkroom: {said}, and processing was stopped"
    assert not (folder / "out.png").exists()


def test_empty_names_and_control_characters(folder: Path, command: Command) -> None:
    done = command("upscale", "cat.png", "")
    assert (done.returncode, done.stderr) == (2, "darkroom: a file name is empty\n")
    (folder / "z\n\x1b[31mred.png").write_bytes(b"")
    done = command("upscale", "z\n\x1b[31mred.png", "cat.png", "-o", "out")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("darkroom: z??[31mred.png: ")


def test_pipes_and_missing_folders_are_refused(folder: Path, command: Command) -> None:
    os.mkfifo(folder / "pipe.png")
    done = command("grayscale", "pipe.png", "out.png")
    assert done.returncode == 1
    assert "pipe.png: not a regular file" in done.stderr
    done = command("grayscale", "cat.png", "nowhere/out.png")
    assert done.returncode == 1
    assert "the folder nowhere does not exist" in done.stderr


def test_overwriting_keeps_links_and_modes(folder: Path, command: Command) -> None:
    (folder / "real.png").write_bytes(b"old")
    (folder / "real.png").chmod(0o640)
    (folder / "link.png").symlink_to("real.png")
    assert command("grayscale", "cat.png", "link.png", "-f").returncode == 0
    assert (folder / "link.png").is_symlink()
    assert size(folder / "real.png") == ("PNG", 40, 30)
    assert (folder / "real.png").stat().st_mode & 0o777 == 0o640


def test_without_openvino(folder: Path) -> None:
    (folder / "openvino.py").write_text("raise ImportError('no wheel for this machine')")
    environment = {"PYTHONPATH": f"{folder}:{ROOT}"}
    done = process(
        folder, "upscale", "cat.png", "out.png", **environment, UPSCALE_ENGINE="openvino"
    )
    assert done.returncode == 2
    assert "no wheel for this machine" in done.stderr and "Traceback" not in done.stderr
    done = process(folder, "upscale", "cat.png", "out.png", **environment, UPSCALE_ENGINE="auto")
    assert done.returncode == 0
    assert "using OpenCV instead" in done.stderr
    assert size(folder / "out.png") == ("PNG", 80, 60)
    done = process(folder, "grayscale", "cat.png", "gray.png", **environment)
    assert (done.returncode, done.stderr) == (0, "")


def test_with_standard_error_closed(folder: Path) -> None:
    program = [sys.executable, "-m", "workers", "grayscale", "cat.png", "out.png"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    line = ["sh", "-c", 'exec "$@" 2>&-', "sh", *program]
    done = subprocess.run(line, cwd=folder, env=environment, check=False, timeout=60)
    assert done.returncode == 0
    assert size(folder / "out.png") == ("PNG", 40, 30)


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # Linux reports a closed other end like this
        return b""


@pytest.mark.parametrize("columns", ["5", "20", "60", "200"])
@pytest.mark.parametrize("label", ["", "cat.png", "x" * 300, "a\x1b[2Jb\n"])
def test_progress_bar_never_wraps_nor_moves_the_cursor(
    label: str, columns: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", columns)
    for share in (0, 0.5, 1):
        with progress_bar(label) as progress:
            progress(share)
    for line in terminal.getvalue().split("\r"):
        assert len(line) < int(columns)
        assert line.isprintable()
