"""Sources that are ingested from: their options, how far they were seen, and the runs that somebody wants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError
from sqlalchemy import RowMapping, delete, func, insert, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from speech.clock import now
from speech.ingestion import OPTIONS_VERSION, IngestOptions, ObjectStatus
from speech.jobs import JobStatus
from storage import specification
from storage.database import Database
from storage.errors import IngestBusy, Missing, SpecificationUnreadable, TooManyIngests
from storage.ingest_tables import ingest_objects, ingests
from storage.lifetimes import over
from storage.outbox import CHANNEL
from storage.owners import hold_owner
from storage.paging import read_page
from storage.submission import UNFINISHED
from storage.tables import jobs

_SETTLED_BY_ANY_RUN = (str(JobStatus.COMPLETED), str(JobStatus.CANCELLED), str(JobStatus.EXPIRED))
"""Jobs whose end is seen to at once; those that failed wait for the next run that looks for objects,
as long as they may run again."""


@dataclass(frozen=True, slots=True)
class Ingest:
    """A source. ``watermark`` is the newest modification that a whole listing saw; in the clock of the store."""

    ingest_id: str
    owner_id: str
    options: IngestOptions
    watermark: datetime | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a source is to be looked at: a cron expression in a time zone."""

    ingest_id: str
    cron: str
    timezone: str


@dataclass(frozen=True, slots=True)
class WantedRun:
    """A run that Prefect is still to be asked for; ``number`` counts the runs that somebody wanted of this source."""

    ingest_id: str
    number: int


class Ingests:
    """The sources of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, owner_id: str, options: IngestOptions, *, ingest_id: str, most: int | None = None) -> Ingest:
        """Store a source; one that the id already names is returned as it is.

        Raises:
            Missing: owner_not_found.
            TooManyIngests: the owner has ``most`` already.

        """
        async with self._database.writing() as connection:
            row = await _find(connection, owner_id, ingest_id)
            if row is None:
                await _refuse_more_than(connection, owner_id, most)
                await connection.execute(insert(ingests).values(_row(owner_id, ingest_id, options)))
                await _notify(connection)
                row = await _found(connection, owner_id, ingest_id)
        return _ingest(row)

    async def get(self, owner_id: str, ingest_id: str) -> Ingest:
        """The source; Missing(ingest_not_found)."""
        async with self._database.reading() as connection:
            return _ingest(await _found(connection, owner_id, ingest_id))

    async def named(self, ingest_id: str) -> Ingest:
        """The source, whoever owns it: for its own run, which knows ids alone. Missing(ingest_not_found)."""
        async with self._database.reading() as connection:
            row = (await connection.execute(select(ingests).where(ingests.c.ingest_id == ingest_id))).mappings().first()
        if row is None:
            raise missing(ingest_id)
        return _ingest(row)

    async def beginning_with(self, prefix: str) -> Sequence[Ingest]:
        """Those of every owner whose ids begin so."""
        query = select(ingests).where(ingests.c.ingest_id.startswith(prefix, autoescape=True))
        async with self._database.reading() as connection:
            return [_ingest(row) for row in (await connection.execute(query)).mappings()]

    async def list(
        self, owner_id: str, *, limit: int = 50, cursor: str | None = None
    ) -> tuple[list[Ingest], str | None]:
        """The owner's sources, newest first, and the cursor of the next page, None after the last one."""
        query = select(ingests).where(ingests.c.owner_id == owner_id)
        async with self._database.reading() as connection:
            rows, following = await read_page(
                connection, query, ingests.c.created_at, ingests.c.ingest_id, limit=limit, cursor=cursor
            )
        return [_ingest(row) for row in rows], following

    async def change(
        self, owner_id: str, ingest_id: str, options: IngestOptions, *, before: IngestOptions | None = None
    ) -> Ingest | None:
        """Replace the options; where another place or other names are meant now, everything is looked at anew.

        None when they are not what they were ``before``, where that is given: somebody else has changed them.
        """
        async with self._database.writing() as connection:
            row = await _found(connection, owner_id, ingest_id, lock=True)
            if before is not None and _ingest(row).options != before:
                return None
            values = _columns(options) | {"updated_at": now()}
            if _looks_elsewhere(row["options"], values["options"]):
                values["watermark"] = None
            await connection.execute(update(ingests).where(ingests.c.ingest_id == ingest_id).values(values))
            await _notify(connection)
            return _ingest(await _found(connection, owner_id, ingest_id))

    async def delete(self, owner_id: str, ingest_id: str) -> None:
        """Delete the source with all that is known of its objects and runs; jobs and results stay.

        Raises:
            Missing: the owner has no such source.
            IngestBusy: jobs of it are unfinished; they would no longer find their recordings.

        """
        async with self._database.writing() as connection:
            await _found(connection, owner_id, ingest_id, lock=True)
            if await _is_busy(connection, ingest_id):
                raise IngestBusy(
                    "Jobs of this ingest are unfinished. Disable it (enabled: false), wait for them or cancel them, "
                    "then delete it."
                )
            await connection.execute(delete(ingests).where(ingests.c.ingest_id == ingest_id))
            await _notify(connection)

    async def want_run(self, owner_id: str, ingest_id: str) -> None:
        """Ask for a run now; control has Prefect make it, as soon as Prefect answers. Missing."""
        async with self._database.writing() as connection:
            await _found(connection, owner_id, ingest_id, lock=True)
            values = {"runs_wanted": ingests.c.runs_wanted + 1}
            await connection.execute(update(ingests).where(ingests.c.ingest_id == ingest_id).values(values))
            await _notify(connection)

    async def saw(self, ingest_id: str, seen: Ingest, watermark: datetime) -> None:
        """A whole listing was gone through; it does not count when the source was changed meanwhile."""
        same = (ingests.c.ingest_id == ingest_id) & (ingests.c.updated_at == seen.updated_at)
        newer = or_(ingests.c.watermark.is_(None), ingests.c.watermark < watermark, ingests.c.watermark > now())
        async with self._database.writing() as connection:
            await connection.execute(update(ingests).where(same, newer).values(watermark=watermark))

    async def wanted(self, limit: int = 100) -> Sequence[WantedRun]:
        """Runs that somebody asked for and that Prefect was not told of; several askings make one run."""
        query = select(ingests.c.ingest_id, ingests.c.runs_wanted).where(ingests.c.runs_wanted > ingests.c.runs_made)
        async with self._database.reading() as connection:
            rows = (await connection.execute(query.limit(limit))).all()
        return [WantedRun(row.ingest_id, row.runs_wanted) for row in rows]

    async def made(self, run: WantedRun) -> None:
        """Prefect has the run."""
        mine = (ingests.c.ingest_id == run.ingest_id) & (ingests.c.runs_made < run.number)
        async with self._database.writing() as connection:
            await connection.execute(update(ingests).where(mine).values(runs_made=run.number))

    async def to_settle(self, pause: float, limit: int = 100) -> Sequence[str]:
        """Sources with objects whose jobs have ended, but for those that were seen to in the last ``pause`` seconds."""
        ended = (
            select(ingest_objects.c.object_id)
            .join(jobs, jobs.c.job_id == ingest_objects.c.job_id)
            .where(
                ingest_objects.c.ingest_id == ingests.c.ingest_id,
                ingest_objects.c.status == str(ObjectStatus.SUBMITTED),
                or_(jobs.c.status.in_(_SETTLED_BY_ANY_RUN), over(now())),
            )
            .exists()
        )
        rested = or_(ingests.c.settled_at.is_(None), ingests.c.settled_at < now() - timedelta(seconds=pause))
        async with self._database.reading() as connection:
            rows = await connection.execute(select(ingests.c.ingest_id).where(rested, ended).limit(limit))
            return rows.scalars().all()

    async def settling(self, ingest_id: str, longer: float = 0) -> None:
        """Prefect has a run that sees to jobs that have ended; ``longer`` seconds are added to the pause after it."""
        moment = now() + timedelta(seconds=longer)
        async with self._database.writing(durable=False) as connection:
            await connection.execute(update(ingests).where(ingests.c.ingest_id == ingest_id).values(settled_at=moment))

    async def schedules(self) -> Sequence[Schedule]:
        """Of every owner: when Prefect is to start which source's runs."""
        query = select(ingests.c.ingest_id, ingests.c.schedule, ingests.c.timezone).where(
            ingests.c.enabled.is_(True), ingests.c.schedule.is_not(None)
        )
        async with self._database.reading() as connection:
            rows = (await connection.execute(query.order_by(ingests.c.ingest_id))).all()
        return [Schedule(*row) for row in rows]


async def hold(connection: AsyncConnection, ingest_id: str) -> None:
    """Keep the source from being deleted until the transaction ends; Missing when it was."""
    query = select(ingests.c.ingest_id).where(ingests.c.ingest_id == ingest_id).with_for_update(read=True)
    if (await connection.execute(query)).first() is None:
        raise missing(ingest_id)


def missing(ingest_id: str) -> Missing:
    """No source of that id belongs to this owner."""
    return Missing(f"There is no ingest {ingest_id}.", "ingest_not_found")


def load(stored: dict[str, Any], version: int) -> IngestOptions:
    """Stored options; SpecificationUnreadable when this version cannot understand them."""
    try:
        if version <= OPTIONS_VERSION:
            return IngestOptions.from_store(stored)
    except ValidationError:
        pass
    raise SpecificationUnreadable("This ingest was written by another version, which this one cannot read.")


def _row(owner_id: str, ingest_id: str, options: IngestOptions) -> dict[str, Any]:
    moment = now()
    key = {"ingest_id": ingest_id, "owner_id": owner_id}
    return key | _columns(options) | {"created_at": moment, "updated_at": moment}


def _columns(options: IngestOptions) -> dict[str, Any]:
    return {
        "options": options.model_dump(mode="json") | {"request": specification.dump(options.request)},
        "options_version": OPTIONS_VERSION,
        "schedule": options.schedule,
        "timezone": options.timezone,
        "enabled": options.enabled,
    }


def _looks_elsewhere(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    return any(before.get(name) != after[name] for name in ("url", "pattern", "mode", "manifest"))


async def _find(connection: AsyncConnection, owner_id: str, ingest_id: str, *, lock: bool = False) -> RowMapping | None:
    query = select(ingests).where(ingests.c.ingest_id == ingest_id, ingests.c.owner_id == owner_id)
    return (await connection.execute(query.with_for_update() if lock else query)).mappings().first()


async def _found(connection: AsyncConnection, owner_id: str, ingest_id: str, *, lock: bool = False) -> RowMapping:
    row = await _find(connection, owner_id, ingest_id, lock=lock)
    if row is None:
        raise missing(ingest_id)
    return row


async def _is_busy(connection: AsyncConnection, ingest_id: str) -> bool:
    query = (
        select(ingest_objects.c.object_id)
        .join(jobs, jobs.c.job_id == ingest_objects.c.job_id)
        .where(ingest_objects.c.ingest_id == ingest_id, jobs.c.status.in_(UNFINISHED))
    )
    return (await connection.execute(query.limit(1))).first() is not None


async def _refuse_more_than(connection: AsyncConnection, owner_id: str, most: int | None) -> None:
    await hold_owner(connection, owner_id)
    counting = select(func.count()).where(ingests.c.owner_id == owner_id)
    if most is not None and (await connection.execute(counting)).scalar_one() >= most:
        raise TooManyIngests(f"There are as many ingests as are allowed, {most}; delete one first.")


async def _notify(connection: AsyncConnection) -> None:
    """Wake control, which waits for commits: on SQLite it sees them by itself."""
    if connection.dialect.name == "postgresql":
        await connection.execute(text("SELECT pg_notify(:channel, '')"), {"channel": CHANNEL})


def _ingest(row: RowMapping) -> Ingest:
    return Ingest(
        ingest_id=row["ingest_id"],
        owner_id=row["owner_id"],
        options=load(row["options"], row["options_version"]),
        watermark=row["watermark"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
