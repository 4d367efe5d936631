"""A tiny flow on our warm worker and on Prefect's own `process` worker, both at the Prefect server of one product.

The time is from just before the call that makes the run (`create_flow_run_from_deployment`, as control makes it) to
the first line of the flow, which writes it down itself.
"""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.workers.process import ProcessWorker

from benchmarks.stack import Stack, stop
from benchmarks.tiny_flow import tiny
from orchestration.client import open_client

ROOT = Path(__file__).parent.parent
ENTRYPOINT = "benchmarks.tiny_flow.tiny"
STOCK_POOL = "stock"
FIRST_LINE_SECONDS = 120
START_SECONDS = 60


def on_our_worker(stack: Stack, samples: int) -> list[float]:
    """Seconds until the first line, on the product's own worker."""
    return asyncio.run(_on_our_worker(stack, samples))


def on_stock_worker(stack: Stack, folder: Path, samples: int, query_seconds: float) -> list[float]:
    """The same on a `process` worker that looks for runs so often (Prefect's default is 10 s)."""
    return asyncio.run(_on_stock_worker(stack, folder, samples, query_seconds))


async def _on_our_worker(stack: Stack, samples: int) -> list[float]:
    async with open_client(stack.settings) as client:
        deployment = await _deploy(client, stack.settings.work_pool, "normal")
        await _first_lines(client, deployment, stack.data_dir, 1)
        return await _first_lines(client, deployment, stack.data_dir, samples)


async def _on_stock_worker(stack: Stack, folder: Path, samples: int, query_seconds: float) -> list[float]:
    async with open_client(stack.settings) as client:
        await _stock_pool(client)
        deployment = await _deploy(client, STOCK_POOL, "default")
        async with _running(client, stack, folder, query_seconds):
            await _first_lines(client, deployment, folder, 1)
            return await _first_lines(client, deployment, folder, samples)


async def _deploy(client: PrefectClient, pool: str, queue: str) -> UUID:
    return await client.create_deployment(
        flow_id=await client.create_flow(tiny),
        name=f"tiny-{pool}",
        entrypoint=ENTRYPOINT,
        work_pool_name=pool,
        work_queue_name=queue,
    )


async def _first_lines(client: PrefectClient, deployment: UUID, folder: Path, samples: int) -> list[float]:
    found = []
    for index in range(samples):
        # At another moment of whoever polls each time.
        await asyncio.sleep(random.uniform(0.5, 1.5))
        target = folder / f"first-line-{time.time_ns()}-{index}"
        made = time.time()
        await client.create_flow_run_from_deployment(deployment, parameters={"target": str(target)})
        async with asyncio.timeout(FIRST_LINE_SECONDS):
            while not target.exists():
                await asyncio.sleep(0.02)
        found.append(float(target.read_text(encoding="ascii")) - made)
    return found


async def _stock_pool(client: PrefectClient) -> None:
    template = ProcessWorker.get_default_base_job_template()
    pool = WorkPoolCreate(name=STOCK_POOL, type="process", base_job_template=template)
    await client.create_work_pool(pool, overwrite=True)


@asynccontextmanager
async def _running(client: PrefectClient, stack: Stack, folder: Path, query_seconds: float) -> AsyncIterator[None]:
    """A worker of Prefect's own, as its manual says, once it has shown itself."""
    name = f"every-{query_seconds:g}-s"
    with _started(stack, folder, name, query_seconds):
        async with asyncio.timeout(START_SECONDS):
            while name not in {worker.name for worker in await client.read_workers_for_work_pool(STOCK_POOL)}:
                await asyncio.sleep(0.2)
        yield


@contextmanager
def _started(stack: Stack, folder: Path, name: str, query_seconds: float) -> Iterator[None]:
    prefect = [sys.executable, "-m", "prefect", "worker", "start", "--pool", STOCK_POOL, "--type", "process"]
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("PREFECT_")},
        "PYTHONPATH": str(ROOT),
        "PREFECT_API_URL": stack.prefect_url,
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_WORKER_QUERY_SECONDS": str(query_seconds),
    }
    with (folder / "stock.log").open("ab") as log:
        command = [*prefect, "--name", name, "--install-policy", "never"]
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        yield
    finally:
        stop(process)
