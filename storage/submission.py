"""Accepting jobs: their rows and the order to submit them, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import unquote, urlsplit

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from speech.clock import now
from speech.errors import UnsupportedOption
from speech.filenames import shown_name
from speech.jobs import FINISHED, FileStatus, JobStatus, Stage
from speech.options import SPECIFICATION_VERSION, Priority, TranscribeRequest
from storage import specification
from storage.errors import Missing, QueueFull
from storage.ids import new_id
from storage.lifetimes import waits_until
from storage.outbox import tell_to_submit
from storage.owners import hold_owner
from storage.tables import files, job_files, jobs

RANKS = {Priority.EXPRESS: 0, Priority.NORMAL: 1, Priority.LOW: 2}
"""Smaller goes first."""
_AT_ONCE = 500
UNFINISHED = tuple(str(status) for status in JobStatus if status not in FINISHED)


async def accept(
    connection: AsyncConnection,
    owner_id: str,
    request: TranscribeRequest,
    *,
    max_unfinished: int,
    job_id: str,
    results_kept: float = 0,
    names: Mapping[str, str] | None = None,
) -> None:
    """Write the job, its files and its submission; QueueFull, Missing or UnsupportedOption when it may not be.

    ``results_kept`` is for how many seconds results stay when the request does not say; 0: for ever. ``names`` say
    what to call the recordings of some of the URLs, until they are fetched.
    """
    wanted = {job_id: request}
    await accept_all(
        connection, owner_id, wanted, max_unfinished=max_unfinished, results_kept=results_kept, names=names
    )


async def accept_all(
    connection: AsyncConnection,
    owner_id: str,
    wanted: Mapping[str, TranscribeRequest],
    *,
    max_unfinished: int,
    results_kept: float = 0,
    batch_id: str | None = None,
    names: Mapping[str, str] | None = None,
) -> None:
    """The same for several jobs, by their ids: all of them or none, with few statements however many they are."""
    for request in wanted.values():
        _refuse_bad_inputs(request)
    await hold_places(connection, owner_id, len(wanted), max_unfinished)
    moment = now()
    called = names or {}
    uploaded = await _uploaded(connection, owner_id, [name for request in wanted.values() for name in request.file_ids])
    fetched = {
        job_id: [_file_to_fetch(owner_id, url, called.get(url) or filename_of(url), moment) for url in request.urls]
        for job_id, request in wanted.items()
    }
    if any(fetched.values()):
        await connection.execute(insert(files), [row for rows in fetched.values() for row in rows])
    rows = [_job_row(owner_id, job_id, request, moment, results_kept) for job_id, request in wanted.items()]
    places = [{"batch_id": batch_id, "batch_position": position if batch_id else None} for position in range(len(rows))]
    await connection.execute(insert(jobs), [row | place for row, place in zip(rows, places, strict=True)])
    inputs = {
        job_id: [(file_id, uploaded[file_id]) for file_id in request.file_ids]
        + [(row["file_id"], row["filename"]) for row in fetched[job_id]]
        for job_id, request in wanted.items()
    }
    job_inputs = [
        _job_file_row(owner_id, job_id, position, *named)
        for job_id, files_of_job in inputs.items()
        for position, named in enumerate(files_of_job)
    ]
    await connection.execute(insert(job_files), job_inputs)
    await tell_to_submit(connection, owner_id, list(wanted))


def filename_of(url: str) -> str:
    """What to call a recording until its server names it: the last part of the path, or the host."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "recording"
    return shown_name(unquote(parts.path.rstrip("/").rpartition("/")[2]), parts.hostname or "recording")


def _refuse_bad_inputs(request: TranscribeRequest) -> None:
    if not request.file_ids and not request.urls:
        raise UnsupportedOption("Give file_ids, urls or both.", "file_ids")
    if len(set(request.file_ids)) < len(request.file_ids):
        raise UnsupportedOption("The same file is named twice; results are told apart by file_id.", "file_ids")


async def hold_places(connection: AsyncConnection, owner_id: str, wanted: int, max_unfinished: int) -> None:
    """See that ``wanted`` more jobs may be unfinished, and hold the owner's row so that nobody else counts meanwhile.

    Raises:
        QueueFull: when they would be too many.
        Missing: when there is no such owner.

    """
    if await places_left(connection, owner_id, max_unfinished) < wanted:
        raise QueueFull(f"As many jobs are unfinished as are allowed, {max_unfinished}; try again later.")


async def places_left(connection: AsyncConnection, owner_id: str, max_unfinished: int) -> int:
    """Count the owner's unfinished jobs, and hold the owner's row so that nobody else counts meanwhile."""
    await hold_owner(connection, owner_id)
    counting = select(func.count()).where(jobs.c.owner_id == owner_id, jobs.c.status.in_(UNFINISHED))
    unfinished: int = (await connection.execute(counting)).scalar_one()
    return max_unfinished - unfinished


async def _uploaded(connection: AsyncConnection, owner_id: str, file_ids: list[str]) -> dict[str, str]:
    """The names of the owner's files by their ids, held so that nobody deletes them meanwhile."""
    wanted, names = sorted(set(file_ids)), {}
    for start in range(0, len(wanted), _AT_ONCE):
        some = files.c.file_id.in_(wanted[start : start + _AT_ONCE])
        query = select(files.c.file_id, files.c.filename).where(files.c.owner_id == owner_id, some)
        found = await connection.execute(query.order_by(files.c.file_id).with_for_update(read=True))
        names.update({row.file_id: row.filename for row in found})
    for file_id in file_ids:
        if file_id not in names:
            raise Missing(f"There is no file {file_id}; upload it first.", "file_not_found")
    return names


def _file_to_fetch(owner_id: str, url: str, filename: str, moment: datetime) -> dict[str, Any]:
    return {
        "file_id": new_id(),
        "owner_id": owner_id,
        "filename": filename,
        "size_bytes": 0,
        "content_type": "application/octet-stream",
        "source_url": url,
        "created_at": moment,
    }


def _job_row(
    owner_id: str, job_id: str, request: TranscribeRequest, moment: datetime, results_kept: float
) -> dict[str, Any]:
    return {
        "job_id": job_id,
        "owner_id": owner_id,
        "status": str(JobStatus.QUEUED),
        "stage": str(Stage.QUEUED),
        "progress": 0.0,
        "attempt": 1,
        "submission": 1,
        "priority": str(request.priority),
        "priority_rank": RANKS[request.priority],
        "specification": specification.dump(request),
        "specification_version": SPECIFICATION_VERSION,
        "metadata": request.metadata,
        "created_at": moment,
        "not_before": waits_until(request.not_before, moment),
        "expires_in": request.expires_in or results_kept or None,
    }


def _job_file_row(owner_id: str, job_id: str, position: int, file_id: str, filename: str) -> dict[str, Any]:
    return {
        "job_id": job_id,
        "position": position,
        "owner_id": owner_id,
        "file_id": file_id,
        "filename": filename,
        "status": str(FileStatus.QUEUED),
        "stage": str(Stage.QUEUED),
        "progress": 0.0,
        "providers_tried": [],
    }
