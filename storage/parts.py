"""Parts of long recordings: who recognises what of a file beside whom, and how far that is.

A part is a row. Control makes a flow run for it, which leaves finished pieces where the job's own run finds them. When
all parts of a file have ended, however they did, that run goes on; what they left undone it does itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, func, insert, or_, select, update

from speech.clock import now
from speech.errors import AttemptSuperseded, JobCancelled
from speech.jobs import JobStatus
from speech.options import Priority
from storage import specification
from storage.attempts import Attempt, hold
from storage.database import Database
from storage.demand import MODEL, PROVIDER
from storage.records import with_files
from storage.submission import UNFINISHED
from storage.tables import jobs, parts


@dataclass(frozen=True, slots=True)
class Part:
    """The pieces from ``first_piece`` to before ``end_piece``, ``seconds`` of speech, of a file with ``whole_seconds``.

    ``language`` is the one to recognise in; None when the job named none and the model asks for none. ``attempt`` is
    the attempt at the job that shared the work out.
    """

    job_id: str
    file_id: str
    part: int
    submission: int
    attempt: int
    first_piece: int
    end_piece: int
    language: str | None
    seconds: float
    whole_seconds: float
    deadline_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class WatchedPart:
    """A part that control has still to see to. ``wanted``: its job waits for it."""

    job_id: str
    file_id: str
    part: int
    submission: int
    attempt: int
    flow_run_id: str | None
    ended: bool
    wanted: bool
    priority: Priority
    provider: str
    model: str | None
    job_flow_run_id: str | None
    created_at: datetime


class Parts:
    """The parts of jobs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def share_out(self, attempt: Attempt, shared: Sequence[Part]) -> None:
        """Write the parts of one file, in place of those of an earlier submission; AttemptSuperseded."""
        first = shared[0]
        more = {"owner_id": attempt.job.owner_id, "created_at": now()}
        async with self._database.writing() as connection:
            await hold(connection, attempt)
            await connection.execute(delete(parts).where(_file(first.job_id, first.file_id)))
            await connection.execute(insert(parts), [_values(part) | more for part in shared])

    async def shared_out(self, job_id: str, file_id: str, submission: int) -> bool:
        """Whether the file was shared out since the job was last asked for: that is done once."""
        query = select(parts.c.part).where(_file(job_id, file_id), parts.c.submission == submission).limit(1)
        async with self._database.reading() as connection:
            return (await connection.execute(query)).first() is not None

    async def deadline(self, job_id: str, submission: int) -> datetime | None:
        """When the time of the job is over that shared out its work; None when it has all time or shared nothing."""
        mine = (parts.c.job_id == job_id) & (parts.c.submission == submission)
        async with self._database.reading() as connection:
            found: datetime | None = (
                await connection.execute(select(func.min(parts.c.deadline_at)).where(mine))
            ).scalar()
        return found

    async def at_work(self, job_id: str, submission: int) -> bool:
        """Whether parts of the job go on, so that its own run has to wait."""
        mine = (parts.c.job_id == job_id) & (parts.c.submission == submission)
        in_time = or_(parts.c.deadline_at.is_(None), parts.c.deadline_at > now())
        query = (
            select(parts.c.part).join(jobs, jobs.c.job_id == parts.c.job_id).where(mine, _open(), _wanted(), in_time)
        )
        async with self._database.reading() as connection:
            return (await connection.execute(query.limit(1))).first() is not None

    async def take_up(self, job_id: str, submission: int, file_id: str, part: int) -> tuple[Attempt, Part]:
        """The part, and the attempt on whose behalf it is done.

        Raises:
            AttemptSuperseded: when nobody waits for it any more.
            JobCancelled: when the job is to stop.
            SpecificationUnreadable: when this version does not understand what is asked.

        """
        chosen = _one(job_id, file_id, part) & (parts.c.submission == submission) & _open()
        async with self._database.reading() as connection:
            job = (await connection.execute(select(jobs).where(jobs.c.job_id == job_id))).mappings().first()
            row = (await connection.execute(select(parts).where(chosen))).mappings().first()
            if job is None or row is None or row["attempt"] != job["attempt"] or job["status"] not in UNFINISHED:
                raise AttemptSuperseded(f"Nobody waits for part {part} of job {job_id} any more.")
            if job["cancel_requested_at"] is not None:
                raise JobCancelled(f"Job {job_id} was cancelled.")
            specification.load(job["specification"], job["specification_version"])
            (whole,) = await with_files(connection, [job])
            attempt = Attempt(whole, job["attempt_token"], job["attempt"])
        return attempt, Part(**{name: row[name] for name in Part.__dataclass_fields__})

    async def advance(self, part: Part, done_seconds: float) -> float:
        """So many seconds of the part are done; the fraction of the file that is."""
        left = func.sum(parts.c.seconds - parts.c.done_seconds)
        mine = _file(part.job_id, part.file_id)
        async with self._database.writing(durable=False) as connection:
            change = update(parts).where(_one(part.job_id, part.file_id, part.part))
            await connection.execute(change.values(done_seconds=min(done_seconds, part.seconds)))
            undone = (await connection.execute(select(left).where(mine))).scalar()
        return 0.0 if undone is None else 1.0 - min(1.0, undone / part.whole_seconds)

    async def end(self, job_id: str, file_id: str, part: int) -> None:
        """Nobody works at the part any more, whether it is done or not."""
        async with self._database.writing() as connection:
            change = update(parts).where(_one(job_id, file_id, part), _open())
            await connection.execute(change.values(ended_at=now()))

    async def sent(self, watched: WatchedPart, flow_run_id: str) -> None:
        """The part's flow run was made."""
        chosen = _one(watched.job_id, watched.file_id, watched.part) & (parts.c.attempt == watched.attempt)
        async with self._database.writing(durable=False) as connection:
            await connection.execute(update(parts).where(chosen).values(flow_run_id=flow_run_id))

    async def settle(self, watched: WatchedPart) -> None:
        """Control has nothing to do any more for the parts of that file."""
        chosen = _file(watched.job_id, watched.file_id) & (parts.c.attempt == watched.attempt)
        async with self._database.writing(durable=False) as connection:
            await connection.execute(update(parts).where(chosen).values(settled_at=now()))

    async def open_runs(self) -> list[str]:
        """The flow runs of parts that their jobs wait for; there are no more than devices were idle."""
        query = select(parts.c.flow_run_id).join(jobs, jobs.c.job_id == parts.c.job_id)
        async with self._database.reading() as connection:
            found = await connection.execute(query.where(_open(), _wanted(), parts.c.flow_run_id.is_not(None)))
            return list(found.scalars())

    async def watched(self) -> list[WatchedPart]:
        """All parts of files that control has still to see to, the oldest first; ended ones among them.

        There are no more than devices were idle: a file of which only some were seen would seem to have ended.
        """
        query = (
            select(parts, jobs.c.priority, PROVIDER, MODEL, jobs.c.flow_run_id.label("job_flow_run_id"))
            .add_columns(_wanted().label("wanted"), parts.c.ended_at.is_not(None).label("ended"))
            .join(jobs, jobs.c.job_id == parts.c.job_id)
            .where(parts.c.settled_at.is_(None))
            .order_by(parts.c.created_at, parts.c.job_id, parts.c.file_id, parts.c.part)
        )
        async with self._database.reading() as connection:
            rows = (await connection.execute(query)).mappings().all()
        return [_watched(row) for row in rows]


def _watched(row: Any) -> WatchedPart:
    values = {name: row[name] for name in WatchedPart.__dataclass_fields__}
    return WatchedPart(**{**values, "wanted": bool(row["wanted"]), "priority": Priority(row["priority"])})


def _values(part: Part) -> dict[str, Any]:
    return {name: getattr(part, name) for name in Part.__dataclass_fields__}


def _file(job_id: str, file_id: str) -> ColumnElement[bool]:
    return (parts.c.job_id == job_id) & (parts.c.file_id == file_id)


def _one(job_id: str, file_id: str, part: int) -> ColumnElement[bool]:
    return _file(job_id, file_id) & (parts.c.part == part)


def _open() -> ColumnElement[bool]:
    return parts.c.ended_at.is_(None)


def _wanted() -> ColumnElement[bool]:
    """Whether the attempt that shared the work out is the newest, of a job that is to go on."""
    goes_on = jobs.c.status.in_([status for status in UNFINISHED if status != JobStatus.CANCELLING])
    return (jobs.c.attempt == parts.c.attempt) & goes_on & jobs.c.cancel_requested_at.is_(None)
