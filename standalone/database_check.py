"""What the service and the workers check at their start, checked before they are started.

What does not start is started again and again.
"""

from __future__ import annotations

import contextlib

from models.errors import StoreUnavailable
from models.settings import Settings
from service.auth import startup_check


async def check_database(settings: Settings) -> None:
    """Return if this version, with ``settings``, can use the database.

    Raises:
        BadSettings: there is no API key and one is needed, a newer version has changed the
            database, or programs with other settings run on it.
    """
    # Imported here: the supervisor of healthy workers needs no clients of the stores.
    from models.shared_settings import shared_settings
    from models.store import Store

    store = Store(settings)
    try:
        await startup_check.check(settings, store.api_keys.any_live)
        with contextlib.suppress(StoreUnavailable):  # others wait for it
            await store.schema.migrate()
            shared = shared_settings(settings, await store.secret_key.get(), worker=True)
            await store.programs.join("make run", shared)
            await store.programs.leave()
    finally:
        store.close()
