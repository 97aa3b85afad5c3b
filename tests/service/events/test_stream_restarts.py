"""Event streams survive a killed MongoDB and a rolling restart of the service."""

from __future__ import annotations

import asyncio
import json
import signal
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from models.replica_set import embedded_mongo_url
from models.settings import Settings
from models.store import Store
from tests.models.store.test_leases import create_task
from tests.support.standalone_process import StandaloneProcess


class BrowserThread(threading.Thread):
    """Acts as a browser: reconnects with the last event id after each disconnect."""

    def __init__(self, darkroom: StandaloneProcess, path: str) -> None:
        super().__init__(daemon=True)
        self.darkroom, self.path = darkroom, path
        self.lines: list[str] = []
        self.connections = 0
        self.statuses: list[int] = []
        self.stopped = False

    def run(self) -> None:
        last = ""
        while not self.stopped:
            request = urllib.request.Request(f"{self.darkroom.url}{self.path}")
            request.add_header("Last-Event-ID", last)
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    self.connections += 1
                    self.statuses.append(answer.status)
                    if answer.status == 204:
                        return
                    for raw in answer:
                        line = raw.decode().strip()
                        self.lines.append(line)
                        if line.startswith("id: "):
                            last = line[4:]
            except urllib.error.HTTPError as error:
                self.statuses.append(error.code)
            except OSError:
                continue

    def has_line(self, text: str) -> bool:
        return any(text in line for line in list(self.lines))


def cancel(darkroom: StandaloneProcess, task_id: str) -> bool:
    """Cancel it, or say that it is: the answer of a call that did it may have been an error."""
    answer = darkroom.curl("-X", "DELETE", f"{darkroom.url}/tasks/{task_id}")
    body = json.loads(answer) if answer else {}
    return "CANCELLED" in {body.get("status"), body.get("measured")}


@pytest.fixture(scope="module")
def restarted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandaloneProcess]:
    """A Darkroom of which these tests restart parts; each leaves it whole."""
    # No sweep, which would enqueue the tasks of ``start_task``.
    settings = {"SHUTDOWN_TIMEOUT": "300", "SWEEP_INTERVAL_SECONDS": "3600"}
    with StandaloneProcess(tmp_path_factory.mktemp("restarted") / "data", **settings) as started:
        yield started


async def start_task(darkroom: StandaloneProcess, mark: str) -> str:
    """Start a task that no worker runs: only cancelling ends it."""
    store = Store(Settings().replace(mongo_url=embedded_mongo_url(darkroom.data_dir)))
    await create_task(store, mark)
    await store.leases.claim(mark[:32], worker="w", token="t", seconds=3600, max_attempts=1)
    store.close()
    return mark[:32]


@pytest.mark.integration
def test_mongodb_killed_in_the_middle(restarted: StandaloneProcess) -> None:
    task_id = asyncio.run(start_task(restarted, "a" * 64))
    page = BrowserThread(restarted, f"/tasks/{task_id}/events")
    page.start()
    restarted.until(lambda: page.has_line('"STARTED"'), "started")
    restarted.kill("mongo")
    restarted.until(lambda: cancel(restarted, task_id), "back")
    restarted.until(lambda: page.has_line("event: end"), "ended")
    page.join(30)
    assert page.has_line('"CANCELLED"')
    assert page.statuses == [200, 204]  # never disconnected


@pytest.mark.integration
def test_a_rolling_restart_does_not_wait_for_listeners(restarted: StandaloneProcess) -> None:
    task_id = asyncio.run(start_task(restarted, "b" * 64))
    page = BrowserThread(restarted, f"/tasks/{task_id}/events")
    page.start()
    restarted.until(lambda: page.connections == 1 and page.lines, "listening")
    assert restarted.process is not None
    restarted.process.send_signal(signal.SIGUSR2)
    restarted.until(lambda: b"\nreplaced\n" in restarted.log.read_bytes(), "replaced", 100)
    restarted.until(lambda: page.connections == 2, "connected again")
    restarted.until(lambda: cancel(restarted, task_id), "cancelled")
    restarted.until(lambda: page.has_line("event: end"), "end event from the next service")
    page.join(30)
    assert page.statuses == [200, 200, 204]
