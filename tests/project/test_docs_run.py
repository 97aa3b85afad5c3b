"""Every command of a documentation page runs, in order, as a reader would run it."""

from __future__ import annotations

from pathlib import Path

import pytest

from standalone import embedded_stores
from tests.support.doc_runner import (
    ANY,
    FOUND_LANGUAGES,
    RUN_LANGUAGES,
    Block,
    PageRunner,
    blocks,
    matches,
    split_commands,
)
from tests.support.paths import ROOT

PAGES = sorted(
    path
    for path in [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md"]
    # tests/service/legacy/test_migrating_docs.py runs it, and checks the pictures
    if path.name != "migrating.md"
)
SHOWN_LANGUAGES = frozenset({"js", "go", "php", "yaml", "ini", "nginx", "json", "html", "text"})
"""Languages of blocks that are not commands, or not on each machine."""

NOT_RUN = {
    "make run     # sets up all it needs, starts stores, service and worker; prints the URL": (
        "every page starts the first command, CI is the second"
    ),
    "docker compose": "no container engine; tests/project/test_containers.py checks the files",
    "systemctl": "no systemd runs here",
    "helm install": "no cluster runs here; tests/project/test_chart.py renders the chart",
    "const events = new EventSource(`/tasks/${id}/events`);": "a part of a page, which has a bar",
}
"""Text of a block that does not run, and the reason."""


def skip_reason(block: Block) -> str | None:
    return next((why for text, why in NOT_RUN.items() if text in block.text), None)


def commands(page: Path) -> list[Block]:
    return [each for each in blocks(page) if each.language in RUN_LANGUAGES | FOUND_LANGUAGES]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_block_names_its_language(page: Path) -> None:
    for block in blocks(page):
        assert block.language in RUN_LANGUAGES | SHOWN_LANGUAGES, (
            f"{page.name}:{block.line}: {block.language}"
        )
        assert block.language != "console" or split_commands(block), f"{page.name}:{block.line}"


def test_skipped_blocks_still_exist() -> None:
    every = "\n".join(block.text for page in PAGES for block in blocks(page))
    assert [text for text in NOT_RUN if text not in every] == []


def run_blocks(page: Path) -> list[Block]:
    return [block for block in commands(page) if not skip_reason(block)]


def is_plain_start(block: Block) -> bool:
    return block.text == "make run"


def starts_own(page: Path) -> bool:
    """Return whether the page starts a Darkroom with settings of its own."""
    return any(
        block.text.startswith("make run") and not is_plain_start(block)
        for block in run_blocks(page)
    )


OWN_PAGES = [page for page in PAGES if starts_own(page)]
OPERATION_PAGES = [page for page in PAGES if page.parent.name == "operations" and run_blocks(page)]
SHARING_PAGES = [
    page
    for page in PAGES
    if page not in OWN_PAGES and page not in OPERATION_PAGES and run_blocks(page)
]


@pytest.mark.parametrize("page", OWN_PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
@pytest.mark.timeout(600)
def test_the_commands_of_a_page_run(
    page: Path,
    tmp_path: Path,
    redis: embedded_stores.EmbeddedStore,
    mongo: embedded_stores.EmbeddedStore,
) -> None:
    known = {
        "redis://127.0.0.1:6379/0": redis.url.replace("/0", "/14"),
        "mongodb://127.0.0.1:27017/?replicaSet=darkroom": mongo.url,
    }
    runner = PageRunner(tmp_path / "clone", known)
    try:
        for block in run_blocks(page):
            runner.run(block)
    finally:
        runner.close()


@pytest.mark.integration
@pytest.mark.timeout(600)
def test_the_commands_of_the_other_pages_run(tmp_path: Path) -> None:
    """Those of README and of all pages that need no settings, one after the other on one."""
    assert ROOT / "README.md" in SHARING_PAGES
    runner = PageRunner(tmp_path / "clone")
    try:
        runner.run(Block("sh", "make run", 0))
        for number, page in enumerate(SHARING_PAGES):
            runner.draw(number)
            for block in run_blocks(page):
                if not is_plain_start(block):
                    runner.run(block)
        for page in OPERATION_PAGES:
            for block in commands(page):
                done = f'$ {block.text}?wait=30\n{{"status": "SUCCESS", "{ANY}": "{ANY}"}}'
                runner.run(Block("console", done, block.line))
    finally:
        runner.close()


@pytest.mark.parametrize(
    ("shown", "output", "same"),
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
def test_compare_responses(shown: object, output: object, same: bool) -> None:
    assert matches(shown, output) is same
