"""An installation for each test: its own database and work pool, on the session's real Prefect server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun

from control.service import run_control
from deployments.apply import apply
from deployments.specification import read
from orchestration.client import open_client
from speech.clock import now
from speech.jobs import Job, JobStatus, StoredFile
from speech.options import TranscribeRequest
from speech.settings import Settings
from storage.ids import new_id
from storage.store import Store
from tests.prefect_server import RunningPrefect
from tests.storage.conftest import Desk, make_settings
from tests.waiting import eventually
from workers.service import PoolService

OWNER = "default"


@dataclass
class Installation:
    """One installation, and short ways to what tests do with it."""

    settings: Settings
    store: Store
    client: PrefectClient
    folder: Path
    deployment: str
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def job(self, **script: Any) -> Job:
        """A job with one file, whose flow does what ``script`` says."""
        file = StoredFile(
            file_id=new_id(),
            owner_id=OWNER,
            filename="a.wav",
            size_bytes=1,
            content_type="audio/wav",
            duration=1.0,
            sample_rate=16000,
            channels=1,
            sha256="0" * 64,
            blob_key="owners/default/files/a/audio",
            created_at=now(),
        )
        await self.store.files.add(file)
        chosen = ("priority", "not_before", "webhook_url", "model")
        options = {name: script.pop(name) for name in chosen if name in script}
        values = {name: str(value) for name, value in script.items()}
        request = TranscribeRequest(file_ids=[file.file_id], metadata=values, **options)
        return await self.store.jobs.create(OWNER, request, max_unfinished=1000)

    async def now(self, job: Job) -> Job:
        """The job as it is."""
        return await self.store.jobs.get(OWNER, job.job_id)

    async def becomes(self, job: Job, status: JobStatus, within: float = 60.0) -> Job:
        """Wait until the job has the status."""

        async def there() -> Job | None:
            found = await self.now(job)
            return found if found.status is status else None

        return await eventually(there, within)

    async def run_of(self, job: Job) -> FlowRun:
        """The job's flow run, as soon as it has one."""

        async def there() -> str | None:
            return (await self.now(job)).flow_run_id

        return await self.client.read_flow_run(UUID(await eventually(there)))

    async def run_becomes(self, run_id: UUID, state: str) -> FlowRun:
        """Wait until the run is in a state of that name."""

        async def there() -> FlowRun | None:
            run = await self.client.read_flow_run(run_id)
            return run if run.state is not None and run.state.name == state else None

        return await eventually(there)

    async def runs(self) -> list[FlowRun]:
        """All runs of the installation's pool."""
        response = await self.client.request(
            "POST",
            "/flow_runs/filter",
            json={"work_pools": {"name": {"any_": [self.settings.work_pool]}}, "limit": 200},
        )
        return [FlowRun.model_validate(entry) for entry in response.json()]

    @asynccontextmanager
    async def control(
        self, settings: Settings | None = None, ingests: str = "ingest/none"
    ) -> AsyncIterator[asyncio.Task[None]]:
        """Control, in this process."""
        stop = asyncio.Event()
        task = asyncio.create_task(
            run_control(settings or self.settings, stop, deployment=self.deployment, ingests=ingests)
        )
        try:
            yield task
        finally:
            stop.set()
            await asyncio.wait_for(task, 30)

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


@pytest.fixture
async def installation(tmp_path: Path, prefect_server: RunningPrefect) -> AsyncIterator[Installation]:
    """The installation, its deployment applied; neither control nor worker runs yet."""
    settings = Settings(  # type: ignore[call-arg]
        _env_file=None,
        data_dir=tmp_path / "data",
        prefect_api_url=prefect_server.url,
        work_pool=f"pool-{uuid4().hex[:8]}",
        drain_seconds=1,
    )
    given = read()
    only = given.deployments[0].model_copy(
        update={"name": settings.work_pool, "entrypoint": "tests.control.scripted.scripted"}
    )
    await apply(settings, given.model_copy(update={"deployments": (only,)}))
    store = Store.open(settings)
    await store.migrate()
    async with open_client(settings) as client:
        yield Installation(settings, store, client, tmp_path, f"scripted/{settings.work_pool}")
    await store.close()


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """A store without any Prefect, and short ways to its rows."""
    store = Store.open(make_settings(tmp_path))
    await store.migrate()
    yield Desk(store)
    await store.close()
