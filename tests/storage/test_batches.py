"""Batches: all or nothing, in order, summed up, cancelled together."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech.errors import UnsupportedOption
from speech.jobs import JobStatus
from speech.options import TranscribeRequest
from storage.batches import _position
from storage.errors import Missing, QueueFull
from storage.projection import Projection
from storage.store import Store
from tests.storage.conftest import OWNER, Desk


def asked(*file_ids: str, **more: object) -> TranscribeRequest:
    return TranscribeRequest.model_validate({"file_ids": list(file_ids), **more})


async def made(store: Store, desk: Desk, count: int = 3) -> tuple[str, list[str]]:
    requests = [asked(await desk.file(f"talk-{index}.wav"), metadata={"item": index}) for index in range(count)]
    job_ids = await store.batches.create(OWNER, requests, max_unfinished=1000, batch_id=f"batch-{count}")
    return f"batch-{count}", job_ids


async def test_each_item_is_a_job_like_any_other(store: Store, desk: Desk) -> None:
    shared = await desk.file()
    requests = [
        asked(shared, priority="express"),
        asked(shared, urls=["https://user:pass@host/a.mp3?key=secret"]),
        asked(urls=["https://host/b.mp3", "https://host/c.mp3"]),
    ]
    job_ids = await store.batches.create(OWNER, requests, max_unfinished=3)
    jobs = [await store.jobs.get(OWNER, job_id) for job_id in job_ids]
    assert [[file.filename for file in job.files] for job in jobs] == [
        ["talk.wav"],
        ["talk.wav", "a.mp3"],
        ["b.mp3", "c.mp3"],
    ]
    assert (jobs[0].priority, jobs[0].status) == ("express", JobStatus.QUEUED)
    assert jobs[1].request.urls == ["https://host/a.mp3"]
    assert (await store.files.get(OWNER, jobs[1].files[1].file_id)).source_url == requests[1].urls[0]
    assert await desk.outbox() == [("submit", job_id, 1) for job_id in job_ids]
    assert job_ids == sorted(job_ids)
    for job in jobs:
        (entry,) = await store.events.after(job.job_id, 0, 10)
        assert (entry.number, str(entry.kind)) == (1, "progress")
        assert (await store.events.head(OWNER, job.job_id)).number == 1
    attempt = await store.attempts.begin(job_ids[0], 1, "run")
    assert len(await store.events.after(attempt.job.job_id, 1, 10)) == 1


async def test_what_is_wrong_with_one_leaves_nothing_of_all(store: Store, desk: Desk) -> None:
    good = asked(await desk.file(), urls=["https://host/a.mp3"])
    for requests, most, refusal in (([good, asked("nobody")], 10, Missing), ([good, good, good], 2, QueueFull)):
        with pytest.raises(refusal):
            await store.batches.create(OWNER, requests, max_unfinished=most, batch_id="chosen")
    assert await store.jobs.list(OWNER) == ([], None)
    assert await store.batches.list(OWNER) == ([], None)
    assert await desk.outbox() == []
    assert len((await store.files.list(OWNER))[0]) == 1


async def test_the_same_id_makes_the_same_batch(store: Store, desk: Desk) -> None:
    requests = [asked(await desk.file()) for _ in range(2)]
    first = await store.batches.create(OWNER, requests, max_unfinished=10, batch_id="chosen")
    assert await store.batches.create(OWNER, requests, max_unfinished=10, batch_id="chosen") == first
    assert len((await store.jobs.list(OWNER))[0]) == 2


async def test_it_is_summed_up(store: Store, desk: Desk) -> None:
    batch_id, job_ids = await made(store, desk, 4)
    empty = await store.batches.get(OWNER, batch_id)
    assert (empty.jobs_count, empty.progress, empty.finished) == (4, 0.0, False)
    assert empty.counts == {**dict.fromkeys(JobStatus, 0), JobStatus.QUEUED: 4}
    done = await store.attempts.begin(job_ids[0], 1, "run-0")
    await desk.done(done)
    await store.jobs.project(job_ids[0], 1, Projection(JobStatus.COMPLETED))
    await store.attempts.begin(job_ids[1], 1, "run-1")
    await store.jobs.project(job_ids[1], 1, Projection(JobStatus.FAILED, error="It broke.", error_code="worker_lost"))
    half = await store.batches.get(OWNER, batch_id)
    assert (half.progress, half.finished) == (50.0, False)
    assert {status: count for status, count in half.counts.items() if count} == {
        JobStatus.COMPLETED: 1,
        JobStatus.FAILED: 1,
        JobStatus.QUEUED: 2,
    }
    found, _ = await store.batches.jobs(OWNER, batch_id)
    assert [(job.job_id, job.position) for job in found] == list(zip(job_ids, range(4), strict=True))
    assert [job.error_code for job in found] == [None, "worker_lost", None, None]


async def test_cancelling_stops_what_is_left(store: Store, desk: Desk) -> None:
    batch_id, job_ids = await made(store, desk)
    attempt = await store.attempts.begin(job_ids[0], 1, "run-0")
    await desk.done(attempt)
    await store.jobs.project(job_ids[0], 1, Projection(JobStatus.COMPLETED))
    await store.attempts.begin(job_ids[1], 1, "run-1")
    other = await desk.job()
    for _ in range(2):
        await store.batches.request_cancel(OWNER, batch_id)
        found, _ = await store.batches.jobs(OWNER, batch_id)
        assert [job.status for job in found] == ["completed", "cancelling", "cancelled"]
    assert (await desk.fresh(other)).status is JobStatus.QUEUED
    assert [str(event.kind) for event in await store.events.after(job_ids[2], 0, 10)] == ["progress", "cancelled"]
    await store.jobs.project(job_ids[1], 1, Projection(JobStatus.CANCELLED))
    ended = await store.batches.get(OWNER, batch_id)
    assert (ended.finished, ended.progress) == (True, 100.0)


async def test_cancelling_the_batch_and_its_jobs_at_once(store: Store, desk: Desk) -> None:
    batch_id, job_ids = await made(store, desk, 5)
    singles = [store.jobs.request_cancel(OWNER, job_id) for job_id in reversed(job_ids)]
    await asyncio.gather(store.batches.request_cancel(OWNER, batch_id), *singles)
    assert (await store.batches.get(OWNER, batch_id)).counts[JobStatus.CANCELLED] == 5


async def test_pages(store: Store, desk: Desk) -> None:
    batch_ids = [(await made(store, desk, count))[0] for count in (1, 2, 5)]
    first, cursor = await store.batches.list(OWNER, limit=2)
    rest, last = await store.batches.list(OWNER, limit=2, cursor=cursor)
    assert [batch.batch_id for batch in first + rest] == batch_ids[::-1]
    assert [batch.jobs_count for batch in first + rest] == [5, 2, 1]
    assert last is None
    seen: list[int] = []
    place: str | None = None
    while True:
        page, place = await store.batches.jobs(OWNER, "batch-5", limit=2, cursor=place)
        seen += [job.position for job in page]
        if place is None:
            break
    assert seen == [0, 1, 2, 3, 4]
    with pytest.raises(UnsupportedOption):
        await store.batches.jobs(OWNER, "batch-5", cursor=cursor)


async def test_another_owners_batch_is_missing(store: Store, desk: Desk) -> None:
    batch_id, _ = await made(store, desk)
    for call in (store.batches.get, store.batches.jobs, store.batches.request_cancel):
        with pytest.raises(Missing) as caught:
            await call("other", batch_id)
        assert caught.value.code == "batch_not_found"
    assert await store.batches.list("other") == ([], None)


@given(st.text())
def test_no_cursor_of_others_is_taken(cursor: str) -> None:
    with pytest.raises(UnsupportedOption):
        _position(cursor)
