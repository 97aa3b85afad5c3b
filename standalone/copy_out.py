"""``darkroom copy``: copy the data of the embedded stores to a MongoDB of your own.

Darkroom must be stopped: the command starts the embedded MongoDB alone. Redis is not copied, since
workers fill a new one from MongoDB.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence

from models.errors import BadSettings, StoreUnavailable
from models.settings import Settings
from models.store import Store
from standalone import embedded_stores
from standalone.process import CannotStart, print_status
from standalone.supervisor import lock_data


def main(arguments: Sequence[str], prog: str) -> int:
    """Run the command line and return the exit status."""
    parser = argparse.ArgumentParser(prog=prog, description=__doc__)
    parser.add_argument("--to", required=True, metavar="MONGO_URL", help="of the new MongoDB")
    parser.add_argument("--db", metavar="MONGO_DB", help="its database; default: the same name")
    given = parser.parse_args(arguments)
    try:
        counts = asyncio.run(copy_out(Settings.load(), given.to, given.db))
    except (CannotStart, BadSettings, StoreUnavailable, TimeoutError) as error:
        print_status(f"darkroom: {error}")
        return 2
    for name, count in counts.items():
        print(f"{name}: {count}")
    return 0


async def copy_out(settings: Settings, url: str, database: str | None) -> dict[str, int]:
    """Return the numbers of copied documents by collection.

    Raises:
        CannotStart: a Darkroom runs on DATA_DIR, or has never run there.
        BadSettings: the database there is not empty.
        StoreUnavailable: the new MongoDB cannot be reached; call again, and it goes on.
    """
    data = settings.stores.data_dir
    if not (data / "mongo").is_dir():
        raise CannotStart(f"no embedded stores have run in {data}; set DATA_DIR")
    with lock_data(data):
        embedded = embedded_stores.mongo(data)
        await embedded.process.start()
        try:
            await embedded.process.ready()
            source = Store(settings.replace(mongo_url=embedded.url))
            target = Store(
                settings.replace(mongo_url=url, mongo_db=database or settings.stores.mongo_db)
            )
            try:
                return await source.copy_to(target)
            finally:
                source.close()
                target.close()
        finally:
            await embedded.process.stop()
            if embedded.process.output:
                embedded.process.output.close()
