"""What workers ask about waiting jobs before they take any."""

from __future__ import annotations

from speech.clock import now
from speech.jobs import Job, StoredFile
from speech.options import TranscribeRequest
from storage.due import DueJobs
from storage.ids import new_id
from storage.store import Store
from tests.storage.conftest import OWNER, Desk


async def submitted(store: Store, *durations: float | None, **asked: object) -> Job:
    """A job with recordings so long, as far as that is known, whose run waits."""
    files = [
        StoredFile(new_id(), OWNER, "a.wav", 1, "audio/wav", duration, 16000, 1, "0" * 64, "key", now())
        for duration in durations
    ]
    await store.files.add(*files)
    request = TranscribeRequest.model_validate({"file_ids": [file.file_id for file in files], **asked})
    job = await store.jobs.create(OWNER, request, max_unfinished=100)
    await store.jobs.submitted(job.job_id, 1, f"run-{job.job_id}")
    return job


async def test_how_much_of_a_job_is_not_done_yet_as_far_as_that_is_known(store: Store, desk: Desk) -> None:
    two = await submitted(store, 1000.0, 500.0, None)
    unknown = await submitted(store, None)
    due = DueJobs(store.database)

    async def seconds() -> list[float]:
        found = await due.of([two.job_id, unknown.job_id])
        return [found[job.job_id].seconds for job in (two, unknown)]

    assert await seconds() == [1500.0, 0.0]
    attempt = await store.attempts.begin(two.job_id, 1, f"run-{two.job_id}")
    await desk.done(attempt)
    assert await seconds() == [500.0, 0.0]
    await store.files.fetched(unknown.files[0].file_id, blob_key="k", size=1, sha256="1" * 64, duration=7200.0)
    assert await seconds() == [500.0, 7200.0]


async def test_jobs_that_long_ones_must_not_keep_waiting(store: Store) -> None:
    long = await submitted(store, 400.0, 400.0)
    short = await submitted(store, 599.0)
    unknown = await submitted(store, None, priority="low")
    urgent = await submitted(store, 7200.0, priority="express")
    at_work = await submitted(store, 1.0)
    await store.attempts.begin(at_work.job_id, 1, f"run-{at_work.job_id}")
    due = DueJobs(store.database)
    wanted = [f"run-{job.job_id}" for job in (urgent, short, unknown)]
    assert await due.first_light(600.0, 10) == wanted
    assert await due.first_light(600.0, 2) == wanted[:2]
    assert f"run-{long.job_id}" in await due.first_light(801.0, 10)
