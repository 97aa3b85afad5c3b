"""What a flow costs beside its picture."""

from __future__ import annotations

import asyncio

from bench.baseline import Model, by_pipeline, rate, start_pool
from bench.darkroom import run_darkroom
from bench.throughput import OURS, cpu_time, make_image, run_flows
from models.networks.catalogue import Catalogue


def cpu_ratio(flows: int, at_once: int, width: int, height: int) -> float:
    """Return what the bare pipeline takes of the processor time of a flow, by the bundled network.

    A machine that is busy with something else slows down both.
    """
    weights = Catalogue.read(None).find("darkroom-fast", 2)
    path = Catalogue.read(None).path(weights)
    pictures = [make_image(seed, width, height) for seed in range(2 * flows)]
    form = {"model": weights.name, "scale": "2"}
    model = Model(weights.name, path, weights.algorithm, weights.scale, None)
    with start_pool(model, 1, 1) as pool, run_darkroom() as url:
        asyncio.run(run_flows(url, pictures[:flows], form, at_once))  # networks read, indexes warm
        with cpu_time(flows) as spent:
            asyncio.run(run_flows(url, pictures[flows:], form, at_once))
        _, bare = rate(pool, by_pipeline, pictures[flows:])
    return bare / sum(spent[kind] for kind in OURS)
