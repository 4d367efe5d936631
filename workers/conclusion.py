"""What becomes of a run that its place is done with: Prefect's engine has said most of it, the rest is left to us."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import structlog
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun, StateType

from orchestration.outages import Outage
from orchestration.runs import (
    ENDED,
    PROCESS_DIED,
    complete,
    crash,
    drop,
    fail,
    is_part,
    job_id_of,
    requeue,
    settle_cancelled,
)
from orchestration.states import WORKER_LOST, WORKER_LOST_SENTENCE, may_run_again
from speech.errors import JobTimedOut, SpeechError
from storage.crashes import CrashCount
from storage.store import Store
from tasks.observer import OVER
from workers.messages import Ended, Lost

log = structlog.get_logger(__name__)

RETRY_SECONDS = 1.0


@dataclass
class Conclusion:
    """Leaves a run in a state that somebody will act on, however long Prefect or the database are away."""

    client: PrefectClient
    store: Store
    worker_id: str
    leaving: asyncio.Event
    _outage: Outage = field(default_factory=lambda: Outage("Prefect or the database"))

    async def conclude(self, run: FlowRun, ended: Ended) -> None:
        """Act on how a run ended; returns when that was heard."""
        if ended.kind in ENDED:
            return
        counted: CrashCount | None = None
        while True:
            try:
                if ended.lost is not None and counted is None:
                    counted = await self._count(run, ended.lost)
                await self._settle(run, ended, counted or CrashCount())
            except Exception as reason:  # noqa: BLE001 - said again until it is heard
                self._outage.met(reason)
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return

    async def _count(self, run: FlowRun, lost: Lost) -> CrashCount:
        """A death that we brought about ourselves says nothing of the runs that were aboard."""
        job_id = job_id_of(run)
        if lost.forced:
            return CrashCount()
        if job_id is None:  # nobody counts for it but Prefect, which counts its starts
            return CrashCount(total=run.run_count + 1)
        if is_part(run) and lost.together > 1:  # one death may take many parts of a job, and counts for none of them
            await self.store.crashes.suspect(job_id)
            return CrashCount(total=run.run_count + 1)
        return await self.store.crashes.note(job_id, alone=lost.together == 1, suspect=True)

    async def _settle(self, run: FlowRun, ended: Ended, count: CrashCount) -> None:
        if ended.lost is not None:
            await self._settle_lost(run, ended.lost, count)
        elif ended.kind is StateType.CANCELLING:
            # The flow stopped with an error or result of its own, which Prefect does not take from a cancelling run.
            await settle_cancelled(self.client, run.id)
        elif ended.refusal is not None:
            await fail(self.client, run.id, SpeechError.code, ended.refusal)
        elif ended.broken:
            await crash(self.client, run.id, "The worker could not see the run through.")
        elif ended.wait_seconds is not None:
            await self._requeue(run, "It waits before it goes on.", ended.wait_seconds, begun=ended.begun)
        elif ended.kind is not None:
            return
        elif self.leaving.is_set():
            await self._requeue(run, "The worker stopped.")
        elif ended.returned:
            await self._requeue(run, "Its place was needed.")
        else:
            await drop(self.client, run.id, self.worker_id)

    async def _settle_lost(self, run: FlowRun, lost: Lost, count: CrashCount) -> None:
        log.warning("a run lost its process", flow_run_id=str(run.id), cause=lost.cause, deaths=count.total)
        if lost.overdue:
            await self._end_overdue(run)
        elif may_run_again(count):
            await self._requeue(run, PROCESS_DIED)
        else:
            await fail(self.client, run.id, WORKER_LOST, WORKER_LOST_SENTENCE)

    async def _end_overdue(self, run: FlowRun) -> None:
        """As the flow would have: with what was done in time, if anything was."""
        error, job_id = JobTimedOut(OVER), job_id_of(run)
        if job_id is not None and await self.store.overtime.end(job_id, str(run.id), error):
            await complete(self.client, run.id)
        else:
            await fail(self.client, run.id, error.code, error.message)

    async def _requeue(self, run: FlowRun, reason: str, after: float | None = None, *, begun: bool = True) -> None:
        await requeue(self.client, run.id, reason, holder=self.worker_id, after=after, begun=begun)
