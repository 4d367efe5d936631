"""Versions of objects that were met at a source: each one has its row, and with it, in one transaction, its one job.

What tells a version from another is unique per owner, whichever of the owner's sources met it: a run that is killed and
run again, and sources that overlap, find the row and do nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from speech.clock import now
from speech.filenames import shown_name
from speech.ingestion import ObjectStatus
from speech.jobs import FINISHED, JobStatus
from speech.options import TranscribeRequest
from storage.database import Database
from storage.errors import Missing
from storage.events import note
from storage.ids import new_id
from storage.ingest_tables import ingest_objects
from storage.ingests import Ingest, hold
from storage.lifetimes import is_expired
from storage.paging import read_page
from storage.retries import hold_job, run_failed_again
from storage.submission import accept, places_left
from storage.tables import jobs
from storage.upserts import insert_or_ignore

SCHEME = "ingest://"
"""Jobs name their object by this and its id: where it lies stays in its row, and no client can write such a URL."""
_FINISHED = tuple(str(status) for status in FINISHED)


@dataclass(frozen=True, slots=True)
class Met:
    """A version of an object, as a listing shows it. ``url`` is literal; ``refusal`` says why it cannot be taken."""

    url: str
    version: str
    size_bytes: int
    modified_at: datetime | None
    refusal: str | None = None

    @property
    def place(self) -> str:
        """A digest of where it lies."""
        return hashlib.sha256(self.url.encode("utf-8", "surrogateescape")).hexdigest()

    @property
    def place_version(self) -> str:
        """A digest of where it lies and which version it is."""
        return hashlib.sha256(f"{self.place} {self.version}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class IngestObject:
    """What is known of one version of one object, and what became of it."""

    object_id: str
    ingest_id: str
    owner_id: str
    url: str
    version: str
    size_bytes: int
    modified_at: datetime | None
    status: ObjectStatus
    tries: int
    write_tries: int
    job_id: str | None
    error: str | None
    error_code: str | None
    created_at: datetime
    settled_at: datetime | None


@dataclass(frozen=True, slots=True)
class Ended:
    """An object whose job has ended, or is gone: then ``job_status`` is None.

    One whose time is ``over`` does not run again.
    """

    found: IngestObject
    job_status: JobStatus | None
    job_error: str | None
    job_error_code: str | None
    results_deleted: bool
    over: bool


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a handful of objects; ``full`` says that no further job was accepted."""

    submitted: int = 0
    known: int = 0
    refused: int = 0
    full: bool = False


class IngestObjects:
    """The objects of a database's sources."""

    def __init__(self, database: Database, *, results_kept: float = 0) -> None:
        """``results_kept``: seconds that results stay when a source does not say; 0: for ever."""
        self._database = database
        self._results_kept = results_kept

    async def unknown(self, owner_id: str, met: Sequence[Met]) -> list[Met]:
        """Those that no source of the owner has met before."""
        async with self._database.reading() as connection:
            known = await _known(connection, owner_id, met)
        return [one for one in met if one.place_version not in known]

    async def came_back(self, ingest: Ingest, met: Sequence[Met]) -> None:
        """See once more to those of this source that were moved away and lie there again, the same bytes."""
        mine = (
            (ingest_objects.c.ingest_id == ingest.ingest_id)
            & ingest_objects.c.place_version.in_([one.place_version for one in met])
            & (ingest_objects.c.status == str(ObjectStatus.DONE))
        )
        values = {"status": str(ObjectStatus.SUBMITTED), "settled_at": None}
        async with self._database.writing() as connection:
            await connection.execute(update(ingest_objects).where(mine).values(values))

    async def take(self, ingest: Ingest, met: Sequence[Met], *, max_unfinished: int) -> Taken:
        """Give each of them its row and its job, all or none; Missing when the source was deleted.

        Those with a ``refusal`` are put into quarantine instead.
        """
        async with self._database.writing() as connection:
            await hold(connection, ingest.ingest_id)
            places = await places_left(connection, ingest.owner_id, max_unfinished)
            known = await _known(connection, ingest.owner_id, met)
            # A manifest may name the same object twice.
            fresh = list({one.place_version: one for one in met if one.place_version not in known}.values())
            good = [one for one in fresh if one.refusal is None]
            bad = [one for one in fresh if one.refusal is not None]
            refused = [await _added(connection, _refused(ingest, one)) for one in bad]
            room = good[: max(0, places)]
            submitted = [await self._submit(connection, ingest, one, max_unfinished) for one in room]
        others = len(met) - len(fresh) + refused.count(False) + submitted.count(False)
        return Taken(submitted.count(True), others, refused.count(True), len(good) > places)

    async def _submit(self, connection: AsyncConnection, ingest: Ingest, one: Met, max_unfinished: int) -> bool:
        """Whether the version is new, and has its job now."""
        row = _row(ingest, one) | {"status": str(ObjectStatus.SUBMITTED), "tries": 1, "job_id": new_id()}
        if not await _added(connection, row):
            return False
        url = f"{SCHEME}{row['object_id']}"
        request = TranscribeRequest.model_validate(ingest.options.request.model_dump() | {"urls": [url]})
        await accept(
            connection,
            ingest.owner_id,
            request,
            max_unfinished=max_unfinished,
            job_id=row["job_id"],
            results_kept=self._results_kept,
            names={url: shown_name(one.url)},
        )
        await note(connection, row["job_id"])
        return True

    async def get(self, owner_id: str, object_id: str) -> IngestObject:
        """The object; Missing(object_not_found)."""
        query = select(ingest_objects).where(
            ingest_objects.c.object_id == object_id, ingest_objects.c.owner_id == owner_id
        )
        async with self._database.reading() as connection:
            row = (await connection.execute(query)).mappings().first()
        if row is None:
            raise Missing("The source that this recording came from was deleted.", "object_not_found")
        return _object(row)

    async def list(
        self,
        ingest_id: str,
        *,
        status: ObjectStatus | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> tuple[list[IngestObject], str | None]:
        """The objects of a source, newest first, and the cursor of the next page, None after the last one."""
        query = select(ingest_objects).where(ingest_objects.c.ingest_id == ingest_id)
        if status is not None:
            query = query.where(ingest_objects.c.status == str(status))
        async with self._database.reading() as connection:
            rows, following = await read_page(
                connection, query, ingest_objects.c.created_at, ingest_objects.c.object_id, limit=limit, cursor=cursor
            )
        return [_object(row) for row in rows], following

    async def ended(self, ingest_id: str, *, after: str = "", limit: int = 100) -> Sequence[Ended]:
        """Objects of a source whose jobs have ended and that were not seen to, in the order of their ids."""
        query = (
            select(ingest_objects, jobs.c.status, jobs.c.error, jobs.c.error_code)
            .add_columns(jobs.c.results_deleted_at, jobs.c.expires_at)
            .join(jobs, jobs.c.job_id == ingest_objects.c.job_id, isouter=True)
            .where(
                ingest_objects.c.ingest_id == ingest_id,
                ingest_objects.c.status == str(ObjectStatus.SUBMITTED),
                ingest_objects.c.object_id > after,
                or_(jobs.c.job_id.is_(None), jobs.c.status.in_(_FINISHED)),
            )
            .order_by(ingest_objects.c.object_id)
            .limit(limit)
        )
        async with self._database.reading() as connection:
            return [_ended(row) for row in (await connection.execute(query)).all()]

    async def is_outdated(self, found: IngestObject) -> bool:
        """Whether a newer version of the same object was met since."""
        query = select(ingest_objects.c.object_id).where(
            ingest_objects.c.owner_id == found.owner_id,
            ingest_objects.c.place == Met(found.url, found.version, 0, None).place,
            ingest_objects.c.created_at >= found.created_at,
            ingest_objects.c.object_id > found.object_id,
        )
        async with self._database.reading() as connection:
            return (await connection.execute(query.limit(1))).first() is not None

    async def settle(
        self, found: IngestObject, status: ObjectStatus, error: str | None = None, code: str | None = None
    ) -> bool:
        """Say what became of the object; False when somebody else said so first."""
        values = {"status": str(status), "error": error, "error_code": code, "settled_at": now()}
        return await self._change(found, values)

    async def not_written(self, found: IngestObject, error: str, code: str, *, counts: bool) -> bool:
        """Its results could not be written, or the source not be moved; the next run tries again."""
        values = {"error": error, "error_code": code, "write_tries": found.write_tries + counts}
        return await self._change(found, values)

    async def _change(self, found: IngestObject, values: dict[str, Any]) -> bool:
        async with self._database.writing() as connection:
            changed = await connection.execute(update(ingest_objects).where(_as_it_was(found)).values(values))
            return changed.rowcount == 1

    async def try_again(self, found: IngestObject, *, max_unfinished: int, counts: bool = True) -> bool:
        """Run the object's failed job once more; False when the queue is full, or somebody else did; Missing.

        With ``counts`` it is one more of the object's tries.
        """
        async with self._database.writing() as connection:
            await hold(connection, found.ingest_id)
            # The job first, then its owner, as everybody does who runs a job again: else two may wait for each other.
            await hold_job(connection, found.owner_id, found.job_id or "")
            if await places_left(connection, found.owner_id, max_unfinished) <= 0:
                return False
            values = {"tries": found.tries + counts}
            changed = await connection.execute(update(ingest_objects).where(_as_it_was(found)).values(values))
            if changed.rowcount != 1:
                return False
            return await run_failed_again(connection, found.owner_id, found.job_id or "", max_unfinished=max_unfinished)

    async def release(self, ingest_id: str, object_id: str | None = None) -> int:
        """Let the quarantined objects of a source, or that one, have all their tries again; how many those were.

        One whose name was refused stays: it never had a job.
        """
        held = (
            (ingest_objects.c.ingest_id == ingest_id)
            & (ingest_objects.c.status == str(ObjectStatus.QUARANTINED))
            & ingest_objects.c.job_id.is_not(None)
        )
        if object_id is not None:
            held &= ingest_objects.c.object_id == object_id
        values = {"status": str(ObjectStatus.SUBMITTED), "settled_at": None, "tries": 0, "write_tries": 0}
        async with self._database.writing() as connection:
            return (await connection.execute(update(ingest_objects).where(held).values(values))).rowcount


def _as_it_was(found: IngestObject) -> Any:
    return (
        (ingest_objects.c.object_id == found.object_id)
        & (ingest_objects.c.status == str(ObjectStatus.SUBMITTED))
        & (ingest_objects.c.tries == found.tries)
    )


async def _known(connection: AsyncConnection, owner_id: str, met: Sequence[Met]) -> set[str]:
    query = select(ingest_objects.c.place_version).where(
        ingest_objects.c.owner_id == owner_id,
        ingest_objects.c.place_version.in_([one.place_version for one in met]),
    )
    return set((await connection.execute(query)).scalars())


def _row(ingest: Ingest, one: Met) -> dict[str, Any]:
    return {
        "object_id": new_id(),
        "ingest_id": ingest.ingest_id,
        "owner_id": ingest.owner_id,
        "place": one.place,
        "place_version": one.place_version,
        # A name of a folder may be no text at all; it is shown as well as it can be.
        "url": one.url.encode("utf-8", "surrogateescape").decode("utf-8", "replace").replace("\x00", "\ufffd"),
        "version": one.version,
        "size_bytes": one.size_bytes,
        "modified_at": one.modified_at,
        "created_at": now(),
    }


async def _added(connection: AsyncConnection, row: dict[str, Any]) -> bool:
    """Whether the version had no row."""
    return (await connection.execute(insert_or_ignore(connection, ingest_objects).values(row))).rowcount == 1


def _refused(ingest: Ingest, one: Met) -> dict[str, Any]:
    state = {"status": str(ObjectStatus.QUARANTINED), "tries": 0, "settled_at": now()}
    return _row(ingest, one) | state | {"error": one.refusal, "error_code": "name_refused"}


def _object(row: RowMapping) -> IngestObject:
    values: dict[str, Any] = {name: row[name] for name in IngestObject.__dataclass_fields__}
    return IngestObject(**{**values, "status": ObjectStatus(row["status"])})


def _ended(row: Any) -> Ended:
    mapping = row._mapping
    return Ended(
        found=_object({name: mapping[ingest_objects.c[name]] for name in IngestObject.__dataclass_fields__}),  # type: ignore[arg-type]
        job_status=JobStatus(mapping[jobs.c.status]) if mapping[jobs.c.status] else None,
        job_error=mapping[jobs.c.error],
        job_error_code=mapping[jobs.c.error_code],
        results_deleted=mapping[jobs.c.results_deleted_at] is not None,
        over=is_expired({name: mapping[jobs.c[name]] for name in ("status", "expires_at")}),
    )
