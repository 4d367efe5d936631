"""Rows as the dataclasses of speech.jobs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, Table, case, func, select, type_coerce
from sqlalchemy.ext.asyncio import AsyncConnection

from speech.jobs import FileStatus, Job, JobFile, JobStatus, Stage, StoredFile
from speech.options import Priority, TranscribeRequest
from storage import specification
from storage.errors import SpecificationUnreadable
from storage.lifetimes import is_expired
from storage.tables import job_files, jobs

_ASKED = "asked"

AnyRow = RowMapping | dict[str, Any]
"""A row, or a table's part of one."""


def stored_file(row: RowMapping) -> StoredFile:
    """A row of ``files``."""
    return StoredFile(**{name: row[name] for name in StoredFile.__dataclass_fields__})


def job_file(row: AnyRow) -> JobFile:
    """A row of ``job_files``."""
    values: dict[str, Any] = {name: row[name] for name in JobFile.__dataclass_fields__}
    values["status"] = FileStatus(row["status"])
    values["stage"] = Stage(row["stage"])
    values["providers_tried"] = tuple(row["providers_tried"] or ())
    return JobFile(**values)


def job(row: AnyRow, files: Iterable[AnyRow]) -> Job:
    """A row of ``jobs`` with its files.

    A request that this version cannot read does not hide the job: what is legible of it is shown, and the job
    carries the reason as its error when it has no other.
    """
    request, unreadable = _request(row)
    return Job(
        job_id=row["job_id"],
        owner_id=row["owner_id"],
        status=JobStatus.EXPIRED if is_expired(row) else JobStatus(row["status"]),
        stage=Stage(row["stage"]),
        progress=row["progress"],
        attempt=row["attempt"],
        submission=row["submission"],
        priority=Priority(row["priority"]),
        request=request,
        files=tuple(job_file(file) for file in files),
        created_at=row["created_at"],
        metadata=row["metadata"] or {},
        started_at=row["started_at"],
        completed_at=row["completed_at"],
        expires_at=row["expires_at"],
        not_before=row["not_before"],
        cancel_requested_at=row["cancel_requested_at"],
        results_deleted_at=row["results_deleted_at"],
        flow_run_id=row["flow_run_id"],
        error=row["error"] or (unreadable.message if unreadable else None),
        error_code=row["error_code"] or (unreadable.code if unreadable else None),
        waiting_for=None if JobStatus(row["status"]).finished else row["waiting_for"],
        waiting_until=row["waiting_until"],
    )


async def with_files(connection: AsyncConnection, rows: Sequence[RowMapping]) -> list[Job]:
    """The jobs of these rows, their files read in one query."""
    if not rows:
        return []
    query = (
        select(job_files)
        .where(job_files.c.job_id.in_([row["job_id"] for row in rows]))
        .order_by(job_files.c.job_id, job_files.c.position)
    )
    found = (await connection.execute(query)).mappings().all()
    files = {job_id: list(group) for job_id, group in groupby(found, key=lambda file: file["job_id"])}
    return [job(row, files.get(row["job_id"], [])) for row in rows]


async def read_one(connection: AsyncConnection, wanted: ColumnElement[bool]) -> Job | None:
    """The job that is wanted with its files, in one statement: on a busy machine each one waits for its turn."""
    files = jobs.outerjoin(job_files, job_files.c.job_id == jobs.c.job_id)
    first = func.row_number().over(order_by=job_files.c.position) == 1
    # The request comes with the first file alone: a hundred URLs make a long one.
    asked = type_coerce(case((first, jobs.c.specification)), jobs.c.specification.type).label(_ASKED)
    columns = [column for column in jobs.c if column is not jobs.c.specification]
    query = select(*columns, asked, job_files).select_from(files).where(wanted).order_by(job_files.c.position)
    rows = (await connection.execute(query)).mappings().all()
    if not rows:
        return None
    there = [row for row in rows if row[job_files.c.job_id] is not None]
    return job(_of(jobs, rows[0]) | {"specification": rows[0][_ASKED]}, [_of(job_files, row) for row in there])


def _of(table: Table, row: RowMapping) -> dict[str, Any]:
    """A table's part of a row of two, without what was asked."""
    return {column.name: row[column] for column in table.c if column is not jobs.c.specification}


def _request(row: AnyRow) -> tuple[TranscribeRequest, SpecificationUnreadable | None]:
    try:
        return specification.load(row["specification"], row["specification_version"]), None
    except SpecificationUnreadable as error:
        return specification.legible(row["specification"]), error
