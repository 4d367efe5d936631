"""The log of a job: complete, in order, once, with one end; and its words go when the results go."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from speech.clock import now
from speech.errors import AttemptSuperseded
from speech.events import EventKind, JobEvent
from speech.jobs import Job, JobStatus, Stage
from speech.transcript import Segment, Word
from storage.attempts import Attempt
from storage.errors import Missing
from storage.projection import Projection
from storage.store import Store
from storage.tables import job_events, jobs
from storage.waits import Wait
from tests.storage.conftest import OWNER, Desk

WORDS = (Segment(0.5, 1.5, "planted phrase", (Word(0.5, 1.5, "planted", space_before=False),), language="en"),)


async def log(store: Store, job: Job, after: int = 0) -> list[JobEvent]:
    return await store.events.after(job.job_id, after, 1000)


async def told(store: Store, job: Job) -> list[tuple[str, Any]]:
    return [(str(event.kind), json.loads(event.data)) for event in await log(store, job)]


async def statuses(store: Store, job: Job) -> list[tuple[str, str, int]]:
    return [(kind, said["status"], said["attempt"]) for kind, said in await told(store, job) if kind != "segment"]


async def completed(store: Store, desk: Desk) -> tuple[Job, Attempt]:
    job, attempt = await desk.running()
    await store.attempts.piece_done(attempt, job.files[0].file_id, 0, WORDS)
    await desk.done(attempt)
    await store.jobs.project(job.job_id, 1, Projection(JobStatus.COMPLETED))
    return job, attempt


async def test_a_job_from_its_beginning_to_its_end(store: Store, desk: Desk) -> None:
    job, _ = await completed(store, desk)
    events = await log(store, job)
    assert [event.number for event in events] == [1, 2, 3, 4, 5]
    kinds = [event.kind for event in events]
    assert kinds == [*[EventKind.PROGRESS] * 2, EventKind.SEGMENT, EventKind.PROGRESS, EventKind.COMPLETED]
    said = [json.loads(event.data) for event in events]
    assert [said[index]["status"] for index in (0, 1, 3, 4)] == ["queued", "processing", "processing", "completed"]
    assert said[2] == {
        "job_id": job.job_id,
        "file_id": job.files[0].file_id,
        "piece": 0,
        "revision": 1,
        "segments": said[2]["segments"],
    }
    assert said[2]["segments"][0] | {"words": []} == {
        "id": 0,
        "start": 0.5,
        "end": 1.5,
        "text": "planted phrase",
        "language": "en",
        "speaker": None,
        "channel": None,
        "confidence": None,
        "words": [],
    }
    assert (said[4]["progress"], said[4]["files"][0]["status"]) == (100.0, "completed")
    head = await store.events.head(OWNER, job.job_id)
    assert (head.number, head.ended) == (5, True)
    assert await store.events.heads([job.job_id, "nobody"]) == {job.job_id: 5}


async def test_what_a_job_waits_for_is_told(store: Store, desk: Desk) -> None:
    job, attempt = await desk.running()
    await store.waits.begin(attempt, Wait("server", 10.0, "storage_full"))
    await store.jobs.project(job.job_id, 1, Projection(JobStatus.QUEUED, observed_at=now()))
    await store.attempts.begin(job.job_id, 1, f"run-{job.job_id}")
    said = [(data["status"], data["waiting_for"]) for _, data in await told(store, job)]
    assert said[-3:] == [("processing", "storage_full"), ("queued", "storage_full"), ("processing", None)]


async def test_what_changes_nothing_to_tell_is_not_told(store: Store, desk: Desk) -> None:
    job, attempt = await desk.running()
    file_id = job.files[0].file_id
    for progress in (10.2, 10.4, 10.9, 11.0):
        await store.attempts.progress(attempt, file_id, Stage.TRANSCRIBING, progress)
    assert [said["progress"] for _, said in await told(store, job)] == [0.0, 0.0, 10.2, 11.0]
    await store.jobs.project(job.job_id, 1, Projection(JobStatus.PROCESSING))
    assert len(await log(store, job)) == 4


@pytest.mark.parametrize("status", [JobStatus.FAILED, JobStatus.CANCELLED])
async def test_each_end_has_its_name(store: Store, desk: Desk, status: JobStatus) -> None:
    job, _ = await desk.running()
    await store.jobs.project(job.job_id, 1, Projection(status, error="It broke.", error_code="worker_lost"))
    await store.jobs.project(job.job_id, 1, Projection(status))
    last = (await told(store, job))[-1]
    assert (last[0], last[1]["error_code"]) == (str(status), "worker_lost")
    assert [kind for kind, _, _ in await statuses(store, job)].count(str(status)) == 1


async def test_a_queued_job_that_is_cancelled_ends_at_once(store: Store, desk: Desk) -> None:
    job = await desk.job()
    for _ in range(2):
        await store.jobs.request_cancel(OWNER, job.job_id)
    assert await statuses(store, job) == [("progress", "queued", 1), ("cancelled", "cancelled", 1)]


async def test_a_retry_goes_on_in_the_same_log_which_has_one_end(store: Store, desk: Desk) -> None:
    job, _ = await desk.running()
    await store.jobs.project(job.job_id, 1, Projection(JobStatus.FAILED))
    seen = await store.events.head(OWNER, job.job_id)
    await store.jobs.retry(OWNER, job.job_id, max_unfinished=10)
    assert await store.events.head(OWNER, job.job_id) != seen
    assert await statuses(store, job) == [
        ("progress", "queued", 1),
        ("progress", "processing", 1),
        ("progress", "failed", 1),
        ("progress", "queued", 2),
    ]
    attempt = await store.attempts.begin(job.job_id, 2, "run-2")
    await desk.done(attempt)
    await store.jobs.project(job.job_id, 2, Projection(JobStatus.COMPLETED))
    following = await log(store, job, seen.number)
    assert [event.kind for event in following][-1] is EventKind.COMPLETED
    assert sum(event.kind.is_end for event in await log(store, job)) == 1


async def test_a_retry_in_prefects_pages_takes_the_end_back_too(store: Store, desk: Desk) -> None:
    job, attempt = await desk.running(2)
    await desk.done(attempt, 0)
    await store.jobs.project(job.job_id, 1, Projection(JobStatus.COMPLETED))
    assert [event for event in await log(store, job) if event.kind.is_end]
    await store.jobs.project(job.job_id, 1, Projection(JobStatus.QUEUED, observed_at=now() + timedelta(seconds=1)))
    assert not [event for event in await log(store, job) if event.kind.is_end]


async def test_a_piece_is_told_again_only_when_its_words_are_others(store: Store, desk: Desk) -> None:
    job, first = await desk.running(2)
    file_id, other = (file.file_id for file in job.files)
    await store.attempts.piece_done(first, file_id, 0, WORDS)
    await store.attempts.piece_done(first, other, 0, WORDS)
    second = await store.attempts.begin(job.job_id, 1, "run")
    with pytest.raises(AttemptSuperseded):
        await store.attempts.piece_done(first, file_id, 0, ())
    await store.attempts.piece_done(second, file_id, 0, WORDS)
    await store.attempts.piece_done(second, file_id, 1, ())
    await store.attempts.piece_done(second, file_id, 0, ())
    pieces = [
        (said["file_id"], said["piece"], said["revision"]) for kind, said in await told(store, job) if kind == "segment"
    ]
    assert pieces == [(file_id, 0, 1), (other, 0, 1), (file_id, 1, 1), (file_id, 0, 2)]


async def test_entries_of_many_writers_are_numbered_without_a_gap(store: Store, desk: Desk) -> None:
    job, attempt = await desk.running(8)
    await asyncio.gather(
        *(store.attempts.progress(attempt, file.file_id, Stage.TRANSCRIBING, 50.0) for file in job.files),
        *(store.attempts.piece_done(attempt, file.file_id, 0, WORDS) for file in job.files),
    )
    assert [event.number for event in await log(store, job)] == list(range(1, 2 + 16 + 1))
    assert (await store.events.head(OWNER, job.job_id)).number == 18


async def test_what_an_older_process_did_is_told_when_somebody_comes(store: Store, desk: Desk) -> None:
    job, _ = await completed(store, desk)
    async with store.database.writing() as connection:
        await connection.execute(delete(job_events))
        await connection.execute(update(jobs).values(last_event=0, logged=None))
    for _ in range(2):
        head = await store.events.head(OWNER, job.job_id)
        assert (head.number, head.ended) == (1, True)
    assert [kind for kind, _ in await told(store, job)] == ["completed"]
    with pytest.raises(Missing):
        await store.events.head("other", job.job_id)


async def test_an_expired_job_has_the_log_that_it_had(store: Store, desk: Desk) -> None:
    job, _ = await completed(store, desk)
    before = await log(store, job)
    await store.jobs.project(job.job_id, 1, Projection(JobStatus.EXPIRED))
    assert (await store.events.head(OWNER, job.job_id)).ended
    assert await log(store, job) == before


@pytest.mark.parametrize("what", ["results", "transcript", "file"])
async def test_deletion_takes_the_words_and_leaves_the_numbers(store: Store, desk: Desk, what: str) -> None:
    job, _ = await completed(store, desk)
    fresh = await desk.fresh(job)
    if what == "results":
        await store.transcripts.delete_of_job(OWNER, job.job_id)
    elif what == "transcript":
        await store.transcripts.delete(OWNER, fresh.files[0].transcript_id or "")
    else:
        await store.files.delete(OWNER, fresh.files[0].file_id)
    async with store.database.reading() as connection:
        assert "planted" not in str((await connection.execute(select(job_events))).all())
    assert [event.number for event in await log(store, job)] == [1, 2, 4, 5]
    assert (await store.events.head(OWNER, job.job_id)).number == 5


async def test_a_log_goes_with_its_job(store: Store, desk: Desk) -> None:
    job, _ = await completed(store, desk)
    async with store.database.writing() as connection:
        await connection.execute(delete(jobs).where(jobs.c.job_id == job.job_id))
    assert await log(store, job) == []
