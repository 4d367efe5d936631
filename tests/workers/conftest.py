"""A work pool for each test, with deployments of tiny flows, on the session's real Prefect server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun

from deployments.apply import apply
from deployments.specification import read
from orchestration.client import open_client
from speech.options import TranscribeRequest
from speech.settings import Settings
from storage.store import Store
from storage.tables import DEFAULT_OWNER
from tests.prefect_server import RunningPrefect
from tests.waiting import eventually
from workers.service import PoolService


@dataclass
class Pool:
    """A pool and what tests do with it."""

    settings: Settings
    client: PrefectClient
    store: Store
    folder: Path

    async def deploy(self, flow: str, queue: str = "normal") -> UUID:
        """A deployment of ``tests.workers.tiny.<flow>`` in a queue of the pool."""
        given = read()
        there = given.deployments[0].work_pool.model_copy(update={"work_queue_name": queue})
        only = given.deployments[0].model_copy(
            update={
                "name": self.settings.work_pool,
                "entrypoint": f"tests.workers.tiny.{flow}",
                "work_pool": there,
            }
        )
        await apply(self.settings, given.model_copy(update={"deployments": (only,)}))
        return (await self.client.read_deployment_by_name(f"{flow}/{self.settings.work_pool}")).id

    async def submit(self, deployment: UUID, name: str = "mark", **more: str) -> FlowRun:
        """A run of it."""
        parameters = {"folder": str(self.folder), "name": name, **more}
        return await self.client.create_flow_run_from_deployment(deployment, parameters=parameters)

    async def submit_job(self, deployment: UUID, name: str, **asked: Any) -> FlowRun:
        """A run of it for a job of ours."""
        request = TranscribeRequest(urls=[f"https://example.com/{name}.mp3"], **asked)
        job = await self.store.jobs.create(DEFAULT_OWNER, request, max_unfinished=100)
        run = await self.submit(deployment, name, job_id=job.job_id)
        await self.store.jobs.submitted(job.job_id, 1, str(run.id))
        return run

    async def marked(self, pattern: str, count: int) -> None:
        """Wait until so many files of that pattern are in the folder."""

        async def there() -> bool:
            return len(list(self.folder.glob(pattern))) >= count

        await eventually(there)

    async def becomes(self, run: FlowRun, state: str) -> FlowRun:
        """Wait until the run is in a state of that name."""

        async def there() -> FlowRun | None:
            found = await self.client.read_flow_run(run.id)
            return found if found.state is not None and found.state.name == state else None

        return await eventually(there)

    @asynccontextmanager
    async def worker(self, **changes: Any) -> AsyncIterator[PoolService]:
        """A worker, in this process."""
        service = PoolService(self.settings.model_copy(update=changes))
        stop = asyncio.Event()
        task = asyncio.create_task(service.serve(stop))
        try:
            yield service
        finally:
            stop.set()
            await asyncio.wait_for(task, 60)


Running = Callable[..., AbstractAsyncContextManager[PoolService]]


@pytest.fixture
async def pool(tmp_path: Path, prefect_server: RunningPrefect) -> AsyncIterator[Pool]:
    """The pool; it is made with the first deployment."""
    settings = Settings(  # type: ignore[call-arg]
        _env_file=None,
        data_dir=tmp_path / "data",
        prefect_api_url=prefect_server.url,
        work_pool=f"pool-{uuid4().hex[:8]}",
        drain_seconds=1,
    )
    store = Store.open(settings)
    await store.migrate()
    async with open_client(settings) as client:
        yield Pool(settings, client, store, tmp_path)
    await store.close()
