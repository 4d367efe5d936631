"""A page of a list that goes by the moment at which its rows were made, ties broken by their ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, RowMapping, Select, or_
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import cursors
from storage.cursors import Position


async def read_page(
    connection: AsyncConnection,
    query: Select[Any],
    made: Column[Any],
    key: Column[str],
    *,
    limit: int,
    cursor: str | None,
    oldest_first: bool = False,
) -> tuple[Sequence[RowMapping], str | None]:
    """The rows of one page, newest first, and the cursor of the next one, None after the last.

    ``made`` and ``key`` are the columns of the moment and of the id. UnsupportedOption for a cursor or limit that is
    none.
    """
    most = cursors.checked_limit(limit)
    if cursor is not None:
        query = _after(query, made, key, cursors.decode(cursor), oldest_first=oldest_first)
    order = (made, key) if oldest_first else (made.desc(), key.desc())
    rows = (await connection.execute(query.order_by(*order).limit(most + 1))).mappings().all()
    if len(rows) <= most:
        return rows, None
    last = rows[most - 1]
    return rows[:most], cursors.encode(Position(last[made.name], last[key.name]))


def _after(
    query: Select[Any], made: Column[Any], key: Column[str], seen: Position, *, oldest_first: bool
) -> Select[Any]:
    if oldest_first:
        return query.where(made >= seen.created_at, or_(made > seen.created_at, key > seen.row_id))
    return query.where(made <= seen.created_at, or_(made < seen.created_at, key < seen.row_id))
