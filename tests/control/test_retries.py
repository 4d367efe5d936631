"""A retry over the API, on its way through Prefect: also while Prefect is down, and beside what old runs still do."""

from __future__ import annotations

import pytest
from prefect.states import Scheduled

from speech.jobs import Job, JobStatus
from tests.control.conftest import OWNER, Installation
from tests.gate import Gate
from tests.waiting import eventually

pytestmark = pytest.mark.prefect


async def retry(installation: Installation, job: Job) -> Job:
    return await installation.store.jobs.retry(OWNER, job.job_id, max_unfinished=1000)


async def test_a_failed_job_runs_again_in_a_run_of_its_own(installation: Installation) -> None:
    mended, count = installation.folder / "mended", installation.folder / "count"
    async with installation.control(), installation.worker():
        job = await installation.job(fail=mended, count=count)
        await installation.becomes(job, JobStatus.FAILED)
        first = await installation.run_of(job)
        mended.touch()
        await retry(installation, job)
        done = await installation.becomes(job, JobStatus.COMPLETED)
        second = await installation.run_of(job)
        assert (second.id != first.id, second.parameters["submission"]) == (True, 2)
        assert second.idempotency_key == f"{job.job_id}:2"
        # Somebody restarts the old run in Prefect's pages: it finds that the job has another one.
        await installation.client.set_flow_run_state(first.id, Scheduled(name="AwaitingRetry"), force=True)
        await installation.run_becomes(first.id, "Cancelled")
    assert (done.attempt, done.error) == (2, None)
    assert (await installation.now(job)).status is JobStatus.COMPLETED
    assert count.read_text().split() == ["1", "2"]


async def test_a_retry_while_prefect_is_away_runs_when_it_is_back(installation: Installation) -> None:
    gate, mended = Gate(installation.settings.prefect), installation.folder / "mended"
    await gate.open()
    through = installation.settings.model_copy(update={"prefect_api_url": gate.url})
    async with installation.control(through), installation.worker():
        job = await installation.job(fail=mended)
        await installation.becomes(job, JobStatus.FAILED)
        await gate.shut()
        mended.touch()
        assert (await retry(installation, job)).status is JobStatus.QUEUED
        await gate.open()
        assert (await installation.becomes(job, JobStatus.COMPLETED)).attempt == 2
    await gate.shut()


async def test_a_retried_job_can_be_retried_in_prefects_ui_too(installation: Installation) -> None:
    mended = installation.folder / "mended"
    async with installation.control(), installation.worker():
        job = await installation.job(fail=mended)
        await installation.becomes(job, JobStatus.FAILED)
        first = await installation.run_of(job)
        await retry(installation, job)

        async def failed_again() -> bool:
            seen = await installation.now(job)
            return seen.status is JobStatus.FAILED and seen.attempt == 2

        await eventually(failed_again)
        mended.touch()
        second = await installation.run_of(job)
        assert second.id != first.id
        await installation.client.set_flow_run_state(second.id, Scheduled(name="AwaitingRetry"), force=True)
        assert (await installation.becomes(job, JobStatus.COMPLETED)).attempt == 3
