"""Long jobs beside short ones: whoever has a place for hours keeps nobody waiting for hours."""

from __future__ import annotations

from uuid import UUID

import pytest
from prefect.client.schemas.objects import FlowRun

from speech.clock import now
from speech.jobs import StoredFile
from speech.options import TranscribeRequest
from storage.ids import new_id
from storage.tables import DEFAULT_OWNER
from tests.waiting import eventually
from tests.workers.conftest import Pool
from workers.dispatch import LOOKED_AT
from workers.places import Guest

pytestmark = pytest.mark.prefect
HOURS = 3600.0


async def submit(pool: Pool, deployment: UUID, name: str, seconds: float | None, queue: str = "normal") -> FlowRun:
    """A job with a recording of that length, None when it is not known before it is fetched."""
    file = StoredFile(name, DEFAULT_OWNER, "a.wav", 1, "audio/wav", seconds, 16000, 1, "0" * 64, new_id(), now())
    await pool.store.files.add(file)
    request = TranscribeRequest.model_validate({"file_ids": [name], "priority": queue})
    job = await pool.store.jobs.create(DEFAULT_OWNER, request, max_unfinished=1000)
    parameters = {"folder": str(pool.folder), "name": name, "job_id": job.job_id}
    run = await pool.client.create_flow_run_from_deployment(deployment, parameters=parameters, work_queue_name=queue)
    await pool.store.jobs.submitted(job.job_id, 1, str(run.id))
    return run


async def test_four_long_jobs_on_one_place_complete_and_a_short_one_starts_at_once(pool: Pool) -> None:
    obliging, marking = await pool.deploy("obliging"), await pool.deploy("marking")
    async with pool.worker(worker_slots=1) as worker:
        long = [await submit(pool, obliging, f"long-{number}", 3 * HOURS) for number in range(4)]
        await pool.marked("*.running", 1)
        waiting = [await submit(pool, obliging, f"more-{number}", 3 * HOURS) for number in range(LOOKED_AT)]
        await pool.becomes(await submit(pool, marking, "short", 10.0), "Completed")
        await pool.becomes(await submit(pool, marking, "urgent", 3 * HOURS, "express"), "Completed")
        assert [path.stem for path in pool.folder.glob("*.running")] == ["long-0"]

        async def full() -> bool:
            return worker.devices.free == 0

        await eventually(full)  # the urgent one is long too: it may have had the place of the other while it ran
        (pool.folder / "go").touch()
        for run in (*long, *waiting):
            await pool.becomes(run, "Completed")


async def test_who_turns_out_to_be_long_makes_the_last_of_the_long_ones_wait(pool: Pool) -> None:
    obliging, marking = await pool.deploy("obliging"), await pool.deploy("marking")
    async with pool.worker(worker_slots=1) as worker:
        long = await submit(pool, obliging, "long", 3 * HOURS)
        await pool.marked("*.running", 1)
        fetched = await submit(pool, obliging, "fetched", None)
        await pool.marked("*.running", 2)
        await pool.store.files.fetched("fetched", blob_key="k", size=1, sha256="1" * 64, duration=3 * HOURS)
        await pool.becomes(fetched, "Scheduled")
        await pool.becomes(await submit(pool, marking, "short", 10.0), "Completed")
        assert long.id in worker.devices.runs
        (pool.folder / "go").touch()
        for run in (long, fetched):
            await pool.becomes(run, "Completed")


async def test_an_urgent_long_one_takes_the_place_of_one_that_is_not(pool: Pool) -> None:
    obliging = await pool.deploy("obliging")
    async with pool.worker(worker_slots=1):
        long = await submit(pool, obliging, "long", 3 * HOURS)
        await pool.marked("*.running", 1)
        urgent = await submit(pool, obliging, "urgent", 3 * HOURS, "express")
        await pool.becomes(long, "Scheduled")
        second = await submit(pool, obliging, "second", 10.0, "express")
        await pool.marked("second.running", 1)
        (pool.folder / "go").touch()
        for run in (urgent, second, long):
            await pool.becomes(run, "Completed")


def test_who_is_light() -> None:
    job = "job"
    assert [Guest(job).light, Guest(job, long=True).light, Guest(job, urgent=True, long=True).light] == [
        True,
        False,
        True,
    ]
    assert not Guest().light
