"""A picture judged by its bytes: taken, or refused and why."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from models.errors import AppError
from models.images.inspect import Header, check_pixels, inspect
from models.settings import Settings
from models.tasks.filenames import safe
from service.uploads.incoming_file import Arrival
from service.uploads.spool import Window


@dataclass
class Upload:
    """A picture that arrived whole; ``file`` goes when the block of its spool ends."""

    name: str
    file: Window
    sha256: str
    header: Header


@dataclass
class Refused:
    """A picture that is not taken, and why."""

    name: str
    error: AppError


async def judge(arrival: Arrival, settings: Settings) -> Upload | Refused:
    """Return the picture if it is whole, of an accepted kind and not too large, else why not."""
    name = safe(arrival.name, settings.max_name_length)
    try:
        if arrival.error is not None:
            raise arrival.error
        header = await asyncio.to_thread(
            inspect, arrival.file, arrival.accepted, arrival.file.start, arrival.file.size
        )
        check_pixels(
            header.width,
            header.height,
            settings.max_pixels,
            what="the picture",
            setting="MAX_PIXELS",
        )
    except AppError as error:
        return Refused(name, error)
    return Upload(name, arrival.file, arrival.sha256, header)
