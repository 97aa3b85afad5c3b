"""``darkroom send``: pictures go, results come, and an interruption costs nothing twice."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from darkroom.client import AsyncDarkroom, Result
from darkroom.client import retries as client_retries

from standalone.send import cli
from standalone.send.journal import FILE_NAME, Journal
from tests.conftest import Client
from tests.support import images
from tests.support.command import Done, run_main


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with two pictures and a file that is none."""
    for number, name in enumerate(["cat.png", "dog.png"]):
        (tmp_path / name).write_bytes(images.png(30, 20, seed=number))
    (tmp_path / "note.png").write_text("no picture")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def send(*arguments: str, **environment: str) -> Done:
    return run_main(partial(cli.main, arguments), **environment)


@pytest.fixture
def submitted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the pictures that were sent."""
    names: list[str] = []
    submit = AsyncDarkroom.submit

    async def count(self: AsyncDarkroom, source: Any, *args: Any, **more: Any) -> Any:
        names.append(source.name)
        try:
            return await submit(self, source, *args, **more)
        except asyncio.CancelledError:
            names.remove(source.name)  # no answer came: it is sent again
            raise

    monkeypatch.setattr(AsyncDarkroom, "submit", count)
    return names


async def test_send_interrupt_and_go_on(
    folder: Path,
    client: Client,
    worker: Any,
    submitted: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pictures = ("cat.png", "dog.png", "note.png", "missing.png", "cat.png")
    options = ("--thumbnail", "12", "--grayscale", "--format", "webp", "-o", "out")
    server = ("--server", str(client.make_url("/")))
    everything = partial(asyncio.to_thread, send, *pictures, *options, *server)

    downloading = asyncio.Event()

    async def stall(*_: Any) -> Any:
        downloading.set()
        await asyncio.Event().wait()

    with monkeypatch.context() as patch:
        patch.setattr(AsyncDarkroom, "download", stall)
        given = cli._parser("send").parse_args([*pictures, *options, *server])
        given.output.mkdir()
        sending = asyncio.create_task(cli._send(given))
        await downloading.wait()
        sending.cancel()  # as asyncio.run does after Ctrl-C
        with pytest.raises(asyncio.CancelledError):
            await sending
    sent = {"cat.png", "dog.png"}.intersection(submitted)
    assert sent  # at least the one whose download was stopped

    done = await everything()
    assert done.returncode == 1
    assert "darkroom: missing.png: No such file or directory\n" in done.stderr
    assert "darkroom: note.png: " in done.stderr
    assert done.stdout.endswith("2 done, 0 already there, 2 failed; folder: out\n")
    names = {"cat-thumbnail-12x12-grayscale.webp", "dog-thumbnail-12x12-grayscale.webp"}
    assert {each.name for each in (folder / "out").iterdir()} == names | {FILE_NAME}
    for name in names:
        assert images.decoded((folder / "out" / name).read_bytes()).size == (12, 8)
    assert all(submitted.count(name) == 1 for name in sent), "sent twice"

    submitted.clear()
    again = await everything()
    assert "0 done, 2 already there, 2 failed" in again.stdout
    assert submitted == ["note.png"]  # it never became a task

    (folder / "out" / "cat-thumbnail-12x12-grayscale.webp").write_bytes(b"mine")
    changed = await asyncio.to_thread(send, "cat.png", *options, *server)
    assert changed.returncode == 1
    assert "already exists; -f overwrites it" in changed.stderr
    forced = await asyncio.to_thread(send, "cat.png", "-f", *options, *server)
    assert "1 done, 0 already there, 0 failed" in forced.stdout
    assert submitted == ["note.png"]


def test_ctrl_c_says_how_to_go_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_send", stop)
    done = send("cat.png", "--grayscale", "-o", "out")
    assert done.returncode == 130
    assert done.stderr == "darkroom: stopped; the same command goes on from here\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["cat.png", "-o", "out"], "no operation"),
        (["cat.png", "--upscale", "two", "-o", "out"], "operation 1: "),
        (["cat.png", "--operations", "twirl", "-o", "out"], "unknown operation 'twirl'"),
        (["cat.png", "--grayscale", "--server", "ftp://h", "-o", "out"], "not an http or https"),
        (["cat.png", "--grayscale", "-o", "cat.png"], "cat.png: File exists"),
        (["cat.png", "--grayscale"], "-o"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_sent(
    folder: Path, arguments: list[str], said: str
) -> None:
    done = send(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


@pytest.mark.integration
def test_a_service_that_is_away_ends_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_retries, "_LOST_SECONDS", 0)
    done = send(
        "cat.png", "dog.png", "--flip", "vertical", "-o", "out", "--server", "http://127.0.0.1:9"
    )
    assert done.returncode == 2
    assert "ConnectError" in done.stderr and "goes on from here" in done.stderr
    assert len(done.stderr.splitlines()) == 1


async def test_a_wrong_key_ends_it(folder: Path, settings: Any, aiohttp_client: Any) -> None:
    from service.app import create_app

    locked = await aiohttp_client(create_app(settings.replace(api_keys="on")))
    arguments = ("cat.png", "--grayscale", "-o", "out", "--server", str(locked.make_url("/")))
    done = await asyncio.to_thread(send, *arguments, DARKROOM_KEY="dk_wrong")
    assert done.returncode == 2 and "key" in done.stderr
    assert "dk_wrong" not in done.stderr


def test_operations_are_in_the_order_of_the_command_line() -> None:
    given = cli._parser("darkroom send").parse_args(
        [
            *("a.png", "--grayscale", "--upscale", "2", "-o", "out"),
            *("--operations", "split", "resize=0.5", "--rotate", "90"),
        ]
    )
    assert given.operations == ["grayscale", "upscale=2", "split", "resize=0.5", "rotate=90"]
    crop = {"op": "crop", "width": 9, "height": 9}
    listed = json.dumps(["flip", crop])
    assert cli._items(["split", json.dumps(crop), listed]) == ["split", crop, "flip", crop]


def test_a_line_that_was_cut_off_costs_one_entry(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.set("a", "1" * 32)
        journal.set("b", "2" * 32)
    path = tmp_path / FILE_NAME
    path.write_text(path.read_text()[:-9] + "\n[]\nnull\n{}\n" + '{"key": ')
    with Journal(tmp_path) as journal:
        assert journal.entry("a").task_id == "1" * 32
        assert journal.entry("b").task_id == ""
        journal.set("c", "3" * 32)
    with Journal(tmp_path) as journal:
        assert journal.entry("c").task_id == "3" * 32
    assert path.stat().st_mode & 0o077 == 0


def test_a_journal_that_is_a_link_is_not_written(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("precious")
    (tmp_path / FILE_NAME).symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="symbolic links"), Journal(tmp_path):
        pass
    assert (tmp_path / "victim").read_text() == "precious"


def test_a_journal_that_was_tampered_with_costs_nothing_but_its_lines(tmp_path: Path) -> None:
    whole = Result("cat.png", "/processed/cat.png", 1, 1, "png", 5, "0" * 64, ())
    with Journal(tmp_path) as journal:
        journal.set("good", "t1", [whole])
    bad: list[dict[str, Any]] = [
        {"sha256": "../x"},
        {"sha256": "0" * 63 + "\u00e4"},
        {"name": "../../etc/cat.png"},
        {"name": 5, "bytes": float("inf")},
        {"url": 5, "name": ""},
        {"notes": None},
    ]
    lines = [
        json.dumps({"key": "good", "task": "t2", "results": [{**vars(whole), **each}]})
        for each in bad
    ]
    odd = ["[" * 100_000, '{"key": "good"}', "5", "null", '{"key": "good", "results": 5}']
    with (tmp_path / FILE_NAME).open("ab") as file:
        file.write("\n".join([*lines, *odd]).encode() + b"\n\xff\xfe\n")
    with Journal(tmp_path) as journal:
        assert journal.entry("good").task_id == "t1"
        assert journal.entry("good").results == [whole]
