"""Jobs that wait for their time, and results that are over when theirs has come."""

from __future__ import annotations

from datetime import timedelta

import pytest

from speech.clock import now
from speech.errors import AttemptSuperseded
from speech.jobs import JobStatus
from speech.options import TranscribeRequest
from storage.due import DueJobs
from storage.projection import Projection
from storage.store import Store
from storage.waits import Wait
from tests.storage.conftest import OWNER, Desk


async def test_a_job_that_waits_for_its_time_stands_in_nobodys_way(store: Store, desk: Desk) -> None:
    later = await desk.job(not_before=now() + timedelta(hours=1))
    job = await desk.job()
    assert await store.jobs.queue_position(later) is None
    assert await store.jobs.queue_position(job) == 1
    assert await store.jobs.queue_positions([later, job]) == {job.job_id: 1}
    assert (await store.jobs.request_cancel(OWNER, later.job_id)).status is JobStatus.CANCELLED


@pytest.mark.parametrize("seconds", [3600.0, -1.0])
async def test_a_job_that_waits_for_the_server_stands_in_nobodys_way_until_then(
    store: Store, desk: Desk, seconds: float
) -> None:
    first, attempt = await desk.running()
    await store.waits.begin(attempt, Wait("server", seconds, "storage_full"))
    await store.jobs.project(first.job_id, 1, Projection(JobStatus.QUEUED, observed_at=now()))
    second = await desk.job()
    await store.jobs.submitted(second.job_id, 1, "run")
    waits = seconds > 0
    found = await desk.fresh(first)
    assert found.status is JobStatus.QUEUED
    assert await store.jobs.queue_position(found) == (None if waits else 1)
    assert await store.jobs.queue_position(second) == (1 if waits else 2)
    due = DueJobs(store.database)
    runs = ["run"] if waits else [f"run-{first.job_id}"]
    assert await due.first_of_each(1, 9, by_model=False) == runs
    assert await due.first_light(60.0, 1) == runs


async def test_a_moment_that_has_passed_means_now(desk: Desk) -> None:
    job = await desk.job(not_before=now() - timedelta(days=3))
    assert job.not_before is None


async def test_results_are_over_at_once(store: Store, desk: Desk) -> None:
    job, attempt = await desk.running(expires_in=3600)
    assert job.expires_at is None
    await desk.done(attempt)
    ended = now() - timedelta(hours=2)
    await store.jobs.project(job.job_id, 1, Projection(JobStatus.COMPLETED, completed_at=ended, observed_at=now()))
    found = await desk.fresh(job)
    assert (found.status, found.expires_at) == (JobStatus.EXPIRED, ended + timedelta(hours=1))
    assert [one.job_id for one in (await store.jobs.list(OWNER, status=JobStatus.EXPIRED))[0]] == [job.job_id]
    assert (await store.jobs.list(OWNER, status=JobStatus.COMPLETED))[0] == []
    with pytest.raises(AttemptSuperseded):
        await store.attempts.begin(job.job_id, 1, "run", reopen=True)
    assert not await store.jobs.project(job.job_id, 1, Projection(JobStatus.QUEUED, observed_at=now()))


async def test_results_stay_for_their_time(store: Store, desk: Desk) -> None:
    job, attempt = await desk.running(2, expires_in=3600)
    await desk.done(attempt, 0)
    await store.jobs.project(job.job_id, 1, Projection(JobStatus.COMPLETED, observed_at=now()))
    found = await desk.fresh(job)
    assert found.status is JobStatus.COMPLETED
    assert found.completed_at is not None
    assert found.expires_at == found.completed_at + timedelta(hours=1)
    assert [one.job_id for one in (await store.jobs.list(OWNER, status=JobStatus.COMPLETED))[0]] == [job.job_id]
    again = await store.attempts.begin(job.job_id, 1, "run", reopen=True)
    assert again.job.expires_at is None


async def test_the_operators_time_counts_where_the_request_says_none(store: Store, desk: Desk) -> None:
    kept = Store(store.database, store.blobs, results_kept=60)
    file_ids = [await desk.file()]
    for asked, seconds in (({}, 60), ({"expires_in": 5}, 5)):
        request = TranscribeRequest.model_validate({"file_ids": file_ids, **asked})
        job = await kept.jobs.create(OWNER, request, max_unfinished=9)
        cancelled = await kept.jobs.request_cancel(OWNER, job.job_id)
        assert cancelled.completed_at is not None
        assert cancelled.expires_at == cancelled.completed_at + timedelta(seconds=seconds)
    assert (await desk.job()).expires_at is None
