"""``python -m service keys create | list | rotate | revoke``: API keys; needs only MongoDB."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from datetime import datetime

from models.auth.api_key import ApiKey, Scope
from models.errors import StoreUnavailable
from models.replica_set import embedded_mongo_url
from models.settings import Settings
from models.store import Store

_MAX_NAME_CHARACTERS = 100
_DEFAULT_SCOPES = (Scope.SUBMIT, Scope.READ)


def run(settings: Settings, arguments: Sequence[str], prog: str = "python -m service") -> int:
    """Run the command in ``arguments`` and return the exit status; 2: it failed."""
    given = _parser(prog).parse_args(arguments)
    url = settings.stores.mongo_url or embedded_mongo_url(settings.stores.data_dir)
    if not url:
        return _fail(
            f"MONGO_URL must be set: DATA_DIR has no embedded store: {settings.stores.data_dir}"
        )
    return asyncio.run(_run(settings.replace(mongo_url=url), given))


def _parser(prog: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"{prog} keys", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    create = commands.add_parser("create", help="create a key and print it once")
    create.add_argument("name", type=_name, help="name of the key's owner")
    create.add_argument(
        "--scopes",
        nargs="+",
        type=Scope,
        choices=list(Scope),
        default=list(_DEFAULT_SCOPES),
        help="scopes; admin includes the others and sees the tasks of all keys",
    )
    create.add_argument("--expires", type=_days, metavar="DAYS", help="default: never")
    commands.add_parser("list", help="print all keys")
    rotate = commands.add_parser("rotate", help="replace the secret of a key; its tasks stay")
    revoke = commands.add_parser("revoke", help="revoke a key, its sessions and its links for good")
    for command in (rotate, revoke):
        command.add_argument("id", help="id of the key, see `list`")
    return parser


def _name(value: str) -> str:
    if not value.strip() or len(value) > _MAX_NAME_CHARACTERS or not value.isprintable():
        raise argparse.ArgumentTypeError(f"1 to {_MAX_NAME_CHARACTERS} printable characters")
    return value.strip()


def _days(value: str) -> float:
    days = float(value)
    if not 0 < days <= 36500:
        raise argparse.ArgumentTypeError("a number of days, more than 0 and at most 36500")
    return days


async def _run(settings: Settings, given: argparse.Namespace) -> int:
    store = Store(settings)
    try:
        return await _run_command(store, given)
    except StoreUnavailable as error:
        return _fail(f"{error.detail} (an embedded store runs only while Darkroom does)")
    finally:
        store.close()


async def _run_command(store: Store, given: argparse.Namespace) -> int:
    if given.command == "list":
        print("\n".join([_TABLE_HEADER, *map(_table_row, await store.api_keys.all())]))
        return 0
    if given.command == "revoke":
        revoked = await store.api_keys.revoke(given.id)
        if revoked is None:
            return _fail(f"no such key: {given.id!a}")
        await store.presets.delete_all(revoked.id)
        print(f"{revoked.id} ({revoked.name}) is revoked")
        return 0
    if given.command == "rotate":
        found = await store.api_keys.rotate(given.id)
        if found is None:
            return _fail(f"no such active key: {given.id!a}")
    else:
        seconds = given.expires and given.expires * 86400
        found = await store.api_keys.create(given.name, list(dict.fromkeys(given.scopes)), seconds)
    key, token = found
    print(f"{key.id} ({key.name}): {', '.join(key.scopes)}; it is shown only once", file=sys.stderr)
    print(token)
    return 0


_TABLE_HEADER = (
    f"{'id':16}  {'state':8}  {'scopes':17}  {'created':10}  {'used':10}  {'expires':10}  name"
)


def _table_row(key: ApiKey) -> str:
    state = "revoked" if key.revoked_at else "live" if key.active else "expired"
    dates = "  ".join(f"{_date(at):10}" for at in (key.created_at, key.used_at, key.expires_at))
    return f"{key.id}  {state:8}  {','.join(key.scopes):17}  {dates}  {key.name}"


def _date(at: datetime | None) -> str:
    return at.date().isoformat() if at else "never"


def _fail(message: str) -> int:
    print(f"darkroom: {message}", file=sys.stderr)
    return 2
