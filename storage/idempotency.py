"""Idempotency keys: a request that comes twice is done once and answered twice."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, RowMapping, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from speech.clock import now
from storage.database import Database
from storage.ids import new_id
from storage.tables import idempotency
from storage.upserts import insert_or_ignore

KEPT = timedelta(hours=24)
"""How long an answer is remembered."""
IN_FLIGHT = timedelta(seconds=15)
"""Whoever is at it says so again and again; after so long without that they are believed dead, and the same request
may try again."""
_GONE = 410
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
"""Taken then: whoever is at it must not remember an answer any more, and the next may try at once."""


@dataclass(frozen=True, slots=True)
class Fresh:
    """Nobody has done this: do it, then finish or abandon.

    Name what is created with ``resource_id``: a request taken over from a dead process gets the same one, so that
    nothing is created twice.
    """

    resource_id: str


@dataclass(frozen=True, slots=True)
class Replay:
    """It was done: give the same answer."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Gone:
    """It was done, and what it made was deleted since."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """The key was used with another body."""


@dataclass(frozen=True, slots=True)
class InFlight:
    """The same request is being done right now."""

    retry_after: float


Verdict = Fresh | Replay | Gone | Conflict | InFlight


class Idempotency:
    """What was asked with an idempotency key, and answered."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, owner_id: str, route: str, key: str, body_hash: str) -> Verdict:
        """What to do with a request that carries a key. Of several at once, one is Fresh."""
        moment, resource_id = now(), new_id()
        row = {
            "owner_id": owner_id,
            "route": route,
            "idempotency_key": key,
            "body_hash": body_hash,
            "resource_id": resource_id,
            "created_at": moment,
            "taken_at": moment,
        }
        # What is done under the key is committed later, and makes this durable with it.
        async with self._database.writing(durable=False) as connection:
            await connection.execute(delete(idempotency).where(idempotency.c.created_at < moment - KEPT))
            added = await connection.execute(insert_or_ignore(connection, idempotency).values(row))
            if added.rowcount == 1:
                return Fresh(resource_id)
            query = select(idempotency).where(_chosen(owner_id, route, key)).with_for_update()
            found = (await connection.execute(query)).mappings().one()
            verdict = _verdict(found, body_hash, moment)
            if isinstance(verdict, Fresh):
                taken = update(idempotency).where(_chosen(owner_id, route, key)).values(taken_at=moment)
                await connection.execute(taken)
            return verdict

    async def keep(self, owner_id: str, route: str, key: str) -> None:
        """Somebody is still at it."""
        async with self._database.writing(durable=False) as connection:
            await connection.execute(update(idempotency).where(_taken(owner_id, route, key)).values(taken_at=now()))

    async def finish(self, owner_id: str, route: str, key: str, status: int, body: bytes) -> None:
        """It was done and answered so; nothing when what it made was changed or deleted meanwhile."""
        values = {"response_status": status, "response_body": body}
        # Were the answer lost, the next try would be answered by what was made under the key.
        async with self._database.writing(durable=False) as connection:
            await connection.execute(update(idempotency).where(_taken(owner_id, route, key)).values(values))

    async def abandon(self, owner_id: str, route: str, key: str) -> None:
        """It was not done, and nothing is left of it: the next try starts afresh."""
        unanswered = _chosen(owner_id, route, key) & idempotency.c.response_status.is_(None)
        async with self._database.writing() as connection:
            await connection.execute(delete(idempotency).where(unanswered))


def _chosen(owner_id: str, route: str, key: str) -> ColumnElement[bool]:
    return (
        (idempotency.c.owner_id == owner_id) & (idempotency.c.route == route) & (idempotency.c.idempotency_key == key)
    )


def _taken(owner_id: str, route: str, key: str) -> ColumnElement[bool]:
    unanswered = idempotency.c.response_status.is_(None) & (idempotency.c.taken_at > _LONG_AGO)
    return _chosen(owner_id, route, key) & unanswered


async def forget_answer(connection: AsyncConnection, owner_id: str, resource_id: str, *, gone: bool) -> None:
    """Forget what was answered when that was made, but not that it was: the same request makes no second one.

    Whoever sends it again is told that it is ``gone``; else they are answered anew, from what there is by then.
    """
    made = (idempotency.c.owner_id == owner_id) & (idempotency.c.resource_id == resource_id)
    values = {"response_status": _GONE if gone else None, "response_body": None, "taken_at": _LONG_AGO}
    await connection.execute(update(idempotency).where(made).values(values))


def _verdict(row: RowMapping, body_hash: str, moment: datetime) -> Verdict:
    if row["body_hash"] != body_hash:
        return Conflict()
    if row["response_status"] == _GONE and row["response_body"] is None:
        return Gone()
    if row["response_status"] is not None:
        return Replay(row["response_status"], row["response_body"])
    left = row["taken_at"] + IN_FLIGHT - moment
    return InFlight(left.total_seconds()) if left > timedelta(0) else Fresh(row["resource_id"])
