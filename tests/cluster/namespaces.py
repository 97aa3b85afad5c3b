"""Namespaces of Linux for a whole cluster, which the kernel removes with the program they hold.

``unshare`` starts the program as the first process of a PID namespace, with a network and mounts of
its own. When it ends, however it ends, the kernel kills every other process in there, and with the
last of them go networks and mounts: nothing has a name that another run could meet.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.support.paths import ROOT

_TOOLS = {
    "setpriv": "util-linux",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "ip": "iproute2",
}
_DIES_WITH_ITS_PARENT = ("setpriv", "--pdeathsig", "KILL")
_PROBE = (
    "mount -t tmpfs none /run && mkdir /run/netns && ip netns add probe "
    "&& ip link add name bridge type bridge && ip link add name probe type veth"
)


def _command() -> list[str]:
    mapped = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    kinds = ("--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
    return [*_DIES_WITH_ITS_PARENT, "unshare", *mapped, *kinds]


def obstacle() -> str:
    """Return why no cluster can be made on this machine; "" if one can."""
    for tool, package in _TOOLS.items():
        if shutil.which(tool) is None:
            return f"a cluster needs {tool}, of the package {package}"
    probe = [*_command(), "sh", "-c", _PROBE]
    done = subprocess.run(probe, check=False, capture_output=True, text=True)
    if done.returncode:
        return f"no network namespaces, which need root: {done.stderr.strip()}"
    return ""


def run(arguments: Sequence[str], folder: Path) -> int:
    """Run ``python -m tests.cluster`` in namespaces, with ``folder`` for its data."""
    command = [sys.executable, "-m", "tests.cluster", *arguments, "--folder", str(folder)]
    return subprocess.run([*_command(), *command], cwd=ROOT, check=False).returncode
