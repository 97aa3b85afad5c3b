"""Pages of the documentation, run as they stand: their commands in order, in one shell."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.settings import Settings
from standalone.embedded_stores import free_port
from tests.support import images
from tests.support.paths import ROOT

RUN = frozenset({"sh", "console", "python"})
"""Languages of blocks that are run; in ``console`` commands begin with ``$ ``, answers follow."""
ANY = "…"
_VOLATILE = frozenset({"created_at", "started_at", "finished_at", "eta_seconds"})
_BEGUN = frozenset({"CREATED", "STARTED"})
_GOES_ON = _BEGUN | {"SUCCESS"}
_LASTING = frozenset({"task_id", "group_id", "name", "total", "operations"})
"""What a task that has begun says the same when it has ended."""
_READY = "Darkroom is ready"
_SETTINGS = {name.upper() for name in Settings.model_fields}


@dataclass(frozen=True)
class Block:
    """A fenced block of a page; ``line`` is where its fence stands."""

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


def calls(block: Block) -> list[tuple[str, str]]:
    """Return (command, answer shown) of each command; a script is one command."""
    if block.language != "console":
        return [(block.text, "")]
    parts = re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]
    # A command goes on after a line that ends in a backslash.
    split = [re.match(r"(?:.*\\\n)*.*", part) for part in parts]
    return [(m[0], part[m.end() :].strip()) for m, part in zip(split, parts, strict=True) if m]


class Stage:
    """A folder that looks like a clone with a few pictures in it, and a shell that works there.

    Ports that pages name become free ones, ``<name>`` what a JSON answer above it said of it.
    """

    def __init__(self, folder: Path, stores: dict[str, str] | None = None) -> None:
        """``stores``: addresses that pages name, and those that are meant by them here."""
        self.folder = folder
        self._stores = stores or {}
        self._ports: dict[str, str] = {}
        self._said: dict[str, str] = {}
        self._started: list[subprocess.Popen[bytes]] = []
        self._outputs = 0
        clean = {k: v for k, v in os.environ.items() if k not in _SETTINGS}
        self._environment = {**clean, "PYTHONUNBUFFERED": "1"}
        folder.mkdir(exist_ok=True)
        for path in ROOT.iterdir():
            if path.name not in {"data", ".git", ".env", "artefacts"}:
                (folder / path.name).symlink_to(path)
        (folder / "cat.png").write_bytes(images.png(180, 135, seed=1))
        (folder / "dog.jpg").write_bytes(images.jpeg(64, 40, seed=2))
        (folder / "lama.png").write_bytes(images.png(257, 300, seed=3))

    def close(self) -> None:
        """Stop what the page has started, the last first."""
        for process in reversed(self._started):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            deadline = time.monotonic() + 60
            while _lives(process) and time.monotonic() < deadline:
                time.sleep(0.02)
            if _lives(process):
                os.killpg(process.pid, signal.SIGKILL)
                raise AssertionError("what the page started does not stop")

    def port(self, shown: str) -> str:
        return self._ports.setdefault(shown, str(free_port()))

    def run(self, block: Block, seconds: float = 100) -> None:
        """Run a block; hold what it answers against what the page shows.

        Raises:
            AssertionError: a command fails, or answers something else.
        """
        for command, shown in calls(block):
            script = command
            for shown_url, url in self._stores.items():
                script = script.replace(shown_url, url)
            script = re.sub(r"\b(80[0-9][0-9]|9000)\b", lambda m: self.port(m[1]), script)
            script = self._filled(script)
            if block.language == "python":
                script = f".venv/bin/python - <<'END_OF_PAGE'\n{script}\nEND_OF_PAGE"
            if re.match(r"make run\b", script):
                self._start(script)
            else:
                self._compare(command, self._shell(script, seconds), shown)

    def _filled(self, text: str) -> str:
        return re.sub(r"<(\w+)>", lambda m: self._said[m[1]], text)

    def _start(self, script: str) -> None:
        """Start ``make run`` and leave it running, as in another terminal."""
        if "PORT=" not in script:
            script = f"PORT={self.port('8080')} {script}"
        process, output = self._spawn(script)
        deadline = time.monotonic() + 100
        while _READY not in output.read_text():
            over = process.poll() is not None or time.monotonic() > deadline
            assert not over, f"{script}: not ready:\n{output.read_text()[-4000:]}"
            time.sleep(0.05)

    def _spawn(self, script: str) -> tuple[subprocess.Popen[bytes], Path]:
        """Run bash with what earlier blocks exported; it outlives what it leaves running."""
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
        # A silent curl that says what was refused, as somebody who pastes the line would see it.
        quiet = 'curl() { command curl -sS --fail-with-body --max-time 60 "$@"; }\n'
        process, output = self._spawn(quiet + script)
        status = process.wait(seconds)
        said = output.read_text(errors="replace")
        assert status == 0, f"{script}\nended with {status}:\n{said[-4000:]}"
        return said

    def _compare(self, command: str, said: str, shown: str) -> None:
        try:
            answer = json.loads(said)
        except ValueError:
            for line in shown.splitlines():
                pattern = ".*".join(re.escape(part) for part in line.strip().split(ANY))
                assert re.search(pattern, said), f"{command}\nsays\n{said[-3000:]}\nnot\n{line}"
            return
        if isinstance(answer, dict):
            self._said |= {k: str(v) for k, v in answer.items() if v is not None}
        if shown:
            assert alike(json.loads(self._filled(shown)), answer), (
                f"{command}\nsays\n{said}\nnot\n{shown}"
            )


def alike(shown: Any, said: Any, name: str = "") -> bool:
    """Tell whether an answer is as shown: ``…`` in a text is anything, times are what they are."""
    if isinstance(shown, dict) and isinstance(said, dict):
        rest = ANY in shown  # {"a": 1, "…": "…"}: and more
        names = set(shown) - {ANY}
        if not (names <= set(said) if rest else names == set(said)):
            return False
        if shown.get("status") in _BEGUN and said.get("status") != shown.get("status"):
            if said.get("status") not in _GOES_ON:
                return False
            names &= _LASTING  # it has gone on already
        return all(alike(shown[each], said[each], each) for each in names)
    if isinstance(shown, list) and isinstance(said, list):
        if shown == [ANY]:
            return True
        return len(shown) == len(said) and all(map(alike, shown, said))
    if isinstance(shown, str) and ANY in shown:
        pattern = ".*".join(re.escape(part) for part in shown.split(ANY))
        return re.fullmatch(pattern, str(said), re.DOTALL) is not None
    return name in _VOLATILE or shown == said


def _lives(process: subprocess.Popen[bytes]) -> bool:
    """Tell whether anything of the process's group lives; itself it is waited for."""
    process.poll()
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return False
    return True
