"""A worker that is not well: when it takes no runs, when it tries one, and when it is well again."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun, StateType

from tests.waiting import eventually
from tests.workers.conftest import Pool
from workers import condition
from workers.condition import FIRST_PAUSE, PROVEN_SECONDS, Condition
from workers.messages import Ended

WELL, SICK = Ended(StateType.COMPLETED), Ended(None, wait_seconds=10.0, trouble="storage_full")


@dataclass
class Clock:
    moment: float = 1000.0

    def __call__(self) -> float:
        return self.moment


def run(job: str | None = None) -> FlowRun:
    return FlowRun(flow_id=uuid4(), parameters={"job_id": job} if job else {})


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def unwell(clock: Clock) -> Condition:
    """Two jobs have met a full disk."""
    found = Condition(clock)
    for job in ("one", "two"):
        found.saw(run(job), SICK)
    return found


def test_one_job_that_meets_trouble_again_and_again_stops_nobody(clock: Clock) -> None:
    found = Condition(clock)
    for _ in range(5):
        found.saw(run("one"), SICK)
    assert found.room(8) == 8
    found.saw(run("two"), WELL)
    found.saw(run("three"), SICK)
    assert (found.room(8), found.shown()) == (8, None)


def test_two_jobs_in_a_row_that_meet_trouble_stop_it_for_a_while(unwell: Condition, clock: Clock) -> None:
    assert unwell.room(8) == 0
    assert unwell.shown() == {"code": "storage_full", "seconds": FIRST_PAUSE}
    unwell.saw(run("three"), SICK)  # it was taken before
    assert unwell.resting == FIRST_PAUSE
    unwell.saw(run("four"), WELL)  # so was this: it may have needed no disk any more
    assert unwell.room(8) == 0


def test_then_it_tries_one_and_rests_longer_when_that_meets_trouble_too(unwell: Condition, clock: Clock) -> None:
    clock.moment += FIRST_PAUSE
    assert unwell.room(8) == 1
    trial = run("three")
    unwell.took(trial.id)
    assert unwell.room(7) == 0
    unwell.saw(trial, SICK)
    assert unwell.resting == 2 * FIRST_PAUSE


def test_and_is_well_again_when_that_goes_well(unwell: Condition, clock: Clock) -> None:
    clock.moment += FIRST_PAUSE
    trial = run("three")
    unwell.took(trial.id)
    unwell.saw(trial, WELL)
    assert (unwell.room(8), unwell.shown()) == (8, None)
    unwell.saw(run("four"), SICK)
    assert unwell.room(8) == 8


def test_a_long_run_that_meets_no_trouble_shows_it_before_its_end(unwell: Condition, clock: Clock) -> None:
    clock.moment += FIRST_PAUSE
    unwell.took(run("three").id)
    clock.moment += PROVEN_SECONDS
    assert unwell.room(7) == 7


def test_a_run_that_ends_in_a_way_that_shows_nothing_is_followed_by_another(unwell: Condition, clock: Clock) -> None:
    clock.moment += FIRST_PAUSE
    trial = run("three")
    unwell.took(trial.id)
    unwell.saw(trial, Ended(StateType.CANCELLED))
    assert unwell.room(8) == 1


@pytest.mark.parametrize(("parameters", "proves"), [({}, False), ({"take_id": "x"}, True), ({"job_id": "x"}, True)])
def test_a_chore_that_goes_well_shows_nothing(
    unwell: Condition, clock: Clock, parameters: dict[str, str], proves: bool
) -> None:
    clock.moment += FIRST_PAUSE
    trial = FlowRun(flow_id=uuid4(), parameters=parameters)
    unwell.took(trial.id)
    unwell.saw(trial, WELL)
    assert unwell.room(8) == (8 if proves else 1)


@pytest.mark.prefect
async def test_a_sick_worker_leaves_the_queue_to_others(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(condition, "FIRST_PAUSE", 5.0)
    deployment = await pool.deploy("troubled")
    async with pool.worker(worker_slots=1) as worker:
        runs = [await pool.submit(deployment, f"run-{number}", job_id=f"job-{number}") for number in range(6)]

        async def said() -> bool:
            beats = await pool.store.workers.online()
            return bool(beats) and not beats[0].is_well

        await eventually(said)
        assert len(list(pool.folder.glob("*.met"))) == 2
        assert worker.condition.trouble == "storage_full"
        (pool.folder / "mended").touch()
        for one in runs:
            await pool.becomes(one, "Completed")
        assert worker.condition.trouble is None


@pytest.mark.prefect
async def test_a_process_whose_device_fails_one_job_again_is_replaced(pool: Pool) -> None:
    deployment = await pool.deploy("troubled")
    async with pool.worker(worker_slots=1) as worker:
        (device,) = worker.devices.devices

        async def up() -> int | None:
            return device.process.process.pid if device.process is not None and device.process.alive else None

        first = await eventually(up)
        only = await pool.submit(deployment, "run-0", code="device_unavailable")

        async def is_new() -> bool:
            return await up() not in (None, first)

        await eventually(is_new)
        (pool.folder / "mended").touch()
        await pool.becomes(only, "Completed")
