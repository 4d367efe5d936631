"""What has had its time goes, on both databases; what is needed stays, whoever does it and however often."""

from __future__ import annotations

import asyncio
import os
import time
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from speech.clock import now
from speech.errors import SpeechError
from speech.ingestion import IngestOptions, RunStatus
from speech.jobs import JobStatus
from speech.options import TranscribeRequest
from storage import clearance
from storage.errors import Missing
from storage.ingest_runs import Counts
from storage.projection import Projection
from storage.steps import HEARD_IN_PART, step_blob
from storage.store import Store
from storage.tables import garbage, jobs
from storage.workers import WorkerBeat
from tests.storage.conftest import OWNER, Desk
from tests.storage.test_deletion import everything_stored

SOON = timedelta(seconds=1)


async def ended(store: Store, desk: Desk, **request: object) -> str:
    """A completed job whose step has an outcome."""
    job, attempt = await desk.running(**request)
    await store.steps.remember(OWNER, job.job_id, job.files[0].file_id, "transcribe", f"key-{job.job_id}")
    store.blobs.write(step_blob(OWNER, f"key-{job.job_id}"), b"planted phrase")
    await desk.done(attempt)
    seen = Projection(JobStatus.COMPLETED, completed_at=now(), observed_at=now())
    await store.jobs.project(job.job_id, 1, seen)
    return job.job_id


async def status_in_row(store: Store, job_id: str) -> str:
    async with store.database.reading() as connection:
        return str((await connection.execute(select(jobs.c.status).where(jobs.c.job_id == job_id))).scalar_one())


async def test_expired_results_go_with_every_word(store: Store, desk: Desk) -> None:
    over = await ended(store, desk, expires_in=1e-6, metadata={"note": "planted phrase"})
    kept = await ended(store, desk)
    assert await store.clearance.expire_results() == 1
    assert await store.clearance.expire_results() == 0
    removed = await store.garbage.collect(weigh=True)
    assert removed.size > len(b"planted phrase")
    job = await store.jobs.get(OWNER, over)
    assert (await status_in_row(store, over), job.status, job.metadata) == ("expired", JobStatus.EXPIRED, {})
    assert await store.transcripts.of_job(OWNER, over) == []
    assert len(await store.transcripts.of_job(OWNER, kept)) == 1
    assert over not in str([key for key in store.blobs.keys("owners") if "planted" in str(store.blobs.read(key))])
    assert "delete_run" in [kind for kind, job_id, _ in await desk.outbox() if job_id == over]
    with pytest.raises(SpeechError):
        await store.attempts.begin(over, 1, "run", reopen=True)
    await store.transcripts.delete_of_job(OWNER, kept)
    await store.collect()
    assert "planted phrase" not in await everything_stored(store)


async def test_two_at_once_and_jobs_at_work_are_no_matter(store: Store, desk: Desk) -> None:
    for _ in range(3):
        await ended(store, desk, expires_in=1e-6)
    job, attempt = await desk.running(expires_in=1e-6)
    counts = await asyncio.gather(store.clearance.expire_results(), store.clearance.expire_results())
    assert sum(counts) == 3
    await asyncio.gather(store.garbage.collect(), store.garbage.collect())
    await desk.done(attempt)
    assert (await desk.fresh(job)).status is JobStatus.PROCESSING


async def test_uploads_that_nobody_needs_go(store: Store, desk: Desk) -> None:
    unused = await desk.file()
    waiting = (await desk.job()).files[0].file_id
    job = await store.jobs.get(OWNER, await ended(store, desk, expires_in=1e-6))
    young = now() - timedelta(days=1)
    assert await store.clearance.drop_unused_files(young) == 0
    assert await store.clearance.drop_unused_files(now() + SOON) == 1
    with pytest.raises(Missing):
        await store.files.get(OWNER, unused)
    await store.clearance.expire_results()
    assert await store.clearance.drop_unused_files(now() + SOON) == 1
    await store.collect()
    assert [key for key in store.blobs.keys("owners") if "/files/" in key] == [f"owners/{OWNER}/files/{waiting}/audio"]
    with pytest.raises(Missing):
        await store.files.get(OWNER, job.files[0].file_id)


async def test_a_file_that_a_job_takes_meanwhile_stays(store: Store, desk: Desk) -> None:
    file_ids = [await desk.file() for _ in range(6)]
    asked = [TranscribeRequest(file_ids=[file_id]) for file_id in file_ids]
    outcomes = await asyncio.gather(
        store.clearance.drop_unused_files(now() + SOON),
        *(store.jobs.create(OWNER, request, max_unfinished=99) for request in asked),
        return_exceptions=True,
    )
    for file_id, outcome in zip(file_ids, outcomes[1:], strict=True):
        if isinstance(outcome, BaseException):
            assert isinstance(outcome, Missing)
            with pytest.raises(Missing):
                await store.files.get(OWNER, file_id)
        else:
            await store.files.get(OWNER, file_id)
            assert store.blobs.exists(f"owners/{OWNER}/files/{file_id}/audio")


async def test_of_old_logs_the_end_stays(store: Store, desk: Desk) -> None:
    old, expired = await ended(store, desk), await ended(store, desk, expires_in=1e-6)
    running, _ = await desk.running()
    await store.clearance.expire_results()
    before = {job_id: await store.events.after(job_id, 0, 100) for job_id in (old, expired, running.job_id)}
    assert await store.clearance.forget_old_progress(now() - timedelta(days=1)) == 0
    assert await store.clearance.forget_old_progress(now() + SOON) == len(before[old]) + len(before[expired]) - 2
    assert await store.clearance.forget_old_progress(now() + SOON) == 0
    for job_id in (old, expired):
        assert await store.events.after(job_id, 0, 100) == before[job_id][-1:]
        assert (await store.events.head(OWNER, job_id)).number == before[job_id][-1].number
    assert await store.events.after(running.job_id, 0, 100) == before[running.job_id]


async def test_many_old_logs_are_shortened_page_by_page(
    store: Store, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clearance, "PAGE", 1)
    old = [await ended(store, desk) for _ in range(3)]
    await store.clearance.forget_old_progress(now() + SOON)
    assert [len(await store.events.after(job_id, 0, 100)) for job_id in old] == [1, 1, 1]


async def test_settled_deliveries_go_and_those_that_are_due_stay(store: Store, desk: Desk) -> None:
    due, settled = [await ended(store, desk, webhook_url="https://host/hook") for _ in range(2)]
    ((delivery,), _) = await store.deliveries.list(OWNER, settled)
    claimed = await store.deliveries.claim(delivery.delivery_id)
    assert claimed is not None
    await store.deliveries.delivered(claimed, 200)
    assert await store.clearance.forget_deliveries(now() - timedelta(days=1)) == 0
    assert await store.clearance.forget_deliveries(now() + SOON) == 1
    assert len((await store.deliveries.list(OWNER, due))[0]) == 1
    assert (await store.deliveries.list(OWNER, settled))[0] == []


async def test_reports_of_ended_runs_go(store: Store) -> None:
    options = IngestOptions.model_validate({"url": "s3://calls/in"})
    ingest = await store.ingests.create(OWNER, options, ingest_id="ingest-1")
    over = await store.ingest_runs.begin(ingest, "run-1")
    await store.ingest_runs.end(over, RunStatus.COMPLETED, Counts())
    going_on = await store.ingest_runs.begin(ingest, "run-2")
    assert await store.clearance.forget_ingest_runs(now() - timedelta(days=1)) == 0
    assert await store.clearance.forget_ingest_runs(now() + SOON) == 1
    assert [run.run_id for run in (await store.ingest_runs.list(ingest.ingest_id))[0]] == [going_on]


async def test_parts_of_voices_go_with_the_end_of_their_job(store: Store, desk: Desk) -> None:
    over = await ended(store, desk)
    running, _ = await desk.running()
    for job_id, key in ((over, "over"), (running.job_id, "running")):
        file_id = (await store.jobs.get(OWNER, job_id)).files[0].file_id
        await store.steps.remember(OWNER, job_id, file_id, HEARD_IN_PART, key)
        store.blobs.write(step_blob(OWNER, key), b"voices")
    assert await store.clearance.forget_parts_of_voices() == 1
    await store.collect()
    assert not store.blobs.exists(step_blob(OWNER, "over"))
    assert store.blobs.exists(step_blob(OWNER, "running"))
    assert await store.steps.keys_of_job(over) == [f"key-{over}"]
    file_id = running.files[0].file_id
    assert await store.steps.let_go(running.job_id, file_id, HEARD_IN_PART) == [step_blob(OWNER, "running")]
    assert await store.steps.let_go(running.job_id, file_id, HEARD_IN_PART) == []
    await store.collect()
    assert not store.blobs.exists(step_blob(OWNER, "running"))


async def test_steps_go_unless_a_younger_job_uses_them(store: Store, desk: Desk) -> None:
    old, shared = await ended(store, desk), await ended(store, desk)
    running, _ = await desk.running()
    await store.steps.remember(OWNER, running.job_id, running.files[0].file_id, "transcribe", f"key-{shared}")
    assert await store.clearance.forget_old_steps(now() - timedelta(days=1)) == 0
    assert await store.clearance.forget_old_steps(now() + SOON) == 2
    assert await store.clearance.forget_old_steps(now() + SOON) == 0
    await store.collect()
    assert not store.blobs.exists(step_blob(OWNER, f"key-{old}"))
    assert store.blobs.exists(step_blob(OWNER, f"key-{shared}"))
    assert await store.steps.keys_of_job(running.job_id) == [f"key-{shared}"]


async def test_blobs_without_a_row_go_when_they_are_old(store: Store, desk: Desk) -> None:
    job_id = await ended(store, desk)
    (row,) = await store.transcripts.of_job(OWNER, job_id)
    needed = sorted(store.blobs.keys("owners"))
    folder = f"owners/{OWNER}/transcripts/{row.transcript_id}"
    lost = [
        f"owners/{OWNER}/files/never-told/audio",
        f"owners/{OWNER}/steps/never-noted.json",
        f"{folder}/superseded/transcript.json",
        f"{folder}/superseded/rendered/vtt",
    ]
    for key in [*lost, f"owners/{OWNER}/notes/of-somebody-else"]:
        store.blobs.write(key, b"12345")
    assert (await store.orphans.sweep(now() - timedelta(hours=1))).count == 0
    removed = await store.orphans.sweep(now() + timedelta(hours=1))
    assert (removed.count, removed.size) == (4, 20)
    assert sorted(store.blobs.keys("owners")) == sorted([*needed, f"owners/{OWNER}/notes/of-somebody-else"])


async def test_what_a_killed_writer_left_goes_when_it_is_old(store: Store) -> None:
    store.blobs.write("owners/default/steps/a.json", b"1")
    path = store.blobs.local_path("owners/default/steps/a.json")
    assert path is not None
    left = path.with_name(".unfinished-0011")
    left.write_bytes(b"123")
    assert store.blobs.sweep(now() - timedelta(hours=1)) == (0, 0)
    long_ago = time.time() - 7200
    os.utime(left, (long_ago, long_ago))
    assert store.blobs.sweep(now() - timedelta(hours=1)) == (1, 3)
    assert path.exists()


async def test_old_rows_go(store: Store) -> None:
    old = now() - timedelta(days=3)
    await store.workers.beat(WorkerBeat("w", "w", "h", "p", "cpu", 1, 0, old, beat_at=old))
    await store.idempotency.begin(OWNER, "/transcribe", "key", "hash")
    assert await store.clearance.forget_workers() == 1
    assert await store.clearance.forget_answers() == 0


async def test_a_crash_after_the_rows_loses_no_deletion(store: Store, desk: Desk) -> None:
    job_id = await ended(store, desk)
    async with store.database.writing() as connection:
        past = now() - SOON
        await connection.execute(update(jobs).where(jobs.c.job_id == job_id).values(expires_at=past))
    await store.clearance.expire_results()
    async with store.database.reading() as connection:
        noted = list((await connection.execute(select(garbage.c.blob_key))).scalars())
    assert noted
    await store.garbage.collect()  # the next one goes on with it
    assert not [key for key in store.blobs.keys("owners") if "/files/" not in key]
