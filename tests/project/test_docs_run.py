"""Every command that a page shows is run, in order, as somebody who reads it would."""

from __future__ import annotations

from pathlib import Path

import pytest

from standalone import embedded_stores
from tests.support.doc_runner import ANY, RUN, Block, Stage, alike, blocks, calls
from tests.support.paths import ROOT

PAGES = sorted(
    path
    for path in [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md"]
    if path.name
    != "migrating.md"  # tests/service/legacy/test_migrating_docs.py runs it, and looks at the pictures
)
SHOWN = frozenset({"js", "yaml", "ini", "nginx", "json", "html", "text"})
"""Languages of blocks that are no commands."""

NOT_RUN = {
    "make run     # sets up all it needs, starts stores, service and worker; prints the URL": (
        "the two commands of the first screen: every page starts the one, CI is the other"
    ),
    "$ curl -F image=@lama.png localhost:8080/upscale": (
        "tests/project/test_readme.py runs the session with the picture it was made with"
    ),
    "$ curl -L -F image=@lama.png": "the same",
    "docker compose": "no container engine runs here; tests/project/test_containers.py reads the files",
    "systemctl": "no systemd runs here",
}
"""What a block that is not run has in it, and why it is not."""


def left_out(block: Block) -> str | None:
    return next((why for begin, why in NOT_RUN.items() if begin in block.text), None)


def commands(page: Path) -> list[Block]:
    return [each for each in blocks(page) if each.language in RUN]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_block_says_what_it_is(page: Path) -> None:
    for block in blocks(page):
        assert block.language in RUN | SHOWN, f"{page.name}:{block.line}: {block.language}"
        assert block.language != "console" or calls(block), f"{page.name}:{block.line}"


def test_what_is_not_run_is_still_written() -> None:
    every = "\n".join(block.text for page in PAGES for block in commands(page))
    assert [begin for begin in NOT_RUN if begin not in every] == []


OWN = [
    page
    for page in PAGES
    if page.parent.name != "operations" and any(not left_out(block) for block in commands(page))
]
OPERATIONS = [page for page in PAGES if page.parent.name == "operations" and commands(page)]


@pytest.mark.parametrize("page", OWN, ids=lambda path: path.relative_to(ROOT).as_posix())
@pytest.mark.timeout(300)
def test_the_commands_of_a_page_run(
    page: Path, tmp_path: Path, redis: embedded_stores.Server, mongo: embedded_stores.Server
) -> None:
    known = {
        "redis://127.0.0.1:6379/0": redis.url.replace("/0", "/14"),
        "mongodb://127.0.0.1:27017/?replicaSet=darkroom": mongo.url,
    }
    stage = Stage(tmp_path / "clone", known)
    run = [each for each in commands(page) if not left_out(each)]
    if not any(each.text.startswith("make run") for each in run):
        run.insert(0, Block("sh", "make run", 0))
    try:
        for block in run:
            stage.run(block)
    finally:
        stage.close()


def test_the_commands_of_the_operations_run(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "clone")
    try:
        stage.run(Block("sh", "make run", 0))
        for page in OPERATIONS:
            for block in commands(page):
                done = f'$ {block.text}?wait=30\n{{"status": "SUCCESS", "{ANY}": "{ANY}"}}'
                stage.run(Block("console", done, block.line))
    finally:
        stage.close()


@pytest.mark.parametrize(
    ("shown", "said", "same"),
    [
        ({"a": 1}, {"a": 1}, True),
        ({"a": 1}, {"a": 2}, False),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({"a": 1, ANY: ANY}, {"a": 1, "b": 2}, True),
        ({"a": f"x{ANY}"}, {"a": "xyz"}, True),
        ({"a": f"x{ANY}"}, {"a": "yz"}, False),
        ({"a": [ANY]}, {"a": [1, 2]}, True),
        ({"a": [{"b": 1}]}, {"a": [{"b": 2}]}, False),
        ({"status": "CREATED", "url": None}, {"status": "SUCCESS", "url": "/"}, True),
        ({"status": "CREATED", "name": "a"}, {"status": "SUCCESS", "name": "b"}, False),
        ({"status": "CREATED"}, {"status": "FAILURE"}, False),
        ({"created_at": "then"}, {"created_at": "now"}, True),
    ],
)
def test_answers_are_compared(shown: object, said: object, same: bool) -> None:
    assert alike(shown, said) is same
