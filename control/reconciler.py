"""Runs whose worker is gone: found by the beats that workers leave in the database, and sent to the queue again."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun, StateType

from control.reading import Reading
from orchestration.internals import worker_id_of
from orchestration.runs import crash, fail, is_part, job_id_of, requeue, settle_cancelled
from orchestration.states import WORKER_LOST, WORKER_LOST_SENTENCE, may_run_again
from speech.clock import now
from storage.crashes import CrashCount
from storage.oversight import Oversight
from storage.store import Store

log = structlog.get_logger(__name__)

BEAT_AGE = 15.0
"""Seconds after its last beat until a worker counts as gone."""
SIGNATURE_AGE = timedelta(seconds=10)
"""How long a run that a worker has signed is its run though no beat names it yet: beats may be late."""
PATIENCE = 4.0
"""Seconds for which nobody must have had a run: beats come every two."""
BROKEN_SECONDS = 5.0
"""How much later a run is run again that broke though its worker lives: the database or Prefect may have been away."""
MOST_STARTS = 5
"""A chore that was begun so often and lost each time crashes for good, and its schedule brings the next one; a part
does, and its job's own run does the work."""

HELD = frozenset({StateType.PENDING, StateType.RUNNING, StateType.CANCELLING})
"""States in which some worker must have the run."""


@dataclass(frozen=True, slots=True)
class Held:
    """The runs that workers who are there say they have, and who is there."""

    runs: frozenset[str]
    workers: frozenset[str]

    def has(self, run: FlowRun) -> bool:
        """Whether somebody has the run: by their beat, or by a signature that is newer than a beat may be late."""
        if str(run.id) in self.runs:
            return True
        fresh = run.state is not None and now() - run.state.timestamp < SIGNATURE_AGE
        return fresh and worker_id_of(run) in self.workers


@dataclass
class Reconciler:
    """Finds runs that nobody has, looking at what the watcher has read."""

    client: PrefectClient
    store: Store
    clock: Callable[[], float] = time.monotonic
    _missed_since: dict[UUID, float] = field(default_factory=dict)
    _beats: dict[str, tuple[datetime | None, float]] = field(default_factory=dict)
    _counted: dict[tuple[UUID, object], CrashCount] = field(default_factory=dict)

    async def reconcile(self, reading: Reading) -> None:
        """Act on the runs that nobody has had for a while, and on those that crashed."""
        held = await self._held()
        missed = {run.id: run for run in reading.runs.values() if _must_be_held(run) and not held.has(run)}
        since = {run_id: self._missed_since.get(run_id, self.clock()) for run_id in missed}
        self._missed_since = since
        for run_id, run in missed.items():
            if self.clock() - since[run_id] >= PATIENCE:
                await self._rescue(run)
                del since[run_id]
        await self.restart_crashed(reading)

    async def restart_crashed(self, reading: Reading) -> None:
        """Send the runs that crashed to the queue again."""
        for run in reading.runs.values():
            if run.state is not None and run.state.type is StateType.CRASHED:
                await self._run_again(run)

    async def _held(self) -> Held:
        """Who has what, by beats that still change: what the workers' clocks say plays no part."""
        beats = await self.store.workers.known()
        moment = self.clock()
        before = self._beats
        self._beats = {}
        for beat in beats:
            at, changed = before.get(beat.worker_id, (None, moment))
            self._beats[beat.worker_id] = (beat.beat_at, moment if beat.beat_at != at else changed)
        online = [beat for beat in beats if moment - self._beats[beat.worker_id][1] <= BEAT_AGE]
        runs = frozenset(str(run_id) for beat in online for run_id in beat.details.get("runs", ()))
        return Held(runs, frozenset(beat.worker_id for beat in online))

    async def _rescue(self, run: FlowRun) -> None:
        kind = run.state.type if run.state is not None else None
        job_id = job_id_of(run)
        log.warning("a run's worker is gone", flow_run_id=str(run.id), job_id=job_id, state=str(kind))
        if kind is StateType.CANCELLING:
            await settle_cancelled(self.client, run.id)
        elif kind is StateType.PENDING:
            await requeue(self.client, run.id, "Its worker was gone before it began.")
        elif job_id is not None and not is_part(run):
            # Whatever took the worker away took all of it: that says little of this job, but is not for ever borne.
            await self._once_more(run, job_id)
        elif run.run_count < MOST_STARTS:
            await requeue(self.client, run.id, "Its worker was gone.")
        else:
            await crash(self.client, run.id, "Its worker is gone.")

    async def _run_again(self, run: FlowRun) -> None:
        """Send a crashed run to the queue, as long as its job waits for it."""
        job_id = job_id_of(run) or ""
        job = (await Oversight(self.store.database).jobs([job_id])).get(job_id)
        if job is None or job.status.finished or job.flow_run_id != str(run.id):
            return
        await self._once_more(run, job_id, after=BROKEN_SECONDS)

    async def _once_more(self, run: FlowRun, job_id: str, after: float | None = None) -> None:
        count = await self._count(run, job_id)
        if may_run_again(count):
            await requeue(self.client, run.id, "Its worker was gone, or it crashed.", after=after)
        else:
            await fail(self.client, run.id, WORKER_LOST, WORKER_LOST_SENTENCE)

    async def _count(self, run: FlowRun, job_id: str) -> CrashCount:
        """Each loss is counted once, however often Prefect must be told what follows from it."""
        death = (run.id, run.state.timestamp if run.state is not None else None)
        if death not in self._counted:
            counted = await self.store.crashes.note(job_id)
            self._counted = {key: count for key, count in self._counted.items() if key[0] != run.id} | {death: counted}
        return self._counted[death]


def _must_be_held(run: FlowRun) -> bool:
    return run.state is not None and run.state.type in HELD
