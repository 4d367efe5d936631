"""Queues that come and go while a worker serves its pool."""

from __future__ import annotations

import asyncio

import pytest
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.events import Event
from prefect.states import Scheduled

from orchestration.events import is_first_of_run, listen, queue_of, run_events
from orchestration.ownership import template
from tests.waiting import eventually
from tests.workers.conftest import Pool
from workers.queues import ServedQueues
from workers.service import TYPE

pytestmark = pytest.mark.prefect


async def _make_bare(pool: Pool) -> None:
    """The pool as another process leaves it for a moment: without the queues that will be there."""
    made_of = template(await pool.store.installation.identity())
    await pool.client.create_work_pool(
        WorkPoolCreate(name=pool.settings.work_pool, type=TYPE, base_job_template=made_of)
    )


async def test_a_worker_that_came_before_the_queues_serves_them_all(pool: Pool) -> None:
    await _make_bare(pool)
    async with pool.worker():

        async def serves() -> bool:
            return bool(await pool.store.workers.online())

        await eventually(serves)
        for queue in ("normal", "low", "chores"):
            await pool.becomes(await pool.submit(await pool.deploy("tiny", queue), queue), "Completed")


async def test_which_are_served(pool: Pool) -> None:
    await _make_bare(pool)
    every = ServedQueues(pool.client, pool.settings.work_pool)
    named = ServedQueues(pool.client, pool.settings.work_pool, ("low", "chores"))
    assert (every.of_jobs(), every.of_chores("chores")) == ((), ())
    assert await every.look()
    assert await named.look() is False
    assert (every.of_jobs(), named.of_jobs(), every.of_chores("chores")) == (("default",), (), ())
    await pool.deploy("tiny")
    assert await every.look()
    assert await named.look()
    assert await named.look() is False
    assert set(every.of_jobs()) == {"default", "express", "normal", "low"}
    assert named.of_jobs() == ("low",)
    assert (named.of_chores("chores"), named.of_chores("deliveries")) == (("chores",), ())
    assert (every.of_chores("chores"), every.of_chores("deliveries")) == (("chores",), ("deliveries",))


async def test_the_event_of_a_run_names_its_queue_and_whether_the_run_is_new(pool: Pool) -> None:
    deployment = await pool.deploy("tiny", "low")
    heard: list[Event] = []
    wanted = run_events("Scheduled", work_pool=pool.settings.work_pool)
    listening = asyncio.create_task(listen(pool.settings, wanted, heard.append))

    async def a_new_one_is_heard() -> bool:
        await pool.submit(deployment)
        await asyncio.sleep(0.2)
        return bool(heard)

    await eventually(a_new_one_is_heard)
    assert (queue_of(heard[-1]), is_first_of_run(heard[-1])) == ("low", True)
    run = await pool.submit(deployment)
    await pool.client.set_flow_run_state(run.id, Scheduled(message="again"), force=True)

    async def the_second_is_heard() -> bool:
        return any(not is_first_of_run(event) for event in heard)

    await eventually(the_second_is_heard)
    listening.cancel()
    await asyncio.wait({listening})
