"""``python -m bench.thumbnails``: JPEGs of 12 megapixels to 100x100, beside thumbor and IPX.

Prints JSON. Darkroom takes an upload, stores picture and thumbnail, and serves it; the others read
a local file and store nothing. In each round all three make thumbnails of the same pictures, eight
at a time. ``fetch``: then one thumbnail is fetched again and again, over eight connections. Both
others are installed below ``.venv`` by the first run; IPX needs npm.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import cv2
import numpy as np

from bench.darkroom import run_darkroom
from bench.environments import ENVIRONMENTS, programs
from bench.throughput import OURS, cpu_time
from models.settings.worker import usable_cores
from standalone.embedded_stores import free_port

_THUMBOR = "thumbor==7.8.0"
_IPX = "ipx@3.1.1"
_WIDTH, _HEIGHT = 4000, 3000
_LANES = 8
_START_SECONDS = 60
_NO_COPIES = "STORAGE = 'thumbor.storages.no_storage'\nLOADER = 'thumbor.loaders.file_loader'\n"


def draw(seed: int) -> bytes:
    """Return a distinct JPEG of 12 megapixels with smooth parts and grain."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (_HEIGHT // 50, _WIDTH // 50, 3), dtype=np.uint8)
    pixels = cv2.resize(small, (_WIDTH, _HEIGHT), interpolation=cv2.INTER_CUBIC)
    grain = rng.integers(0, 12, (_HEIGHT, _WIDTH, 1), dtype=np.uint8)
    pixels = cv2.add(pixels, cv2.merge([grain] * 3))
    return bytes(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 90])[1])


def _thumbor(folder: Path, port: int) -> list[str]:
    conf = folder.parent / "thumbor.conf"
    conf.write_text(f"{_NO_COPIES}FILE_LOADER_ROOT_PATH = {str(folder)!r}\n")
    program = str(programs("thumbor", _THUMBOR) / "thumbor")
    processes = str(usable_cores())
    return [program, "-i", "127.0.0.1", "-p", str(port), "-c", str(conf), "--processes", processes]


def _ipx(folder: Path, port: int) -> list[str]:
    home = ENVIRONMENTS / "ipx"
    program = home / "node_modules" / ".bin" / "ipx"
    if not program.exists():
        home.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "install", "--silent", "--prefix", str(home), _IPX], check=True)
    return [str(program), "serve", "--dir", str(folder), "--host", "127.0.0.1", "--port", str(port)]


@contextmanager
def _run(command: list[str], url: str) -> Iterator[None]:
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        asyncio.run(_answers(url))
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)  # thumbor leaves its processes behind
        process.wait(60)


async def _answers(url: str) -> None:
    until = time.monotonic() + _START_SECONDS
    async with aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(url) as response:
                    await response.read()
                    return
            except aiohttp.ClientError:
                if time.monotonic() > until:
                    raise
                await asyncio.sleep(0.2)


Make = Callable[[aiohttp.ClientSession, str], Awaitable[bytes]]


def _by_path(path: str) -> Callable[[str, Path], Make]:
    def maker(url: str, _: Path) -> Make:
        async def make(session: aiohttp.ClientSession, name: str) -> bytes:
            async with session.get(f"{url}{path}{name}") as response:
                response.raise_for_status()
                return await response.read()

        return make

    return maker


def _by_upload(url: str, folder: Path) -> Make:
    async def make(session: aiohttp.ClientSession, name: str) -> bytes:
        form = aiohttp.FormData()
        form.add_field("image", (folder / name).read_bytes(), filename=name)
        async with session.post(f"{url}/thumbnail?wait=60", data=form) as response:
            response.raise_for_status()
            body = await response.json()
        async with session.get(f"{url}{body['url']}") as response:
            response.raise_for_status()
            return await response.read()

    return make


async def _make_all(make: Make, names: list[str]) -> float:
    """Return the thumbnails a second."""
    waiting = iter(names)

    async def lane(session: aiohttp.ClientSession) -> None:
        for name in waiting:
            thumbnail = cv2.imdecode(np.frombuffer(await make(session, name), np.uint8), 1)
            if thumbnail is None or max(thumbnail.shape) > 100:
                raise RuntimeError(f"{name} did not become a thumbnail")

    async with aiohttp.ClientSession() as session:
        began = time.perf_counter()
        await asyncio.gather(*(lane(session) for _ in range(_LANES)))
        return len(names) / (time.perf_counter() - began)


async def _fetch(url: str, times: int) -> float:
    """Return the responses a second to GET ``url``, read without a HTTP library: it is slower."""
    parts = urlsplit(url)
    request = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode()

    async def lane() -> None:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        for _ in range(times // _LANES):
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            if not head.startswith(b"http/1.1 200"):
                raise RuntimeError(head.decode())
            await reader.readexactly(int(head.split(b"content-length: ")[1].split(b"\r")[0]))
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(lane() for _ in range(_LANES)))
    return times / (time.perf_counter() - began)


def measure(rounds: int, count: int, fetches: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="darkroom-bench-") as name, run_darkroom() as url:
        folder = Path(name) / "pictures"
        folder.mkdir()
        ports = free_port(), free_port()
        urls = [f"http://127.0.0.1:{port}" for port in ports]
        with (
            _run(_thumbor(folder, ports[0]), f"{urls[0]}/healthcheck"),
            _run(_ipx(folder, ports[1]), urls[1]),
        ):
            makers = {
                "darkroom": (_by_upload(url, folder), OURS),
                "thumbor": (_by_path("/unsafe/100x100/")(urls[0], folder), ("thumbor",)),
                "ipx": (_by_path("/s_100x100/")(urls[1], folder), ("ipx",)),
            }
            measured: dict[str, list[dict[str, Any]]] = {each: [] for each in makers}
            for number in range(-1, rounds):  # the first warms up
                names = [f"{secrets.token_hex(4)}.jpg" for _ in range(count)]
                for seed, each in enumerate(names):
                    (folder / each).write_bytes(draw(number * count + seed + count))
                for program, (make, kinds) in makers.items():
                    with cpu_time(count) as spent:
                        speed = asyncio.run(_make_all(make, names))
                    parts = {kind: spent.get(kind, 0.0) for kind in kinds}
                    row = {"per_second": round(speed, 1), "cpu_ms": parts}
                    measured[program] += [row] if number >= 0 else []
            thumbnail = _any_thumbnail(url, folder / names[0])
            with cpu_time(fetches // 1000) as spent:
                speed = asyncio.run(_fetch(thumbnail, fetches))
    speeds = {
        program: statistics.median(row["per_second"] for row in rows)
        for program, rows in measured.items()
    }
    return {
        "load_before": round(os.getloadavg()[0], 2),
        "rounds": measured,
        "median_per_second": speeds,
        "fetch": {"per_second": round(speed), "service_cpu_us": spent["service"]},
    }


def _any_thumbnail(url: str, picture: Path) -> str:
    async def send() -> str:
        async with aiohttp.ClientSession() as session:
            form = aiohttp.FormData()
            form.add_field("image", picture.read_bytes(), filename=picture.name)
            async with session.post(f"{url}/thumbnail?wait=60", data=form) as response:
                return f"{url}{(await response.json())['url']}"

    return asyncio.run(send())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.thumbnails", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pictures", type=int, default=16)
    parser.add_argument("--fetches", type=int, default=8000)
    given = parser.parse_args()
    print(json.dumps(measure(given.rounds, given.pictures, given.fetches), indent=2))


if __name__ == "__main__":
    main()
