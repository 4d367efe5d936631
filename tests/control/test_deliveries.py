"""Webhooks that are due become runs in the queue of their own: one a try, however many controls make it."""

from __future__ import annotations

import asyncio

import pytest

from control.deliveries import QUEUE, Dispatch
from control.service import Office
from deployments.apply import apply
from deployments.specification import read
from orchestration.beside import beside
from speech.clock import now
from speech.jobs import Job, JobStatus
from storage.projection import Projection
from tests.control.conftest import OWNER, Installation
from tests.waiting import eventually

pytestmark = pytest.mark.prefect


@pytest.fixture
async def deployed(installation: Installation) -> str:
    """The flow that sends, deployed under a name of this test's own."""
    given = read()
    (sends,) = [deployment for deployment in given.deployments if deployment.name == "deliver"]
    only = sends.model_copy(update={"name": installation.settings.work_pool})
    await apply(installation.settings, given.model_copy(update={"deployments": (only,)}))
    return f"deliver/{only.name}"


async def ended(installation: Installation) -> Job:
    job = await installation.job(webhook_url="https://host/hook?key=planted-secret")
    await installation.store.jobs.project(job.job_id, 1, Projection(JobStatus.FAILED, observed_at=now()))
    return job


async def test_two_controls_make_one_run(installation: Installation, deployed: str) -> None:
    job = await ended(installation)
    hands = [Dispatch(installation.client, installation.store, deployed) for _ in range(3)]
    await asyncio.gather(*(hand.send_due() for hand in hands))
    (run,) = await installation.runs()
    (delivery,) = (await installation.store.deliveries.list(OWNER, job.job_id))[0]
    assert run.parameters == {"delivery_id": delivery.delivery_id}
    assert (run.name, run.work_queue_name) == (delivery.delivery_id, QUEUE)
    assert "planted-secret" not in run.model_dump_json()
    await hands[0].send_due()
    assert len(await installation.runs()) == 1


async def test_control_sends_what_is_due(installation: Installation, deployed: str) -> None:
    office = Office(installation.settings, installation.store, installation.deployment, deployed)
    async with beside(office.work()):
        job = await ended(installation)

        async def made() -> bool:
            return any("delivery_id" in run.parameters for run in await installation.runs())

        await eventually(made)
    assert (await installation.now(job)).status is JobStatus.FAILED
