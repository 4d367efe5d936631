"""From when to when a job and its results live: the moment that it waits for, and the moment that its results go."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, and_, or_

from speech.clock import now
from speech.jobs import FINISHED, JobStatus
from storage.tables import jobs

_ENDED = tuple(str(status) for status in FINISHED)


def waits_until(not_before: datetime | None, moment: datetime) -> datetime | None:
    """What a job waits for; a moment that has passed is none, else it would overtake those who came before."""
    return not_before if not_before is not None and not_before > moment else None


def expires_at(row: RowMapping, completed_at: datetime) -> datetime | None:
    """When the results of a job that ended then go; None: never."""
    return None if row["expires_in"] is None else completed_at + timedelta(seconds=row["expires_in"])


def is_expired(row: Mapping[Any, Any]) -> bool:
    """Whether the job's results are over, whether or not anybody cleaned up since."""
    if row["status"] == JobStatus.EXPIRED:
        return True
    return row["status"] in _ENDED and row["expires_at"] is not None and bool(row["expires_at"] <= now())


def over(moment: datetime) -> ColumnElement[bool]:
    """The same as SQL, of jobs that were not cleaned up yet."""
    uncleaned = tuple(status for status in _ENDED if status != JobStatus.EXPIRED)
    return and_(jobs.c.status.in_(uncleaned), jobs.c.expires_at.is_not(None), jobs.c.expires_at <= moment)


def shown_as(status: JobStatus) -> ColumnElement[bool]:
    """The jobs that clients see in this status: what is over is `expired` at once."""
    moment = now()
    if status is JobStatus.EXPIRED:
        return or_(jobs.c.status == str(status), over(moment))
    return and_(jobs.c.status == str(status), ~over(moment)) if status.finished else jobs.c.status == str(status)


def waiting_in_line() -> ColumnElement[bool]:
    """The queued jobs whose time has come: those that wait for a moment stand in nobody's way."""
    moment = now()
    due = [or_(column.is_(None), column <= moment) for column in (jobs.c.not_before, jobs.c.waiting_until)]
    return and_(jobs.c.status == str(JobStatus.QUEUED), *due)
