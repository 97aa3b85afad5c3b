"""What a call must show, in the document: as the table of rights has it while keys are on."""

from __future__ import annotations

from openapi_pydantic import SecurityScheme

from models.errors import AppError, Forbidden, RateLimited, StoreUnavailable, Unauthorized
from models.settings import Settings
from service.auth.authenticator import COOKIE, HEADER
from service.auth.permissions import Right, right

_ADMIN = "ADMIN_TOKEN"
_LINK = "signed_link"
_KEYS = ("key", "key_header", "session")

SCHEMES: dict[str, SecurityScheme] = {
    _ADMIN: SecurityScheme(
        type="http", scheme="bearer", description="The setting, or an admin's key."
    ),
    "key": SecurityScheme(type="http", scheme="bearer", description="An API key."),
    "key_header": SecurityScheme.model_validate(
        {"type": "apiKey", "in": "header", "name": HEADER, "description": "The same."}
    ),
    "session": SecurityScheme.model_validate(
        {"type": "apiKey", "in": "cookie", "name": COOKIE, "description": "Of POST /login."}
    ),
    _LINK: SecurityScheme.model_validate(
        {"type": "apiKey", "in": "query", "name": "signature", "description": "Of POST .../link."}
    ),
}
"""All that there is, whether it is asked for or not."""

_FREE = frozenset({Right.FREE, Right.OPEN})


def security(method: str, path: str, settings: Settings) -> list[dict[str, list[str]]] | None:
    """Return what will do for a call, any of it; None: nothing is asked for."""
    asked = right(method, path)
    if asked is Right.GATE:
        locked = settings.keys_on or settings.admin_token.get_secret_value()
        return [{_ADMIN: []}] if locked else None
    if asked in _FREE or not settings.keys_on:
        return None
    # Which scope: a role may be named for any scheme since OpenAPI 3.1.
    scope = [] if asked is Right.KEY else [str(Right.READ if asked is Right.LINKED else asked)]
    found: list[dict[str, list[str]]] = [{name: scope} for name in _KEYS]
    if asked is Right.LINKED:
        found.append({_LINK: []})
    return [*found, {}] if settings.allow_anonymous and asked is not Right.ADMIN else found


def refusals(method: str, path: str, settings: Settings) -> tuple[type[AppError], ...]:
    """Return the errors that the door may answer with, whatever the handler says."""
    asked = right(method, path)
    if asked in {Right.FREE, Right.GATE}:
        return ()
    found: list[type[AppError]] = []
    if settings.keys_on and asked is not Right.OPEN:
        found += [Unauthorized, Forbidden, RateLimited, StoreUnavailable]
    if settings.rates_on:
        found += [RateLimited, StoreUnavailable]
    return tuple(found)
