"""Moments worth remembering, by name."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.tables import marks
from storage.upserts import insert_or_update


async def mark(connection: AsyncConnection, name: str, at: datetime) -> None:
    """Remember the moment."""
    await connection.execute(insert_or_update(connection, marks, {"name": name, "at": at}, ["name"]))


async def marked(connection: AsyncConnection, name: str) -> datetime | None:
    """The moment, None when there was none."""
    return (await connection.execute(select(marks.c.at).where(marks.c.name == name))).scalar_one_or_none()
