"""Mend a damaged photograph at its size."""

from __future__ import annotations

from models.operations.restore import Restore
from workers.imaging import depth16, notes
from workers.imaging.picture import Picture
from workers.operations import Tools
from workers.operations.upscale import run_networks


def restore(picture: Picture, spec: Restore, tools: Tools) -> Picture:
    """Return ``picture`` without noise and traces of JPEG, in 8 bits; alpha stays as it is.

    ``spec.strength`` percent of the network's result, the rest is the picture as it was. Light and
    colour of its larger areas stay, see ``workers.upscaler.faithful``. Raises what ``upscale``
    does.
    """
    networks = spec.networks()
    if not networks:
        return depth16.reduce_to_8_bits(picture, notes.REDUCED_FOR_NETWORK)
    return run_networks(picture, networks, spec.strength, tools)
