"""Parts of long recordings through Prefect: a run for each, the job woken when they have ended, and what gets lost."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from prefect.client.schemas.objects import StateType
from prefect.exceptions import ObjectNotFound
from prefect.states import AwaitingRetry, Completed, Pending, Running

from control.parts import PartDesk
from control.reading import Reading, RunReader
from control.reconciler import Reconciler
from orchestration.runs import hasten
from speech.clock import now
from speech.jobs import Job
from speech.pools import Routing
from storage.attempts import Attempt
from storage.crashes import CrashCount
from storage.parts import Part
from tests.control.conftest import OWNER, Installation

pytestmark = pytest.mark.prefect


def desk(installation: Installation) -> PartDesk:
    reader = RunReader(installation.client, (installation.settings.work_pool,))
    routing = Routing.from_settings(installation.settings)
    return PartDesk(installation.client, installation.store, reader, routing, installation.deployment)


async def shared_out(installation: Installation) -> tuple[Job, UUID, Attempt]:
    """A job whose run waits for two parts."""
    job = await installation.job(priority="express")
    deployment = await installation.client.read_deployment_by_name(installation.deployment)
    parameters = {"job_id": job.job_id, "submission": 1}
    run = await installation.client.create_flow_run_from_deployment(deployment.id, parameters=parameters)
    attempt = await installation.store.attempts.begin(job.job_id, 1, str(run.id))
    (file,) = job.files
    parts = [
        Part(job.job_id, file.file_id, number, 1, attempt.number, number, number + 1, "en", 30.0, 60.0)
        for number in range(2)
    ]
    await installation.store.parts.share_out(attempt, parts)
    later = now() + timedelta(seconds=600)
    for state in (Pending(), Running(), AwaitingRetry(scheduled_time=later)):
        await installation.client.set_flow_run_state(run.id, state, force=True)
    return job, run.id, attempt


async def due_in(installation: Installation, run_id: UUID) -> float:
    run = await installation.client.read_flow_run(run_id)
    assert run.state is not None
    assert run.state.type is StateType.SCHEDULED
    at = run.state.state_details.scheduled_time
    assert at is not None
    return (at - now()).total_seconds()


async def test_each_part_gets_one_run_and_the_job_goes_on_when_all_have_ended(installation: Installation) -> None:
    job, own, _ = await shared_out(installation)
    office = desk(installation)
    await office.attend()
    await office.attend()
    runs = [run for run in await installation.runs() if run.parameters.get("part") is not None]
    (file,) = job.files
    assert sorted(run.parameters["part"] for run in runs) == [0, 1]
    assert all(run.parameters.keys() == {"job_id", "submission", "file_id", "part"} for run in runs)
    assert {run.work_queue_name for run in runs} == {"express"}
    await installation.store.parts.end(job.job_id, file.file_id, 0)
    await office.attend()
    assert await due_in(installation, own) > 500
    await installation.store.parts.end(job.job_id, file.file_id, 1)
    await office.attend()
    assert await due_in(installation, own) <= 0
    assert await installation.store.parts.watched() == []


async def test_parts_and_the_run_that_waited_for_them_have_the_place_of_their_job_in_the_queue(
    installation: Installation,
) -> None:
    job, own, _ = await shared_out(installation)
    place = (await installation.client.read_flow_run(own)).expected_start_time
    office = desk(installation)
    await office.attend()
    runs = [run for run in await installation.runs() if run.parameters.get("part") is not None]
    assert [run.next_scheduled_start_time for run in runs] == [place, place]
    (file,) = job.files
    for part in range(2):
        await installation.store.parts.end(job.job_id, file.file_id, part)
    await office.attend()
    woken = await installation.client.read_flow_run(own)
    assert (woken.state_name, woken.next_scheduled_start_time) == ("AwaitingRetry", place)


async def test_parts_whose_runs_are_lost_keep_nobody_waiting(installation: Installation) -> None:
    _, own, _ = await shared_out(installation)
    office = desk(installation)
    await office.attend()
    first, second = [run for run in await installation.runs() if run.parameters.get("part") is not None]
    await installation.client.delete_flow_run(first.id)
    await installation.client.set_flow_run_state(second.id, Completed(), force=True)
    await office.attend()
    assert await due_in(installation, own) <= 0


async def test_the_parts_of_a_cancelled_job_are_cancelled(installation: Installation) -> None:
    job, _, _ = await shared_out(installation)
    office = desk(installation)
    await office.attend()
    await installation.store.jobs.request_cancel(OWNER, job.job_id)
    await office.attend()
    runs = [run for run in await installation.runs() if run.parameters.get("part") is not None]
    assert {run.state.type for run in runs if run.state is not None} == {StateType.CANCELLED}
    assert await installation.store.parts.watched() == []


async def test_parts_of_an_attempt_that_was_superseded_are_cancelled(installation: Installation) -> None:
    job, own, _ = await shared_out(installation)
    office = desk(installation)
    await office.attend()
    await installation.store.attempts.begin(job.job_id, 1, str(own))
    await office.attend()
    runs = [run for run in await installation.runs() if run.parameters.get("part") is not None]
    assert {run.state.type for run in runs if run.state is not None} == {StateType.CANCELLED}
    assert await due_in(installation, own) > 500


async def test_a_part_at_work_that_is_to_stop_is_known_by_its_run(installation: Installation) -> None:
    job, _, _ = await shared_out(installation)
    await desk(installation).attend()
    ids = [str(run.id) for run in await installation.runs() if run.parameters.get("part") is not None]
    assert await installation.store.attempts.stopping(ids) == frozenset()
    await installation.store.jobs.request_cancel(OWNER, job.job_id)
    assert await installation.store.attempts.stopping(ids) == set(ids)


async def test_what_nobody_takes_for_minutes_is_left_to_the_job(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, own, _ = await shared_out(installation)
    office = desk(installation)
    office.deployment = "away/away"
    with pytest.raises(ObjectNotFound):
        await office.attend()
    assert await installation.store.parts.at_work(job.job_id, 1)
    monkeypatch.setattr("control.parts.WORTH_WAITING", timedelta(0))
    await office.attend()
    assert not await installation.store.parts.at_work(job.job_id, 1)
    assert await due_in(installation, own) <= 0


async def test_parts_that_cannot_be_seen_to_keep_no_others_waiting(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = await shared_out(installation), await shared_out(installation)
    office = desk(installation)
    make = office._make_run

    async def half(part: Any, own: Any) -> bool:
        if part.job_id == first[0].job_id:
            raise ObjectNotFound(Exception("away"))
        return await make(part, own)

    monkeypatch.setattr(office, "_make_run", half)
    with pytest.raises(ObjectNotFound):
        await office.attend()
    runs = [run for run in await installation.runs() if run.parameters.get("part") is not None]
    assert {run.parameters["job_id"] for run in runs} == {second[0].job_id}


async def test_hosts_that_go_with_many_parts_cost_the_job_nothing(installation: Installation) -> None:
    job, _, _ = await shared_out(installation)
    await desk(installation).attend()
    reader = RunReader(installation.client, (installation.settings.work_pool,))
    reconciler = Reconciler(installation.client, installation.store, clock=itertools.count(0, 10).__next__)
    ids = [run.id for run in await installation.runs() if run.parameters.get("part") is not None]
    for run_id in ids:
        for state in (Pending(), Running()):
            await installation.client.set_flow_run_state(run_id, state, force=True)
    for _ in range(2):
        reading = Reading(now())
        reading.add(await reader.by_ids(ids))
        await reconciler.reconcile(reading)
    assert {run.state_name for run in await reader.by_ids(ids)} == {"Scheduled"}
    assert await installation.store.crashes.note(job.job_id) == CrashCount(1, 0)


async def test_pools_that_routes_no_longer_name_are_looked_at_too(installation: Installation) -> None:
    identity = await installation.store.installation.identity()
    reader = RunReader(installation.client, ("another",))
    await reader.find_pools(identity)
    assert reader.pools == ("another", installation.settings.work_pool)
    await reader.find_pools("somebody else")
    assert len(reader.pools) == 2


async def test_hastening(installation: Installation) -> None:
    _, own, _ = await shared_out(installation)
    await installation.client.set_flow_run_state(own, Running(), force=True)
    assert not await hasten(installation.client, own)
    await installation.client.set_flow_run_state(own, Completed(), force=True)
    assert await hasten(installation.client, own)
    await installation.client.delete_flow_run(own)
    assert await hasten(installation.client, own)


async def test_a_part_that_prefect_refuses_is_left_to_the_job_and_keeps_nobody_waiting(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, own, _ = await shared_out(installation)
    office = desk(installation)
    refusal = httpx.Response(409, request=httpx.Request("POST", "http://prefect/"))

    async def refuse(*_: object, **__: object) -> None:
        raise httpx.HTTPStatusError("no", request=refusal.request, response=refusal)

    monkeypatch.setattr(installation.client, "create_flow_run_from_deployment", refuse)
    await office.attend()
    assert not await installation.store.parts.at_work(job.job_id, 1)
    assert await due_in(installation, own) <= 0
