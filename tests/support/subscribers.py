"""Subscribers of the newsletter, and the tokens of their links."""

from __future__ import annotations

from typing import Any

from models.auth.tokens import Purpose, Tokens
from models.store import Store
from service.app_keys import TOKENS

ANN = "ann@example.org"


def token_for(client: Any, purpose: Purpose, subscriber_id: str) -> str:
    tokens: Tokens = client.app[TOKENS]
    return tokens.make_subscriber_token(purpose, subscriber_id)


async def subscribed(store: Store, address: str = ANN) -> str:
    person = await store.subscribers.get_or_create(address, 3600)
    await store.subscribers.confirm(person.id)
    return person.id


async def status_of(store: Store, address: str = ANN) -> str:
    person = await store.subscribers.find_by_address(address)
    return person.status if person else "unknown"
