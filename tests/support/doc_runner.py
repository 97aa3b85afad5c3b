"""Run the code blocks of a documentation page in order, in one shell."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.settings import FIELDS
from standalone.embedded_stores import free_port
from tests.support import images
from tests.support.paths import ROOT, node

RUN_LANGUAGES = frozenset({"sh", "console", "python"})
"""Languages of blocks that run; in ``console`` a line with ``$ `` is a command, then its output."""
_PROGRAMS = {
    "python": (".py", ".venv/bin/python"),
    "js": (".mjs", f"{node()} --experimental-eventsource --no-warnings"),
    "go": (".go", "go run"),
    "php": (".php", "php"),
}
"""Languages of whole programs: the ending of a file, and the command that runs it."""
FOUND_LANGUAGES = frozenset(
    language
    for language, (_, command) in _PROGRAMS.items()
    if language != "python" and shutil.which(command.partition(" ")[0])
)
"""Languages that run on this machine, as they do not on each."""
ANY = "…"
_TIME_KEYS = frozenset({"created_at", "started_at", "finished_at", "eta_seconds"})
_STARTED_STATUSES = frozenset({"CREATED", "STARTED"})
_LATER_STATUSES = _STARTED_STATUSES | {"SUCCESS"}
_CONSTANT_KEYS = frozenset({"task_id", "group_id", "name", "total", "operations"})
"""Members of a task that do not change between its start and its end."""
_CANCELS = '"status": "CANCELLED"'
"""In a block that cancels a task, which may not end before."""
_READY_LINE = "Darkroom is ready"
_SETTING_NAMES = {name.upper() for name in FIELDS}


@dataclass(frozen=True)
class Block:
    """A fenced block of a page; ``line`` is the line of its fence."""

    language: str
    text: str
    line: int


def blocks(page: Path) -> list[Block]:
    found: list[Block] = []
    lines: list[str] = []
    language, began = "", 0
    for number, line in enumerate(page.read_text().splitlines(), 1):
        if fence := re.match(r" *```(\w*)$", line):
            if began:
                found.append(Block(language, "\n".join(lines), began))
                began = 0
            else:
                language, began, lines = fence[1], number, []
        elif began:
            lines.append(line)
    return found


def split_commands(block: Block) -> list[tuple[str, str]]:
    """Return (command, expected output) pairs; a script is one command."""
    if block.language != "console":
        return [(block.text, "")]
    parts = re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]
    # A line that ends in a backslash continues the command.
    split = [re.match(r"(?:.*\\\n)*.*", part) for part in parts]
    return [(m[0], part[m.end() :].strip()) for m, part in zip(split, parts, strict=True) if m]


class PageRunner:
    """A shell in a folder that looks like a clone with a few pictures.

    Ports become free ones; ``<name>`` becomes the value of that name in an earlier response.
    """

    def __init__(self, folder: Path, stores: dict[str, str] | None = None) -> None:
        """``stores``: store URLs on the pages, and their replacements."""
        self.folder = folder
        self._stores = stores or {}
        self._ports: dict[str, str] = {}
        self._json_values: dict[str, str] = {}
        self._started: list[subprocess.Popen[bytes]] = []
        self._outputs = 0
        clean = {k: v for k, v in os.environ.items() if k not in _SETTING_NAMES}
        # Less to start for each page: one child, and no self-test of OpenVINO.
        cheap = {"WORKER_PROCESSES": "1", "UPSCALE_ENGINE": "opencv"}
        self._environment = {**clean, **cheap, "PYTHONUNBUFFERED": "1"}
        folder.mkdir(exist_ok=True)
        for path in ROOT.iterdir():
            if path.name not in {"data", ".git", ".env", "artefacts"}:
                (folder / path.name).symlink_to(path)
        self.draw(0)

    def draw(self, number: int) -> None:
        """Draw the pages' pictures; with another ``number`` they differ, and so do their tasks."""
        (self.folder / "cat.png").write_bytes(images.png(180, 135, seed=3 * number + 1))
        (self.folder / "dog.jpg").write_bytes(images.jpeg(64, 40, seed=3 * number + 2))
        (self.folder / "lama.png").write_bytes(images.png(160, 187, seed=3 * number + 3))

    def close(self) -> None:
        """Stop the page's processes, all at once."""
        for process in self._started:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + 60
        for process in self._started:
            while _group_is_alive(process) and time.monotonic() < deadline:
                time.sleep(0.02)
            if _group_is_alive(process):
                os.killpg(process.pid, signal.SIGKILL)
                raise AssertionError("a process of the page does not stop")

    def port(self, shown: str) -> str:
        return self._ports.setdefault(shown, str(free_port()))

    def run(self, block: Block, seconds: float = 100) -> None:
        """Run a block; compare its output with the output that the page shows.

        Raises:
            AssertionError: a command fails, or prints something else.
        """
        with contextlib.ExitStack() as stack:
            if _CANCELS in block.text:
                stack.enter_context(self._halted_worker())
            self._run(block, seconds)

    def _run(self, block: Block, seconds: float) -> None:
        for command, shown in split_commands(block):
            script = command
            for shown_url, url in self._stores.items():
                script = script.replace(shown_url, url)
            script = re.sub(r"\b(80[0-9][0-9]|9000)\b", lambda m: self.port(m[1]), script)
            script = self._fill_placeholders(script)
            if block.language in _PROGRAMS:
                ending, program = _PROGRAMS[block.language]
                (self.folder / f"page{ending}").write_text(script)
                script = f"{program} page{ending}"
            if re.match(r"make run\b", script):
                self._start(script)
            else:
                self._compare(command, self._shell(script, seconds), shown)

    @contextlib.contextmanager
    def _halted_worker(self) -> Iterator[None]:
        pid = int((self.folder / "data" / "run" / "worker-0.pid").read_text())
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def _fill_placeholders(self, text: str) -> str:
        return re.sub(r"<(\w+)>", lambda m: self._json_values[m[1]], text)

    def _start(self, script: str) -> None:
        """Start ``make run`` and leave it running, as in another terminal."""
        if "PORT=" not in script:
            script = f"PORT={self.port('8080')} {script}"
        process, output = self._spawn(script)
        deadline = time.monotonic() + 100
        while _READY_LINE not in output.read_text():
            over = process.poll() is not None or time.monotonic() > deadline
            assert not over, f"{script}: not ready:\n{output.read_text()[-4000:]}"
            time.sleep(0.05)

    def _spawn(self, script: str) -> tuple[subprocess.Popen[bytes], Path]:
        """Run bash in its own process group with the variables that earlier blocks exported."""
        self._outputs += 1
        output = self.folder / f".output-{self._outputs}"
        state = self.folder / ".state"
        known = f". {state}\n" if state.exists() else ""
        whole = f"set -eu -o pipefail\n{known}{script}\nexport -p > {state}\n"
        with output.open("wb") as file:
            process = subprocess.Popen(
                ["bash", "-c", whole],
                cwd=self.folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._started.append(process)
        return process, output

    def _shell(self, script: str, seconds: float) -> str:
        # curl without a progress meter; an error status fails and prints the response.
        quiet = 'curl() { command curl -sS --fail-with-body --max-time 60 "$@"; }\n'
        # The command that `pip install .` gives.
        installed = 'darkroom() { .venv/bin/python -m standalone "$@"; }\n'
        process, output = self._spawn(quiet + installed + script)
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired as error:
            ends = [f"{path.name}:\n{_end(path)}" for path in self._output_files()]
            raise AssertionError(f"{script}\nruns for {seconds} s\n" + "\n".join(ends)) from error
        text = output.read_text(errors="replace")
        assert status == 0, f"{script}\nended with {status}:\n{text[-4000:]}"
        return text

    def _output_files(self) -> list[Path]:
        """Return what the page's commands printed, and the logs that they wrote."""
        own = [path for path in self.folder.glob("*.[lt][ox][gt]") if not path.is_symlink()]
        return [*sorted(self.folder.glob(".output-*")), *own]

    def _compare(self, command: str, output: str, shown: str) -> None:
        try:
            answer = json.loads(output)
        except ValueError:
            for line in shown.splitlines():
                pattern = ".*".join(re.escape(part) for part in line.strip().split(ANY))
                assert re.search(pattern, output), f"{command}\nsays\n{output[-3000:]}\nnot\n{line}"
            return
        if isinstance(answer, dict):
            self._json_values |= {k: str(v) for k, v in answer.items() if v is not None}
        if shown:
            assert matches(json.loads(self._fill_placeholders(shown)), answer), (
                f"{command}\nsays\n{output}\nnot\n{shown}"
            )


def _end(output: Path) -> str:
    return output.read_text(errors="replace")[-4000:]


def matches(shown: Any, output: Any, name: str = "") -> bool:
    """Compare a response with the one shown: ``…`` matches any text, times are ignored."""
    if isinstance(shown, dict) and isinstance(output, dict):
        rest = ANY in shown  # {"a": 1, "…": "…"}: and more
        names = set(shown) - {ANY}
        if not (names <= set(output) if rest else names == set(output)):
            return False
        if shown.get("status") in _STARTED_STATUSES and output.get("status") != shown.get("status"):
            if output.get("status") not in _LATER_STATUSES:
                return False
            names &= _CONSTANT_KEYS  # the task is further on already
        return all(matches(shown[each], output[each], each) for each in names)
    if isinstance(shown, list) and isinstance(output, list):
        if shown == [ANY]:
            return True
        return len(shown) == len(output) and all(map(matches, shown, output))
    if isinstance(shown, str) and ANY in shown:
        pattern = ".*".join(re.escape(part) for part in shown.split(ANY))
        return re.fullmatch(pattern, str(output), re.DOTALL) is not None
    return name in _TIME_KEYS or shown == output


def _group_is_alive(process: subprocess.Popen[bytes]) -> bool:
    """Return whether a process of the group is alive; reap the process itself."""
    process.poll()
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return False
    return True
