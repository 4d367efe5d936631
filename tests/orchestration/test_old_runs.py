"""Old runs go from Prefect: those of our own pool that ended, unless their job has not."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import ObjectNotFound
from prefect.states import Completed, Failed

from deployments.apply import apply
from orchestration import old_runs
from orchestration.client import open_client
from orchestration.old_runs import remove_old_runs
from speech.clock import now
from speech.jobs import JobStatus
from speech.settings import Settings
from storage.oversight import Oversight
from storage.projection import Projection
from storage.store import Store
from tests.prefect_server import RunningPrefect
from tests.storage.conftest import Desk, make_settings

pytestmark = pytest.mark.prefect


async def ended(client: PrefectClient, settings: Settings, job_id: str, *, failed: bool = False) -> FlowRun:
    deployment = await client.read_deployment_by_name("transcribe/transcribe")
    assert deployment.work_pool_name == settings.work_pool
    run = await client.create_flow_run_from_deployment(deployment.id, parameters={"job_id": job_id, "submission": 1})
    await client.set_flow_run_state(run.id, Failed() if failed else Completed(), force=True)
    return run


async def exists(client: PrefectClient, run: FlowRun) -> bool:
    try:
        await client.read_flow_run(run.id)
    except ObjectNotFound:
        return False
    return True


async def test_what_goes_and_what_stays(
    tmp_path: Path, prefect_server: RunningPrefect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(old_runs, "PAGE", 2)
    given = {"prefect_api_url": prefect_server.url, "work_pool": f"pool-{uuid4().hex[:8]}"}
    settings = make_settings(tmp_path).model_copy(update=given)
    await apply(settings)
    store = Store.open(settings)
    desk, jobs = Desk(store), Oversight(store.database)
    done, at_work = await desk.job(), await desk.job()
    await store.jobs.project(done.job_id, 1, Projection(JobStatus.FAILED))
    async with open_client(settings) as client:
        needed = await ended(client, settings, at_work.job_id, failed=True)
        old = [await ended(client, settings, job_id) for job_id in (done.job_id, done.job_id, "unknown")]
        deployment = await client.read_deployment_by_name("transcribe/transcribe")
        queued = await client.create_flow_run_from_deployment(
            deployment.id, parameters={"job_id": "q", "submission": 1}
        )
        assert await remove_old_runs(client, settings.work_pool, jobs, now() - timedelta(hours=1)) == 0
        assert await remove_old_runs(client, "a-pool-of-others", jobs, now() + timedelta(hours=1)) == 0
        assert await remove_old_runs(client, settings.work_pool, jobs, now() + timedelta(hours=1)) == 3
        assert not any([await exists(client, run) for run in old])
        assert await exists(client, needed)
        assert await exists(client, queued)
    await store.close()
