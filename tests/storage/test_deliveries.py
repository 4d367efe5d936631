"""Deliveries on both databases: one for each end of an attempt, due until somebody took it, and only its owner's."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from itertools import pairwise

import pytest

import storage.deliveries
from speech.clock import now
from speech.jobs import JobStatus
from storage.deliveries import DISPATCHED_FOR, MOST_OF_AN_OWNER, Deliveries
from storage.errors import Missing
from storage.projection import Projection
from storage.store import Store
from storage.webhook_secrets import MOST_AT_ONCE
from tests.storage.conftest import OWNER, Desk

HOOK = "https://user@host/hook?key=planted-secret"


def over(status: JobStatus) -> Projection:
    return Projection(status, observed_at=now() + timedelta(seconds=1))


async def test_an_end_is_announced_once_and_a_further_attempts_end_too(store: Store, desk: Desk) -> None:
    job = await desk.job(webhook_url=HOOK)
    assert await store.deliveries.due() == []
    await asyncio.gather(*(store.jobs.project(job.job_id, 1, over(JobStatus.FAILED)) for _ in range(3)))
    (first,) = await store.deliveries.due()
    again = await store.attempts.begin(job.job_id, 1, "run", reopen=True)
    await desk.done(again)
    await store.jobs.project(job.job_id, 1, over(JobStatus.COMPLETED))
    found, _ = await store.deliveries.list(OWNER, job.job_id)
    assert [delivery.event for delivery in found] == ["completed", "failed"]
    assert found[1].delivery_id == first.delivery_id != found[0].delivery_id
    assert {delivery.url for delivery in found} == {"https://host/hook"}


async def test_whose_endpoint_does_not_answer_keeps_no_others_waiting(store: Store, desk: Desk) -> None:
    for number in range(MOST_OF_AN_OWNER + 2):
        job = await desk.job(webhook_url=f"{HOOK}&{number}")
        await store.jobs.project(job.job_id, 1, over(JobStatus.FAILED))
    found = await store.deliveries.due()
    assert len(found) == MOST_OF_AN_OWNER
    for due in found:
        await store.deliveries.dispatched(due)
    assert await store.deliveries.due() == []
    claimed = await store.deliveries.claim(found[0].delivery_id)
    assert claimed is not None
    await store.deliveries.delivered(claimed, 200)
    assert len(await store.deliveries.due()) == 1


async def test_only_what_was_asked_for_is_announced(store: Store, desk: Desk) -> None:
    asked = await desk.job(webhook_url=HOOK, webhook_events=["cancelled"])
    not_asked = await desk.job(webhook_url=HOOK)
    for job in (asked, not_asked, await desk.job()):
        await store.jobs.request_cancel(OWNER, job.job_id)
    (delivery,) = (await store.deliveries.list(OWNER, asked.job_id))[0]
    assert delivery.event == "cancelled"
    assert (await store.deliveries.list(OWNER, not_asked.job_id))[0] == []


async def test_a_completed_run_without_a_result_is_announced_as_failed(store: Store, desk: Desk) -> None:
    job, _ = await desk.running(webhook_url=HOOK, webhook_events=["failed"])
    await store.jobs.project(job.job_id, 1, over(JobStatus.COMPLETED))
    (due,) = await store.deliveries.due()
    claimed = await store.deliveries.claim(due.delivery_id)
    assert claimed is not None
    assert (claimed.event, claimed.data["status"], claimed.data["error_code"]) == ("failed", "failed", "no_result")
    assert claimed.url == HOOK


async def test_every_try_has_a_run_of_its_own(store: Store, desk: Desk) -> None:
    job = await desk.job(webhook_url=HOOK)
    await store.jobs.project(job.job_id, 1, over(JobStatus.FAILED))
    (first,) = await store.deliveries.due()
    await store.deliveries.dispatched(first)
    assert await store.deliveries.due() == []
    claimed = await store.deliveries.claim(first.delivery_id)
    assert claimed is not None
    await store.deliveries.failed(claimed, 500, "It answered 500.", 0.0)
    (second,) = await store.deliveries.due()
    assert second.run_key != first.run_key
    await store.deliveries.dispatched(first)  # whoever made the first run says so late
    assert await store.deliveries.due() == [second]
    await store.deliveries.redeliver(OWNER, job.job_id, first.delivery_id)
    (third,) = await store.deliveries.due()
    assert third.run_key not in (first.run_key, second.run_key)


async def test_where_no_worker_is_runs_are_made_ever_more_rarely(
    store: Store, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await desk.job(webhook_url=HOOK)
    await store.jobs.project(job.job_id, 1, over(JobStatus.FAILED))
    start, made = now(), []
    for minute in range(1, 12 * 60, 2):
        monkeypatch.setattr(storage.deliveries, "now", lambda minute=minute: start + timedelta(minutes=minute))
        for due in await store.deliveries.due():
            await store.deliveries.dispatched(due)
            made.append(minute)
    gaps = [later - earlier for earlier, later in pairwise(made)]
    assert gaps == sorted(gaps)
    assert (gaps[0], gaps[-1]) == (2, 60)
    assert len(made) < 20
    await store.deliveries.redeliver(OWNER, job.job_id, due.delivery_id)
    (again,) = await store.deliveries.due()
    assert again.patience(again.due_at + timedelta(hours=1)) == DISPATCHED_FOR


async def test_of_many_who_claim_one_has_it(store: Store, desk: Desk) -> None:
    job = await desk.job(webhook_url=HOOK)
    await store.jobs.project(job.job_id, 1, over(JobStatus.FAILED))
    (due,) = await store.deliveries.due()
    others = [Deliveries(store.database).claim(due.delivery_id) for _ in range(5)]
    assert sum(claimed is not None for claimed in await asyncio.gather(*others)) == 1


async def test_a_run_that_is_started_again_takes_up_what_it_had(store: Store, desk: Desk) -> None:
    job = await desk.job(webhook_url=HOOK)
    await store.jobs.project(job.job_id, 1, over(JobStatus.FAILED))
    (due,) = await store.deliveries.due()
    dead = await store.deliveries.claim(due.delivery_id, "run_1")
    assert dead is not None
    assert await store.deliveries.claim(due.delivery_id, "run%1") is None
    assert await store.deliveries.claim(due.delivery_id) is None
    again = await store.deliveries.claim(due.delivery_id, "run_1")
    assert again is not None
    await store.deliveries.failed(dead, 500, "It comes too late.", None)
    await store.deliveries.delivered(again, 200)
    assert (await store.deliveries.list(OWNER, job.job_id))[0][0].status == "delivered"


async def test_pages_and_owners(store: Store, desk: Desk) -> None:
    job = await desk.job(webhook_url=HOOK)
    for _ in range(3):
        await store.jobs.project(job.job_id, 1, over(JobStatus.FAILED))
        await store.attempts.begin(job.job_id, 1, "run", reopen=True)
    first, cursor = await store.deliveries.list(OWNER, job.job_id, limit=2)
    rest, last = await store.deliveries.list(OWNER, job.job_id, limit=2, cursor=cursor)
    assert (len(first), len(rest), last) == (2, 1, None)
    assert len({delivery.delivery_id for delivery in first + rest}) == 3
    await desk.add_owner("other")
    with pytest.raises(Missing):
        await store.deliveries.list("other", job.job_id)
    with pytest.raises(Missing):
        await store.deliveries.redeliver("other", job.job_id, first[0].delivery_id)


async def test_an_owner_has_one_secret_however_many_ask_first(store: Store, desk: Desk) -> None:
    asked = await asyncio.gather(*(store.webhook_secrets.signing(OWNER) for _ in range(4)))
    assert len({secret for (secret,) in asked}) == 1
    made, new = await store.webhook_secrets.make(OWNER, 0)
    assert await store.webhook_secrets.signing(OWNER) == [new]
    with pytest.raises(Missing):
        await store.webhook_secrets.revoke("other", made.secret_id)
    await store.webhook_secrets.revoke(OWNER, made.secret_id)
    (another,) = await store.webhook_secrets.signing(OWNER)
    assert another not in (new, asked[0][0])
    assert len((await store.webhook_secrets.list(OWNER))[0]) == 3


@pytest.mark.parametrize("overlap", [None, 3600.0])
async def test_no_more_secrets_sign_than_a_few(store: Store, overlap: float | None) -> None:
    made = [await store.webhook_secrets.make(OWNER, overlap) for _ in range(MOST_AT_ONCE + 2)]
    assert await store.webhook_secrets.signing(OWNER) == [secret for _, secret in reversed(made[2:])]
    first, cursor = await store.webhook_secrets.list(OWNER, limit=4)
    rest, last = await store.webhook_secrets.list(OWNER, limit=4, cursor=cursor)
    assert [one.secret_id for one in first + rest] == [one.secret_id for one, _ in made]
    assert last is None
