"""The sandbox of a child process, entered before it reads a byte of an image.

Decoders are large, old and written in C: one day an image takes one over. The process it then
controls has no secrets, reads only its code, the networks and its own folder, writes only into that
folder, has no network, starts no program and touches no other process.

Each layer stands alone and reports whether it is active. None can be removed again, and threads
started later inherit them. So they are applied before OpenCV and OpenVINO are imported.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from workers.sandbox import landlock, privileges, readable_paths, rlimits, seccomp

LAYERS = ("limits", "privileges", "files", "calls")
"""setrlimit; dropped privileges; Landlock; seccomp. In the order of application."""

Layers = dict[str, str]
"""By layer: "" if active, else the reason why not."""


def enter_sandbox(folder: str, networks: str, memory: int, file: int, cpu: float) -> Layers:
    """Apply every layer that this kernel offers; seccomp must be the last.

    ``folder``: the only one that the child still writes to. ``networks``: folder with weights.
    ``memory``: bytes. ``file``: bytes of the largest file that it may write. ``cpu``: seconds.
    All three are for its whole life; ``workers.child.task_limits`` sets less for each task.
    """
    folders = readable_paths.folders(Path(networks))
    steps: dict[str, Callable[[], None]] = {
        "limits": lambda: rlimits.apply(memory, file, cpu),
        "privileges": privileges.drop,
        "files": lambda: landlock.restrict(Path(folder), folders, readable_paths.files()),
        "calls": seccomp.install_filter,
    }
    reasons: Layers = {}
    for name in LAYERS:
        try:
            steps[name]()
            reasons[name] = ""
        except (OSError, ValueError, AttributeError) as error:  # AttributeError: not Linux
            reasons[name] = str(error) or repr(error)
    return reasons


def missing_layers(layers: Layers) -> Sequence[str]:
    """Return "name: reason" for each inactive layer."""
    return [f"{name}: {why}" for name, why in layers.items() if why]
