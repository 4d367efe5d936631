"""Accepting, showing, listing and cancelling jobs."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from speech.clock import now
from speech.errors import UnsupportedOption
from speech.jobs import FileStatus, JobStatus, Stage
from speech.options import TranscribeRequest
from storage.errors import JobFinished, Missing, QueueFull
from storage.projection import Projection
from storage.store import Store
from storage.tables import files, jobs, outbox
from tests.storage.conftest import OWNER, Desk


async def test_job_comes_back_as_it_was_asked(store: Store, desk: Desk) -> None:
    asked = {"language": "en", "hotwords": ["Prefect"], "metadata": {"call": 7}, "priority": "express"}
    job = await desk.job(2, **asked)
    again = await store.jobs.get(OWNER, job.job_id)
    assert again == job
    assert (again.request.language, again.request.hotwords, again.metadata) == ("en", ["Prefect"], {"call": 7})
    assert (again.status, again.stage, again.progress, again.attempt) == (JobStatus.QUEUED, Stage.QUEUED, 0.0, 1)
    assert [file.filename for file in again.files] == ["talk-0.wav", "talk-1.wav"]
    assert again.created_at.utcoffset() == timedelta(0)
    assert str(again.status) == "queued"


async def test_submission_is_in_the_outbox_of_the_same_transaction(desk: Desk) -> None:
    job = await desk.job()
    assert await desk.outbox() == [("submit", job.job_id, 1)]


async def test_refused_job_leaves_nothing(store: Store, desk: Desk) -> None:
    file_id = await desk.file()
    asked = TranscribeRequest(file_ids=[file_id, "nobody"], urls=["https://host/a.mp3"])
    with pytest.raises(Missing) as caught:
        await store.jobs.create(OWNER, asked, max_unfinished=10)
    assert caught.value.code == "file_not_found"
    assert await store.jobs.list(OWNER) == ([], None)
    assert await desk.outbox() == []
    assert [file.file_id for file in (await store.files.list(OWNER))[0]] == [file_id]


@pytest.mark.parametrize("file_ids", [[], ["a", "a"]])
async def test_bad_inputs_are_refused_by_field(store: Store, file_ids: list[str]) -> None:
    with pytest.raises(UnsupportedOption) as caught:
        await store.jobs.create(OWNER, TranscribeRequest(file_ids=file_ids), max_unfinished=10)
    assert caught.value.field == "file_ids"


async def test_another_owners_file_is_missing(store: Store, desk: Desk) -> None:
    await desk.add_owner("other")
    file_id = await desk.file(owner="other")
    with pytest.raises(Missing):
        await store.jobs.create(OWNER, TranscribeRequest(file_ids=[file_id]), max_unfinished=10)


async def test_another_owners_job_is_missing_everywhere(store: Store, desk: Desk) -> None:
    job = await desk.job()
    for call in (store.jobs.get, store.jobs.request_cancel, store.transcripts.delete_of_job):
        with pytest.raises(Missing) as caught:
            await call("other", job.job_id)
        assert caught.value.code == "job_not_found"
    assert (await store.jobs.list("other"))[0] == []


async def test_unknown_owner_cannot_submit(store: Store) -> None:
    with pytest.raises(Missing) as caught:
        await store.jobs.create("nobody", TranscribeRequest(urls=["https://h/a"]), max_unfinished=10)
    assert caught.value.code == "owner_not_found"


async def test_queue_is_full_only_of_unfinished_jobs(store: Store, desk: Desk) -> None:
    first = await desk.job(max_unfinished=1)
    with pytest.raises(QueueFull):
        await desk.job(max_unfinished=1)
    await store.jobs.request_cancel(OWNER, first.job_id)
    await desk.job(max_unfinished=1)


async def test_url_keeps_its_secret_only_with_its_file(store: Store, desk: Desk) -> None:
    url = "https://user:pass@host/dir/my%20talk.mp3?token=secret#part"
    job = await store.jobs.create(OWNER, TranscribeRequest(urls=[url]), max_unfinished=10)
    assert job.request.urls == ["https://host/dir/my%20talk.mp3"]
    assert job.files[0].filename == "my talk.mp3"
    file = await store.files.get(OWNER, job.files[0].file_id)
    assert file.source_url == url
    assert file.blob_key is None
    async with store.database.reading() as connection:
        stored = (await connection.execute(select(jobs.c.specification))).scalar_one()
    assert "secret" not in str(stored)


async def test_the_same_id_makes_the_same_job(store: Store, desk: Desk) -> None:
    asked = TranscribeRequest(file_ids=[await desk.file()])
    first = await store.jobs.create(OWNER, asked, max_unfinished=10, job_id="chosen")
    second = await store.jobs.create(OWNER, asked, max_unfinished=10, job_id="chosen")
    assert first == second
    assert len(await desk.outbox()) == 1


async def test_pages_go_from_newest_to_oldest_and_lose_nothing(store: Store, desk: Desk) -> None:
    made = [(await desk.job()).job_id for _ in range(7)]
    async with store.database.writing() as connection:  # equal times: the id decides
        await connection.execute(update(jobs).values(created_at=now()))
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page, cursor = await store.jobs.list(OWNER, limit=3, cursor=cursor)
        seen += [job.job_id for job in page]
        if cursor is None:
            break
    assert seen == sorted(made, reverse=True)


async def test_list_filters(store: Store, desk: Desk) -> None:
    old = await desk.job()
    middle = now()
    new = await desk.job()
    await store.jobs.request_cancel(OWNER, old.job_id)
    after, _ = await store.jobs.list(OWNER, created_after=middle)
    cancelled, _ = await store.jobs.list(OWNER, status=JobStatus.CANCELLED)
    assert [job.job_id for job in after] == [new.job_id]
    assert [job.job_id for job in cancelled] == [old.job_id]


@pytest.mark.parametrize(
    ("limit", "cursor", "field"), [(0, None, "limit"), (5, "nonsense", "cursor"), (5, "ä", "cursor")]
)
async def test_bad_pages_are_refused(store: Store, limit: int, cursor: str | None, field: str) -> None:
    with pytest.raises(UnsupportedOption) as caught:
        await store.jobs.list(OWNER, limit=limit, cursor=cursor)
    assert caught.value.field == field


async def test_queue_position_goes_by_priority_then_age(store: Store, desk: Desk) -> None:
    asked = [await desk.job(priority=priority) for priority in ("low", "normal", "normal", "express")]
    positions = [await store.jobs.queue_position(job) for job in asked]
    assert positions == [4, 2, 3, 1]
    await store.jobs.request_cancel(OWNER, asked[3].job_id)
    assert await store.jobs.queue_position(asked[0]) == 3
    assert await store.jobs.queue_position(await desk.fresh(asked[3])) is None


async def test_queue_positions_of_a_page_are_those_of_its_jobs(store: Store, desk: Desk) -> None:
    for priority in ("low", "normal", "express", "normal"):
        await desk.job(priority=priority)
    await desk.running()
    page, _ = await store.jobs.list(OWNER, limit=3)
    places = await store.jobs.queue_positions(page)
    assert places == {job.job_id: await store.jobs.queue_position(job) for job in page if job.status == "queued"}
    assert sorted(places.values()) == [1, 3]
    assert await store.jobs.queue_positions([]) == {}


async def test_cancelling_before_submission_drops_the_submission(store: Store, desk: Desk) -> None:
    job = await desk.job(2)
    cancelled = await store.jobs.request_cancel(OWNER, job.job_id)
    assert cancelled.status is JobStatus.CANCELLED
    assert cancelled.completed_at is not None
    assert {file.status for file in cancelled.files} == {FileStatus.CANCELLED}
    assert await desk.outbox() == []
    assert await store.jobs.request_cancel(OWNER, job.job_id) == cancelled


async def test_cancelling_after_submission_tells_prefect(store: Store, desk: Desk) -> None:
    job = await desk.job()
    [submit] = await store.outbox.due()
    await store.outbox.done(submit.id)
    await store.jobs.submitted(job.job_id, 1, "run")
    assert (await store.jobs.request_cancel(OWNER, job.job_id)).status is JobStatus.CANCELLED
    [row] = await store.outbox.due()
    assert (str(row.kind), row.flow_run_id) == ("cancel", "run")


async def test_cancelled_while_being_submitted_is_cancelled_in_prefect_too(store: Store, desk: Desk) -> None:
    job = await desk.job()
    await store.jobs.request_cancel(OWNER, job.job_id)
    await store.jobs.submitted(job.job_id, 1, "late run")
    [row] = await store.outbox.due()
    assert (str(row.kind), row.flow_run_id) == ("cancel", "late run")


async def test_cancelling_a_running_job_asks_once(store: Store, desk: Desk) -> None:
    job, _ = await desk.running()
    for _ in range(2):
        assert (await store.jobs.request_cancel(OWNER, job.job_id)).status is JobStatus.CANCELLING
    assert await store.attempts.cancel_requested(job.job_id)
    assert [kind for kind, _, _ in await desk.outbox()].count("cancel") == 1


async def test_finished_job_cannot_be_cancelled(store: Store, desk: Desk) -> None:
    job, _ = await desk.running()
    await store.jobs.project(job.job_id, 1, Projection(JobStatus.FAILED, error_code="worker_lost"))
    with pytest.raises(JobFinished):
        await store.jobs.request_cancel(OWNER, job.job_id)


async def test_request_of_a_newer_version_does_not_hide_other_jobs(store: Store, desk: Desk) -> None:
    plain, newer = await desk.job(), await desk.job(language="es")
    async with store.database.writing() as connection:
        query = select(jobs.c.specification).where(jobs.c.job_id == newer.job_id)
        stored = dict((await connection.execute(query)).scalar_one())
        stored |= {"telepathy": True, "task": "understand"}
        change = update(jobs).where(jobs.c.job_id == newer.job_id)
        await connection.execute(change.values(specification=stored, specification_version=99))
    found, _ = await store.jobs.list(OWNER)
    assert [job.job_id for job in found] == [newer.job_id, plain.job_id]
    assert found[0].error_code == "specification_unreadable"
    assert "newer version" in (found[0].error or "")
    assert found[0].request.language == "es"
    assert found[1].error is None


async def test_active_jobs_put_those_at_work_first(store: Store, desk: Desk) -> None:
    unsent = await desk.job()
    queued = await desk.job()
    await store.jobs.submitted(queued.job_id, 1, "run-q")
    running, _ = await desk.running()
    ended, _ = await desk.running()
    await store.jobs.project(ended.job_id, 1, Projection(JobStatus.FAILED))
    active = await store.jobs.active(10)
    assert [job.job_id for job in active] == [running.job_id, queued.job_id, unsent.job_id]
    assert active[1].flow_run_id == "run-q"
    assert len(await store.jobs.active(1)) == 1


async def test_read_mark(store: Store) -> None:
    assert await store.jobs.read_at() is None
    moment = now()
    await store.jobs.read_mark(moment - timedelta(seconds=5))
    await store.jobs.read_mark(moment)
    assert await store.jobs.read_at() == moment


async def test_outbox_postpones_and_forgets(store: Store, desk: Desk) -> None:
    await desk.job()
    [row] = await store.outbox.due()
    await store.outbox.postpone(row.id, "Prefect does not answer.", 3600)
    assert await store.outbox.due() == []
    async with store.database.writing() as connection:
        await connection.execute(update(outbox).values(due_at=now()))
    [again] = await store.outbox.due()
    assert (again.attempts, again.error) == (1, "Prefect does not answer.")
    await store.outbox.done(row.id)
    assert await store.outbox.due() == []


async def test_simultaneous_submissions_do_not_overfill_the_queue(store: Store, desk: Desk) -> None:
    asked = TranscribeRequest(file_ids=[await desk.file()])
    tries = [store.jobs.create(OWNER, asked, max_unfinished=5) for _ in range(12)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(result, QueueFull) for result in results) == 7
    assert len((await store.jobs.list(OWNER))[0]) == 5


async def test_file_is_not_deleted_under_a_job_that_is_being_accepted(store: Store, desk: Desk) -> None:
    file_id = await desk.file()
    asked = TranscribeRequest(file_ids=[file_id])
    outcomes = await asyncio.gather(
        store.jobs.create(OWNER, asked, max_unfinished=5), store.files.delete(OWNER, file_id), return_exceptions=True
    )
    async with store.database.reading() as connection:
        left = (await connection.execute(select(files.c.file_id))).scalars().all()
    assert [isinstance(outcome, Exception) for outcome in outcomes].count(True) == 1
    assert bool(left) == (not isinstance(outcomes[0], Exception))
