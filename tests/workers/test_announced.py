"""Runs that events tell of: read by their ids where that is as good as asking what is due, and only there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.client.schemas.actions import WorkPoolUpdate
from prefect.client.schemas.objects import FlowRun
from prefect.states import Scheduled, State

from orchestration.environment import prefect_settings
from orchestration.internals import client_context
from speech.clock import now
from tests.waiting import eventually
from tests.workers.conftest import Pool
from workers.announced import MOST, TRUSTED_SECONDS, Announced
from workers.queues import ServedQueues

pytestmark = pytest.mark.prefect


@dataclass
class Clock:
    seconds: float = 100.0

    def __call__(self) -> float:
        return self.seconds


@dataclass
class Ear:
    """What was announced to a worker of the queues express, normal and low, and a clock."""

    pool: Pool
    clock: Clock = field(default_factory=Clock)
    announced: Announced = field(init=False)

    def __post_init__(self) -> None:
        queues = ("express", "normal", "low")
        self.announced = Announced(self.pool.client, self.pool.settings.work_pool, lambda: queues, self.clock)
        self.announced.looked(all_taken=True)

    async def due(self, *run_ids: UUID, limit: int = 8) -> list[UUID] | None:
        for run_id in run_ids:
            self.announced.hear(run_id)
        found = await self.announced.due(limit)
        return None if found is None else [run.id for run in found]


@pytest.fixture
def ear(pool: Pool) -> Ear:
    return Ear(pool)


async def in_queue(pool: Pool, deployment: UUID, queue: str) -> FlowRun:
    parameters = {"folder": str(pool.folder), "name": queue}
    return await pool.client.create_flow_run_from_deployment(deployment, parameters=parameters, work_queue_name=queue)


async def test_what_was_announced_is_given_once_the_most_urgent_first(pool: Pool, ear: Ear) -> None:
    deployment = await pool.deploy("tiny")
    low, normal, later, express = [
        (await in_queue(pool, deployment, queue)).id for queue in ("low", "normal", "normal", "express")
    ]
    assert await ear.due(low, later, express, normal) == [express, normal, later, low]
    assert await ear.due() is None


async def test_all_is_looked_at_when_others_may_wait_or_too_many_come(pool: Pool, ear: Ear) -> None:
    run_id = (await pool.submit(await pool.deploy("tiny"))).id
    ear.announced.looked(all_taken=False)
    assert await ear.due(run_id) is None
    ear.announced.looked(all_taken=True)
    assert await ear.due(run_id, limit=0) is None
    assert await ear.due(run_id) == [run_id]
    ear.clock.seconds += TRUSTED_SECONDS
    assert await ear.due(run_id) is None
    ear.announced.looked(all_taken=True)
    assert await ear.due(*(uuid4() for _ in range(2 * MOST)), limit=MOST) is None


async def test_all_is_looked_at_when_one_of_them_does_not_wait(pool: Pool, ear: Ear) -> None:
    deployment = await pool.deploy("tiny")
    run_id = (await pool.submit(deployment)).id
    assert await ear.due(run_id, uuid4()) is None
    chore = (await in_queue(pool, deployment, "chores")).id
    assert await ear.due(run_id, chore) is None
    later: State = Scheduled(scheduled_time=now() + timedelta(hours=1))
    waits = await pool.client.create_flow_run_from_deployment(
        deployment, parameters={"folder": "", "name": ""}, state=later
    )
    assert await ear.due(waits.id) is None


async def test_paused_and_limited_queues_and_pools_are_left_to_prefect(pool: Pool) -> None:
    await pool.deploy("tiny")
    served = ServedQueues(pool.client, pool.settings.work_pool)

    async def unhindered() -> set[str]:
        await served.look()
        return set(served.unhindered(("express", "normal", "low")))

    assert await unhindered() == {"express", "normal", "low"}
    queues = {queue.name: queue for queue in await pool.client.read_work_queues(pool.settings.work_pool)}
    await pool.client.update_work_queue(queues["low"].id, is_paused=True)
    await pool.client.update_work_queue(queues["normal"].id, concurrency_limit=1)
    assert await unhindered() == {"express"}
    await pool.client.update_work_pool(pool.settings.work_pool, WorkPoolUpdate(concurrency_limit=3))
    assert await unhindered() == set()


async def test_an_idle_worker_asks_for_no_more_than_the_run_it_was_told_of(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment = await pool.deploy("tiny")
    async with pool.worker():
        asked = _count_looks(monkeypatch)
        taken = 0

        async def one_is_taken_by_its_id() -> bool:
            nonlocal taken
            run = await pool.submit(deployment, f"mark-{taken}")
            taken += 1
            await pool.becomes(run, "Completed")
            return bool(asked)

        await eventually(one_is_taken_by_its_id)


def _count_looks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many runs each look by ids gave, of those that gave some."""
    asked: list[int] = []
    due: Callable[..., Any] = Announced.due

    async def counted(announced: Announced, limit: int) -> list[FlowRun] | None:
        found: list[FlowRun] | None = await due(announced, limit)
        if found:
            asked.append(len(found))
        return found

    monkeypatch.setattr(Announced, "due", counted)
    return asked


async def test_a_flow_without_retries_is_not_noted_before_it_begins(pool: Pool) -> None:
    run = await pool.submit(await pool.deploy("tiny"))
    with prefect_settings(pool.settings), client_context() as context:
        client = context.client
        client.set_flow_run_name(run.id, "still there")
        policy = run.empirical_policy.model_copy(update={"retries": 0})
        assert client.update_flow_run(run.id, flow_version="1", empirical_policy=policy) is None
        client.update_flow_run(run.id, empirical_policy=policy.model_copy(update={"retries": 3}))
        client.update_flow_run(run.id, tags=["a"])
    found = await pool.client.read_flow_run(run.id)
    assert (found.name, found.flow_version, found.empirical_policy.retries) == ("still there", None, 3)
    assert found.tags == ["a"]
