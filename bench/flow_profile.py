"""``python -m bench.flow_profile``: what the processor time of a flow is spent on.

Prints a Markdown table in milliseconds a flow. Flows of one kind run eight at a time, as in
``bench.throughput``; py-spy, installed below ``.venv`` by the first run, looks at the processes
meanwhile: at the thread that holds Python's lock in service and worker, at all threads in children.
Each process's time, by the operating system's count, is divided in the proportions of what py-spy
saw. What is below a thirtieth of a process's time is added to ``other``.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import signal
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import psutil

from bench.darkroom import run_darkroom
from bench.environments import programs
from bench.throughput import SHARED, cpu_time, make_image, run_flows

_PY_SPY = "py-spy==0.4.2"
_LEAST_SHARE = 1 / 30
# Of the innermost frame that matches any.
_PARTS: dict[str, list[tuple[str, str]]] = {
    "children": [
        (r"png_writer|writer\.py", "encode"),
        (r"sanity\.py", "check the enlargement"),
        (r"faithful\.py", "keep light and flat colours"),
        (r"openvino", "network"),
        (r"workers/upscaler", "tiles, luma and chroma"),
        (r"mending\.py|codec\.py|_damage", "decode and look for damage"),
        (r"sha256|results\.py", "hash"),
        (r"_fork|sandbox|gc", "start a task"),
    ],
    "worker": [
        (r"pymongo|bson|motor", "MongoDB driver"),
        (r"redis/|arq/", "Redis, arq"),
        (r"child/results", "copy and check results"),
        (r"structlog|logging", "log"),
        (r"metrics|prometheus", "metrics"),
        (r"workers/child", "children: pipes, limits"),
        (r"workers/queue", "claim, fetch, publish"),
        (r"asyncio|selectors", "asyncio"),
    ],
    "service": [
        (r"pymongo|bson|motor", "MongoDB driver"),
        (r"redis/|arq/|limits/", "Redis, arq"),
        (r"structlog|logging", "log"),
        (r"metrics|prometheus", "metrics"),
        (r"multipart|spool|submissions", "uploads: forms, checks, hash"),
        (r"service/events", "events, long polls"),
        (r"service/(http|auth|query|dashboard)", "middlewares"),
        (r"service/|models/", "handlers"),
        (r"aiohttp", "aiohttp"),
        (r"asyncio|selectors", "asyncio"),
    ],
}


def _record(output: Path, pid: int, *options: str) -> subprocess.Popen[bytes]:
    program = programs("py-spy", _PY_SPY) / "py-spy"
    fixed = ("--nonblocking", "--rate", "100", "--duration", "600", "--format", "raw")
    return subprocess.Popen(
        [program, "record", *fixed, *options, "--pid", str(pid), "--output", str(output)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def divide(stacks: Iterable[str], kind: str) -> Counter[str]:
    """Return the samples of each part of that kind of process; ``stacks``: py-spy's raw format."""
    found: Counter[str] = Counter()
    for line in stacks:
        stack, _, count = line.rpartition(" ")
        *_, process, frames = ["", *re.split(r'process \d+:"([^"]*)";', stack)][-3:]
        if not count.isdigit():  # the command line of a process may have line breaks
            continue
        if kind == "children" and "workers.child" not in process:
            continue
        part = next(
            (
                name
                for frame in reversed(frames.split(";"))
                for pattern, name in _PARTS[kind]
                if re.search(pattern, frame)
            ),
            "other",
        )
        found[part] += int(count)
    return found


def rows(
    found: Mapping[str, Counter[str]], spent: dict[str, float]
) -> list[tuple[str, str, float]]:
    """Return (process, part, ms a flow); ``spent``: of ``bench.throughput.cpu_time``."""
    kinds = {"children": "workers.child", "worker": "workers", "service": "service"}
    table = [(each, "all", spent[each]) for each in ("mongod", "redis-server")]
    for kind, key in kinds.items():
        total = sum(found[kind].values()) or 1
        parts: Counter[str] = Counter()
        for part, count in found[kind].items():
            parts[part if count / total >= _LEAST_SHARE else "other"] += count
        table += [(kind, part, spent[key] * n / total) for part, n in parts.most_common()]
    return table


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.flow_profile", description=__doc__)
    parser.add_argument("--model", default="FSRCNN", help="needs ../shared/weights")
    parser.add_argument("--scale", default="2")
    parser.add_argument("--flows", type=int, default=200)
    given = parser.parse_args()
    form = {"model": given.model, "scale": given.scale}
    work = [make_image(seed, 640, 480) for seed in range(given.flows)]
    weights = {"WEIGHTS_DIR": str(SHARED)} if SHARED.is_dir() else {}
    with run_darkroom(**weights) as url, tempfile.TemporaryDirectory() as folder:
        asyncio.run(
            run_flows(url, [make_image(-1 - n + 10**6, 640, 480) for n in range(4)], form, 2)
        )
        commands = {p.pid: " ".join(p.cmdline()) for p in psutil.Process().children(recursive=True)}
        (service,) = (pid for pid, command in commands.items() if "-m service" in command)
        (worker,) = (pid for pid, command in commands.items() if "-m workers run" in command)
        looking = [
            _record(Path(folder) / "service", service, "--gil"),
            _record(Path(folder) / "worker", worker, "--gil"),
            _record(Path(folder) / "children", worker, "--subprocesses"),
        ]
        with cpu_time(given.flows) as spent:
            speed, _ = asyncio.run(run_flows(url, work, form, 8))
        for each in looking:
            each.send_signal(signal.SIGINT)  # it writes what it has
            each.wait(60)
        stacks = {path.name: path.read_text().splitlines() for path in Path(folder).iterdir()}
        table = rows({kind: divide(lines, kind) for kind, lines in stacks.items()}, spent)
    print(f"{given.flows} flows, {speed:.1f} a second while they were looked at\n")
    print("| process | part | ms a flow |\n|---|---|---|")
    print("\n".join(f"| {process} | {part} | {ms:.1f} |" for process, part, ms in table))


if __name__ == "__main__":
    main()
