"""Fixtures of the service's tests: a Darkroom with files."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.service.legacy.test_convert import animation
from tests.support import images
from tests.support.standalone_process import StandaloneProcess


@pytest.fixture(autouse=True)
def _stores_may_answer_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service soon goes on without counts in Redis, or with an old queue; tests read both.

    And they end tasks behind its back, and poll at once: before it may have heard of it.
    """
    monkeypatch.setattr("models.redis.connection._TIMEOUT_SECONDS", 60.0)
    monkeypatch.setattr("service.events.queue_watch._LATE_SECONDS", 60.0)
    monkeypatch.setattr("service.events.queue_watch._MAX_TIME_SHARE", 1000.0)
    monkeypatch.setattr("service.events.long_poll._POLLED_SECONDS", 0)


@pytest.fixture(scope="session")
def darkroom_with_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandaloneProcess]:
    """A Darkroom for the documented calls: IMAGES_ROOT is the parent of its DATA_DIR."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "in").mkdir()
    (folder / "in" / "cat.png").write_bytes(images.png(41, 30))
    (folder / "cat.png").write_bytes(images.png(41, 30))
    (folder / "dog.jpg").write_bytes(images.jpeg(60, 40))
    (folder / "holiday.gif").write_bytes(animation())
    (folder / "presets.toml").write_text('[shop-photo]\noperations = ["smartcrop=1:1"]\n')
    settings = {
        "IMAGES_ROOT": str(folder),
        "PRESETS_FILE": str(folder / "presets.toml"),
        "WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
        "WEBHOOK_PORTS": "9",
    }
    with StandaloneProcess(folder / "data", **settings) as started:
        yield started
