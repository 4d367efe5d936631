"""The job's row follows its flow run, and only where that is lawful and newer."""

from __future__ import annotations

from datetime import timedelta

import pytest

from speech.clock import now
from speech.errors import AttemptSuperseded
from speech.jobs import FileStatus, JobStatus, Stage
from storage.projection import Projection
from storage.store import Store
from tests.storage.conftest import OWNER, Desk


async def test_a_run_that_runs(store: Store, desk: Desk) -> None:
    job = await desk.job()
    started = now()
    assert await store.jobs.project(job.job_id, 1, Projection(JobStatus.PROCESSING, started_at=started))
    fresh = await desk.fresh(job)
    assert (fresh.status, fresh.stage, fresh.started_at) == (JobStatus.PROCESSING, Stage.PREPARING, started)
    assert not await store.jobs.project(job.job_id, 1, Projection(JobStatus.PROCESSING, started_at=started))


async def test_started_at_is_set_even_when_the_run_does_not_say(store: Store, desk: Desk) -> None:
    job = await desk.job()
    await store.jobs.project(job.job_id, 1, Projection(JobStatus.PROCESSING))
    assert (await desk.fresh(job)).started_at is not None


async def test_paused_and_resumed(store: Store, desk: Desk) -> None:
    job, attempt = await desk.running()
    await store.attempts.progress(attempt, job.files[0].file_id, Stage.TRANSCRIBING, 10)
    assert await store.jobs.project(job.job_id, 1, Projection(JobStatus.PROCESSING, stage=Stage.PAUSED))
    assert (await desk.fresh(job)).stage is Stage.PAUSED
    assert await store.jobs.project(job.job_id, 1, Projection(JobStatus.PROCESSING))
    assert (await desk.fresh(job)).stage is Stage.TRANSCRIBING


async def test_crashed_goes_back_into_the_queue_and_on(store: Store, desk: Desk) -> None:
    job, attempt = await desk.running()
    await store.attempts.progress(attempt, job.files[0].file_id, Stage.TRANSCRIBING, 40)
    crashed = Projection(JobStatus.QUEUED, started_at=job.started_at)
    assert await store.jobs.project(job.job_id, 1, crashed)
    fresh = await desk.fresh(job)
    assert (fresh.status, fresh.stage, fresh.progress, fresh.attempt) == (JobStatus.QUEUED, Stage.QUEUED, 40.0, 1)
    again = await store.attempts.begin(job.job_id, 1, "run")
    assert (again.number, again.job.progress) == (2, 0.0)


async def test_what_was_read_before_the_attempt_began_is_no_news(store: Store, desk: Desk) -> None:
    before = now()
    job, _ = await desk.running()
    assert not await store.jobs.project(job.job_id, 1, Projection(JobStatus.QUEUED))
    old = Projection(JobStatus.FAILED, started_at=before, observed_at=before)
    assert not await store.jobs.project(job.job_id, 1, old)
    assert (await desk.fresh(job)).status is JobStatus.PROCESSING
    new = Projection(JobStatus.FAILED, observed_at=now() + timedelta(seconds=1))
    assert await store.jobs.project(job.job_id, 1, new)


async def test_an_older_submission_changes_nothing(store: Store, desk: Desk) -> None:
    job = await desk.job()
    await desk.lose(job)
    assert not await store.jobs.project(job.job_id, 1, Projection(JobStatus.FAILED))
    assert not await store.jobs.project("nobody", 1, Projection(JobStatus.FAILED))
    assert await store.jobs.project(job.job_id, 2, Projection(JobStatus.FAILED))


async def test_a_cancelling_job_does_not_go_back_to_work(store: Store, desk: Desk) -> None:
    job, _ = await desk.running()
    await store.jobs.request_cancel(OWNER, job.job_id)
    for status in (JobStatus.PROCESSING, JobStatus.QUEUED):
        assert not await store.jobs.project(job.job_id, 1, Projection(status, started_at=now()))
    assert await store.jobs.project(job.job_id, 1, Projection(JobStatus.CANCELLED))
    fresh = await desk.fresh(job)
    assert (fresh.status, fresh.files[0].status) == (JobStatus.CANCELLED, FileStatus.CANCELLED)
    assert fresh.completed_at is not None


async def test_cancelled_in_prefects_pages(store: Store, desk: Desk) -> None:
    job, _ = await desk.running()
    assert await store.jobs.project(job.job_id, 1, Projection(JobStatus.CANCELLING))
    assert await store.attempts.cancel_requested(job.job_id)


@pytest.mark.parametrize(
    ("status", "file_status", "code"),
    [
        (JobStatus.FAILED, FileStatus.FAILED, "worker_lost"),
        (JobStatus.CANCELLED, FileStatus.CANCELLED, "job_cancelled"),
    ],
)
async def test_no_file_is_at_work_for_ever(
    store: Store, desk: Desk, status: JobStatus, file_status: FileStatus, code: str
) -> None:
    job, attempt = await desk.running(3)
    await desk.done(attempt, 0)
    await store.attempts.progress(attempt, job.files[1].file_id, Stage.TRANSCRIBING, 30)
    news = Projection(status, error="The worker was lost.", error_code="worker_lost")
    assert await store.jobs.project(job.job_id, 1, news)
    fresh = await desk.fresh(job)
    assert [file.status for file in fresh.files] == [FileStatus.COMPLETED, file_status, file_status]
    assert [file.error_code for file in fresh.files] == [None, code, code]
    assert fresh.error_code == "worker_lost"


async def test_completed_without_any_result_has_failed(store: Store, desk: Desk) -> None:
    job, _ = await desk.running()
    assert await store.jobs.project(job.job_id, 1, Projection(JobStatus.COMPLETED))
    fresh = await desk.fresh(job)
    assert (fresh.status, fresh.error_code) == (JobStatus.FAILED, "no_result")
    assert not await store.jobs.project(job.job_id, 1, Projection(JobStatus.COMPLETED))
    assert await desk.fresh(job) == fresh


@pytest.mark.parametrize("end", [JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED])
@pytest.mark.parametrize("back", [JobStatus.QUEUED, JobStatus.PROCESSING])
async def test_a_retry_in_prefects_pages(store: Store, desk: Desk, end: JobStatus, back: JobStatus) -> None:
    job, attempt = await desk.running(2)
    await desk.done(attempt, 0)
    await store.jobs.project(job.job_id, 1, Projection(end, error="x" if end is JobStatus.FAILED else None))
    assert await store.jobs.project(job.job_id, 1, Projection(back, started_at=now()))
    fresh = await desk.fresh(job)
    assert (fresh.status, fresh.attempt) == (back, 2)
    assert (fresh.completed_at, fresh.error, fresh.cancel_requested_at) == (None, None, None)
    assert fresh.progress == 50.0
    assert [file.status for file in fresh.files] == [FileStatus.COMPLETED, FileStatus.QUEUED]
    assert (await store.attempts.begin(job.job_id, 1, "run")).number == 2


async def test_a_lost_run_is_submitted_again_once(store: Store, desk: Desk) -> None:
    job, attempt = await desk.running()
    assert await desk.lose(job)
    with pytest.raises(AttemptSuperseded):
        await desk.done(attempt)
    fresh = await desk.fresh(job)
    assert (fresh.status, fresh.submission, fresh.flow_run_id) == (JobStatus.QUEUED, 2, None)
    assert ("submit", job.job_id, 2) in await desk.outbox()
    assert not await desk.lose(job)
    lost = await desk.fresh(job)
    assert (lost.status, lost.error_code) == (JobStatus.FAILED, "run_lost")
    assert lost.files[0].error_code == "run_lost"
    assert not await desk.lose(job)
    assert not await store.jobs.resubmit("nobody", 1, None)


async def test_a_run_that_two_miss_is_lost_once(store: Store, desk: Desk) -> None:
    job, _ = await desk.running()
    assert await store.jobs.resubmit(job.job_id, 1, job.flow_run_id)
    assert not await store.jobs.resubmit(job.job_id, 1, job.flow_run_id)
    await store.jobs.submitted(job.job_id, 2, "second run")
    assert not await store.jobs.resubmit(job.job_id, 2, None)
    fresh = await desk.fresh(job)
    assert (fresh.status, fresh.submission) == (JobStatus.QUEUED, 2)


async def test_a_lost_run_of_a_cancelled_job_is_not_submitted_again(store: Store, desk: Desk) -> None:
    job, _ = await desk.running()
    await store.jobs.request_cancel(OWNER, job.job_id)
    assert not await desk.lose(job)
    assert (await desk.fresh(job)).status is JobStatus.CANCELLED


async def test_many_projections_at_once(store: Store, desk: Desk) -> None:
    jobs = [await desk.job() for _ in range(3)]
    news = {job.job_id: (1, Projection(JobStatus.PROCESSING)) for job in jobs[:2]}
    news[jobs[2].job_id] = (1, Projection(JobStatus.QUEUED))
    news["nobody"] = (1, Projection(JobStatus.FAILED))
    assert await store.jobs.project_many(news) == {jobs[0].job_id, jobs[1].job_id}
    assert await store.jobs.project_many(news) == set()
    assert [(await desk.fresh(job)).status for job in jobs] == ["processing", "processing", "queued"]


async def test_what_changes_nothing_needs_no_write(store: Store, desk: Desk) -> None:
    job = await desk.job()
    async with store.database.writing():  # on SQLite nobody else can write meanwhile
        assert not await store.jobs.project(job.job_id, 1, Projection(JobStatus.QUEUED))


async def test_a_late_run_of_an_old_submission_is_cancelled(store: Store, desk: Desk) -> None:
    job = await desk.job()
    await desk.lose(job)
    await store.jobs.submitted(job.job_id, 1, "old run")
    await store.jobs.submitted("nobody", 1, "run")
    assert ("cancel", job.job_id, 1) in await desk.outbox()
    assert (await desk.fresh(job)).flow_run_id is None
