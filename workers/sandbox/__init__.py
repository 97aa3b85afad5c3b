"""What a child may no longer do, from before it has read a byte of anybody's picture.

Decoders are large, old and written in C: one day a picture takes one over. What it has taken over
then is a process without secrets, that reads its own code, the networks and its own folder, writes
only into that folder, reaches no network, starts no program and touches no other process.

Each layer stands alone and says whether it holds; none can be taken off again, and threads that are
started later have them too. That is why they are put on before OpenCV and OpenVINO are imported.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from workers.sandbox import landlock, privileges, readable_paths, rlimits, seccomp


@dataclass(frozen=True)
class Room:
    """What is left to a child.

    ``folder``: where alone it writes. ``networks``: folder with weights. ``memory``: bytes beside
    what it begins with. ``file``: bytes of the largest file that it may write.
    """

    folder: str
    networks: str
    memory: int
    file: int


LAYERS = ("limits", "privileges", "files", "calls")
"""setrlimit; no privileges, nor new ones; Landlock; seccomp. In the order they are put on."""

Layers = dict[str, str]
"""By layer: "" where it holds, else why it does not."""


def confine(room: Room) -> Layers:
    """Put on every layer that this kernel offers; the last must be the system calls' own."""
    folders = readable_paths.folders(Path(room.networks))
    put: dict[str, Callable[[], None]] = {
        "limits": lambda: rlimits.hold(room.memory, room.file),
        "privileges": privileges.drop,
        "files": lambda: landlock.restrict(Path(room.folder), folders, readable_paths.files()),
        "calls": seccomp.refuse,
    }
    said: Layers = {}
    for name in LAYERS:
        try:
            put[name]()
            said[name] = ""
        except (OSError, ValueError, AttributeError) as error:  # the last: this is no Linux
            said[name] = str(error) or repr(error)
    return said


def held(layers: Layers) -> Sequence[str]:
    """Return the names of the layers that hold."""
    return [name for name, why in layers.items() if not why]


def missing(layers: Layers) -> Sequence[str]:
    """Return a sentence for each layer that does not hold."""
    return [f"{name}: {why}" for name, why in layers.items() if why]
