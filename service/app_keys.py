"""What handlers find in the application, by typed key."""

from __future__ import annotations

import asyncio

from aiohttp import web

from models.auth.tokens import Tokens
from models.metrics.instruments import Instruments
from models.networks.catalogue import Catalogue
from models.redis.queue import Queue
from models.redis.result_cache import Cache
from models.settings import Settings
from models.store import Store
from service.events.long_poll import Endings
from service.events.sse_hub import Listeners
from service.metrics_collector import Scrape
from service.openapi.served import Served
from service.submissions.admission import Admission
from service.submissions.submit import Submitter

SETTINGS = web.AppKey("settings", Settings)
CATALOGUE = web.AppKey("catalogue", Catalogue)
STORE = web.AppKey("store", Store)
CACHE = web.AppKey("cache", Cache)
QUEUE = web.AppKey("queue", Queue)
ENDINGS = web.AppKey("endings", Endings)
LISTENERS = web.AppKey("listeners", Listeners)
ADMISSION = web.AppKey("admission", Admission)
DRAINING = web.AppKey("draining", asyncio.Event)
TOKENS = web.AppKey("tokens", Tokens)
INSTRUMENTS = web.AppKey("instruments", Instruments)
OPENAPI = web.AppKey("openapi", Served)
SCRAPE = web.AppKey("scrape", Scrape)
SUBMITTER = web.AppKey("submitter", Submitter)
