"""Followers of logs: woken by commits of any process, one look at the database for all of them."""

from __future__ import annotations

import asyncio

import pytest

from speech.events import EventKind, JobEvent
from speech.jobs import Job, JobStatus, Stage
from speech.settings import Settings
from storage import tail as tail_module
from storage.events import Events
from storage.projection import Projection
from storage.store import Store
from storage.tail import Tail
from tests.storage.conftest import OWNER, Desk
from tests.waiting import eventually


async def to_the_end(tail: Tail, job: Job, number: int = 0) -> list[JobEvent]:
    seen: list[JobEvent] = []
    with tail.follow(job.job_id) as log:
        while not log.closed:
            entries = await log.after(number)
            seen += entries
            if entries and entries[-1].kind.is_end:
                break
            number = seen[-1].number if seen else number
            if not entries:
                await log.grows(number, 60)
    return seen


async def test_followers_at_two_servers_see_the_same(store: Store, store_settings: Settings, desk: Desk) -> None:
    other = Store.open(store_settings)
    here, there = Tail(store.database), Tail(other.database)
    job = await desk.job(2)
    following = [asyncio.create_task(to_the_end(tail, job)) for tail in (here, here, there)]
    await store.jobs.submitted(job.job_id, 1, "run")
    attempt = await store.attempts.begin(job.job_id, 1, "run")
    for progress in range(1, 40):
        await store.attempts.progress(attempt, job.files[0].file_id, Stage.TRANSCRIBING, 2.0 * progress)
    await desk.done(attempt)
    await store.jobs.project(job.job_id, 1, Projection(JobStatus.COMPLETED))
    first, *others = await asyncio.wait_for(asyncio.gather(*following), 60)
    assert [event.number for event in first] == list(range(1, len(first) + 1))
    assert first[-1].kind is EventKind.COMPLETED
    assert others == [first, first]
    assert await to_the_end(there, job, 7) == first[7:]
    assert (here.followers, there.followers) == (0, 0)
    await here.close()
    await there.close()
    await other.close()


async def test_hundreds_of_followers_cost_one_look(store: Store, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    job, attempt = await desk.running()
    tail, looks, reads = Tail(store.database), [], []
    heads, after = Events.heads, Events.after

    async def counted_heads(self: Events, job_ids: object) -> dict[str, int]:
        looks.append(job_ids)
        return await heads(self, job_ids)  # type: ignore[arg-type]

    async def counted_after(self: Events, job_id: str, number: int, limit: int) -> list[JobEvent]:
        reads.append(number)
        return await after(self, job_id, number, limit)

    monkeypatch.setattr(Events, "heads", counted_heads)
    monkeypatch.setattr(Events, "after", counted_after)
    monkeypatch.setattr(tail_module, "LOOK_SECONDS", 60.0)
    following = [asyncio.create_task(to_the_end(tail, job)) for _ in range(200)]

    async def all_wait() -> bool:
        return tail.followers == 200 and len(reads) >= 200

    await eventually(all_wait)
    at_rest = len(reads)
    await desk.done(attempt)
    await store.jobs.project(job.job_id, 1, Projection(JobStatus.COMPLETED))
    seen = await asyncio.wait_for(asyncio.gather(*following), 60)
    assert all(events == seen[0] for events in seen)
    assert len(reads) - at_rest < 20
    assert len(looks) < 20
    await tail.close()


async def test_a_closed_tail_lets_everybody_go(store: Store, desk: Desk) -> None:
    job = await desk.job()
    tail = Tail(store.database)
    following = asyncio.create_task(to_the_end(tail, job))

    async def waits() -> bool:
        return tail.followers == 1

    await eventually(waits)
    await tail.close()
    assert [event.number for event in await asyncio.wait_for(following, 60)] in ([], [1])
    assert await to_the_end(tail, job) == []
    await tail.close()


async def test_followers_outlive_an_outage(store: Store, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    job = await desk.job()
    tail, heads, away = Tail(store.database), Events.heads, asyncio.Event()

    async def broken_once(self: Events, job_ids: object) -> dict[str, int]:
        if not away.is_set():
            away.set()
            raise ConnectionError
        return await heads(self, job_ids)  # type: ignore[arg-type]

    monkeypatch.setattr(Events, "heads", broken_once)
    monkeypatch.setattr(tail_module, "RETRY_SECONDS", 0.0)
    following = asyncio.create_task(to_the_end(tail, job))
    await away.wait()
    await store.jobs.request_cancel(OWNER, job.job_id)
    assert (await asyncio.wait_for(following, 60))[-1].kind is EventKind.CANCELLED
    await tail.close()


async def test_who_waits_in_vain_is_told_so(store: Store, desk: Desk) -> None:
    job = await desk.job()
    tail = Tail(store.database)
    with tail.follow(job.job_id) as log:
        assert not await log.grows(1, 0.05)
    await tail.close()
