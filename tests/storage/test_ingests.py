"""Sources and the versions of objects that were met there, on both databases."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select, text

from speech.ingestion import IngestOptions, ObjectStatus, RunStatus
from speech.jobs import JobStatus
from storage.errors import IngestBusy, Missing, TooManyIngests
from storage.ids import new_id
from storage.ingest_objects import SCHEME, Met
from storage.ingest_runs import Counts
from storage.ingest_tables import ingests
from storage.ingests import Ingest
from storage.projection import Projection
from storage.retries import hold_job
from storage.specification import dump
from storage.store import Store
from storage.submission import places_left
from tests.storage.conftest import OWNER, Desk
from tests.waiting import eventually

MOMENT = datetime(2026, 5, 4, tzinfo=UTC)


def options(**changes: Any) -> IngestOptions:
    return IngestOptions.model_validate({"url": "s3://calls/in", **changes})


def met(name: str, version: str = "1", refusal: str | None = None) -> Met:
    return Met(f"s3://calls/in/{name}", version, 5, MOMENT, refusal)


async def source(store: Store, owner: str = OWNER, **changes: Any) -> Ingest:
    return await store.ingests.create(owner, options(**changes), ingest_id=new_id())


async def fail(store: Store, job_id: str, submission: int) -> None:
    await store.jobs.project(
        job_id, submission, Projection(JobStatus.FAILED, error="It is broken.", error_code="invalid_audio")
    )


async def test_a_version_has_one_job_however_often_and_by_whom_it_is_met(store: Store) -> None:
    one, other = await source(store), await source(store, pattern="*.wav")
    found = [met(f"{number}.wav") for number in range(20)]
    taken = await asyncio.gather(
        *(store.ingest_objects.take(ingest, found, max_unfinished=100) for ingest in (one, other, one, other))
    )
    assert sum(each.submitted for each in taken) == 20
    jobs, _ = await store.jobs.list(OWNER, limit=100)
    assert len(jobs) == 20
    assert {job.files[0].filename for job in jobs} == {f"{number}.wav" for number in range(20)}
    assert await store.ingest_objects.unknown(OWNER, [*found, met("new.wav")]) == [met("new.wav")]


async def test_a_version_that_is_named_twice_at_once_has_one_job(store: Store) -> None:
    ingest = await source(store)
    twice = [met("a.wav"), met("b.wav"), met("a.wav"), met("c\n", refusal="No."), met("c\n", refusal="No.")]
    taken = await store.ingest_objects.take(ingest, twice, max_unfinished=2)
    assert (taken.submitted, taken.known, taken.refused, taken.full) == (2, 2, 1, False)
    rows, _ = await store.ingest_objects.list(ingest.ingest_id, status=ObjectStatus.SUBMITTED)
    jobs, _ = await store.jobs.list(OWNER)
    assert {row.job_id for row in rows} == {job.job_id for job in jobs}


async def test_a_source_that_asks_for_nothing_new_is_read_by_the_version_before(store: Store) -> None:
    made = await source(store, request={"language": "en"})
    async with store.database.reading() as connection:
        stored = (await connection.execute(select(ingests.c.options))).scalar_one()
    assert stored["request"] == dump(made.options.request)


async def test_an_owner_has_no_more_sources_than_are_allowed(store: Store, desk: Desk) -> None:
    async def make(name: str, owner: str = OWNER) -> Ingest:
        return await store.ingests.create(owner, options(), ingest_id=name, most=2)

    outcomes = await asyncio.gather(*(make(f"ingest-{number}") for number in range(4)), return_exceptions=True)
    made = [outcome for outcome in outcomes if isinstance(outcome, Ingest)]
    assert (len(made), sum(isinstance(outcome, TooManyIngests) for outcome in outcomes)) == (2, 2)
    assert await make(made[0].ingest_id) == made[0]
    await desk.add_owner("other")
    await make("ingest-of-another", "other")
    await store.ingests.delete(OWNER, made[0].ingest_id)
    await make("ingest-5")


async def test_a_new_version_is_a_new_job_and_outdates_the_old_one(store: Store) -> None:
    ingest = await source(store)
    for version in ("1", "2", "1"):
        await store.ingest_objects.take(ingest, [met("a.wav", version)], max_unfinished=10)
    rows, _ = await store.ingest_objects.list(ingest.ingest_id)
    assert [row.version for row in rows] == ["2", "1"]
    assert [await store.ingest_objects.is_outdated(row) for row in rows] == [False, True]


async def test_a_full_queue_takes_what_has_room_and_says_so(store: Store) -> None:
    ingest = await source(store)
    found = [met(name) for name in ("a", "b", "c")]
    first = await store.ingest_objects.take(ingest, found, max_unfinished=2)
    assert (first.submitted, first.full) == (2, True)
    again = await store.ingest_objects.take(ingest, found, max_unfinished=2)
    assert (again.submitted, again.known, again.full) == (0, 2, True)
    last = await store.ingest_objects.take(ingest, found, max_unfinished=3)
    assert (last.submitted, last.known, last.full) == (1, 2, False)


async def test_a_name_that_is_refused_is_quarantined_and_others_go_on(store: Store) -> None:
    ingest = await source(store)
    hostile = Met("file:///srv/\udcff\n" + "x" * 5000, "1", 1, None, "Its name is none.")
    taken = await store.ingest_objects.take(ingest, [hostile, met("a.wav")], max_unfinished=10)
    assert (taken.submitted, taken.refused) == (1, 1)
    rows, _ = await store.ingest_objects.list(ingest.ingest_id, status=ObjectStatus.QUARANTINED)
    assert [(row.error, row.error_code, row.job_id) for row in rows] == [("Its name is none.", "name_refused", None)]


async def test_another_owners_objects_are_their_own(store: Store, desk: Desk) -> None:
    await desk.add_owner("alice")
    mine, hers = await source(store), await source(store, "alice")
    for ingest in (mine, hers):
        assert (await store.ingest_objects.take(ingest, [met("a")], max_unfinished=10)).submitted == 1
    with pytest.raises(Missing, match=hers.ingest_id):
        await store.ingests.get(OWNER, hers.ingest_id)
    (row,), _ = await store.ingest_objects.list(hers.ingest_id)
    with pytest.raises(Missing):
        await store.ingest_objects.get(OWNER, row.object_id)


async def test_the_job_names_its_object_by_id_alone(store: Store) -> None:
    ingest = await source(store, request={"language": "en"})
    await store.ingest_objects.take(ingest, [met("secret name.wav")], max_unfinished=10)
    (row,), _ = await store.ingest_objects.list(ingest.ingest_id)
    job = await store.jobs.get(OWNER, row.job_id or "")
    assert (job.request.urls, job.request.language) == ([f"{SCHEME}{row.object_id}"], "en")


async def test_a_failed_job_runs_again_under_its_own_id(store: Store, desk: Desk) -> None:
    ingest = await source(store)
    await store.ingest_objects.take(ingest, [met("a.wav")], max_unfinished=10)
    assert await store.ingest_objects.ended(ingest.ingest_id) == []
    (row,), _ = await store.ingest_objects.list(ingest.ingest_id)
    job_id = row.job_id or ""
    await fail(store, job_id, 1)
    (ended,) = await store.ingest_objects.ended(ingest.ingest_id)
    assert (ended.job_status, ended.job_error, ended.job_error_code) == (
        JobStatus.FAILED,
        "It is broken.",
        "invalid_audio",
    )
    tried = await asyncio.gather(*(store.ingest_objects.try_again(ended.found, max_unfinished=9) for _ in range(3)))
    assert sorted(tried) == [False, False, True]
    job = await store.jobs.get(OWNER, job_id)
    assert (job.status, job.submission, job.error, job.files[0].error) == (JobStatus.QUEUED, 2, None, None)
    assert (await desk.outbox())[-1] == ("submit", job_id, 2)
    await fail(store, job_id, 2)
    (ended,) = await store.ingest_objects.ended(ingest.ingest_id)
    assert await store.ingest_objects.settle(ended.found, ObjectStatus.QUARANTINED, "It is broken.", "invalid_audio")
    assert not await store.ingest_objects.settle(ended.found, ObjectStatus.DONE)
    assert await store.ingest_objects.ended(ingest.ingest_id) == []


async def test_a_job_is_held_before_its_owner(store: Store) -> None:
    ingest = await source(store)
    await store.ingest_objects.take(ingest, [met("a.wav")], max_unfinished=10)
    (row,), _ = await store.ingest_objects.list(ingest.ingest_id)
    await fail(store, row.job_id or "", 1)
    (ended,) = await store.ingest_objects.ended(ingest.ingest_id)
    async with store.database.writing() as connection:
        await hold_job(connection, OWNER, row.job_id or "")
        trying = asyncio.create_task(store.ingest_objects.try_again(ended.found, max_unfinished=9))
        if connection.dialect.name == "postgresql":
            waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")

            async def it_waits() -> bool:
                return bool((await connection.execute(waiting)).scalar_one())

            await eventually(it_waits)
        assert await places_left(connection, OWNER, 9) == 9  # else the two would wait for each other
    assert await trying


async def test_results_that_are_still_to_go_back_do_not_expire(store: Store, desk: Desk) -> None:
    ingest = await source(store, request={"expires_in": 1e-6})
    await store.ingest_objects.take(ingest, [met("a.wav")], max_unfinished=10)
    (row,), _ = await store.ingest_objects.list(ingest.ingest_id)
    await fail(store, row.job_id or "", 1)
    assert await store.clearance.expire_results() == 0
    assert await store.ingests.to_settle(-1) == [ingest.ingest_id]  # it cannot run again
    (ended,) = await store.ingest_objects.ended(ingest.ingest_id)
    assert (ended.job_status, ended.over) == (JobStatus.FAILED, True)
    await store.ingest_objects.settle(ended.found, ObjectStatus.QUARANTINED)
    assert await store.clearance.expire_results() == 1


async def test_changes_elsewhere_look_at_everything_anew(store: Store) -> None:
    ingest = await source(store, schedule="0 * * * *")
    await store.ingests.saw(ingest.ingest_id, ingest, MOMENT)
    assert (await store.ingests.get(OWNER, ingest.ingest_id)).watermark == MOMENT
    kept = await store.ingests.change(OWNER, ingest.ingest_id, options(tries=5))
    assert kept.watermark == MOMENT
    moved = await store.ingests.change(OWNER, ingest.ingest_id, options(pattern="*.mp3"))
    assert moved.watermark is None
    await store.ingests.saw(ingest.ingest_id, ingest, MOMENT)
    assert (await store.ingests.get(OWNER, ingest.ingest_id)).watermark is None


async def test_schedules_are_those_of_enabled_sources(store: Store) -> None:
    await source(store)
    await source(store, schedule="0 * * * *", enabled=False)
    ingest = await source(store, schedule="5 * * * *", timezone="Europe/Berlin")
    (schedule,) = await store.ingests.schedules()
    assert (schedule.ingest_id, schedule.cron, schedule.timezone) == (ingest.ingest_id, "5 * * * *", "Europe/Berlin")


async def test_runs_that_are_wanted_stay_wanted_until_they_are_made(store: Store) -> None:
    ingest = await source(store)
    await store.ingests.want_run(OWNER, ingest.ingest_id)
    (first,) = await store.ingests.wanted()
    await store.ingests.want_run(OWNER, ingest.ingest_id)
    await store.ingests.made(first)
    (second,) = await store.ingests.wanted()
    assert second.number == first.number + 1
    await store.ingests.made(second)
    assert await store.ingests.wanted() == []


async def test_ended_jobs_want_a_run_that_sees_to_them(store: Store, desk: Desk) -> None:
    ingest = await source(store)
    await store.ingest_objects.take(ingest, [met("a.wav")], max_unfinished=10)
    assert await store.ingests.to_settle(60) == []
    (row,), _ = await store.ingest_objects.list(ingest.ingest_id)
    await store.jobs.request_cancel(OWNER, row.job_id or "")
    assert await store.ingests.to_settle(60) == [ingest.ingest_id]
    await store.ingests.settling(ingest.ingest_id)
    assert await store.ingests.to_settle(60) == []
    assert await store.ingests.to_settle(-1) == [ingest.ingest_id]


async def test_deleting_a_source_forgets_its_objects_and_runs_and_keeps_its_jobs(store: Store) -> None:
    ingest = await source(store)
    await store.ingest_objects.take(ingest, [met("a.wav")], max_unfinished=10)
    run_id = await store.ingest_runs.begin(ingest, "run-1")
    (row,), _ = await store.ingest_objects.list(ingest.ingest_id)
    with pytest.raises(IngestBusy, match="cancel"):
        await store.ingests.delete(OWNER, ingest.ingest_id)
    await store.jobs.request_cancel(OWNER, row.job_id or "")
    await store.ingests.delete(OWNER, ingest.ingest_id)
    await store.ingest_runs.end(run_id, RunStatus.COMPLETED, Counts())
    assert await store.ingest_objects.list(ingest.ingest_id) == ([], None)
    assert await store.ingest_runs.list(ingest.ingest_id) == ([], None)
    assert (await store.jobs.get(OWNER, row.job_id or "")).status is JobStatus.CANCELLED
    with pytest.raises(Missing):
        await store.ingest_objects.take(ingest, [met("b.wav")], max_unfinished=10)
    with pytest.raises(Missing):
        await store.ingests.delete(OWNER, ingest.ingest_id)


async def test_runs_say_what_they_counted(store: Store) -> None:
    ingest = await source(store)
    run_id = await store.ingest_runs.begin(ingest, "run-1")
    assert await store.ingest_runs.begin(ingest, "run-1") == run_id
    await store.ingest_runs.end(run_id, RunStatus.FAILED, Counts().plus(listed=3), "The store is away.", "away")
    (run,), following = await store.ingest_runs.list(ingest.ingest_id)
    assert (run.status, run.counts.listed, run.error, run.error_code) == (
        RunStatus.FAILED,
        3,
        "The store is away.",
        "away",
    )
    assert following is None


async def test_lists_come_in_pages(store: Store) -> None:
    ingest = await source(store)
    await store.ingest_objects.take(ingest, [met(str(number)) for number in range(5)], max_unfinished=10)
    first, cursor = await store.ingest_objects.list(ingest.ingest_id, limit=3)
    rest, end = await store.ingest_objects.list(ingest.ingest_id, limit=3, cursor=cursor)
    assert len({row.object_id for row in (*first, *rest)}) == 5
    assert end is None
    others = [await source(store) for _ in range(2)]
    page, cursor = await store.ingests.list(OWNER, limit=2)
    assert {one.ingest_id for one in page} == {one.ingest_id for one in others}
    assert [one.ingest_id for one in (await store.ingests.list(OWNER, limit=2, cursor=cursor))[0]] == [ingest.ingest_id]
