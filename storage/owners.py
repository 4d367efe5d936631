"""The owner's row, held by whoever counts what the owner has, so that two do not count at once."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.errors import Missing
from storage.tables import owners


async def hold_owner(connection: AsyncConnection, owner_id: str) -> None:
    """Keep others who would hold the owner waiting until the transaction ends; Missing(owner_not_found)."""
    held = select(owners.c.owner_id).where(owners.c.owner_id == owner_id).with_for_update(key_share=True)
    if (await connection.execute(held)).first() is None:
        raise Missing(f"There is no owner {owner_id}.", "owner_not_found")
