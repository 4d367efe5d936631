"""A worker on a real pool: what it takes, what it refuses, what it leaves behind."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import StateType

from deployments.apply import apply
from tests.gate import Gate
from tests.waiting import eventually
from tests.workers.conftest import Pool
from workers.beat import own_version
from workers.service import PoolService, WrongPool

pytestmark = pytest.mark.prefect


async def test_runs_are_run_and_their_tasks_reported(pool: Pool) -> None:
    deployment = await pool.deploy("tiny")
    async with pool.worker() as worker:
        runs = [await pool.submit(deployment, f"mark-{number}") for number in range(6)]
        for run in runs:
            await pool.becomes(run, "Completed")
        signed = await pool.client.read_flow_run(runs[0].id)
        assert signed.infrastructure_pid == worker.worker_id

        async def reported() -> bool:
            response = await pool.client.request(
                "POST", "/task_runs/filter", json={"flow_runs": {"id": {"any_": [str(run.id) for run in runs]}}}
            )
            return [entry["state_type"] for entry in response.json()] == ["COMPLETED"] * 6

        await eventually(reported)
    assert len(list(pool.folder.glob("*.step"))) == 6


async def test_no_more_runs_at_once_than_places(pool: Pool) -> None:
    deployment = await pool.deploy("waiting")
    async with pool.worker(worker_slots=2) as worker:
        runs = [await pool.submit(deployment, f"mark-{number}") for number in range(4)]

        async def two_run() -> bool:
            return len(list(pool.folder.glob("*.running"))) == 2

        await eventually(two_run)
        assert (len(worker.devices.runs), worker.devices.free) == (2, 0)
        states = [(await pool.client.read_flow_run(run.id)).state for run in runs]
        kinds = sorted(state.type for state in states if state is not None)
        assert kinds.count(StateType.SCHEDULED) == 2
        (pool.folder / "go").touch()
        for run in runs:
            await pool.becomes(run, "Completed")


async def test_it_beats_and_says_what_it_has(pool: Pool) -> None:
    deployment = await pool.deploy("waiting")
    async with pool.worker(worker_slots=3) as worker:
        run = await pool.submit(deployment)

        async def has_it() -> bool:
            beats = await pool.store.workers.online()
            return bool(beats) and beats[0].details["runs"] == [str(run.id)]

        await eventually(has_it)
        beat = (await pool.store.workers.online())[0]
        assert (beat.worker_id, beat.pool, beat.slots, beat.busy) == (worker.worker_id, pool.settings.work_pool, 3, 1)
        assert beat.details["version"] == own_version()
        (pool.folder / "go").touch()
        await pool.becomes(run, "Completed")
    assert await pool.store.workers.online() == []


async def test_a_failing_run_fails_in_prefect_too(pool: Pool) -> None:
    deployment = await pool.deploy("failing")
    async with pool.worker():
        run = await pool.becomes(await pool.submit(deployment), "Failed")
    assert run.state is not None
    assert "InvalidAudio: It is broken." in (run.state.message or "")


async def test_a_run_that_the_flow_lets_go_of_is_dropped(pool: Pool) -> None:
    deployment = await pool.deploy("letting_go")
    async with pool.worker() as worker:
        await pool.becomes(await pool.submit(deployment), "Cancelled")

        async def free() -> bool:
            return not worker.devices.runs

        await eventually(free)


async def test_a_run_whose_engine_breaks_crashes(pool: Pool) -> None:
    deployment = await pool.deploy("breaking")
    async with pool.worker():
        await pool.becomes(await pool.submit(deployment), "Crashed")


@pytest.mark.parametrize("entrypoint", ["tests/workers/tiny.py:tiny", "tests.workers.tiny.nothing", "tests.nowhere.x"])
async def test_a_flow_that_cannot_be_loaded_fails_with_a_sentence(pool: Pool, entrypoint: str) -> None:
    deployment = await pool.deploy("tiny")
    await pool.client.request(
        "PATCH", "/deployments/{id}", path_params={"id": deployment}, json={"entrypoint": entrypoint}
    )
    async with pool.worker():
        run = await pool.becomes(await pool.submit(deployment), "Failed")
    assert run.state is not None
    assert entrypoint in (run.state.message or "")


async def test_a_pool_of_another_type_is_refused(pool: Pool) -> None:
    await pool.client.create_work_pool(WorkPoolCreate(name=pool.settings.work_pool, type="process"))
    with pytest.raises(WrongPool, match=r"is of type 'process'.*'world-of-asr'.*WOA_WORK_POOL"):
        await PoolService(pool.settings).serve(asyncio.Event())


async def test_it_waits_for_its_pool_and_for_prefect(pool: Pool) -> None:
    gate = Gate(pool.settings.prefect)
    await gate.open()
    await gate.shut()
    async with pool.worker(prefect_api_url=gate.url):
        await gate.open()
        await apply(pool.settings)

        async def serves() -> bool:
            return bool(await pool.store.workers.online())

        await eventually(serves)
    await gate.shut()


async def test_it_can_be_stopped_before_its_pool_is_there(pool: Pool) -> None:
    stop = asyncio.Event()
    serving = asyncio.create_task(PoolService(pool.settings).serve(stop))
    asyncio.get_running_loop().call_soon(stop.set)
    await asyncio.wait_for(serving, 30)


async def test_a_run_that_does_not_let_go_is_given_back_all_the_same(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.service.LET_GO_SECONDS", 0.1)
    deployment = await pool.deploy("waiting")
    async with pool.worker(drain_seconds=0.1):
        run = await pool.submit(deployment)

        async def runs() -> bool:
            return bool(list(pool.folder.glob("*.running")))

        await eventually(runs)
    found = await pool.client.read_flow_run(run.id)
    assert found.state is not None
    assert found.state.type is StateType.SCHEDULED
    assert found.infrastructure_pid is None
    # Its process has ended with the worker: nothing of the run goes on until another worker takes it.
    (pool.folder / "go").touch()
    async with pool.worker():
        await pool.becomes(run, "Completed")


async def test_prefect_knows_its_workers(pool: Pool) -> None:
    await pool.deploy("tiny")
    name = f"worker-{uuid4().hex[:6]}"
    service = PoolService(pool.settings, name=name)
    stop = asyncio.Event()
    serving = asyncio.create_task(service.serve(stop))

    async def known() -> bool:
        found = await pool.client.read_workers_for_work_pool(pool.settings.work_pool)
        return [worker.name for worker in found] == [name]

    await eventually(known)
    stop.set()
    await serving
