"""``python -m service keys create | list | rotate | revoke``: API keys; needs MongoDB only."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from datetime import datetime

from models import cli
from models.auth.api_key import Key, Scope
from models.errors import StoreUnavailable
from models.settings import Settings
from models.store import Store

_NAME = 100  # characters
_DEFAULT = (Scope.SUBMIT, Scope.READ)


def run(settings: Settings, arguments: Sequence[str]) -> int:
    """Do what ``arguments`` say and return the exit status; 2: it could not be done."""
    given = _parser().parse_args(arguments)
    url = settings.mongo_url or cli.embedded(settings.data_dir)
    if not url:
        return _trouble(f"MONGO_URL must be set: no store ever ran in DATA_DIR={settings.data_dir}")
    return asyncio.run(_run(settings.model_copy(update={"mongo_url": url}), given))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m service keys", description=__doc__)
    commands = parser.add_subparsers(dest="what", required=True)
    create = commands.add_parser("create", help="make a key and print it, once")
    create.add_argument("name", type=_name, help="whose it is, for people")
    create.add_argument(
        "--scopes",
        nargs="+",
        type=Scope,
        choices=list(Scope),
        default=list(_DEFAULT),
        help="what it is good for; admin includes the others, and sees what is of all keys",
    )
    create.add_argument("--expires", type=_days, metavar="DAYS", help="default: never")
    commands.add_parser("list", help="print all keys")
    rotate = commands.add_parser("rotate", help="give a key a new secret; what is its own stays")
    revoke = commands.add_parser("revoke", help="void a key, its sessions and its links for good")
    for command in (rotate, revoke):
        command.add_argument("id", help="as `list` has it")
    return parser


def _name(value: str) -> str:
    if not value.strip() or len(value) > _NAME or not value.isprintable():
        raise argparse.ArgumentTypeError(f"1 to {_NAME} printable characters")
    return value.strip()


def _days(value: str) -> float:
    days = float(value)
    if not 0 < days <= 36500:
        raise argparse.ArgumentTypeError("a number of days, more than 0 and at most 36500")
    return days


async def _run(settings: Settings, given: argparse.Namespace) -> int:
    store = Store(settings)
    try:
        return await _do(store, given)
    except StoreUnavailable as error:
        return _trouble(f"{error.detail} (an embedded store runs only while Darkroom does)")
    finally:
        store.close()


async def _do(store: Store, given: argparse.Namespace) -> int:
    if given.what == "list":
        print("\n".join([_HEAD, *map(_line, await store.keys.every())]))
        return 0
    if given.what == "revoke":
        revoked = await store.keys.revoke(given.id)
        if revoked is None:
            return _trouble(f"there is no key {given.id!a}")
        print(f"{revoked.id} ({revoked.name}) is revoked")
        return 0
    if given.what == "rotate":
        found = await store.keys.rotate(given.id)
        if found is None:
            return _trouble(f"there is no live key {given.id!a}")
    else:
        seconds = given.expires and given.expires * 86400
        found = await store.keys.create(given.name, list(dict.fromkeys(given.scopes)), seconds)
    key, token = found
    print(f"{key.id} ({key.name}): {', '.join(key.scopes)}; it is shown this once", file=sys.stderr)
    print(token)
    return 0


_HEAD = f"{'id':16}  {'state':8}  {'scopes':17}  {'created':10}  {'used':10}  {'expires':10}  name"


def _line(key: Key) -> str:
    state = "revoked" if key.revoked_at else "live" if key.live else "expired"
    dates = "  ".join(f"{_day(at):10}" for at in (key.created_at, key.used_at, key.expires_at))
    return f"{key.id}  {state:8}  {','.join(key.scopes):17}  {dates}  {key.name}"


def _day(at: datetime | None) -> str:
    return at.date().isoformat() if at else "never"


def _trouble(what: str) -> int:
    print(f"darkroom: {what}", file=sys.stderr)
    return 2
