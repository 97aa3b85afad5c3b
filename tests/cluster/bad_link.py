"""A cable that delays and loses packets: ``python -m tests.cluster.bad_link ONE OTHER SEED``.

Copies frames between two network devices, as netem of the kernel would, which many kernels of
virtual machines lack. Figures of a bad link: 200 ms, give or take 100, and every twentieth lost.
"""

from __future__ import annotations

import heapq
import itertools
import random
import select
import socket
import sys
import time

DELAY_SECONDS = (0.1, 0.3)  # of a frame, each way
LOST = 0.05
_SOL_PACKET, _PACKET_VNET_HDR, _PACKET_OUTGOING = 263, 15, 4  # linux/if_packet.h
_ALL_PROTOCOLS = 3  # ETH_P_ALL
_MAX_BYTES = 10 + 65_600  # the header of _PACKET_VNET_HDR, and frames that are split only later


def main() -> None:
    one, other, seed = sys.argv[1:]
    ends = [_open(one), _open(other)]
    opposite = {ends[0]: ends[1], ends[1]: ends[0]}
    rng, order = random.Random(int(seed)), itertools.count()
    waiting: list[tuple[float, int, socket.socket, bytes]] = []
    while True:
        timeout = max(0, waiting[0][0] - time.monotonic()) if waiting else None
        for end in select.select(ends, [], [], timeout)[0]:
            frame, (_, _, kind, *_) = end.recvfrom(_MAX_BYTES)
            if kind != _PACKET_OUTGOING and rng.random() >= LOST:  # not what was sent from here
                due = time.monotonic() + rng.uniform(*DELAY_SECONDS)
                heapq.heappush(waiting, (due, next(order), opposite[end], frame))
        while waiting and waiting[0][0] <= time.monotonic():
            *_, end, frame = heapq.heappop(waiting)
            end.send(frame)


def _open(device: str) -> socket.socket:
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL_PROTOCOLS))
    # Frames between namespaces have no checksum and are longer than a cable takes; this header in
    # front of each says so, and goes with it.
    opened.setsockopt(_SOL_PACKET, _PACKET_VNET_HDR, 1)
    opened.bind((device, 0))
    return opened


if __name__ == "__main__":
    main()
