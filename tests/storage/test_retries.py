"""A job that has ended runs again, under a submission of its own; what its earlier runs still do changes nothing."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from speech.clock import now
from speech.errors import AttemptSuperseded, SpeechError
from speech.jobs import FileStatus, Job, JobStatus, Stage
from storage.attempts import Attempt, Outcome
from storage.errors import JobExpired, JobNotFinished, Missing, NothingToRetry, QueueFull
from storage.projection import Projection
from storage.store import Store
from tests.storage.conftest import OWNER, Desk

MOST = 1000


async def failed(store: Store, desk: Desk, files: int = 2) -> tuple[Job, Attempt]:
    """A job whose first file was transcribed and whose run then failed."""
    job, attempt = await desk.running(files)
    if files > 1:
        await desk.done(attempt, 0)
    await store.attempts.finish(attempt, Outcome(JobStatus.FAILED, "It is broken.", "provider_rejected"))
    await store.jobs.project(job.job_id, 1, Projection(JobStatus.FAILED))
    await desk.all_told()
    return job, attempt


async def retry(store: Store, job: Job, **given: str) -> Job:
    return await store.jobs.retry(OWNER, job.job_id, max_unfinished=MOST, **given)


async def test_a_failed_job_is_submitted_once_more(store: Store, desk: Desk) -> None:
    job, _ = await failed(store, desk)
    again = await retry(store, job)
    assert (again.status, again.stage, again.attempt, again.submission) == (JobStatus.QUEUED, Stage.QUEUED, 2, 2)
    assert (again.error, again.error_code, again.completed_at, again.flow_run_id) == (None, None, None, None)
    assert [file.status for file in again.files] == [FileStatus.COMPLETED, FileStatus.QUEUED]
    assert again.progress == 50.0
    assert await desk.outbox() == [("submit", job.job_id, 2)]
    attempt = await store.attempts.begin(job.job_id, 2, "run-2")
    assert attempt.number == 2


async def test_the_failed_files_of_a_completed_job_run_again(store: Store, desk: Desk) -> None:
    job, attempt = await desk.running(2)
    await desk.done(attempt, 0)
    await store.attempts.file_failed(attempt, job.files[1].file_id, "invalid_audio", "No audio.")
    await store.jobs.project(job.job_id, 1, Projection(JobStatus.COMPLETED))
    again = await retry(store, job)
    assert [file.status for file in again.files] == [FileStatus.COMPLETED, FileStatus.QUEUED]


async def test_a_cancelled_job_runs_again(store: Store, desk: Desk) -> None:
    job = await desk.job()
    await store.jobs.request_cancel(OWNER, job.job_id)
    again = await retry(store, job)
    assert (again.status, again.cancel_requested_at) == (JobStatus.QUEUED, None)
    assert await desk.outbox() == [("submit", job.job_id, 2)]
    assert (await store.attempts.begin(job.job_id, 2, "run-2")).number == 2


async def test_cancelled_before_it_was_submitted_again(store: Store, desk: Desk) -> None:
    job, _ = await failed(store, desk)
    await retry(store, job)
    assert (await store.jobs.request_cancel(OWNER, job.job_id)).status is JobStatus.CANCELLED
    assert await desk.outbox() == []
    assert (await retry(store, job)).submission == 3


async def test_news_of_the_run_before_are_no_news(store: Store, desk: Desk) -> None:
    job, old = await failed(store, desk)
    await retry(store, job)
    for status in (JobStatus.FAILED, JobStatus.PROCESSING, JobStatus.CANCELLED, JobStatus.COMPLETED):
        assert not await store.jobs.project(job.job_id, 1, Projection(status))
    with pytest.raises(AttemptSuperseded):
        await desk.done(old, 1)
    with pytest.raises(AttemptSuperseded):  # somebody restarted the old run in Prefect's pages
        await store.attempts.begin(job.job_id, 1, "run-1", reopen=True)
    await store.jobs.submitted(job.job_id, 1, "run-1")
    assert ("cancel", job.job_id, 1) in await desk.outbox()
    assert (await desk.fresh(job)).status is JobStatus.QUEUED


async def test_a_restart_in_prefects_pages_of_the_newest_run_counts(store: Store, desk: Desk) -> None:
    job, _ = await failed(store, desk)
    await retry(store, job)
    await store.jobs.submitted(job.job_id, 2, "run-2")
    await store.attempts.begin(job.job_id, 2, "run-2")
    await store.jobs.project(job.job_id, 2, Projection(JobStatus.FAILED))
    again = await store.attempts.begin(job.job_id, 2, "run-2", reopen=True)
    assert again.number == 3


async def test_a_run_that_was_put_back_as_it_completed_opens_nothing_again(store: Store, desk: Desk) -> None:
    job, attempt = await desk.running()
    await desk.done(attempt)
    await store.jobs.project(job.job_id, 1, Projection(JobStatus.COMPLETED))
    done = await desk.fresh(job)
    later = now() + timedelta(seconds=1)
    assert not await store.jobs.project(job.job_id, 1, Projection(JobStatus.QUEUED, observed_at=later))
    with pytest.raises(AttemptSuperseded):
        await store.attempts.begin(job.job_id, 1, "run", reopen=True)
    assert await desk.fresh(job) == done


async def test_each_retry_may_lose_a_run_of_its_own(store: Store, desk: Desk) -> None:
    job = await desk.job()
    assert await desk.lose(job)
    assert not await desk.lose(job)
    assert (await desk.fresh(job)).error_code == "run_lost"
    await retry(store, job)
    assert await desk.lose(job)


async def test_what_cannot_be_retried(store: Store, desk: Desk) -> None:
    queued = await desk.job()
    running, _ = await desk.running()
    done, attempt = await desk.running()
    await desk.done(attempt)
    await store.jobs.project(done.job_id, 1, Projection(JobStatus.COMPLETED))
    deleted, _ = await failed(store, desk)
    without, _ = await failed(store, desk)
    for file in without.files:
        await store.files.delete(OWNER, file.file_id)
    await store.transcripts.delete_of_job(OWNER, deleted.job_id)
    refusals: list[tuple[Job, type[SpeechError]]] = [
        (queued, JobNotFinished),
        (running, JobNotFinished),
        (done, NothingToRetry),
        (deleted, JobExpired),
        (without, Missing),
    ]
    for job, refusal in refusals:
        before = await desk.fresh(job)
        with pytest.raises(refusal):
            await retry(store, job)
        assert await desk.fresh(job) == before
    with pytest.raises(Missing):
        await store.jobs.retry("other", queued.job_id, max_unfinished=MOST)


async def test_a_full_queue_takes_no_retry(store: Store, desk: Desk) -> None:
    job, _ = await failed(store, desk)
    await desk.job()
    with pytest.raises(QueueFull):
        await store.jobs.retry(OWNER, job.job_id, max_unfinished=1)
    assert (await desk.fresh(job)).status is JobStatus.FAILED


async def test_of_retries_at_once_one_counts(store: Store, desk: Desk) -> None:
    job, _ = await failed(store, desk)
    results = await asyncio.gather(*(retry(store, job) for _ in range(4)), return_exceptions=True)
    assert sum(isinstance(result, Job) for result in results) == 1
    assert sum(isinstance(result, JobNotFinished) for result in results) == 3
    assert await desk.outbox() == [("submit", job.job_id, 2)]


async def test_the_same_retry_is_made_once(store: Store, desk: Desk) -> None:
    job, _ = await failed(store, desk)
    first = await retry(store, job, retry_id="chosen")
    assert await retry(store, job, retry_id="chosen") == first
    assert await desk.outbox() == [("submit", job.job_id, 2)]
