"""Deletion really deletes: rows, blobs, caches, texts, secrets; and finishes what a crash interrupted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from speech.errors import AttemptSuperseded
from speech.jobs import JobStatus
from speech.options import TranscribeRequest
from storage.errors import FileInUse, JobNotFinished, Missing
from storage.projection import Projection
from storage.steps import step_blob
from storage.store import Store
from storage.tables import garbage, metadata
from tests.storage.conftest import OWNER, Desk


async def ended(store: Store, desk: Desk, **request: object) -> tuple[str, str]:
    """A completed job with a step cache; its id and its transcript's."""
    job, attempt = await desk.running(**request)
    await store.steps.remember(OWNER, job.job_id, job.files[0].file_id, "transcribe", f"key-{job.job_id}")
    store.blobs.write(step_blob(OWNER, f"key-{job.job_id}"), b"planted phrase")
    row = await desk.done(attempt)
    store.blobs.write(f"owners/{OWNER}/transcripts/{row.transcript_id}/rendered/vtt", b"planted phrase")
    await store.jobs.project(job.job_id, 1, Projection(JobStatus.COMPLETED))
    return job.job_id, row.transcript_id


async def everything_stored(store: Store) -> str:
    """All rows of all tables and all blobs, as text."""
    async with store.database.reading() as connection:
        rows = [[str(row) for row in await connection.execute(select(table))] for table in metadata.sorted_tables]
    blobs = [store.blobs.read(key).decode(errors="replace") for key in store.blobs.keys("owners")]
    return json.dumps([rows, blobs])


async def test_deleting_results_leaves_no_word_and_no_secret(store: Store, desk: Desk) -> None:
    texts = {
        "initial_prompt": "planted phrase",
        "hotwords": ["planted phrase"],
        "metadata": {"note": "planted phrase"},
        "parameters": {"prefix": "planted phrase"},
        "webhook_url": "https://host/hook?key=planted-secret",
        "urls": ["https://host/a.mp3?key=planted-secret"],
    }
    job_id, transcript_id = await ended(store, desk, **texts)
    assert "planted phrase" in await everything_stored(store)
    names = await store.transcripts.delete_of_job(OWNER, job_id)
    await store.collect()
    left = await everything_stored(store)
    assert "planted phrase" not in left
    assert "planted-secret" not in left
    assert f"owners/{OWNER}/transcripts/{transcript_id}/" in names
    job = await store.jobs.get(OWNER, job_id)
    assert job.results_deleted_at is not None
    assert (job.request.initial_prompt, job.request.hotwords, job.metadata) == (None, [], {})
    assert job.request.webhook_url == "https://host/hook"
    assert job.files[0].transcript_id is None
    assert ("delete_run", job_id, 1) in await desk.outbox()
    with pytest.raises(Missing):
        await store.transcripts.get(OWNER, transcript_id)
    uploaded = await store.files.get(OWNER, job.files[0].file_id)
    assert store.blobs.exists(uploaded.blob_key or "")
    with pytest.raises(Missing):
        await store.files.get(OWNER, job.files[1].file_id)


async def test_deleting_again_changes_nothing(store: Store, desk: Desk) -> None:
    job_id, _ = await ended(store, desk)
    await store.transcripts.delete_of_job(OWNER, job_id)
    before = await store.jobs.get(OWNER, job_id)
    assert await store.transcripts.delete_of_job(OWNER, job_id) == []
    assert await store.jobs.get(OWNER, job_id) == before
    assert [kind for kind, _, _ in await desk.outbox()].count("delete_run") == 1


async def test_results_of_a_running_job_are_not_deleted(store: Store, desk: Desk) -> None:
    job, attempt = await desk.running()
    row = await desk.done(attempt)
    with pytest.raises(JobNotFinished):
        await store.transcripts.delete_of_job(OWNER, job.job_id)
    with pytest.raises(JobNotFinished):
        await store.transcripts.delete(OWNER, row.transcript_id)


async def test_a_job_without_its_request_does_not_run_again(store: Store, desk: Desk) -> None:
    job_id, _ = await ended(store, desk)
    await store.transcripts.delete_of_job(OWNER, job_id)
    assert not await store.jobs.project(job_id, 1, Projection(JobStatus.QUEUED))
    with pytest.raises(AttemptSuperseded):
        await store.attempts.begin(job_id, 1, "run", reopen=True)


async def test_deleting_one_transcript_of_two(store: Store, desk: Desk) -> None:
    job, attempt = await desk.running(2)
    first, second = [await desk.done(attempt, position) for position in (0, 1)]
    for file in job.files:
        await store.steps.remember(OWNER, job.job_id, file.file_id, "transcribe", f"key-{file.position}")
    await store.jobs.project(job.job_id, 1, Projection(JobStatus.COMPLETED))
    await store.transcripts.delete(OWNER, first.transcript_id)
    await store.collect()
    assert not store.blobs.exists(first.blob_key)
    assert store.blobs.exists(second.blob_key)
    assert await store.steps.keys_of_job(job.job_id) == ["key-1"]
    assert (await desk.fresh(job)).results_deleted_at is None
    await store.transcripts.delete(OWNER, second.transcript_id)
    assert (await desk.fresh(job)).results_deleted_at is not None
    with pytest.raises(Missing) as caught:
        await store.transcripts.delete(OWNER, second.transcript_id)
    assert caught.value.code == "transcript_not_found"


async def test_other_owners_and_jobs_keep_theirs(store: Store, desk: Desk) -> None:
    gone, _ = await ended(store, desk)
    kept, transcript_id = await ended(store, desk)
    await store.transcripts.delete_of_job(OWNER, gone)
    await store.collect()
    row = await store.transcripts.get(OWNER, transcript_id)
    assert store.blobs.exists(row.blob_key)
    assert store.blobs.exists(step_blob(OWNER, f"key-{kept}"))
    with pytest.raises(Missing):
        await store.transcripts.delete("other", transcript_id)


async def test_a_crash_after_the_rows_went_loses_no_deletion(store: Store, desk: Desk) -> None:
    job_id, _ = await ended(store, desk)
    names = await store.transcripts.delete_of_job(OWNER, job_id)
    again = Store(store.database, store.blobs)  # the process that deleted the rows is gone
    assert await again.collect() == len(names)
    async with store.database.reading() as connection:
        assert (await connection.execute(select(garbage))).first() is None
    assert [key for key in store.blobs.keys("owners") if "/transcripts/" in key or "/steps/" in key] == []


async def test_deleting_a_file_takes_its_bytes_and_caches(store: Store, desk: Desk) -> None:
    job_id, transcript_id = await ended(store, desk)
    file_id = (await store.jobs.get(OWNER, job_id)).files[0].file_id
    key = (await store.files.get(OWNER, file_id)).blob_key or ""
    assert await store.steps.keys_of_file(file_id) == [f"key-{job_id}"]
    with pytest.raises(Missing):
        await store.files.delete("other", file_id)
    assert key in await store.files.delete(OWNER, file_id)
    await store.collect()
    assert not store.blobs.exists(key)
    assert not store.blobs.exists(step_blob(OWNER, f"key-{job_id}"))
    with pytest.raises(Missing):
        await store.files.get(OWNER, file_id)
    assert (await store.transcripts.get(OWNER, transcript_id)).file_id == file_id


async def test_a_file_in_use_stays(store: Store, desk: Desk) -> None:
    job = await desk.job()
    with pytest.raises(FileInUse):
        await store.files.delete(OWNER, job.files[0].file_id)
    await store.jobs.request_cancel(OWNER, job.job_id)
    await store.files.delete(OWNER, job.files[0].file_id)


async def test_a_fetched_file_forgets_its_secret(store: Store, desk: Desk) -> None:
    asked = TranscribeRequest(urls=["https://u:p@host/a.mp3?token=planted-secret"])
    job = await store.jobs.create(OWNER, asked, max_unfinished=10)
    file_id = job.files[0].file_id
    key = f"owners/{OWNER}/files/{file_id}/audio"
    await store.files.fetched(
        file_id, blob_key=key, size=9, sha256="0" * 64, duration=2.5, content_type="audio/mpeg", filename="b.mp3"
    )
    file = await store.files.get(OWNER, file_id)
    assert (file.source_url, file.blob_key, file.size_bytes, file.duration) == ("https://host/a.mp3", key, 9, 2.5)
    assert (file.filename, file.content_type) == ("b.mp3", "audio/mpeg")
    assert (await desk.fresh(job)).files[0].filename == "b.mp3"
    assert "planted-secret" not in await everything_stored(store)
    with pytest.raises(Missing):
        await store.files.fetched("nobody", blob_key=key, size=9, sha256="0" * 64)


async def test_a_fetched_file_that_another_job_uses_stays(store: Store, desk: Desk) -> None:
    first = await store.jobs.create(OWNER, TranscribeRequest(urls=["https://host/a.mp3"]), max_unfinished=10)
    file_id = first.files[0].file_id
    await store.jobs.create(OWNER, TranscribeRequest(file_ids=[file_id]), max_unfinished=10)
    await store.jobs.request_cancel(OWNER, first.job_id)
    await store.transcripts.delete_of_job(OWNER, first.job_id)
    assert (await store.files.get(OWNER, file_id)).file_id == file_id


async def test_files_are_added_all_or_none(store: Store, desk: Desk) -> None:
    known = await store.files.get(OWNER, await desk.file())
    with pytest.raises(Exception, match=r"(?i)unique"):
        await store.files.add(replace(known, file_id="new"), known)
    with pytest.raises(Missing):
        await store.files.get(OWNER, "new")


async def test_file_pages(store: Store, desk: Desk) -> None:
    made = [await desk.file() for _ in range(5)]
    first, cursor = await store.files.list(OWNER, limit=3)
    second, end = await store.files.list(OWNER, limit=3, cursor=cursor)
    assert [file.file_id for file in first + second] == made[::-1]
    assert end is None


async def test_bytes_on_disk_are_gone(store: Store, desk: Desk, tmp_path: Path) -> None:
    job_id, _ = await ended(store, desk)
    await store.transcripts.delete_of_job(OWNER, job_id)
    await store.collect()
    blobs = tmp_path / "data" / "blobs"
    texts = [path for path in blobs.rglob("*") if path.is_file() and b"planted phrase" in path.read_bytes()]
    assert texts == []
    assert not list(blobs.rglob("transcripts"))
