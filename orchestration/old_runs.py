"""Finished flow runs that Prefect need not remember any more."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterEndTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound

from orchestration.runs import ENDED
from storage.oversight import Oversight

PAGE = 100


async def remove_old_runs(client: PrefectClient, pool: str, jobs: Oversight, before: datetime) -> int:
    """Delete the runs of the pool's deployments that ended before then; how many that were.

    A run whose job is not finished stays: somebody may be about to send it to the queue again.
    """
    deployments = await _deployments(client, pool)
    removed = kept = 0
    while deployments and (page := await _page(client, deployments, before, kept)):
        ended = await _finished(page, jobs)
        for run in ended:
            removed += await _delete(client, run)
        kept += len(page) - len(ended)
    return removed


async def _deployments(client: PrefectClient, pool: str) -> DeploymentFilter | None:
    """Those of this pool alone: others share the server."""
    wanted = WorkPoolFilter(name=WorkPoolFilterName(any_=[pool]))
    found = [deployment.id for deployment in await client.read_deployments(work_pool_filter=wanted)]
    return DeploymentFilter(id=DeploymentFilterId(any_=found)) if found else None


async def _page(client: PrefectClient, ours: DeploymentFilter, before: datetime, offset: int) -> list[FlowRun]:
    ended = FlowRunFilter(
        end_time=FlowRunFilterEndTime(before_=before),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=sorted(ENDED))),
    )
    return await client.read_flow_runs(
        flow_run_filter=ended, deployment_filter=ours, sort=FlowRunSort.ID_DESC, limit=PAGE, offset=offset
    )


async def _finished(runs: Sequence[FlowRun], jobs: Oversight) -> list[FlowRun]:
    named = {run.id: run.parameters.get("job_id") for run in runs}
    known = await jobs.jobs({job_id for job_id in named.values() if isinstance(job_id, str)})
    at_work = {job.job_id for job in known.values() if not job.status.finished}
    return [run for run in runs if named[run.id] not in at_work]


async def _delete(client: PrefectClient, run: FlowRun) -> int:
    try:
        await client.delete_flow_run(run.id)
    except ObjectNotFound:  # somebody else was quicker
        return 0
    return 1
