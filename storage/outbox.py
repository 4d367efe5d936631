"""What Prefect is still to be told, written in the transaction that makes it so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from speech.clock import now
from storage.database import Database
from storage.tables import outbox

CHANNEL = "woa"
"""The PostgreSQL channel that a commit with news for control notifies."""


class OutboxKind(StrEnum):
    """What is to be done in Prefect."""

    SUBMIT = "submit"
    CANCEL = "cancel"
    DELETE_RUN = "delete_run"


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One thing to do. ``attempts`` counts the tries that failed; ``flow_run_id`` is None for a submission."""

    id: int
    kind: OutboxKind
    job_id: str
    submission: int
    attempts: int
    flow_run_id: str | None = None
    error: str | None = None


class Outbox:
    """The side of the outbox that control reads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def due(self, limit: int = 100) -> list[OutboxRow]:
        """What is to be done now, the oldest first."""
        names = OutboxRow.__dataclass_fields__
        query = (
            select(*(outbox.c[name] for name in names))
            .where(outbox.c.due_at <= now())
            .order_by(outbox.c.due_at, outbox.c.id)
            .limit(limit)
        )
        async with self._database.reading() as connection:
            rows = (await connection.execute(query)).mappings().all()
        return [OutboxRow(**{**row, "kind": OutboxKind(row["kind"])}) for row in rows]

    async def done(self, row_id: int) -> None:
        """It was done; doing so again changes nothing."""
        async with self._database.writing(durable=False) as connection:
            await connection.execute(delete(outbox).where(outbox.c.id == row_id))

    async def postpone(self, row_id: int, error: str, delay: float, *, counts: bool = True) -> None:
        """It failed: try again in ``delay`` seconds. ``error`` is a sentence without secrets; ``counts`` the try."""
        change = update(outbox).where(outbox.c.id == row_id)
        values = {
            "attempts": outbox.c.attempts + int(counts),
            "error": error,
            "due_at": now() + timedelta(seconds=delay),
        }
        async with self._database.writing(durable=False) as connection:
            await connection.execute(change.values(values))


async def tell(
    connection: AsyncConnection,
    kind: OutboxKind,
    *,
    owner_id: str,
    job_id: str,
    submission: int,
    flow_run_id: str | None = None,
) -> None:
    """Write a row in the caller's transaction; who waits for commits wakes up when it is committed."""
    await _write(connection, [_row(kind, owner_id, job_id, submission, flow_run_id)])


async def tell_to_submit(connection: AsyncConnection, owner_id: str, job_ids: Sequence[str]) -> None:
    """The first submission of new jobs, in this order."""
    await _write(connection, [_row(OutboxKind.SUBMIT, owner_id, job_id, 1, None) for job_id in job_ids])


def _row(kind: OutboxKind, owner_id: str, job_id: str, submission: int, flow_run_id: str | None) -> dict[str, Any]:
    moment = now()
    return {
        "kind": str(kind),
        "owner_id": owner_id,
        "job_id": job_id,
        "submission": submission,
        "flow_run_id": flow_run_id,
        "created_at": moment,
        "due_at": moment,
    }


async def _write(connection: AsyncConnection, rows: Sequence[dict[str, Any]]) -> None:
    await connection.execute(insert(outbox), list(rows))
    if connection.dialect.name == "postgresql":
        await connection.execute(text("SELECT pg_notify(:channel, '')"), {"channel": CHANNEL})


async def withdraw(connection: AsyncConnection, job_id: str) -> None:
    """Drop the submissions of a job that were not sent yet."""
    unsent = (outbox.c.job_id == job_id) & (outbox.c.kind == str(OutboxKind.SUBMIT))
    await connection.execute(delete(outbox).where(unsent))


async def cancellation_is_due(connection: AsyncConnection, job_id: str) -> bool:
    """Whether Prefect is still to be told that the job is cancelled."""
    cancel = (outbox.c.job_id == job_id) & (outbox.c.kind == str(OutboxKind.CANCEL))
    return (await connection.execute(select(outbox.c.id).where(cancel).limit(1))).first() is not None
