"""Runs whose worker is gone: found by the beats that workers leave in the database, and sent to the queue again."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

import structlog
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun, StateType

from control.reading import Reading
from orchestration.runs import crash, fail, job_id_of, requeue, settle_cancelled
from orchestration.states import WORKER_LOST, WORKER_LOST_SENTENCE, may_run_again
from storage.crashes import CrashCount
from storage.oversight import Oversight
from storage.store import Store

log = structlog.get_logger(__name__)

BEAT_AGE = 15.0
"""Seconds after its last beat until a worker counts as gone."""
PATIENCE = 4.0
"""Seconds for which nobody must have had a run: beats come every two."""
MOST_STARTS_OF_CHORES = 5
"""A chore that was begun so often and lost each time crashes for good; its schedule brings the next one."""

HELD = frozenset({StateType.PENDING, StateType.RUNNING, StateType.CANCELLING})
"""States in which some worker must have the run."""


@dataclass
class Reconciler:
    """Finds runs that nobody has, looking at what the watcher has read."""

    client: PrefectClient
    store: Store
    clock: Callable[[], float] = time.monotonic
    _missed_since: dict[UUID, float] = field(default_factory=dict)
    _counted: dict[tuple[UUID, object], CrashCount] = field(default_factory=dict)

    async def reconcile(self, reading: Reading) -> None:
        """Act on the runs that nobody has had for a while, and on those that crashed."""
        held = await self._held()
        missed = {run.id: run for run in reading.runs.values() if _must_be_held(run) and str(run.id) not in held}
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

    async def _held(self) -> set[str]:
        online = await self.store.workers.online(BEAT_AGE)
        return {str(run_id) for beat in online for run_id in beat.details.get("runs", ())}

    async def _rescue(self, run: FlowRun) -> None:
        kind = run.state.type if run.state is not None else None
        job_id = job_id_of(run)
        log.warning("a run's worker is gone", flow_run_id=str(run.id), job_id=job_id, state=str(kind))
        if kind is StateType.CANCELLING:
            await settle_cancelled(self.client, run.id)
        elif kind is StateType.PENDING:
            await requeue(self.client, run.id, "Its worker was gone before it began.")
        elif job_id is not None:
            # Whatever took the worker away took all of it: that says little of this job, but is not for ever borne.
            await self._once_more(run, job_id, alone=False)
        elif run.run_count < MOST_STARTS_OF_CHORES:
            await requeue(self.client, run.id, "Its worker was gone.")
        else:
            await crash(self.client, run.id, "Its worker is gone.")

    async def _run_again(self, run: FlowRun) -> None:
        """Send a crashed run to the queue, as long as its job waits for it."""
        job_id = job_id_of(run) or ""
        job = (await Oversight(self.store.database).jobs([job_id])).get(job_id)
        if job is None or job.status.finished or job.flow_run_id != str(run.id):
            return
        await self._once_more(run, job_id, alone=True)

    async def _once_more(self, run: FlowRun, job_id: str, *, alone: bool) -> None:
        count = await self._count(run, job_id, alone=alone)
        if may_run_again(count):
            await requeue(self.client, run.id, "Its worker was gone, or it crashed.")
        else:
            await fail(self.client, run.id, WORKER_LOST, WORKER_LOST_SENTENCE)

    async def _count(self, run: FlowRun, job_id: str, *, alone: bool) -> CrashCount:
        """Each death is counted once, however often Prefect must be told what follows from it."""
        death = (run.id, run.state.timestamp if run.state is not None else None)
        if death not in self._counted:
            counted = await self.store.crashes.note(job_id, alone=alone)
            self._counted = {key: count for key, count in self._counted.items() if key[0] != run.id} | {death: counted}
        return self._counted[death]


def _must_be_held(run: FlowRun) -> bool:
    return run.state is not None and run.state.type in HELD
