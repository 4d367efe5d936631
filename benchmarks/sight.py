"""What can be seen of an installation from beside it: rows of its database and of Prefect's, read quickly and often."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from benchmarks.roles import Parts
from storage.store import Store


class Sight:
    """Eyes on one installation. Statements read only; what Prefect's SQLite is too busy for is seen the next time."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.store = Store.open(parts.settings)
        prefect = parts.databases.prefect or f"sqlite+aiosqlite:///{parts.settings.data_dir / 'prefect' / 'prefect.db'}"
        self._ours = _reader(parts.settings.database)
        self._prefect = _reader(prefect)

    async def close(self) -> None:
        """Let go of all connections."""
        await self._ours.dispose()
        await self._prefect.dispose()
        await self.store.close()

    async def ours(self, statement: str, **values: Any) -> Sequence[Any]:
        """Rows of the installation's database."""
        return await _rows(self._ours, statement, values)

    async def prefect(self, statement: str, **values: Any) -> Sequence[Any]:
        """Rows of Prefect's database."""
        with suppress(DBAPIError):
            return await _rows(self._prefect, statement, values)
        return []

    async def ended(self) -> int:
        """Jobs at an end."""
        (row,) = await self.ours("SELECT count(*) FROM jobs WHERE status IN ('completed', 'failed', 'cancelled')")
        return int(row[0])

    async def runs_in(self, state: str) -> list[tuple[str, str | None]]:
        """Jobs whose run is in that state in Prefect, each with the id of the worker that signed it."""
        rows = await self.prefect(
            "SELECT name, infrastructure_pid FROM flow_run "
            "WHERE CAST(state_type AS VARCHAR) = :state AND name NOT LIKE 'msg%' AND deployment_id IS NOT NULL",
            state=state,
        )
        return [(row[0], row[1]) for row in rows]

    async def run_of(self, job_id: str) -> tuple[str, str | None] | None:
        """The state of a job's run in Prefect and the id of the worker that signed it; None when there is no run."""
        rows = await self.prefect(
            "SELECT CAST(state_type AS VARCHAR), infrastructure_pid FROM flow_run WHERE name = :name", name=job_id
        )
        return (rows[0][0], rows[0][1]) if rows else None

    async def worker_details(self, worker_id: str) -> dict[str, Any]:
        """What the last beat of that worker says of it, process and device processes; empty when it is not known."""
        beats = await self.store.workers.known()
        return next((beat.details for beat in beats if beat.worker_id == worker_id), {})


def _reader(url: str) -> AsyncEngine:
    return create_async_engine(url, isolation_level="AUTOCOMMIT", pool_pre_ping=True)


async def _rows(engine: AsyncEngine, statement: str, values: dict[str, Any]) -> Sequence[Any]:
    async with engine.connect() as connection:
        return (await connection.execute(text(statement), values)).all()
