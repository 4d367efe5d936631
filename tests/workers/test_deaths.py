"""Processes that die with runs aboard: what goes on, what is blamed, and what is not."""

from __future__ import annotations

import os
import signal

import pytest
from prefect.states import Cancelling

from orchestration.states import WORKER_LOST
from storage.tables import DEFAULT_OWNER
from tests.waiting import eventually
from tests.workers.conftest import Pool

pytestmark = [pytest.mark.prefect, pytest.mark.slow]


async def test_poison_fails_alone_and_whoever_was_beside_it_completes(pool: Pool) -> None:
    deployment = await pool.deploy("poisonous")
    async with pool.worker(worker_slots=3):
        runs = [await pool.submit_job(deployment, name) for name in ("poison", "one", "two")]
        await pool.marked("*.running", 3)
        (pool.folder / "go").touch()
        failed = await pool.becomes(runs[0], "Failed")
        for run in runs[1:]:
            await pool.becomes(run, "Completed")
    assert failed.state is not None
    assert (failed.state.message or "").startswith(f"{WORKER_LOST}: ")


async def test_a_device_process_that_is_killed_comes_back_and_its_runs_with_it(pool: Pool) -> None:
    deployment = await pool.deploy("stubborn")
    async with pool.worker(worker_slots=2) as worker:
        run = await pool.submit_job(deployment, "mark")
        await pool.marked("mark.running", 1)
        process = worker.devices.devices[0].process
        assert process is not None
        os.kill(process.process.pid, signal.SIGKILL)
        (pool.folder / "go").touch()
        await pool.becomes(run, "Completed")

        async def back() -> bool:
            return worker.devices.free == 2

        await eventually(back)


async def test_a_process_that_hangs_is_killed_and_its_runs_run_again(pool: Pool) -> None:
    deployment = await pool.deploy("hanging")
    async with pool.worker(worker_hang_seconds=2.5):
        await pool.becomes(await pool.submit(deployment), "Completed")


async def test_a_job_that_does_not_stop_loses_its_process_and_the_others_go_on(pool: Pool) -> None:
    deployment = await pool.deploy("stubborn")
    async with pool.worker(cancel_grace_seconds=0.2):
        stubborn, other = [await pool.submit_job(deployment, name) for name in ("stubborn", "other")]
        await pool.marked("*.running", 2)
        job_id = stubborn.parameters["job_id"]
        await pool.store.attempts.begin(job_id, 1, str(stubborn.id))
        await pool.store.jobs.request_cancel(DEFAULT_OWNER, job_id)
        await pool.client.set_flow_run_state(stubborn.id, Cancelling())
        await pool.becomes(stubborn, "Cancelled")

        async def again() -> bool:
            return len((pool.folder / "other.running").read_text().splitlines()) == 2

        await eventually(again)
        (pool.folder / "go").touch()
        await pool.becomes(other, "Completed")
    assert await pool.store.crashes.suspects([other.parameters["job_id"], job_id]) == frozenset()


async def test_a_job_that_goes_on_when_its_time_is_over_fails_and_the_others_go_on(pool: Pool) -> None:
    stubborn, obliging = await pool.deploy("stubborn"), await pool.deploy("obliging")
    async with pool.worker(cancel_grace_seconds=0.2):
        over = await pool.submit_job(stubborn, "stubborn", timeout=1.0)
        other = await pool.submit_job(obliging, "other")
        await pool.marked("*.running", 2)
        job_id = over.parameters["job_id"]
        await pool.store.attempts.begin(job_id, 1, str(over.id))
        failed = await pool.becomes(over, "Failed")
        (pool.folder / "go").touch()
        await pool.becomes(other, "Completed")
    assert failed.state is not None
    assert (failed.state.message or "").startswith("job_timed_out: ")
    assert (await pool.store.jobs.get(DEFAULT_OWNER, job_id)).files[0].error_code == "job_timed_out"


async def test_a_run_that_hangs_outside_of_any_model_runs_again_alone(pool: Pool) -> None:
    stubborn, obliging = await pool.deploy("stubborn"), await pool.deploy("obliging")
    async with pool.worker(run_silence_seconds=3.0):
        hangs, other = await pool.submit_job(stubborn, "hangs"), await pool.submit_job(obliging, "other")
        await pool.marked("*.running", 2)

        async def again() -> bool:
            return len((pool.folder / "hangs.running").read_text().splitlines()) == 2

        await eventually(again)
        (pool.folder / "go").touch()
        for run in (hangs, other):
            await pool.becomes(run, "Completed")
    jobs = {run.name: str(run.parameters["job_id"]) for run in (hangs, other)}
    assert await pool.store.crashes.suspects(jobs.values()) == {jobs[hangs.name]}


async def test_a_chore_that_hangs_is_left_behind_and_runs_again(pool: Pool) -> None:
    sticking = await pool.deploy("sticking", queue="chores")
    async with pool.worker(run_silence_seconds=1.0) as worker:
        run = await pool.becomes(await pool.submit(sticking), "Completed")
        assert run.run_count == 2

        async def free() -> bool:
            return worker.chores["chores"].free == 2

        await eventually(free)  # the engine says Completed before the worker has heard of it
        (pool.folder / "go").touch()

        async def back() -> bool:
            return not worker.chores_at_work

        await eventually(back)
    assert (await pool.client.read_flow_run(run.id)).run_count == 2


async def test_a_run_that_waits_holds_no_place(pool: Pool) -> None:
    deployment = await pool.deploy("waiting_elsewhere")
    async with pool.worker(worker_slots=1) as worker:
        run = await pool.submit(deployment)
        await pool.becomes(run, "AwaitingRetry")

        async def free() -> bool:
            return worker.devices.free == 1

        await eventually(free)
        done = await pool.becomes(run, "Completed")
    assert done.run_count == 2


async def test_chores_run_beside_jobs_that_fill_all_places(pool: Pool) -> None:
    waiting = await pool.deploy("stubborn")
    async with pool.worker(worker_slots=1):
        held = await pool.submit_job(waiting, "held")
        await pool.marked("held.running", 1)
        chore = await pool.deploy("tiny", queue="chores")
        await pool.becomes(await pool.submit(chore, "chore"), "Completed")
        (pool.folder / "go").touch()
        await pool.becomes(held, "Completed")


async def test_a_webhook_waits_for_no_other_chore(pool: Pool) -> None:
    long, webhook = await pool.deploy("waiting", queue="chores"), await pool.deploy("tiny", queue="deliveries")
    async with pool.worker() as worker:
        held = [await pool.submit(long, name) for name in ("one", "two")]
        await pool.marked("*.running", 2)
        await pool.becomes(await pool.submit(webhook, "webhook"), "Completed")
        assert {run.id for run in held} <= worker.chores_at_work & set(worker.runs)
        (pool.folder / "go").touch()
        for run in held:
            await pool.becomes(run, "Completed")
