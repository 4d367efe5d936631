"""What goes away in the middle: Prefect, control, workers, runs. Nothing that was accepted is lost."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from prefect.states import Crashed, Pending
from sqlalchemy import select
from structlog.testing import capture_logs

from control import reconciler, service, watcher
from control.outbox import Outbox
from speech.clock import now
from speech.jobs import JobStatus
from storage import tables
from storage.tables import leases
from tests.control.conftest import Installation
from tests.gate import Gate
from tests.waiting import eventually

pytestmark = pytest.mark.prefect

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Little patience with workers that are silent."""
    monkeypatch.setattr(reconciler, "BEAT_AGE", 4.5)
    monkeypatch.setattr(reconciler, "PATIENCE", 0.5)


@contextmanager
def worker_process(installation: Installation) -> Iterator[subprocess.Popen[bytes]]:
    """A worker that can be killed."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "WOA_DATA_DIR": str(installation.settings.data_dir),
        "WOA_PREFECT_API_URL": installation.settings.prefect,
        "WOA_WORK_POOL": installation.settings.work_pool,
    }
    log = (installation.folder / "worker.log").open("ab")
    command = [sys.executable, "-m", "tests.control.worker_main"]
    process = subprocess.Popen(command, env=environment, cwd=installation.folder, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        log.close()


async def test_jobs_wait_while_prefect_is_away(installation: Installation) -> None:
    gate = Gate(installation.settings.prefect)
    await gate.open()
    await gate.shut()
    through = installation.settings.model_copy(update={"prefect_api_url": gate.url})
    async with installation.control(through) as control, installation.worker():
        jobs = [await installation.job() for _ in range(5)]

        async def met() -> bool:
            # Looked at, not tried: a lease that the test takes is one that control does not get.
            async with installation.store.database.reading() as connection:
                return (await connection.execute(select(leases.c.holder))).first() is not None

        await eventually(met)
        assert {(await installation.now(job)).status for job in jobs} == {JobStatus.QUEUED}
        assert not control.done()
        await gate.open()
        for job in jobs:
            await installation.becomes(job, JobStatus.COMPLETED)
    await gate.shut()
    assert len(await installation.runs()) == 5


async def test_prefect_goes_and_comes_while_a_job_runs(installation: Installation) -> None:
    gate, go = Gate(installation.settings.prefect), installation.folder / "go"
    await gate.open()
    through = installation.settings.model_copy(update={"prefect_api_url": gate.url})
    async with installation.control(through), installation.worker(prefect_api_url=gate.url):
        job = await installation.job(wait=go)
        await installation.becomes(job, JobStatus.PROCESSING)
        await gate.shut()
        go.touch()
        later = await installation.job()
        await gate.open()
        await installation.becomes(job, JobStatus.COMPLETED)
        await installation.becomes(later, JobStatus.COMPLETED)
    await gate.shut()


async def test_killed_between_making_a_run_and_noting_it(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await installation.job()
    outbox = Outbox(installation.client, installation.store, installation.deployment)

    async def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(installation.store.jobs, "submitted", killed)
        with pytest.raises(KeyboardInterrupt):
            await outbox._act((await installation.store.outbox.due())[0], (await _watched(installation, job.job_id)))
    assert (await installation.now(job)).flow_run_id is None
    await Outbox(installation.client, installation.store, installation.deployment).empty()
    runs = await installation.runs()
    assert [str(run.id) for run in runs] == [(await installation.now(job)).flow_run_id]
    assert await installation.store.outbox.due() == []


async def _watched(installation: Installation, job_id: str):  # type: ignore[no-untyped-def]
    from storage.oversight import Oversight

    return (await Oversight(installation.store.database).jobs([job_id]))[job_id]


async def test_without_a_deployment_jobs_wait(installation: Installation) -> None:
    job = await installation.job()
    deployment = await installation.client.read_deployment_by_name(installation.deployment)
    async with installation.control():
        await installation.run_of(job)
    await installation.client.delete_deployment(deployment.id)
    other = await installation.job()
    outbox = Outbox(installation.client, installation.store, installation.deployment)
    outbox._deployment_ids[installation.deployment] = deployment.id
    for _ in range(2):
        await outbox.empty()
    async with installation.store.database.reading() as connection:
        (row,) = (await connection.execute(select(tables.outbox))).mappings().all()
    assert "woa deploy" in row["error"]
    assert (row["attempts"], row["due_at"] > now()) == (0, True)
    assert (await installation.now(other)).status is JobStatus.QUEUED


async def test_one_of_two_controls_works_and_the_other_follows(installation: Installation) -> None:
    with capture_logs() as lines:

        def begun() -> list[str]:
            return [line["holder"] for line in lines if line["event"] == "control begins"]

        async def two_have_begun() -> bool:
            return len(begun()) == 2

        async with installation.control():
            await installation.run_of(await installation.job())
            async with AsyncExitStack() as stack:
                await stack.enter_async_context(installation.control())
                await installation.run_of(await installation.job())
                assert len(begun()) == 1
        async with installation.control():
            await eventually(two_have_begun)
            await installation.run_of(await installation.job())
    assert len(set(begun())) == 2
    assert len(await installation.runs()) == 3


async def test_control_takes_over_from_one_that_died(installation: Installation) -> None:
    job = await installation.job()
    assert await installation.store.leases.acquire(service.LEASE, "dead", 2.0)
    async with installation.control():
        assert (await installation.now(job)).flow_run_id is None
        await installation.run_of(job)


async def test_a_control_that_loses_its_lease_stops_working(installation: Installation) -> None:
    with capture_logs() as lines:

        async def said(event: str) -> bool:
            return event in [line["event"] for line in lines]

        async with installation.control():
            await eventually(lambda: said("control begins"))
            async with installation.store.database.writing() as connection:
                await connection.exec_driver_sql("UPDATE leases SET holder = 'another', expires_at = '2999-01-01'")
            await eventually(lambda: said("control ends"))
            assert not await installation.store.leases.acquire(service.LEASE, "nobody", 1)


async def test_a_deleted_run_is_replaced_once(installation: Installation) -> None:
    async with installation.control():
        job = await installation.job()
        first = await installation.run_of(job)
        await installation.client.delete_flow_run(first.id)

        async def replaced() -> str | None:
            run_id = (await installation.now(job)).flow_run_id
            return run_id if run_id not in (None, str(first.id)) else None

        second = await eventually(replaced)
        assert (await installation.now(job)).submission == 2
        await installation.client.delete_flow_run(UUID(second))
        failed = await installation.becomes(job, JobStatus.FAILED)
    assert failed.error_code == "run_lost"


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
async def test_a_killed_workers_job_is_run_again(installation: Installation) -> None:
    go, count = installation.folder / "go", installation.folder / "count"
    async with installation.control():
        job = await installation.job(wait=go, count=count)
        with worker_process(installation) as worker:
            await installation.becomes(job, JobStatus.PROCESSING)

            async def counted() -> bool:
                return count.exists() and bool(count.read_text())

            await eventually(counted)
            worker.kill()
        go.touch()
        async with installation.worker():
            done = await installation.becomes(job, JobStatus.COMPLETED)
    assert done.attempt == 2
    assert count.read_text().split() == ["1", "2"]
    assert len(await installation.runs()) == 1


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
async def test_a_job_that_kills_its_worker_every_time_fails(installation: Installation) -> None:
    async with installation.control():
        job = await installation.job(die="always")
        ended = asyncio.Event()

        async def keep_starting() -> None:
            while not ended.is_set():
                with worker_process(installation) as worker:
                    while worker.poll() is None and not ended.is_set():
                        await asyncio.sleep(0.1)

        starting = asyncio.create_task(keep_starting())
        try:
            failed = await installation.becomes(job, JobStatus.FAILED, within=180)
        finally:
            ended.set()
            await starting
    assert failed.error_code == "worker_lost"
    assert failed.attempt == 3


@pytest.mark.usefixtures("quick")
async def test_a_run_whose_worker_died_before_it_began_goes_back(installation: Installation) -> None:
    async with installation.control():
        job = await installation.job()
        run = await installation.run_of(job)
        await installation.client.set_flow_run_state(run.id, Pending())
        async with installation.worker():
            await installation.becomes(job, JobStatus.COMPLETED)


async def test_a_run_that_crashed_long_before_control_came_goes_back(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "OVERLAP", timedelta(hours=-1))  # too long ago for a look at what ended
    job = await installation.job()
    await Outbox(installation.client, installation.store, installation.deployment).empty()
    run = await installation.run_of(job)
    await installation.client.set_flow_run_state(run.id, Crashed(), force=True)
    async with installation.control(), installation.worker():
        await installation.becomes(job, JobStatus.COMPLETED)


async def test_a_worker_that_leaves_gives_its_jobs_back(installation: Installation) -> None:
    go = installation.folder / "go"
    async with installation.control():
        async with installation.worker(drain_seconds=0.2):
            job = await installation.job(wait=go)
            await installation.becomes(job, JobStatus.PROCESSING)
        await installation.becomes(job, JobStatus.QUEUED)
        go.touch()
        async with installation.worker():
            await installation.becomes(job, JobStatus.COMPLETED)


async def test_a_worker_that_leaves_lets_short_jobs_finish(installation: Installation) -> None:
    go = installation.folder / "go"
    async with installation.control():
        async with installation.worker(drain_seconds=30):
            job = await installation.job(wait=go)
            await installation.becomes(job, JobStatus.PROCESSING)
            asyncio.get_running_loop().call_later(0.3, go.touch)
        assert (await installation.becomes(job, JobStatus.COMPLETED)).attempt == 1
