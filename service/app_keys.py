"""Typed application keys of resources from ``models``; other keys stand beside their class."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from aiohttp import web

from models.auth.tokens import Tokens
from models.metrics.instruments import Instruments
from models.networks.catalogue import Catalogue
from models.presets import Preset
from models.redis.queue import Queue
from models.settings import Settings
from models.store import Store

SETTINGS = web.AppKey("settings", Settings)
CATALOGUE = web.AppKey("catalogue", Catalogue)
STORE = web.AppKey("store", Store)
QUEUE = web.AppKey("queue", Queue)
DRAINING = web.AppKey("draining", asyncio.Event)
PRESETS: web.AppKey[Mapping[str, Preset]] = web.AppKey("presets", Mapping)
TOKENS = web.AppKey("tokens", Tokens)
INSTRUMENTS = web.AppKey("instruments", Instruments)
