"""Jobs on their way through Prefect: submitted, run, projected, cancelled, retried."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from prefect.states import Cancelling, Scheduled

from speech.clock import now
from speech.jobs import JobStatus, Stage
from tests.control.conftest import OWNER, Installation
from tests.waiting import eventually

pytestmark = pytest.mark.prefect


async def test_a_job_runs_and_completes(installation: Installation) -> None:
    async with installation.control(), installation.worker():
        job = await installation.job()
        done = await installation.becomes(job, JobStatus.COMPLETED)
    run = await installation.run_of(job)
    assert done.progress == 100
    assert done.stage is Stage.DONE
    assert done.started_at is not None
    assert done.completed_at is not None
    assert done.attempt == 1
    assert run.parameters == {"job_id": job.job_id, "submission": 1}
    assert run.idempotency_key == f"{job.job_id}:1"
    assert run.work_queue_name == "normal"
    assert await installation.store.jobs.read_at() is not None


async def test_a_failed_run_gives_the_job_its_error(installation: Installation) -> None:
    async with installation.control(), installation.worker():
        job = await installation.job(fail=installation.folder / "mended")
        failed = await installation.becomes(job, JobStatus.FAILED)
    assert (failed.error_code, failed.error) == ("invalid_audio", "It is broken.")


async def test_a_burst_of_fifty_jobs(installation: Installation) -> None:
    async with installation.control(), installation.worker(worker_slots=8):
        jobs = await asyncio.gather(*(installation.job() for _ in range(50)))
        for job in jobs:
            await installation.becomes(job, JobStatus.COMPLETED)
    assert len(await installation.runs()) == 50


async def test_the_urgent_overtake(installation: Installation) -> None:
    go, count = installation.folder / "go", installation.folder / "order"
    async with installation.control():
        low = await installation.job(priority="low")
        express = await installation.job(priority="express")
        await installation.run_of(low)
        await installation.run_of(express)
        go.touch()
        async with installation.worker(worker_slots=1):
            first = await installation.becomes(express, JobStatus.COMPLETED)
            last = await installation.becomes(low, JobStatus.COMPLETED)
    assert first.started_at is not None
    assert last.started_at is not None
    assert first.started_at < last.started_at
    assert not count.exists()


async def test_a_job_for_later_waits(installation: Installation) -> None:
    later = now() + timedelta(hours=1)
    async with installation.control(), installation.worker():
        job = await installation.job(not_before=later)
        run = await installation.run_of(job)
        other = await installation.job()
        await installation.becomes(other, JobStatus.COMPLETED)
    assert run.next_scheduled_start_time is not None
    assert abs((run.next_scheduled_start_time - later).total_seconds()) < 2
    assert (await installation.now(job)).status is JobStatus.QUEUED


async def test_a_running_job_is_cancelled_through_the_api(installation: Installation) -> None:
    async with installation.control(), installation.worker():
        job = await installation.job(wait=installation.folder / "never")
        await installation.becomes(job, JobStatus.PROCESSING)
        await installation.store.jobs.request_cancel(OWNER, job.job_id)
        await installation.becomes(job, JobStatus.CANCELLED)
        run = await installation.run_of(job)
        await installation.run_becomes(run.id, "Cancelled")


async def test_a_queued_job_is_cancelled_with_its_run(installation: Installation) -> None:
    async with installation.control():
        job = await installation.job()
        run = await installation.run_of(job)
        cancelled = await installation.store.jobs.request_cancel(OWNER, job.job_id)
        assert cancelled.status is JobStatus.CANCELLED
        await installation.run_becomes(run.id, "Cancelled")


async def test_a_job_cancelled_before_its_submission_is_never_submitted(installation: Installation) -> None:
    job = await installation.job()
    await installation.store.jobs.request_cancel(OWNER, job.job_id)
    other = await installation.job()
    async with installation.control():
        await installation.run_of(other)
    assert [run.name for run in await installation.runs()] == [other.job_id]


async def test_cancelling_in_prefects_ui_reaches_the_worker(installation: Installation) -> None:
    async with installation.control(), installation.worker():
        job = await installation.job(wait=installation.folder / "never")
        await installation.becomes(job, JobStatus.PROCESSING)
        run = await installation.run_of(job)
        await installation.client.set_flow_run_state(run.id, Cancelling())
        await installation.becomes(job, JobStatus.CANCELLED)
        await installation.run_becomes(run.id, "Cancelled")


async def test_cancelling_a_waiting_run_in_prefects_ui_cancels_the_job(installation: Installation) -> None:
    async with installation.control():
        job = await installation.job()
        run = await installation.run_of(job)
        await installation.client.set_flow_run_state(run.id, Cancelling())
        await installation.becomes(job, JobStatus.CANCELLED)


async def test_a_retry_in_prefects_ui_runs_a_failed_job_again(installation: Installation) -> None:
    mended = installation.folder / "mended"
    async with installation.control(), installation.worker():
        job = await installation.job(fail=mended)
        await installation.becomes(job, JobStatus.FAILED)
        run = await installation.run_of(job)
        mended.touch()
        await installation.client.set_flow_run_state(run.id, Scheduled(name="AwaitingRetry"), force=True)
        done = await installation.becomes(job, JobStatus.COMPLETED)
    assert done.attempt == 2
    assert done.error is None


async def test_a_retry_that_has_to_wait_is_seen(installation: Installation) -> None:
    async with installation.control():
        async with installation.worker():
            job = await installation.job(fail=installation.folder / "mended")
            await installation.becomes(job, JobStatus.FAILED)
        run = await installation.run_of(job)
        await installation.client.set_flow_run_state(run.id, Scheduled(name="AwaitingRetry"), force=True)

        async def reopened() -> bool:
            return not (await installation.now(job)).status.finished

        await eventually(reopened)


async def test_a_paused_run_shows_as_paused_and_goes_on(installation: Installation) -> None:
    from prefect.states import Paused, Running

    go = installation.folder / "go"
    async with installation.control(), installation.worker():
        job = await installation.job(wait=go)
        await installation.becomes(job, JobStatus.PROCESSING)
        run = await installation.run_of(job)
        await installation.client.set_flow_run_state(run.id, Paused(timeout_seconds=600))

        async def stage_is(stage: Stage) -> bool:
            return (await installation.now(job)).stage is stage

        await eventually(lambda: stage_is(Stage.PAUSED))
        assert (await installation.now(job)).status is JobStatus.PROCESSING
        await installation.client.set_flow_run_state(run.id, Running(), force=True)
        await eventually(lambda: stage_is(Stage.PREPARING))
        go.touch()
        await installation.becomes(job, JobStatus.COMPLETED)
