"""Jobs that wait for what is no fault of theirs: for how long all in all, and for what.

Seconds are added up by what was waited for, until a file is done or somebody runs the job again. The error of a job
that waits is nobody's: its columns for errors stay empty.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import RowMapping, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from speech.clock import now
from storage.attempts import Attempt, forget_deadlines, hold
from storage.database import Database
from storage.events import note
from storage.jobs import locked
from storage.submission import UNFINISHED
from storage.tables import jobs


@dataclass(frozen=True, slots=True)
class Wait:
    """A wait of so many ``seconds``. ``kind`` says what its time counts with, ``code`` what the job meets there."""

    kind: str
    seconds: float
    code: str


class Waits:
    """The waits of jobs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, attempt: Attempt, wait: Wait) -> None:
        """The attempt is given up for a while; AttemptSuperseded."""
        async with self._database.writing() as connection:
            await hold(connection, attempt)
            row = await locked(connection, attempt.job.job_id)
            if row is not None:
                await _add(connection, row, wait)

    async def so_far(self, job_id: str) -> dict[str, float]:
        """The seconds that a job has waited, by what for, since a file of it was done."""
        async with self._database.reading() as connection:
            row = (await connection.execute(select(jobs.c.waits).where(jobs.c.job_id == job_id))).mappings().first()
        return {} if row is None else waited(row)

    async def put_off(self, job_id: str, submission: int, wait: Wait) -> float:
        """Nobody here can begin the job; the seconds that it had waited for the same before this.

        Infinity for a job that has ended, or was submitted anew since: nobody is to wait for that.
        """
        async with self._database.writing() as connection:
            row = await locked(connection, job_id)
            if row is None or row["submission"] != submission or row["status"] not in UNFINISHED:
                return math.inf
            await _add(connection, row, wait)
        return waited(row).get(wait.kind, 0.0)


def waited(row: RowMapping) -> dict[str, float]:
    """The seconds that a job has waited, by what for."""
    return dict(row["waits"] or {})


async def _add(connection: AsyncConnection, row: RowMapping, wait: Wait) -> None:
    before = waited(row)
    values: dict[str, Any] = {
        "waits": before | {wait.kind: before.get(wait.kind, 0.0) + wait.seconds},
        "waiting_for": wait.code,
        "waiting_until": now() + timedelta(seconds=wait.seconds),
    }
    await connection.execute(update(jobs).where(jobs.c.job_id == row["job_id"]).values(values))
    await forget_deadlines(connection, row["job_id"], row["submission"])
    await note(connection, row["job_id"])
