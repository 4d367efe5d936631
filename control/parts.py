"""Parts of long recordings: a flow run for each, and the job's own run woken when all of them have ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import groupby
from uuid import UUID

import httpx
import structlog
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import ObjectNotFound
from prefect.states import Scheduled

from control.outbox import is_final
from control.reading import RunReader
from orchestration.runs import ENDED, cancel, hasten, place_of
from speech.clock import now
from speech.pools import Routing
from storage.parts import WatchedPart
from storage.store import Store

log = structlog.get_logger(__name__)

WORTH_WAITING = timedelta(minutes=5)
"""What could not be handed to others for so long, its job's own run does by itself."""


@dataclass
class PartDesk:
    """Control's hand that has parts recognised. ``deployment`` is theirs in the default pool."""

    client: PrefectClient
    store: Store
    reader: RunReader
    routing: Routing
    deployment: str
    _deployment_ids: dict[str, UUID] = field(default_factory=dict)

    async def attend(self) -> None:
        """See to all parts that are not settled.

        Raises:
            httpx.TransportError: when Prefect does not answer; what is left is seen to the next time.
            httpx.HTTPStatusError, ObjectNotFound: what went wrong first with the parts of one file, when all others
                were seen to: it refuses something, or a deployment is not there.

        """
        wrong: Exception | None = None
        watched = await self.store.parts.watched()
        of_parts = {UUID(part.flow_run_id) for part in watched if part.flow_run_id is not None and not part.ended}
        without = [part for part in watched if part.flow_run_id is None and not part.ended]
        own = {UUID(part.job_flow_run_id) for part in without if part.job_flow_run_id is not None}
        runs = {run.id: run for run in await self.reader.by_ids(of_parts | own)}
        for _, parts in groupby(watched, key=lambda part: (part.job_id, part.file_id)):
            try:
                await self._see_to(list(parts), runs)
            except (httpx.HTTPStatusError, ObjectNotFound) as reason:
                wrong = wrong or reason
        if wrong is not None:
            raise wrong

    async def _see_to(self, parts: Sequence[WatchedPart], runs: Mapping[UUID, FlowRun]) -> None:
        ended = [await self._ended(part, runs) for part in parts]
        if all(ended) and await self._goes_on(parts[0]):
            await self.store.parts.settle(parts[0])

    async def _ended(self, part: WatchedPart, runs: Mapping[UUID, FlowRun]) -> bool:
        if part.ended:
            return True
        run_id = None if part.flow_run_id is None else UUID(part.flow_run_id)
        if part.wanted and run_id is None and now() - part.created_at < WORTH_WAITING:
            own = None if part.job_flow_run_id is None else runs.get(UUID(part.job_flow_run_id))
            if await self._make_run(part, own):
                return False
        run = runs.get(run_id) if run_id is not None else None
        at_work = run is not None and run.state is not None and run.state.type not in ENDED
        if part.wanted and at_work:
            return False
        if at_work and run_id is not None:
            await cancel(self.client, run_id)
        # A run that ended and did not say so was lost or deleted, or never made: the job's own run does its pieces.
        await self.store.parts.end(part.job_id, part.file_id, part.part)
        return True

    async def _goes_on(self, part: WatchedPart) -> bool:
        """Whether the job's own run waits no longer, or has no reason to."""
        if not part.wanted or part.job_flow_run_id is None:
            return True
        return await hasten(self.client, UUID(part.job_flow_run_id))

    async def _make_run(self, part: WatchedPart, own: FlowRun | None) -> bool:
        """Make the part's run, in its job's place in the queue: ``own`` is the job's run.

        Returns:
            False when Prefect will never have it, which must keep no other part waiting.

        """
        name = self.routing.deployment_in(self.routing.pool_of(part.provider, part.model), self.deployment)
        try:
            if name not in self._deployment_ids:
                self._deployment_ids[name] = (await self.client.read_deployment_by_name(name)).id
            run = await self.client.create_flow_run_from_deployment(
                self._deployment_ids[name],
                parameters={
                    "job_id": part.job_id,
                    "submission": part.submission,
                    "file_id": part.file_id,
                    "part": part.part,
                },
                idempotency_key=f"{part.job_id}:{part.submission}:{part.attempt}:{part.file_id}:{part.part}",
                work_queue_name=str(part.priority),
                name=f"{part.job_id}-part-{part.part + 1}",
                state=Scheduled(scheduled_time=None if own is None else place_of(own)),
            )
        except ObjectNotFound:
            self._deployment_ids.clear()
            raise
        except httpx.HTTPStatusError as reason:
            if not is_final(reason):
                raise
            log.warning("Prefect refuses a part", job_id=part.job_id, status=reason.response.status_code)
            return False
        await self.store.parts.sent(part, str(run.id))
        return True
