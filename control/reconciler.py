"""Runs whose worker is gone: found by the beats that workers leave in the database, and sent to the queue again."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

import structlog
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun, StateType

from control.reading import Reading, job_id_of
from orchestration.runs import crash, fail, requeue, settle_cancelled
from orchestration.states import MAX_ATTEMPTS, WORKER_LOST, WORKER_LOST_SENTENCE, may_run_again
from storage.oversight import Oversight
from storage.store import Store

log = structlog.get_logger(__name__)

BEAT_AGE = 15.0
"""Seconds after its last beat until a worker counts as gone."""
PATIENCE = 4.0
"""Seconds for which nobody must have had a run: beats come every two."""

HELD = frozenset({StateType.PENDING, StateType.RUNNING, StateType.CANCELLING})
"""States in which some worker must have the run."""


@dataclass
class Reconciler:
    """Finds runs that nobody has, looking at what the watcher has read."""

    client: PrefectClient
    store: Store
    clock: Callable[[], float] = time.monotonic
    _missed_since: dict[UUID, float] = field(default_factory=dict)
    _crashes: Counter[UUID] = field(default_factory=Counter)

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
            if run.state is not None and run.state.type is StateType.CRASHED and may_run_again(run.run_count):
                await self._run_again(run)

    async def _held(self) -> set[str]:
        online = await self.store.workers.online(BEAT_AGE)
        return {str(run_id) for beat in online for run_id in beat.details.get("runs", ())}

    async def _rescue(self, run: FlowRun) -> None:
        kind = run.state.type if run.state is not None else None
        log.warning("a run's worker is gone", flow_run_id=str(run.id), job_id=job_id_of(run), state=str(kind))
        if kind is StateType.CANCELLING:
            await settle_cancelled(self.client, run.id)
        elif kind is StateType.PENDING:
            await requeue(self.client, run.id, "Its worker was gone before it began.")
        elif await crash(self.client, run.id, "Its worker is gone.") and may_run_again(run.run_count):
            await requeue(self.client, run.id, "Its worker was gone.")

    async def _run_again(self, run: FlowRun) -> None:
        """Send a crashed run to the queue, as long as its job waits for it."""
        job_id = job_id_of(run) or ""
        job = (await Oversight(self.store.database).jobs([job_id])).get(job_id)
        if job is None or job.status.finished or job.flow_run_id != str(run.id):
            return
        # Prefect counts starts; a run that breaks before it starts must not go round for ever either.
        self._crashes[run.id] += 1
        if self._crashes[run.id] > MAX_ATTEMPTS:
            await fail(self.client, run.id, WORKER_LOST, WORKER_LOST_SENTENCE)
        else:
            await requeue(self.client, run.id, "It crashed.")


def _must_be_held(run: FlowRun) -> bool:
    return run.state is not None and run.state.type in HELD and job_id_of(run) is not None
