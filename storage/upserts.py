"""Insert-unless-there and insert-or-update, which the two databases spell in their own dialects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Insert, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection


def insert_or_ignore(connection: AsyncConnection, table: Table) -> Insert:
    """An INSERT that leaves a row with the same key as it is."""
    return _insert(connection, table).on_conflict_do_nothing()


def insert_or_update(
    connection: AsyncConnection,
    table: Table,
    values: dict[str, Any],
    key: Sequence[str],
    *,
    only_if: ColumnElement[bool] | None = None,
) -> Insert:
    """An INSERT that overwrites the row with the same ``key``, when that row fulfils ``only_if``."""
    statement = _insert(connection, table).values(values)
    changed = {name: statement.excluded[name] for name in values if name not in key}
    return statement.on_conflict_do_update(index_elements=list(key), set_=changed, where=only_if)


def _insert(connection: AsyncConnection, table: Table) -> postgresql.Insert | sqlite.Insert:
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)
