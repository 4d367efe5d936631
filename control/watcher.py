"""Jobs kept in line with their flow runs: one look a second at what moves, and at once where an event hints.

However many jobs wait, a look reads only the runs in motion, those that ended lately, and those whose jobs are at
work. Jobs that wait are gone through page by page beside it, for runs that were deleted.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog
from prefect.client.schemas.objects import FlowRun

from control.reading import PAGE, Reading, RunReader
from orchestration.runs import job_id_of
from orchestration.states import read_run
from speech.clock import now
from speech.jobs import JobStatus, Stage
from storage.oversight import Oversight, WatchedJob
from storage.projection import Projection
from storage.store import Store

log = structlog.get_logger(__name__)

OVERLAP = timedelta(seconds=30)
"""How far back a look goes for runs that ended: clocks differ, and a commit may be late."""

EARLY_SECONDS = 1.0
"""For how long a run is read again that does not show what an event told of it: then the regular look has been."""


@dataclass(frozen=True, slots=True)
class Hint:
    """What an event tells of a run: that it is in another state ``since`` then; ``heard_at`` on the monotonic clock."""

    since: datetime
    heard_at: float = field(default_factory=time.monotonic)

    def shown_by(self, run: FlowRun | None) -> bool:
        """Whether a run that was read just now shows it, or nobody needs to wait for that any more."""
        if run is None or run.state is None or time.monotonic() - self.heard_at > EARLY_SECONDS:
            return True
        return run.state.timestamp >= self.since


@dataclass
class Watcher:
    """Control's eye on Prefect.

    Looks take turns: were a look projected after a later one, a job that ended in between would be opened again.
    """

    reader: RunReader
    store: Store
    hinted: dict[UUID, Hint] = field(default_factory=dict)
    """What events told of runs, and nobody has read yet."""
    _looked_at: datetime = field(default_factory=now)
    _position: str = ""
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def _jobs(self) -> Oversight:
        return Oversight(self.store.database)

    async def look(self) -> Reading:
        """Read all that moves, project it, and note that Prefect was read."""
        async with self._turn:
            reading = Reading(now())
            at_work = await self._jobs.at_work()
            theirs = {UUID(job.flow_run_id) for job in at_work if job.flow_run_id is not None}
            reading.add(await self.reader.moving(self._looked_at - OVERLAP, theirs))
            await self._look_at_jobs(reading, at_work)
            await self._project(reading)
            self._looked_at = reading.observed_at
        await self.store.jobs.read_mark()
        return reading

    async def look_at_hints(self) -> bool:
        """Read the runs that events named since the last time; whether some did not show yet what those told."""
        async with self._turn:
            wanted, self.hinted = self.hinted, {}
            reading = Reading(now())
            try:
                reading.add(await self.reader.by_ids(wanted))
            except BaseException:
                self.hinted = wanted | self.hinted
                raise
            await self._project(reading)
            early = {run_id: hint for run_id, hint in wanted.items() if not hint.shown_by(reading.runs.get(run_id))}
            self.hinted = early | self.hinted
        return bool(early)

    async def look_at_next_page(self) -> Reading:
        """Read the runs of the next unfinished jobs; after the last ones it begins again."""
        async with self._turn:
            page = await self._jobs.page(self._position, PAGE)
            self._position = page[-1].job_id if len(page) == PAGE else ""
            reading = Reading(now())
            await self._look_at_jobs(reading, page)
            await self._project(reading)
        return reading

    async def submit_stranded(self) -> None:
        """Submit the jobs that have no run and are on nobody's list."""
        for job in await self._jobs.stranded(PAGE):
            await self._lost(job)

    async def _look_at_jobs(self, reading: Reading, jobs: Iterable[WatchedJob]) -> None:
        """Read the runs of these jobs that were not read yet; a run that is gone is replaced."""
        wanted = {UUID(job.flow_run_id): job for job in jobs if job.flow_run_id is not None}
        reading.add(await self.reader.by_ids(wanted.keys() - reading.runs.keys()))
        for run_id, job in wanted.items():
            if run_id not in reading.runs:
                await self._lost(job)

    async def _lost(self, job: WatchedJob) -> None:
        again = await self.store.jobs.resubmit(job.job_id, job.submission, job.flow_run_id)
        log.warning("a job's flow run is gone", job_id=job.job_id, submitted_again=again)

    async def _project(self, reading: Reading) -> None:
        runs = {job_id: run for run in reading.runs.values() if (job_id := job_id_of(run)) is not None}
        jobs = await self._jobs.jobs(runs.keys())
        for run in reading.runs.values():
            job = jobs.get(job_id_of(run) or "")
            if job is not None and job.flow_run_id == str(run.id):
                await self._project_one(job, run, reading.observed_at)

    async def _project_one(self, job: WatchedJob, run: FlowRun, observed_at: datetime) -> None:
        projection = project(run, observed_at)
        if not _says_more(job, projection):
            return
        if await self.store.jobs.project(job.job_id, job.submission, projection):
            log.info("job changed", job_id=job.job_id, status=str(projection.status), was=str(job.status))


def project(run: FlowRun, observed_at: datetime) -> Projection:
    """What a run says of its job."""
    seen = read_run(run)
    ended = seen.status.finished and run.state is not None
    return Projection(
        status=seen.status,
        stage=seen.stage,
        started_at=_plain(run.start_time),
        completed_at=_plain(run.state.timestamp) if ended and run.state is not None else None,
        error=seen.error,
        error_code=seen.error_code,
        observed_at=observed_at,
    )


def _plain(moment: datetime | None) -> datetime | None:
    """Prefect's moments are of a class of their own; storage takes the standard library's."""
    return None if moment is None else datetime.fromtimestamp(moment.timestamp(), UTC)


def _says_more(job: WatchedJob, seen: Projection) -> bool:
    """Whether the projection may change the job: most looks find everything as it was, and write nothing."""
    if seen.status is not job.status:
        return True
    paused = job.stage == Stage.PAUSED
    return seen.status is JobStatus.PROCESSING and paused is not (seen.stage is Stage.PAUSED)
