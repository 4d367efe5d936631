"""The worker's side: fencing, progress, results."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import update

from speech.errors import AttemptSuperseded, JobCancelled
from speech.jobs import FileStatus, Job, JobStatus, Stage
from storage.attempts import Attempt, Outcome
from storage.errors import Missing, SpecificationUnreadable
from storage.projection import Projection
from storage.store import Store
from storage.tables import jobs
from tests.storage.conftest import OWNER, Desk


async def test_begin_sets_started_at_and_status(desk: Desk) -> None:
    job, attempt = await desk.running()
    assert job == await desk.fresh(job)
    assert (job.status, job.stage, job.attempt) == (JobStatus.PROCESSING, Stage.PREPARING, 1)
    assert job.started_at is not None
    assert attempt.number == 1


async def test_a_new_attempt_fences_the_old_one(store: Store, desk: Desk) -> None:
    job, old = await desk.running(2)
    await store.attempts.progress(old, job.files[0].file_id, Stage.TRANSCRIBING, 80)
    new = await store.attempts.begin(job.job_id, 1, "run")
    assert (new.number, new.job.progress, new.job.started_at) == (2, 0.0, job.started_at)
    file_id = job.files[0].file_id
    row = desk.transcript(job)
    writes = [
        store.attempts.progress(old, file_id, Stage.TRANSCRIBING, 90),
        store.attempts.file_done(old, file_id, row, provider="fake", model="tiny"),
        store.attempts.file_failed(old, file_id, "invalid_audio", "No audio."),
        store.attempts.finish(old, Outcome(JobStatus.COMPLETED)),
    ]
    for write in writes:
        with pytest.raises(AttemptSuperseded):
            await write
    fresh = await desk.fresh(job)
    assert (fresh.progress, fresh.files[0].status) == (0.0, FileStatus.QUEUED)
    assert await store.transcripts.of_job(OWNER, job.job_id) == []


async def test_of_racing_attempts_exactly_one_may_write(store: Store, desk: Desk) -> None:
    job = await desk.job()
    attempts = await asyncio.gather(*(store.attempts.begin(job.job_id, 1, "run") for _ in range(6)))
    assert sorted(attempt.number for attempt in attempts) == [1, 2, 3, 4, 5, 6]
    writes = (store.attempts.progress(one, job.files[0].file_id, Stage.TRANSCRIBING, 50) for one in attempts)
    results = await asyncio.gather(*writes, return_exceptions=True)
    allowed = [one.number for one, result in zip(attempts, results, strict=True) if result is None]
    assert allowed == [6]
    assert sum(isinstance(result, AttemptSuperseded) for result in results) == 5


async def test_an_older_submission_may_not_begin(store: Store, desk: Desk) -> None:
    job = await desk.job()
    assert await desk.lose(job)
    with pytest.raises(AttemptSuperseded):
        await store.attempts.begin(job.job_id, 1, "run")
    assert (await store.attempts.begin(job.job_id, 2, "run-2")).number == 1


async def test_who_may_not_begin(store: Store, desk: Desk) -> None:
    with pytest.raises(Missing):
        await store.attempts.begin("nobody", 1, "run")
    cancelled = await desk.job()
    await store.jobs.request_cancel(OWNER, cancelled.job_id)
    with pytest.raises(JobCancelled):
        await store.attempts.begin(cancelled.job_id, 1, "run")
    failed, _ = await desk.running()
    await store.jobs.project(failed.job_id, 1, Projection(JobStatus.FAILED))
    with pytest.raises(AttemptSuperseded):
        await store.attempts.begin(failed.job_id, 1, "run")


async def test_request_of_a_newer_version_is_not_run(store: Store, desk: Desk) -> None:
    job = await desk.job()
    async with store.database.writing() as connection:
        await connection.execute(update(jobs).values(specification_version=99))
    with pytest.raises(SpecificationUnreadable):
        await store.attempts.begin(job.job_id, 1, "run")
    assert (await desk.fresh(job)).status is JobStatus.QUEUED


async def test_a_run_restarted_by_hand_opens_its_job_again(store: Store, desk: Desk) -> None:
    job, attempt = await desk.running(2)
    await desk.done(attempt, 0)
    await store.jobs.request_cancel(OWNER, job.job_id)
    await desk.all_told()
    await store.jobs.project(job.job_id, 1, Projection(JobStatus.CANCELLED))
    again = await store.attempts.begin(job.job_id, 1, "run", reopen=True)
    assert (again.number, again.job.status, again.job.cancel_requested_at) == (2, JobStatus.PROCESSING, None)
    assert (again.job.completed_at, again.job.error_code) == (None, None)
    assert [file.status for file in again.job.files] == [FileStatus.COMPLETED, FileStatus.QUEUED]
    assert again.job.progress == 50.0
    assert not await store.attempts.cancel_requested(job.job_id)


async def test_a_rerun_does_not_undo_a_cancellation_that_prefect_has_still_to_hear_of(store: Store, desk: Desk) -> None:
    job, _ = await desk.running()
    await store.jobs.project(job.job_id, 1, Projection(JobStatus.QUEUED, started_at=job.started_at))
    assert (await store.jobs.request_cancel(OWNER, job.job_id)).status is JobStatus.CANCELLED
    with pytest.raises(JobCancelled):
        await store.attempts.begin(job.job_id, 1, "run", reopen=True)
    await desk.all_told()
    assert (await store.attempts.begin(job.job_id, 1, "run", reopen=True)).number == 2


async def test_progress_is_the_mean_and_never_falls(store: Store, desk: Desk) -> None:
    job, attempt = await desk.running(2)
    first, second = (file.file_id for file in job.files)
    seen = []
    for file_id, value in ((first, 50), (first, 20), (second, 10), (first, 100), (second, 250), (second, -5)):
        await store.attempts.progress(attempt, file_id, Stage.TRANSCRIBING, value)
        seen.append((await desk.fresh(job)).progress)
    assert seen == [25.0, 25.0, 30.0, 55.0, 99.0, 99.0]


async def test_stage_is_that_of_the_file_at_work(store: Store, desk: Desk) -> None:
    job, attempt = await desk.running(2)
    await store.attempts.progress(attempt, job.files[1].file_id, Stage.RENDERING, 90)
    fresh = await desk.fresh(job)
    assert fresh.stage is Stage.RENDERING
    assert [file.stage for file in fresh.files] == [Stage.QUEUED, Stage.RENDERING]
    assert [file.status for file in fresh.files] == [FileStatus.QUEUED, FileStatus.PROCESSING]


async def test_one_failing_file_does_not_take_the_others_with_it(store: Store, desk: Desk) -> None:
    job, attempt = await desk.running(2)
    await store.attempts.file_failed(attempt, job.files[0].file_id, "invalid_audio", "No audio in it.")
    row = await desk.done(attempt, 1)
    half = await desk.fresh(job)
    assert half.progress == 99.0
    await store.attempts.finish(attempt, Outcome(JobStatus.COMPLETED))
    assert await store.jobs.project(job.job_id, 1, Projection(JobStatus.COMPLETED))
    ended = await desk.fresh(job)
    assert (ended.status, ended.progress, ended.stage) == (JobStatus.COMPLETED, 100.0, Stage.DONE)
    assert [(file.status, file.error_code) for file in ended.files] == [
        (FileStatus.FAILED, "invalid_audio"),
        (FileStatus.COMPLETED, None),
    ]
    assert (ended.files[1].provider, ended.files[1].model) == ("fake", "tiny")
    assert await store.transcripts.of_job(OWNER, job.job_id) == [row]
    assert await store.transcripts.get(OWNER, row.transcript_id) == row


async def test_progress_of_a_file_that_ended_changes_nothing_of_it(store: Store, desk: Desk) -> None:
    job, attempt = await desk.running(2)
    await desk.done(attempt, 0)
    await store.attempts.progress(attempt, job.files[0].file_id, Stage.TRANSCRIBING, 10)
    file = (await desk.fresh(job)).files[0]
    assert (file.status, file.stage, file.progress) == (FileStatus.COMPLETED, Stage.DONE, 100.0)


async def test_the_same_file_again_replaces_its_transcript_and_blobs(store: Store, desk: Desk) -> None:
    job, first = await desk.running()
    old = await desk.done(first)
    second = await store.attempts.begin(job.job_id, 1, "run")
    new = await desk.done(second)
    same = await desk.done(second, transcript_id=new.transcript_id)
    assert await store.transcripts.of_job(OWNER, job.job_id) == [same]
    assert await store.collect() == 1
    assert not store.blobs.exists(old.blob_key)
    assert store.blobs.exists(new.blob_key)


async def test_nothing_is_written_after_the_job_ended(store: Store, desk: Desk) -> None:
    job, attempt = await desk.running()
    await store.jobs.project(job.job_id, 1, Projection(JobStatus.FAILED, error_code="worker_lost"))
    with pytest.raises(AttemptSuperseded):
        await desk.done(attempt)
    with pytest.raises(AttemptSuperseded):
        await store.attempts.progress(attempt, job.files[0].file_id, Stage.TRANSCRIBING, 50)
    assert (await desk.fresh(job)).status is JobStatus.FAILED


async def test_a_cancelling_job_still_takes_its_results(store: Store, desk: Desk) -> None:
    job, attempt = await desk.running()
    await store.jobs.request_cancel(OWNER, job.job_id)
    await desk.done(attempt)
    fresh = await desk.fresh(job)
    assert (fresh.status, fresh.files[0].status) == (JobStatus.CANCELLING, FileStatus.COMPLETED)


@pytest.mark.parametrize(
    ("outcome", "file_status", "file_code"),
    [
        (Outcome(JobStatus.CANCELLED), FileStatus.CANCELLED, "job_cancelled"),
        (Outcome(JobStatus.FAILED, "Too long.", "job_timed_out"), FileStatus.FAILED, "job_timed_out"),
        (Outcome(JobStatus.COMPLETED), FileStatus.FAILED, "no_result"),
    ],
)
async def test_finish_ends_the_files_and_leaves_the_status_to_the_run(
    store: Store, desk: Desk, outcome: Outcome, file_status: FileStatus, file_code: str
) -> None:
    job, attempt = await desk.running()
    await store.attempts.finish(attempt, outcome)
    fresh = await desk.fresh(job)
    assert fresh.status is JobStatus.PROCESSING
    assert (fresh.files[0].status, fresh.files[0].error_code) == (file_status, file_code)
    assert (fresh.error, fresh.error_code) == (outcome.error, outcome.error_code)


async def test_what_finish_said_explains_the_end(store: Store, desk: Desk) -> None:
    job, attempt = await desk.running()
    await store.attempts.finish(attempt, Outcome(JobStatus.FAILED, "No audio in it.", "invalid_audio"))
    await store.jobs.project(job.job_id, 1, Projection(JobStatus.FAILED))
    fresh = await desk.fresh(job)
    assert (fresh.error, fresh.error_code) == ("No audio in it.", "invalid_audio")


async def test_cancel_requested_for_a_job_that_is_gone(store: Store, desk: Desk) -> None:
    assert await store.attempts.cancel_requested("nobody")
    assert not await store.attempts.cancel_requested((await desk.job()).job_id)


async def test_attempt_of_a_foreign_job_is_refused(store: Store, desk: Desk) -> None:
    _, attempt = await desk.running()
    other: Job = await desk.job()
    forged = Attempt(other, attempt.token, 1)
    with pytest.raises(AttemptSuperseded):
        await store.attempts.progress(forged, other.files[0].file_id, Stage.PREPARING, 1)
