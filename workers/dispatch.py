"""Taking runs from the queue and giving them to the slots: woken by events, with a poll as the safety net."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

import structlog
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import WorkerFlowRunResponse

from orchestration.outages import Outage
from orchestration.runs import claim, crash, drop, fail, requeue, settle_cancelled, sign
from speech.clock import now
from speech.errors import SpeechError
from workers.flows import FlowUnknown, LoadedFlows
from workers.slots import Ended, Slots

log = structlog.get_logger(__name__)

POLL_SECONDS = 1.5
RETRY_SECONDS = 1.0


@dataclass
class Dispatcher:
    """One worker's way from the queues of a pool to its slots."""

    client: PrefectClient
    pool: str
    worker_id: str
    slots: Slots
    queues: tuple[str, ...] = ()
    flows: LoadedFlows = field(default_factory=LoadedFlows)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _outage: Outage = field(default_factory=lambda: Outage("Prefect"))

    async def serve(self, stop: asyncio.Event) -> None:
        """Claim and start runs until ``stop`` is set. Prefect being away is borne."""
        while not stop.is_set():
            try:
                await self.take()
                self._outage.over()
            except Exception as reason:  # noqa: BLE001 - a worker outlives every outage
                self._outage.met(reason)
            await self._rest()

    async def take(self) -> int:
        """Claim as many due runs as there is room for, and start them; how many."""
        if self.slots.free <= 0:
            return 0
        due = [run for run in await self._due(self.slots.free) if run.id not in self.slots.runs]
        started = await asyncio.gather(*(self._claim_and_start(run) for run in due))
        return sum(started)

    async def settle(self) -> None:
        """Wait until no run is in work."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def hand_back(self) -> None:
        """Send what is still in work to the queue, for other workers."""
        await asyncio.gather(*(self._give_back(run_id) for run_id in self.slots.runs))

    async def _give_back(self, run_id: UUID) -> None:
        try:
            await requeue(self.client, run_id, "The worker stopped.")
        except Exception as reason:  # noqa: BLE001 - control does it as soon as the beat is missed
            self._outage.met(reason)

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(POLL_SECONDS):
                await self.wake.wait()
        except TimeoutError:
            return
        finally:
            self.wake.clear()

    async def _due(self, limit: int) -> Iterable[FlowRun]:
        response = await self.client.request(
            "POST",
            "/work_pools/{name}/get_scheduled_flow_runs",
            path_params={"name": self.pool},
            json={
                "limit": limit,
                "scheduled_before": now().isoformat(),
                **({"work_queue_names": list(self.queues)} if self.queues else {}),
            },
        )
        return [WorkerFlowRunResponse.model_validate(entry).flow_run for entry in response.json()]

    async def _claim_and_start(self, run: FlowRun) -> bool:
        self.slots.reserve(run.id)
        try:
            state = await claim(self.client, run)
        except BaseException:
            self.slots.release(run.id)
            raise
        if state is None:
            self.slots.release(run.id)
            return False
        run.state = state
        task = asyncio.create_task(self._see_through(run), name=f"run-{run.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def _see_through(self, run: FlowRun) -> None:
        """Run it, and leave it in a state that somebody will act on."""
        try:
            signed = asyncio.create_task(self._sign(run))
            ended = await self._run(run)
            await signed
            await self._conclude(run, ended)
        finally:
            self.slots.release(run.id)
            self.wake.set()

    async def _sign(self, run: FlowRun) -> None:
        try:
            await sign(self.client, run.id, self.worker_id)
        except Exception as reason:  # noqa: BLE001 - the beat names the run too
            self._outage.met(reason)

    async def _run(self, run: FlowRun) -> Ended:
        try:
            flow = await self.flows.of(self.client, run.deployment_id)
        except FlowUnknown as reason:
            log.error("a run cannot be run here", flow_run_id=str(run.id), reason=str(reason))
            return Ended(None, refusal=str(reason))
        return await self.slots.run(flow, run)

    async def _conclude(self, run: FlowRun, ended: Ended) -> None:
        """Prefect's engine has said how the run ended, but for some cases that are left to us."""
        if ended.state is not None and ended.state.is_final():
            return
        while True:
            try:
                await self._settle_end(run, ended)
            except Exception as reason:  # noqa: BLE001 - said again until it is heard
                self._outage.met(reason)
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return

    async def _settle_end(self, run: FlowRun, ended: Ended) -> None:
        if ended.state is not None and ended.state.is_cancelling():
            # The flow stopped with an error or result of its own, which Prefect does not take from a cancelling run.
            await settle_cancelled(self.client, run.id)
        elif ended.refusal is not None:
            await fail(self.client, run.id, SpeechError.code, ended.refusal)
        elif ended.broken:
            await crash(self.client, run.id, "The worker could not see the run through.")
        elif ended.state is None and self.slots.leaving.is_set():
            await requeue(self.client, run.id, "The worker stopped.")
        elif ended.state is None:
            await drop(self.client, run.id, self.worker_id)
