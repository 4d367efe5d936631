"""What unfinished jobs ask for, counted."""

from __future__ import annotations

from datetime import timedelta

from speech.clock import now
from speech.jobs import JobStatus
from storage.demand import Share, Wish
from storage.projection import Projection
from storage.store import Store
from tests.storage.conftest import Desk

WHISPER = "faster_whisper"


async def test_what_one_job_wants(store: Store, desk: Desk) -> None:
    named, open_ = await desk.job(model="large-v3"), await desk.job()
    assert await store.demand.of(named.job_id) == Wish(WHISPER, "large-v3")
    assert await store.demand.of(open_.job_id) == Wish(WHISPER, None)
    assert await store.demand.of("nobody") is None


async def test_the_unfinished_that_are_due_are_counted(store: Store, desk: Desk) -> None:
    assert await store.demand.shares(by_model=True) == []
    for model in ("large-v3", "large-v3", None):
        await desk.job(model=model)
    await desk.running(model="tiny.en")
    await desk.job(not_before=now() + timedelta(hours=1))
    await desk.job(not_before=now() - timedelta(hours=1))
    ended, _ = await desk.running()
    await store.jobs.project(ended.job_id, 1, Projection(JobStatus.FAILED))
    queued, processing = JobStatus.QUEUED, JobStatus.PROCESSING
    by_model = await store.demand.shares(by_model=True)
    assert set(by_model) == {
        Share(queued, 2, Wish(WHISPER, "large-v3")),
        Share(queued, 2, Wish(WHISPER, None)),
        Share(processing, 1, Wish(WHISPER, "tiny.en")),
    }
    assert set(await store.demand.shares(by_model=False)) == {Share(queued, 4), Share(processing, 1)}
