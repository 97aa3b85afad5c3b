"""The client ID: stands for an API key or an address in quotas and fair queueing."""

from __future__ import annotations

from aiohttp import web

from service.app_keys import SETTINGS, TOKENS
from service.auth.identity import identity
from service.http.client_ip import client_ip


def ip_pseudonym(request: web.Request) -> str:
    """Return the keyed hash of the client's IP address, which is stored instead of the address."""
    client = client_ip(request, request.app[SETTINGS].proxies)
    return request.app[TOKENS].pseudonym(client)


def client_id(request: web.Request) -> str:
    """Return the ID for quotas and fair queueing: hash of the API key, else of the IP address."""
    owner = identity(request).owner
    return request.app[TOKENS].pseudonym(f"key:{owner}") if owner else ip_pseudonym(request)
