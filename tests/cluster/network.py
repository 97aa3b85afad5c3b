"""Hosts on one bridge, each a network namespace; this program is one, too: the clients'."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

CLIENT = "clients"
_NO_HOST = "02:00:00:00:00:00"  # a hardware address that no host has
_LINK = "eth0"


class Network:
    """``addresses`` of the hosts by name; only these namespaces know them."""

    def __init__(self, hosts: Sequence[str]) -> None:
        """Run within ``namespaces.run``.

        ``hosts``: at most 250 names, each of at most 15 letters, as the kernel names devices.
        """
        numbers = enumerate(hosts, 2)
        self.addresses = {CLIENT: "10.99.0.1"} | {host: f"10.99.0.{n}" for n, host in numbers}
        subprocess.run(["mount", "-t", "tmpfs", "none", "/run"], check=True)
        Path("/run/netns").mkdir()
        lines = [
            "link set lo up",
            f"link add name {_LINK} type bridge",
            f"address add {self.addresses[CLIENT]}/24 dev {_LINK}",
            f"link set {_LINK} up",
        ]
        for host in hosts:
            lines += [
                f"netns add {host}",
                f"link add name {host} type veth peer name {_LINK} netns {host}",
                f"link set {host} master {_LINK} up",
            ]
        self._ip(CLIENT, lines)
        for host in hosts:
            address = f"address add {self.addresses[host]}/24 dev {_LINK}"
            self._ip(host, ["link set lo up", address, f"link set {_LINK} up"])

    def command(self, host: str) -> list[str]:
        """Return what starts a program on ``host``, under that name: it replaces itself by it."""
        named = 'echo "$0" > /proc/sys/kernel/hostname; exec "$@"'
        inside = ["nsenter", f"--net=/run/netns/{host}"]
        return [*inside, "unshare", "--uts", "sh", "-c", named, host]

    def cut(self, hosts: Iterable[str], others: Iterable[str]) -> None:
        """Lose all packets between both groups, in silence: neither side is told.

        By neighbours with a hardware address that no host has: this needs no firewall, which many
        kernels of virtual machines lack.
        """
        self._set_neighbours(hosts, others, f"replace {{}} lladdr {_NO_HOST} nud permanent")

    def heal(self, hosts: Iterable[str], others: Iterable[str]) -> None:
        self._set_neighbours(hosts, others, "delete {}")

    @contextmanager
    def bad_link(self, host: str, seed: int) -> Iterator[None]:
        """Delay and lose packets between ``host`` and all others meanwhile; see ``bad_link.py``."""
        near, far = "near", "far"  # a second cable, from the program to the bridge
        self._ip(
            CLIENT,
            [
                f"link add name {near} type veth peer name {far}",
                f"link set {host} nomaster",
                f"link set {far} master {_LINK} up",
                f"link set {near} up",
            ],
        )
        command = [sys.executable, "-m", "tests.cluster.bad_link", host, near, str(seed)]
        with subprocess.Popen(command) as program:
            try:
                yield
                assert program.poll() is None, "the bad link ended by itself"
            finally:
                program.kill()
        self._ip(CLIENT, [f"link delete {near}", f"link set {host} master {_LINK}"])

    def _set_neighbours(self, hosts: Iterable[str], others: Iterable[str], change: str) -> None:
        lines = dict[str, list[str]]()
        pairs = {(host, other) for host in hosts for other in others if host != other}
        for host, other in sorted(pairs | {(other, host) for host, other in pairs}):
            line = f"neighbour {change.format(self.addresses[other])} dev {_LINK}"
            lines.setdefault(host, []).append(line)
        for host, changes in lines.items():
            self._ip(host, changes)

    @staticmethod
    def _ip(host: str, lines: Iterable[str]) -> None:
        namespace = [] if host == CLIENT else ["-n", host]
        command = ["ip", *namespace, "-batch", "-"]
        subprocess.run(command, input="\n".join(lines) + "\n", text=True, check=True)
