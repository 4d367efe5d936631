"""Which cached step results a job made or used, so that they can be deleted with it."""

from __future__ import annotations

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from speech.clock import now
from storage.database import Database
from storage.events import forget_words
from storage.garbage import discard
from storage.tables import steps
from storage.upserts import insert_or_ignore

HEARD, HEARD_IN_PART = "diarize", "diarize-part"
"""Who speaks in a recording, and what was heard of it while it was under way."""
OF_VOICES = (HEARD, HEARD_IN_PART)
"""The steps whose kept outcomes hold vectors of whoever spoke."""


def step_blob(owner_id: str, key: str) -> str:
    """Where the result of a step lies."""
    return f"owners/{owner_id}/steps/{key}.json"


class Steps:
    """The step results of jobs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def remember(self, owner_id: str, job_id: str, file_id: str, step: str, key: str) -> None:
        """The job made or used the result under ``key``; say so before its blob is written. Again: nothing."""
        row = {
            "owner_id": owner_id,
            "job_id": job_id,
            "file_id": file_id,
            "step": step,
            "step_key": key,
            "created_at": now(),
        }
        # A blob whose row is lost with the power is an orphan, and removed as one.
        async with self._database.writing(durable=False) as connection:
            await connection.execute(insert_or_ignore(connection, steps).values(row))

    async def known(self, job_id: str, key: str) -> bool:
        """Whether the job made or used that result."""
        query = select(steps.c.step_key).where(steps.c.job_id == job_id, steps.c.step_key == key).limit(1)
        async with self._database.reading() as connection:
            return (await connection.execute(query)).first() is not None

    async def let_go(self, job_id: str, file_id: str, step: str) -> list[str]:
        """Let go of what the job kept of that step for the file, and of nothing else; the names of the blobs.

        The blobs are noted to be deleted; whoever deletes them at once is quicker.
        """
        mine = (steps.c.job_id == job_id) & (steps.c.file_id == file_id) & (steps.c.step == step)
        if not await self._keys(mine):
            return []
        async with self._database.writing() as connection:
            rows = (await connection.execute(select(steps.c.owner_id, steps.c.step_key).where(mine))).all()
            names = [step_blob(row.owner_id, row.step_key) for row in rows]
            await discard(connection, names)
            await connection.execute(delete(steps).where(mine))
        return names

    async def keys_of_job(self, job_id: str) -> list[str]:
        """The keys that the job made or used, sorted."""
        return await self._keys(steps.c.job_id == job_id)

    async def keys_of_file(self, file_id: str) -> list[str]:
        """The keys that any job made or used for the file, sorted."""
        return await self._keys(steps.c.file_id == file_id)

    async def _keys(self, chosen: ColumnElement[bool]) -> list[str]:
        query = select(steps.c.step_key).where(chosen).distinct().order_by(steps.c.step_key)
        async with self._database.reading() as connection:
            return list((await connection.execute(query)).scalars())


async def forget_steps(
    connection: AsyncConnection, *, job_id: str | None = None, file_id: str | None = None
) -> list[str]:
    """Let go of the step results of a job, of a file, or of a file in a job; the names of their blobs.

    The words that followers were told go too. Another job may have used the same step results: it finds nothing then
    and does the step anew.
    """
    chosen = [column == value for column, value in ((steps.c.job_id, job_id), (steps.c.file_id, file_id)) if value]
    if not chosen:
        raise ValueError("a job, a file or both")
    rows = (await connection.execute(select(steps.c.owner_id, steps.c.step_key).where(*chosen).distinct())).all()
    await forget_words(connection, job_id=job_id, file_id=file_id)
    names = [step_blob(row.owner_id, row.step_key) for row in rows]
    await discard(connection, names)
    await connection.execute(delete(steps).where(*chosen))
    return names
