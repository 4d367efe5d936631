"""Two pools of one installation: a job goes where its model is served, and is followed there."""

from __future__ import annotations

import pytest

from deployments.apply import apply
from deployments.specification import read
from speech.jobs import JobStatus
from tests.control.conftest import Installation

pytestmark = pytest.mark.prefect


async def test_jobs_go_to_the_pool_of_their_model_and_are_followed_there(installation: Installation) -> None:
    ours = installation.settings.work_pool
    settings = installation.settings.model_copy(update={"pool_routes": {"faster_whisper/large*": f"{ours}-gpu"}})
    given = read()
    update = {"name": ours, "entrypoint": "tests.control.scripted.scripted"}
    only = given.deployments[0].model_copy(update=update)
    await apply(settings, given.model_copy(update={"deployments": (only,)}))

    async with installation.control(settings), installation.worker():
        large, small = await installation.job(model="large-v3"), await installation.job(model="tiny.en")
        await installation.becomes(small, JobStatus.COMPLETED)
        waiting = await installation.run_of(large)
        assert waiting.work_pool_name == f"{ours}-gpu"
        assert (await installation.now(large)).status is JobStatus.QUEUED
        async with installation.worker(work_pool=f"{ours}-gpu"):
            await installation.becomes(large, JobStatus.COMPLETED)
    assert (await installation.run_of(small)).work_pool_name == ours
