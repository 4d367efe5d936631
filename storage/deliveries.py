"""Deliveries of webhooks: due, dispatched by control, claimed by whoever sends, tried again, and listed for owners."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, and_, case, false, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from speech.clock import now
from storage.announcements import DELIVERED, DUE, FAILED
from storage.database import Database
from storage.errors import DeliveryForgotten, Missing
from storage.paging import read_page
from storage.specification import without_secrets
from storage.tables import deliveries, jobs

DISPATCHED_FOR = timedelta(minutes=2)
"""A run that has not sent by then is believed lost, and another one is made."""
DISPATCHED_FOR_AT_MOST = timedelta(hours=1)
"""Further runs come ever more slowly, up to this: where no worker is, they would only pile up in Prefect."""
MOST_OF_AN_OWNER = 16
"""Deliveries that have runs at a time."""
LEASED_FOR = timedelta(minutes=1)
"""Longer than a sending may take: after it, whoever claimed the delivery is believed dead."""


@dataclass(frozen=True, slots=True)
class DueDelivery:
    """A delivery that waits for a run; ``run_key`` names that run, however many make it."""

    delivery_id: str
    tries: int
    dispatches: int
    due_at: datetime
    dispatched_until: datetime | None
    """Until when the run that was made for this try before was waited for; None when this is the first one."""

    @property
    def run_key(self) -> str:
        """The idempotency key of the run that makes this try."""
        return f"{self.delivery_id}:{self.tries}:{self.dispatches}"

    def patience(self, moment: datetime) -> timedelta:
        """How long a run that is made then is waited for: as long again as the try has been due, so it doubles."""
        if self.dispatched_until is None:
            return DISPATCHED_FOR
        return min(max(DISPATCHED_FOR, moment - self.due_at), DISPATCHED_FOR_AT_MOST)


@dataclass(frozen=True, slots=True)
class ClaimedDelivery:
    """A delivery that is this process's to send, until its lease runs out. ``url`` may hold secrets: never log it."""

    delivery_id: str
    owner_id: str
    job_id: str
    event: str
    url: str
    data: dict[str, Any]
    tries: int
    created_at: datetime
    lease: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery as its owner sees it; ``url`` without its secrets, None when it was forgotten."""

    delivery_id: str
    job_id: str
    event: str
    url: str | None
    status: str
    tries: int
    last_status: int | None
    last_error: str | None
    created_at: datetime
    due_at: datetime | None
    delivered_at: datetime | None


class Deliveries:
    """The deliveries of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def due(self, limit: int = 100) -> list[DueDelivery]:
        """Those that are due and that no run is at, the longest due first; of each owner as many as keep no others
        waiting when nothing answers there."""
        moment = now()
        free = or_(deliveries.c.dispatched_until.is_(None), deliveries.c.dispatched_until <= moment)
        names = DueDelivery.__dataclass_fields__
        in_turn = (case((free, 1), else_=0), deliveries.c.due_at, deliveries.c.delivery_id)
        place = func.row_number().over(partition_by=deliveries.c.owner_id, order_by=in_turn).label("place")
        columns = [deliveries.c[name] for name in names]
        waiting = select(*columns, free.label("free"), place).where(_is_due(moment)).subquery()
        query = (
            select(*(waiting.c[name] for name in names))
            .where(waiting.c.free, waiting.c.place <= MOST_OF_AN_OWNER)
            .order_by(waiting.c.due_at, waiting.c.delivery_id)
            .limit(limit)
        )
        async with self._database.reading() as connection:
            rows = (await connection.execute(query)).mappings().all()
        return [DueDelivery(**row) for row in rows]

    async def dispatched(self, due: DueDelivery) -> None:
        """A run was made for this try; the next one gets another key."""
        same = and_(
            deliveries.c.delivery_id == due.delivery_id,
            deliveries.c.tries == due.tries,
            deliveries.c.dispatches == due.dispatches,
        )
        moment = now()
        values = {"dispatches": due.dispatches + 1, "dispatched_until": moment + due.patience(moment)}
        async with self._database.writing(durable=False) as connection:
            await connection.execute(update(deliveries).where(same).values(values))

    async def claim(self, delivery_id: str, sender: str | None = None) -> ClaimedDelivery | None:
        """Take a due delivery to send; None when it is not due, or somebody else is at it.

        ``sender`` is the run that sends it. One that was started again takes up what it had when its worker died.
        """
        moment, lease = now(), f"{sender or ''}:{secrets.token_urlsafe(16)}"
        free = or_(deliveries.c.leased_until.is_(None), deliveries.c.leased_until <= moment, _leased_by(sender))
        chosen = and_(deliveries.c.delivery_id == delivery_id, _is_due(moment), free)
        async with self._database.writing() as connection:
            query = select(deliveries).where(chosen).with_for_update()
            row = (await connection.execute(query)).mappings().first()
            if row is None:
                return None
            values = {"lease": lease, "leased_until": moment + LEASED_FOR}
            await connection.execute(update(deliveries).where(_named(delivery_id)).values(values))
        return ClaimedDelivery(
            **{name: row[name] for name in ClaimedDelivery.__dataclass_fields__ if name != "lease"}, lease=lease
        )

    async def delivered(self, claimed: ClaimedDelivery, status: int) -> None:
        """The other side took it."""
        values = {"status": DELIVERED, "last_status": status, "last_error": None, "delivered_at": now(), "due_at": None}
        await self._settle(claimed, values)

    async def failed(self, claimed: ClaimedDelivery, status: int | None, error: str, delay: float | None) -> None:
        """It was not taken: it is due again in ``delay`` seconds, or never when that is None."""
        again = None if delay is None else now() + timedelta(seconds=delay)
        values = {
            "status": FAILED if again is None else DUE,
            "last_status": status,
            "last_error": error,
            "due_at": again,
        }
        await self._settle(claimed, values)

    async def _settle(self, claimed: ClaimedDelivery, values: dict[str, Any]) -> None:
        """Only the holder of the lease says how it went, and nobody does after the delivery was cancelled."""
        mine = and_(_named(claimed.delivery_id), deliveries.c.lease == claimed.lease, deliveries.c.status == DUE)
        free = {"lease": None, "leased_until": None, "dispatched_until": None, "tries": claimed.tries + 1}
        async with self._database.writing() as connection:
            await connection.execute(update(deliveries).where(mine).values(values | free))

    async def redeliver(self, owner_id: str, job_id: str, delivery_id: str) -> Delivery:
        """Send it again, under the same id; what is due already is due now.

        Raises:
            Missing: the owner has no such delivery of such a job.
            DeliveryForgotten: what is to be sent went with the job's results.

        """
        chosen = and_(_named(delivery_id), deliveries.c.job_id == job_id, deliveries.c.owner_id == owner_id)
        async with self._database.writing() as connection:
            row = (await connection.execute(select(deliveries).where(chosen).with_for_update())).mappings().first()
            if row is None:
                raise Missing(f"There is no delivery {delivery_id} of this job.", "delivery_not_found")
            if row["url"] is None:
                raise DeliveryForgotten("The job's results are gone, and with them what was to be delivered.")
            again = _due_anew(row)
            await connection.execute(update(deliveries).where(chosen).values(again))
        return _shown({**row, **again})

    async def list(
        self, owner_id: str, job_id: str, *, limit: int = 50, cursor: str | None = None
    ) -> tuple[list[Delivery], str | None]:
        """The job's deliveries, newest first, and the cursor of the next page; Missing(job_not_found)."""
        query = select(deliveries).where(deliveries.c.owner_id == owner_id, deliveries.c.job_id == job_id)
        async with self._database.reading() as connection:
            await _refuse_unknown_job(connection, owner_id, job_id)
            rows, following = await read_page(
                connection, query, deliveries.c.created_at, deliveries.c.delivery_id, limit=limit, cursor=cursor
            )
        return [_shown(row) for row in rows], following


def _is_due(moment: datetime) -> ColumnElement[bool]:
    return and_(deliveries.c.status == DUE, deliveries.c.due_at <= moment)


def _named(delivery_id: str) -> ColumnElement[bool]:
    return deliveries.c.delivery_id == delivery_id


def _leased_by(sender: str | None) -> ColumnElement[bool]:
    return deliveries.c.lease.startswith(f"{sender}:", autoescape=True) if sender else false()


def _due_anew(row: RowMapping) -> dict[str, Any]:
    # A further dispatch, so that the run gets a key that no earlier one had.
    return {
        "status": DUE,
        "due_at": now(),
        "tries": 0,
        "dispatches": row["dispatches"] + 1,
        "dispatched_until": None,
        "delivered_at": None,
        "lease": None,
        "leased_until": None,
    }


def _shown(row: RowMapping | dict[str, Any]) -> Delivery:
    values = {name: row[name] for name in Delivery.__dataclass_fields__}
    return Delivery(**values | {"url": without_secrets(row["url"]) if row["url"] else None})


async def _refuse_unknown_job(connection: AsyncConnection, owner_id: str, job_id: str) -> None:
    known = select(jobs.c.job_id).where(jobs.c.job_id == job_id, jobs.c.owner_id == owner_id)
    if (await connection.execute(known)).first() is None:
        raise Missing(f"There is no job {job_id}.", "job_not_found")
