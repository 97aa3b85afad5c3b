"""Fixtures shared by all tests: stores, settings, clients, workers and a Darkroom."""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import structlog
from aiohttp.test_utils import TestClient
from aiohttp.web import Application, Request
from xdist.scheduler import LoadScopeScheduling

from models.settings import FIELDS, Settings
from models.store import Store
from service.app import create_app
from standalone import embedded_stores
from tests.support import fuzzing, images
from tests.support.databases import Databases
from tests.support.env_file import use_env_file
from tests.support.fork_servers import shared_fork_server
from tests.support.paths import ROOT, SHARED
from tests.support.standalone_process import StandaloneProcess
from workers.worker import create

Client = TestClient[Request, Application]

fuzzing.load_profile()

# A shell's background job ignores Ctrl-C, and programs that tests start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Processes that tests start have neither rich nor cryptography, as in production. structlog and
# redis would import them, which takes 0.2 s of processor time in each.
_HIDING = str(ROOT / "tests" / "support" / "without_dev_packages")
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [_HIDING, os.environ.get("PYTHONPATH")]))

_MEMORY_DIR, _MIN_FREE_BYTES = Path("/dev/shm"), 6_000_000_000
if os.access(_MEMORY_DIR, os.W_OK) and shutil.disk_usage(_MEMORY_DIR).free > _MIN_FREE_BYTES:
    # MongoDB syncs to disk for each collection and index, and each test has its own database: on a
    # disk that takes most of the tests' time.
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY_DIR))


@pytest.fixture(scope="session", autouse=True)
def _shared_fork_servers() -> Iterator[None]:
    """Let all pools of children in this process share fork servers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("workers.child.pool.ForkServer", shared_fork_server)
        yield


_INTEGRATION_FIXTURES = {
    "mongo",
    "redis",
    "chromium",
    "darkroom",
    "start_darkroom",
    "aiohttp_client",
    "aiohttp_server",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what uses a server by its fixtures; other tests say it themselves (``pytestmark``).

    Files with such tests come first, those of the folders ``_LONG`` before all: short ones fill
    the time of the processes of xdist that finish early.
    """
    for item in items:
        if not _INTEGRATION_FIXTURES.isdisjoint(getattr(item, "fixturenames", ())):
            item.add_marker("integration")
    long = {item.path for item in items if item.get_closest_marker("integration")}

    def rank(item: pytest.Item) -> tuple[bool, int]:
        scope = _scope(item.nodeid)
        place = (number for number, name in enumerate(_LONG) if scope.startswith(name))
        return item.path not in long, next(place, len(_LONG))

    items.sort(key=rank)


def pytest_collection_finish() -> None:
    """Spare the garbage collector what the collection left: half a gigabyte that stays."""
    gc.freeze()


_BROWSER = "tests/browser"
_LONG = (_BROWSER, "tests/chaos", "tests/cluster", "tests/standalone", "tests/project")
"""Folders of tests that start whole Darkrooms, the longest first."""
_WITH_THE_BROWSER = {
    "tests/project/test_containers.py",
    "tests/project/test_hostile_input.py",
    "tests/project/test_readme.py",
    "tests/service/legacy/test_migrating_docs.py",
}


def _scope(nodeid: str) -> str:
    """Return what runs in one process of xdist.

    A file, for its Darkroom; the folder of the browser's or the supervisor's tests and files that
    use the same ``darkroom``. To start another takes six seconds, to keep it 3 % of a core.
    """
    file = nodeid.partition("::")[0]
    folder = file.rpartition("/")[0]
    if file in _WITH_THE_BROWSER:
        return _BROWSER
    return folder if folder in {_BROWSER, "tests/standalone"} else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    scheduler = LoadScopeScheduling(config, log)
    scheduler._split_scope = _scope
    return scheduler


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Fail a unit test, or a fixture of its, that starts a process or opens a connection."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError(
            "a unit test starts a process or opens a connection: mark it pytest.mark.integration"
        )

    with pytest.MonkeyPatch.context() as patch:
        if not item.get_closest_marker("integration"):
            patch.setattr(subprocess.Popen, "__init__", refuse)
            patch.setattr(socket.socket, "connect", refuse)
            patch.setattr(os, "fork", refuse)
        return (yield)


@contextmanager
def running(server: embedded_stores.EmbeddedStore) -> Iterator[embedded_stores.EmbeddedStore]:
    """Run one store without a supervisor."""
    command = list(server.process.command)
    process = subprocess.Popen(
        command, stdout=server.process.output, stderr=subprocess.STDOUT, start_new_session=True
    )
    try:
        with ThreadPoolExecutor(1) as thread:  # this thread may have a loop that runs
            thread.submit(asyncio.run, server.process.ready()).result()
        yield server
    finally:
        process.terminate()
        process.wait(30)
        if server.process.output:
            server.process.output.close()


@pytest.fixture(scope="session")
def mongo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[embedded_stores.EmbeddedStore]:
    with running(embedded_stores.mongo(tmp_path_factory.mktemp("mongo"))) as server:
        yield server


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[embedded_stores.EmbeddedStore]:
    with running(embedded_stores.redis(tmp_path_factory.mktemp("redis"))) as server:
        yield server


_SETTING_NAMES = {name.upper() for name in FIELDS}


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the machine's own settings."""
    for name in _SETTING_NAMES.intersection(os.environ):
        monkeypatch.delenv(name)
    # OpenVINO's self-test takes half of a child's start; tests that are about it ask for it.
    monkeypatch.setenv("UPSCALE_ENGINE", "opencv")
    use_env_file(monkeypatch, None)
    # Hide what `make weights` fetched on this machine as well.
    monkeypatch.setattr("models.settings.networks.FETCHED_DIR", SHARED / "nowhere")


@pytest.fixture(autouse=True)
def _results_are_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests delete results behind the service's back, and look at once."""
    monkeypatch.setattr("service.recent_results.TRUST_SECONDS", 0)


@pytest.fixture(scope="session", autouse=True)
def _plain_tracebacks() -> None:
    """By default structlog draws the variables of each frame: seconds for one exception."""
    *others, _ = structlog.get_config()["processors"]
    console = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*others, console])


@pytest.fixture(scope="session")
def databases(
    mongo: embedded_stores.EmbeddedStore, redis: embedded_stores.EmbeddedStore
) -> Iterator[Databases]:
    with Databases(mongo.url, redis.url) as opened:
        yield opened


@pytest.fixture
def settings(databases: Databases, tmp_path: Path) -> Iterator[Settings]:
    """Settings with an empty database and an empty queue that no other test uses now."""
    with databases.lend() as (mongo_db, redis_url):
        yield _default_settings().replace(
            redis_url=redis_url,
            mongo_url=databases.mongo_url,
            mongo_db=mongo_db,
            data_dir=tmp_path / "data",
        )


@cache
def _default_settings() -> Settings:
    """Reading the environment takes longer than many a test."""
    return Settings().replace(
        worker_processes=1,
        sweep_interval_seconds=0.1,
        store_timeout=3,
        drain_seconds=1,
        newsletter_weekday="off",  # its job would count among the worker's
    )


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[Store]:
    opened = await Store.open(settings)
    yield opened
    opened.close()


@pytest.fixture
async def client(settings: Settings, aiohttp_client: Any) -> Client:
    """A client of the application in this process; no worker runs."""
    connected: Client = await aiohttp_client(create_app(settings))
    return connected


@asynccontextmanager
async def working(settings: Settings) -> AsyncIterator[Any]:
    """Run a worker in this process; gives arq's worker."""
    worker = create(settings, handle_signals=False)
    running_worker = asyncio.create_task(worker.async_run())
    try:
        yield worker
    finally:
        await worker.stop()
        await asyncio.gather(running_worker, return_exceptions=True)
        await worker.close()


@pytest.fixture
async def worker(settings: Settings) -> AsyncIterator[Any]:
    async with working(settings) as started:
        yield started


@pytest.fixture(scope="session")
def darkroom(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandaloneProcess]:
    """A whole ``make run`` in its own processes, shared by tests that do not harm it."""
    weights = SHARED / "weights"
    extra = {"WEIGHTS_DIR": str(weights)} if weights.is_dir() else {}
    with StandaloneProcess(tmp_path_factory.mktemp("darkroom"), **extra) as started:
        yield started


@pytest.fixture
def start_darkroom(tmp_path: Path) -> Iterator[Callable[..., StandaloneProcess]]:
    """Start instances for one test, which may harm them; all are stopped at its end."""
    instances: list[StandaloneProcess] = []

    def start(**environment: str) -> StandaloneProcess:
        instances.append(StandaloneProcess(tmp_path / "data", **environment).__enter__())
        return instances[-1]

    yield start
    for instance in instances:
        instance.stop()


@pytest.fixture
def shared() -> Path:
    """The folder of real pictures and published networks; skips without it."""
    if not SHARED.is_dir():
        pytest.skip("needs ../shared with its pictures and networks, which users do not have")
    return SHARED


@pytest.fixture
def send(client: Client) -> Callable[..., Awaitable[Any]]:
    """Upload a picture: ``await send(data, name="cat.png", query="?wait=5", scale="2")``."""

    async def post(
        data: bytes | None = None, name: str = "cat.png", query: str = "", **fields: str
    ) -> Any:
        form = images.form(images.png() if data is None else data, name, **fields)
        return await client.post(f"/upscale{query}", data=form)

    return post
