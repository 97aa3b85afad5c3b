"""MongoDB's server time, which all programs use, since their own clocks may differ."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from motor.motor_asyncio import AsyncIOMotorDatabase


def now_plus(seconds: float) -> dict[str, Any]:
    """Return the expression for the server time plus ``seconds`` (may be negative), in whole ms."""
    return {"$add": ["$$NOW", round(seconds * 1000)]}


async def server_now(database: AsyncIOMotorDatabase[dict[str, Any]]) -> datetime:
    """Return the server's time, for queries where an expression would bypass the index."""
    moment: datetime = (await database.command("hello"))["localTime"]
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
