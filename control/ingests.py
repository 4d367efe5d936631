"""Runs of ingests: Prefect's schedules kept in line with the sources, and runs made that somebody wants.

The rows are the truth. Whatever was missed while Prefect was away, or undone there by hand, is mended at the next look.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import httpx
import structlog
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import TERMINAL_STATES, DeploymentSchedule, FlowRun
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound

from speech.clock import now
from storage.ingests import Schedule
from storage.store import Store

log = structlog.get_logger(__name__)

SLUG = "ingest-"
"""What slugs of our schedules begin with; others at the deployment are somebody else's."""
PAUSE_SECONDS = 60.0
"""Between two runs that see to ended jobs of one source."""
LONGEST_PAUSE_SECONDS = 3600.0
"""The same while its stores do not answer. A run that was at work for longer than this has died."""
_LOOKED_AT = 10


@dataclass
class IngestDesk:
    """Control's hand in ingestion."""

    client: PrefectClient
    store: Store
    deployment: str
    pool: str

    async def make_runs(self) -> None:
        """Have Prefect make the runs that are wanted, and those that see to jobs that have ended."""
        wanted = await self.store.ingests.wanted()
        ended = await self.store.ingests.to_settle(PAUSE_SECONDS)
        if not wanted and not ended:
            return
        found = await self._deployment()
        if found is None:
            return
        for run in wanted:
            await self._run(found.id, run.ingest_id, f"ingest:{run.ingest_id}:{run.number}", listing=True)
            await self.store.ingests.made(run)
        for ingest_id in ended:
            # Killed between the two statements, the next look finds the run that is there.
            if not await self._is_being_settled(found.id, ingest_id):
                await self._run(found.id, ingest_id, None, listing=False)
            await self.store.ingests.settling(ingest_id, await self._longer(ingest_id))

    async def _is_being_settled(self, deployment_id: UUID, ingest_id: str) -> bool:
        """Whether the last run that sees to ended jobs of the source is still to come, or at work."""
        runs = await self.client.read_flow_runs(
            deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployment_id])),
            flow_run_filter=FlowRunFilter(
                tags=FlowRunFilterTags(all_=[_tag(ingest_id)]),
                state=FlowRunFilterState(type=FlowRunFilterStateType(not_any_=sorted(TERMINAL_STATES))),
            ),
            sort=FlowRunSort.EXPECTED_START_TIME_DESC,
            limit=_LOOKED_AT,
        )
        return any(_is_alive(run) for run in runs)

    async def _longer(self, ingest_id: str) -> float:
        """Seconds more than the pause: it doubles with every run in a row that could see to nothing."""
        fruitless = await self.store.ingest_runs.fruitless(ingest_id, _LOOKED_AT)
        return min(PAUSE_SECONDS * 2.0**fruitless, LONGEST_PAUSE_SECONDS) - PAUSE_SECONDS

    async def keep_schedules(self) -> None:
        """Make, mend and remove schedules until they are those of the sources."""
        wanted = {f"{SLUG}{schedule.ingest_id}": schedule for schedule in await self.store.ingests.schedules()}
        found = await self._deployment()
        if found is None:
            return
        present = {each.slug: each for each in found.schedules if each.slug is not None and each.slug.startswith(SLUG)}
        for slug in present.keys() - wanted.keys():
            await self.client.delete_deployment_schedule(found.id, present[slug].id)
        for slug, schedule in wanted.items():
            if slug in present and _same(present[slug], schedule):
                continue
            if slug in present:
                await self.client.delete_deployment_schedule(found.id, present[slug].id)
            await self._schedule(found.id, slug, schedule)

    async def _schedule(self, deployment_id: UUID, slug: str, schedule: Schedule) -> None:
        # One that Prefect does not take must not keep the others from theirs.
        try:
            asked = DeploymentScheduleCreate(
                schedule=CronSchedule(cron=schedule.cron, timezone=schedule.timezone),
                parameters={"ingest_id": schedule.ingest_id},
                slug=slug,
            )
            await self.client.create_deployment_schedules(deployment_id, [asked])
        except ValueError:  # pydantic's is one; what it says holds what the client wrote
            log.error("Prefect cannot read a schedule", ingest_id=schedule.ingest_id)
        except httpx.HTTPStatusError as reason:
            status = reason.response.status_code
            if not 400 <= status < 500:
                raise
            log.error("Prefect refuses a schedule", ingest_id=schedule.ingest_id, status=status)

    async def _run(self, deployment_id: UUID, ingest_id: str, key: str | None, *, listing: bool) -> None:
        await self.client.create_flow_run_from_deployment(
            deployment_id,
            parameters={"ingest_id": ingest_id, "listing": listing},
            idempotency_key=key,
            tags=None if listing else [_tag(ingest_id)],
        )

    async def _deployment(self) -> DeploymentResponse | None:
        """The deployment, when it is there and in our pool: that of another installation is not ours to change."""
        try:
            found = await self.client.read_deployment_by_name(self.deployment)
        except ObjectNotFound:
            return None
        return found if found.work_pool_name == self.pool else None


def _tag(ingest_id: str) -> str:
    """What runs that see to ended jobs of a source are found by."""
    return f"settle:{ingest_id}"


def _is_alive(run: FlowRun) -> bool:
    state = run.state
    if state is None or state.is_scheduled():
        return True
    return state.timestamp > now() - timedelta(seconds=LONGEST_PAUSE_SECONDS)


def _same(found: DeploymentSchedule, wanted: Schedule) -> bool:
    times = found.schedule
    return (
        isinstance(times, CronSchedule)
        and (times.cron, times.timezone) == (wanted.cron, wanted.timezone)
        and found.active
        and found.parameters == {"ingest_id": wanted.ingest_id}
    )
