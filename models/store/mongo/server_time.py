"""MongoDB's own clock, by which all programs agree whatever theirs say."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from motor.motor_asyncio import AsyncIOMotorDatabase


def after(seconds: float) -> dict[str, Any]:
    """Return the expression for ``seconds`` from now, to the millisecond; negative: before now."""
    return {"$add": ["$$NOW", round(seconds * 1000)]}


async def now(database: AsyncIOMotorDatabase[dict[str, Any]]) -> datetime:
    """Return the server's time, for queries whose indexes an expression would pass by."""
    moment: datetime = (await database.command("hello"))["localTime"]
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
